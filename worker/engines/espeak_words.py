"""eSpeak NG's word events as word times: where each word of the text stands and when it sounds. Pure.

Events are rough: a number gives several with spans inside each other, an emoji or an accented letter one that
points at the space beside it. So an event counts as "the word at or after this place", and events of one word merge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from worker.engines.espeak_library import RATE, WordEvent
from worker.engines.protocol import Word

_WHOLE = re.compile(r"\d+(?:[.,:]\d+)+|\b(?:[^\W\d_]\.){2,}")  # 1,234.5 and U.S. are one word each
_BLACK = re.compile(r"\S")
_REST_OF_WORD = re.compile(r"[^\W_]+|\S")
_TAIL = re.compile(r"[\W_]+\Z")


def word_times(text: str, events: Sequence[WordEvent], total_ms: int) -> tuple[Word, ...]:
    """Words in order, not overlapping; each ends where the next begins, the last with the sound."""
    wholes = {at: match.span() for match in _WHOLE.finditer(text) for at in range(*match.span())}
    merged: list[tuple[int, int, int]] = []
    for event in events:
        span = _span(text, event, wholes)
        if span is None:
            continue
        begin, end = span
        if merged and begin < merged[-1][1]:
            last_begin, last_end, last_ms = merged[-1]
            if begin >= last_begin:
                merged[-1] = (last_begin, max(end, last_end), last_ms)
            continue  # behind the last word: eSpeak never goes back, so the position is wrong
        merged.append((begin, end, min(event.sample * 1000 // RATE, total_ms)))
    units = _utf16_offsets(text)
    stops = [start_ms for _, _, start_ms in merged[1:]] + [total_ms]
    return tuple(
        Word(units[begin], units[end], start_ms, max(start_ms, stop_ms))
        for (begin, end, start_ms), stop_ms in zip(merged, stops)  # noqa: B905 - no words: one stop too many
    )


def _span(text: str, event: WordEvent, wholes: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
    found = _BLACK.search(text, max(event.position, 0))
    if found is None:
        return None
    begin = found.start()
    if begin in wholes:
        return wholes[begin]
    if begin == event.position and event.length > 0:
        return begin, begin + max(1, len(_TAIL.sub("", text[begin : begin + event.length])))
    rest = _REST_OF_WORD.match(text, begin)
    return begin, rest.end() if rest else begin + 1


def _utf16_offsets(text: str) -> Sequence[int]:
    """Offset in UTF-16 units of each code point, and of the end."""
    if text.isascii():
        return range(len(text) + 1)
    return list(accumulate((2 if char > "\uffff" else 1 for char in text), initial=0))
