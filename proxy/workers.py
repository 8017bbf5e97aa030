"""Who works here and what they have in hand: the last announcement and lease of each worker. No I/O in the class."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass

from casts.names import WORKERS
from casts.offers import COUNTS_FOR_MS
from casts.private import Announcement, Farewell, Lease
from streams.port import Store
from streams.shared_log import Placed, follow_shared


@dataclass(slots=True)
class Seen:
    """The newest of one worker; `at_ms` by S2's clock."""

    at_ms: int
    announcement: Announcement | None = None
    lease: Lease | None = None
    left: bool = False


class Workers:
    """What this proxy has read of the `workers` stream."""

    def __init__(self, lease_s: float) -> None:
        self._lease_ms = int(lease_s * 1000)
        self._seen: dict[str, Seen] = {}

    def take(self, placed: Placed) -> None:
        """One record of the `workers` stream."""
        match placed.record:
            case Announcement(worker=name) as announcement:
                self._sign(name, placed).announcement = announcement
            case Lease(worker=name) as lease:
                self._sign(name, placed).lease = lease
            case Farewell(worker=name):
                self._sign(name, placed).left = True
            case _:
                pass

    def _sign(self, name: str, placed: Placed) -> Seen:
        seen = self._seen.setdefault(name, Seen(placed.timestamp))
        seen.at_ms, seen.left = placed.timestamp, False
        return seen

    def described(self, now_ms: int) -> list[dict[str, object]]:
        """Those of the last day, by name: alive while others leave their casts alone."""
        return [
            self._described(name, seen, max(0, now_ms - seen.at_ms))
            for name, seen in sorted(self._seen.items())
            if now_ms - seen.at_ms <= COUNTS_FOR_MS
        ]

    def _described(self, name: str, seen: Seen, ago_ms: int) -> dict[str, object]:
        announcement = seen.announcement
        lease = asdict(seen.lease or Lease(name, 0))
        del lease["worker"]
        return {
            "name": name,
            "engine": announcement.engine if announcement else None,
            "label": announcement.label if announcement else None,
            "seen_ms_ago": ago_ms,
            "alive": ago_ms <= self._lease_ms and not seen.left,
            **lease,
        }


async def follow_workers(store: Store, *takers: Callable[[Placed], None]) -> None:
    """Give every record of the `workers` stream to all that want it, for ever."""
    async with aclosing(follow_shared(store, WORKERS, 0)) as places:
        async for placed in places:
            for take in takers:
                take(placed)
