"""Which voices a worker's announcement covers. Pure."""

from collections.abc import Iterable

from casts.private import Announcement
from casts.voice import KOKORO, Voice

COUNTS_FOR_MS = 24 * 3600 * 1000
"""How long an announcement counts, by S2's timestamps."""


def offers(announcement: Announcement, voice: Voice) -> bool:
    """Whether a worker speaks a voice: its engine, each name of a mix, and the variant if it has one."""
    if announcement.engine != voice.engine:
        return False
    prefix = "" if voice.engine == KOKORO else f"{voice.engine}/"
    known = {offered.id.removeprefix(prefix) for offered in announcement.voices}
    if voice.engine == KOKORO:
        return all(name in known for name in voice.names)
    name, *variants = voice.names
    return name in known and all(variant in announcement.variants for variant in variants)


def anybody_offers(announcements: Iterable[Announcement], voice: Voice) -> bool:
    return any(offers(announcement, voice) for announcement in announcements)
