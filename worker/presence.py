"""Who works here: announcements of voices, leases, and whose casts may be taken over.

Leases are timed on this process's monotonic clock, and only as far as the stream has been seen to move: while the
store is away nobody's lease runs out, because our own sign of life does not come back either.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import aclosing

from casts.names import WORKERS
from casts.offers import COUNTS_FOR_MS, anybody_offers
from casts.private import Announcement, Farewell, Lease
from casts.voice import Voice
from streams.port import Store, trim
from streams.shared_log import Placed, append_at_least_once, follow_from_the_beginning
from worker.snapshot import Snapshot, is_news, lease_of

log = logging.getLogger(__name__)

ANNOUNCE_EVERY_S = 3600.0
TELL_EVERY_S = 2.0
"""Where there is news, for people who watch; without any a lease is renewed at a third of its time."""


class Presence:
    """What this worker knows of all workers, itself included.

    Its clock goes on with each record that is seen, by at most half a lease at a time: after a gap in the stream
    the others are given the time to show themselves.
    """

    def __init__(self, store: Store, name: str, lease_s: float) -> None:
        self._store = store
        self._name = name
        self._lease_s = lease_s
        self._seen: dict[str, float] = {}
        self._clock = 0.0
        self._looked_at = time.monotonic()
        self._caught_up = asyncio.Event()
        self._announcements: dict[str, tuple[Placed, Announcement]] = {}

    def is_alive(self, worker: str) -> bool:
        """Whether a worker gave a sign of life within the lease, as far as this process could have seen one.

        One that was never seen counts as alive for a lease after this process began to look.
        """
        seen_at = self._seen.setdefault(worker, self._clock)
        return self._clock - seen_at <= self._lease_s

    def others_are_here(self) -> bool:
        """Another worker has given a sign of life within its lease."""
        return any(self.is_alive(worker) for worker in self._seen if worker != self._name)

    def anybody_offers(self, voice: Voice) -> bool:
        return anybody_offers((announcement for _, announcement in self._current()), voice)

    def observe(self, placed: Placed, now: float) -> None:
        """Take one record of the `workers` stream. `now` is monotonic, in seconds."""
        self._clock += min(max(0.0, now - self._looked_at), self._lease_s / 2)
        self._looked_at = now
        match placed.record:
            case Announcement(worker=worker) as announcement:
                self._seen[worker] = self._clock
                self._announcements[worker] = (placed, announcement)
            case Lease(worker=worker):
                self._seen[worker] = self._clock
            case Farewell(worker=worker):
                self._seen[worker] = -math.inf
            case _:
                pass

    async def follow(self) -> None:
        async with aclosing(follow_from_the_beginning(self._store, WORKERS, self._caught_up)) as places:
            async for placed in places:
                self.observe(placed, time.monotonic())

    def _current(self) -> list[tuple[Placed, Announcement]]:
        """The announcements that count."""
        oldest = time.time() * 1000 - COUNTS_FOR_MS
        return [pair for pair in self._announcements.values() if pair[0].timestamp >= oldest]

    async def announce_for_ever(self, announcement: Announcement, look: Callable[[], Snapshot]) -> None:
        """Announce now and every hour; in between give a sign of life three times a lease, and one for news."""
        told = look()
        while True:
            place = await append_at_least_once(self._store, WORKERS, announcement)
            log.info("announced %d voices of %s", len(announcement.voices), announcement.label)
            await self._trim(place)
            until = time.monotonic() + ANNOUNCE_EVERY_S
            while time.monotonic() < until:
                await asyncio.sleep(min(TELL_EVERY_S, self._lease_s / 3))
                now = look()
                if is_news(told, now) or now.at - told.at >= self._lease_s / 3:
                    await append_at_least_once(self._store, WORKERS, lease_of(self._name, told, now))
                    told = now

    async def say_farewell(self) -> None:
        await append_at_least_once(self._store, WORKERS, Farewell(self._name))

    async def _trim(self, own_place: int) -> None:
        """Let everything go that is older than each announcement which still counts."""
        await self._caught_up.wait()  # before that, others' announcements are not known here
        others = [placed.seq_num for placed, announcement in self._current() if announcement.worker != self._name]
        await self._store.append(WORKERS, [trim(min([own_place, *others]))])
