"""What eSpeak NG's files mean as voices on offer: ids that it accepts, language tags, names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from worker.engines.espeak_library import InstalledVoice
from worker.engines.protocol import Voice

ENGINE = "espeak"
DEFAULT_BODY = "en-us"

FEATURED = ("en-us", "en", "es", "fr", "de", "it", "pt-br", "hi")

LEFT_OUT = {
    "ja": "speaks every kanji as the words 'Chinese letter'",
    "fo": "ships without a dictionary",
    "kaa": "ships without a dictionary",
    "xex": "a test language without a dictionary",
}

# eSpeak's tags follow its file names; these are no BCP-47 or mean another country (ca-ba would be Bosnia).
_TAGS = {
    "ca-ba": "ca-x-balear",
    "ca-nw": "ca-x-nordocc",
    "ca-va": "ca-valencia",
    "chr": "chr-Qaaa-US-x-west",
    "en-us-nyc": "en-US-x-nyc",
    "ru-cl": "ru-x-classic",
    "yue-latn-jyutping": "yue-Latn-jyutping",
}

_NO_SOUND = "fast"  # only raises the top speed
_SIMPLE_NAME = re.compile(r"[A-Za-z0-9]+")


def offered_voices(installed: Iterable[InstalledVoice]) -> tuple[Voice, ...]:
    """The voices on offer: featured ones first, then by name.

    An id's body is a name that eSpeak loads: the voice file's in lower case (`en`, for `en-gb` is none).
    """
    rank = {f"{ENGINE}/{body}": place for place, body in enumerate(FEATURED)}
    voices = []
    for voice in installed:
        body = voice.identifier.rpartition("/")[2].lower()
        if body in LEFT_OUT:
            continue
        voices.append(
            Voice(
                id=f"{ENGINE}/{body}",
                name=voice.name,
                lang=_TAGS.get(body) or language_tag(voice.language),
                language=voice.name.partition(" (")[0],
                featured=body in FEATURED,
            )
        )
    return tuple(sorted(voices, key=lambda voice: (rank.get(voice.id, len(rank)), voice.name, voice.id)))


def offered_variants(file_names: Iterable[str]) -> tuple[str, ...]:
    """Names that can stand behind `+`. eSpeak has a few with spaces, which no voice string can hold."""
    return tuple(sorted(name for name in file_names if _SIMPLE_NAME.fullmatch(name) and name != _NO_SOUND))


def language_tag(espeak_tag: str) -> str:
    """`en-us` as `en-US`, `fa-latn` as `fa-Latn`: the letter case that BCP-47 (RFC 5646, 2.1.1) recommends."""
    first, *rest = espeak_tag.split("-")
    parts = [first.lower()]
    for part in rest:
        if "x" in parts:
            parts.append(part.lower())
        elif len(part) == 2:
            parts.append(part.upper())
        elif len(part) == 4:
            parts.append(part.title())
        else:
            parts.append(part.lower())
    return "-".join(parts)


def split_body(body: str) -> tuple[str, str | None]:
    """`en-us+f3` as (`en-us`, `f3`)."""
    name, plus, variant = body.partition("+")
    return name, variant if plus else None
