"""Where a sentence may be cut when it is too long, or when the first sound is awaited. Pure.

In order of preference: between clauses, at a comma, at a space, and only then inside a word; never inside what a
reader sees as one character.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from worker.text.measure import MeasuredText
from worker.text.scripts import primary_language

FIRST_MIN_PHONEMES = 12
FIRST_MAX_PHONEMES = 40

CLAUSE_PAUSE_MS = 100
COMMA_PAUSE_MS = 80
SPACE_PAUSE_MS = 50
"""What the MP3 encoder adds anyway."""

_CLOSERS = r"['\"”’»)\]」』）]*"
_CLAUSE = re.compile(rf"(?:[;:—–!?…]{_CLOSERS}(?=\s)|—|[；：。！？।؟۔؛]){_CLOSERS}")
_COMMA = re.compile(rf",{_CLOSERS}(?=\s)|[，、،]{_CLOSERS}")
_SPACE = re.compile(r"\s+")
_LEVELS = ((_CLAUSE, CLAUSE_PAUSE_MS), (_COMMA, COMMA_PAUSE_MS), (_SPACE, SPACE_PAUSE_MS))

_CONJUNCTIONS = {
    language: re.compile(rf"\s(?=(?:{words})\s)")
    for language, words in {
        "en": "and|but|or|because|which|that|when|while|if|so|where|who|although|though|as|until|before|after",
        "de": "und|aber|oder|weil|dass|wenn|denn|sondern|als|ob|bevor|nachdem|während|obwohl",
        "fr": "et|mais|ou|car|que|qui|quand|si|lorsque|parce|puisque|comme|dont",
        "es": "y|e|pero|o|porque|que|cuando|si|aunque|mientras|como|donde",
        "it": "e|ed|ma|o|perché|che|quando|se|mentre|come|dove|anche",
        "pt": "e|mas|ou|porque|que|quando|se|embora|enquanto|como|onde",
        "nl": "en|maar|of|omdat|dat|als|want|toen|terwijl",
    }.items()
}

_ZERO_WIDTH_JOINER = "\u200d"
_MAX_CLUSTER = 32


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece ends at `at`, and the pause there."""

    at: int
    pause_ms: int


def cut_long(measured: MeasuredText, begin: int, end: int, max_phonemes: float) -> list[Cut]:
    """Cuts that leave no piece of the span above `max_phonemes`, as even as the text allows."""
    cuts: list[Cut] = []
    if measured.phonemes(begin, end) <= max_phonemes:
        return cuts
    text = measured.text
    levels = [([hit.end() for hit in pattern.finditer(text, begin, end)], pause) for pattern, pause in _LEVELS]
    while (rest := measured.phonemes(begin, end)) > max_phonemes:
        ideal = measured.reach(begin, rest / -(-rest // max_phonemes))
        low, high = measured.reach(begin, max_phonemes * 0.3), measured.reach(begin, max_phonemes)
        for places, pause_ms in levels:
            near = places[bisect_right(places, low) : bisect_right(places, high)]
            if near:
                cut = Cut(_nearest(near, ideal), pause_ms)
                break
        else:
            cut = Cut(outside_cluster(text, max(high, begin + 1), begin), SPACE_PAUSE_MS)
        cuts.append(cut)
        begin = cut.at
    return cuts


def cut_first(measured: MeasuredText, begin: int, end: int) -> Cut | None:
    """Where to cut the very first sentence, so that its beginning is heard soon; None: it is short, or has no place.

    The first clause break that leaves FIRST_MIN to FIRST_MAX phonemes, else the first conjunction that does.
    """
    if measured.phonemes(begin, end) <= FIRST_MAX_PHONEMES:
        return None
    low = measured.reach(begin, FIRST_MIN_PHONEMES - 1)
    high = measured.reach(begin, FIRST_MAX_PHONEMES)
    patterns = list(_LEVELS[:2])
    breaks = sorted(
        (hit.end(), pause_ms)
        for pattern, pause_ms in patterns
        for hit in pattern.finditer(measured.text, low, min(end, high + 8))
        if low < hit.end() <= high
    )
    conjunction = _CONJUNCTIONS.get(primary_language(measured.lang))
    if not breaks and conjunction:
        hits = conjunction.finditer(measured.text, low, min(end, high + 12))
        breaks = [(hit.end(), SPACE_PAUSE_MS) for hit in hits if low < hit.end() <= high]
    for at, pause_ms in breaks:
        if measured.phonemes(at, end) >= FIRST_MIN_PHONEMES:
            return Cut(at, pause_ms)
    return None


def outside_cluster(text: str, at: int, begin: int) -> int:
    """The nearest place at or before `at`, but after `begin`, that does not part a letter from its marks."""
    place = at
    while place > begin + 1 and at - place < _MAX_CLUSTER:
        if not _is_inside_cluster(text, place, begin):
            return place
        place -= 1
    return at


def _is_inside_cluster(text: str, at: int, begin: int) -> bool:
    """A cheap part of UAX #29: marks, joiners, emoji modifiers and tags, flags (pairs, counted from `begin`)."""
    before, after = text[at - 1], text[at]
    if before == _ZERO_WIDTH_JOINER or after == _ZERO_WIDTH_JOINER:
        return True
    if unicodedata.category(after)[0] == "M" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U000e0020" <= after <= "\U000e007f":
        return True
    if _is_flag_half(before) and _is_flag_half(after):
        first = at - 1
        while first > begin and _is_flag_half(text[first - 1]):
            first -= 1
        return (at - first) % 2 == 1
    return False


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _nearest(places: list[int], ideal: int) -> int:
    index = bisect_left(places, ideal)
    return min(places[max(0, index - 1) : index + 1], key=lambda place: abs(place - ideal))
