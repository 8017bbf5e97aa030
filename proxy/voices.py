"""The voices on offer, from the workers' announcements, and whether a worker is there to speak them."""

import time
from collections.abc import Callable
from dataclasses import asdict

from casts.errors import InvalidVoice
from casts.offers import COUNTS_FOR_MS, anybody_offers
from casts.private import Announcement, Farewell, Lease, OfferedVoice
from casts.voice import Voice, parse_voice
from proxy.errors import ApiError
from streams.shared_log import Placed


def wall_clock_ms() -> int:
    return int(time.time() * 1000)


class Voices:
    """What this proxy knows of the workers. `now_ms` is the wall clock, to be compared with S2's timestamps."""

    def __init__(self, lease_s: float, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._lease_ms = int(lease_s * 1000)
        self._now_ms = now_ms
        self._announced: dict[str, tuple[int, Announcement]] = {}
        self._signs_ms: dict[str, int] = {}

    def take(self, placed: Placed) -> None:
        """One record of the `workers` stream."""
        match placed.record:
            case Announcement() as announcement:
                self._announced[announcement.worker] = (placed.timestamp, announcement)
                self._signs_ms[announcement.worker] = placed.timestamp
            case Lease(worker=worker):
                self._signs_ms[worker] = placed.timestamp
            case Farewell(worker=worker):
                self._signs_ms.pop(worker, None)
            case _:
                pass

    def announcements(self) -> list[Announcement]:
        """Those that count, the newest first."""
        oldest = self._now_ms() - COUNTS_FOR_MS
        current = sorted(self._announced.values(), key=lambda pair: -pair[0])
        return [announcement for timestamp, announcement in current if timestamp >= oldest]

    def a_worker_is_there(self) -> bool:
        """A worker gave a sign of life within two leases, and did not leave since."""
        return self._now_ms() - max(self._signs_ms.values(), default=0) <= 2 * self._lease_ms

    def all(self) -> list[OfferedVoice]:
        """Every voice on offer, each once."""
        found: dict[str, OfferedVoice] = {}
        for announcement in self.announcements():
            for voice in announcement.voices:
                found.setdefault(voice.id, voice)
        return list(found.values())

    def described(self) -> dict[str, object]:
        """What `GET /api/voices` answers and pages show."""
        announcements = self.announcements()
        newest = announcements[0] if announcements else None
        variants = sorted({variant for announcement in announcements for variant in announcement.variants})
        return {
            "voices": [{**asdict(voice), "engine": engine_of(voice)} for voice in self.all()],
            "variants": variants,
            "default": newest.default_voice if newest else None,
            "engine_label": newest.label if newest else None,
            "notice": newest.notice if newest else None,
        }

    def choose(self, wanted: str | None) -> tuple[Voice, str]:
        """A voice that is on offer, canonical, and the language tag it speaks.

        Raises:
            ApiError: 400 `invalid_voice` or `unknown_voice`, 503 `no_worker`.
        """
        announcements = self.announcements()
        if not announcements:
            raise ApiError(503, "no_worker", "No voice engine has reported yet. Try again shortly.", retry_after_s=5)
        try:
            voice = parse_voice(wanted or announcements[0].default_voice)
        except InvalidVoice as error:
            raise ApiError(400, "invalid_voice", f"This is no voice: {error}.", param="voice") from None
        if not anybody_offers(announcements, voice):
            names = [offered.id for offered in self.all()]
            listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
            raise ApiError(
                400, "unknown_voice", f"Nobody offers this voice. GET /api/voices lists all: {listed}.", param="voice"
            )
        return voice, self._language(voice)

    def _language(self, voice: Voice) -> str:
        if voice.lang is not None:
            return voice.lang
        own = str(Voice(voice.engine, voice.names[0]))
        return next((offered.lang for offered in self.all() if offered.id == own), "und")


def engine_of(voice: OfferedVoice) -> str:
    return parse_voice(voice.id).engine
