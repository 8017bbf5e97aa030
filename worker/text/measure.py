"""A text that is measured often: how long a span sounds, whether it sounds at all, its UTF-16 offsets. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from worker.text.scripts import running_phonemes, running_speakable

FRAGMENT_WORDS = 2
FRAGMENT_PHONEMES = 15


class Span(NamedTuple):
    """Half-open, in code points."""

    begin: int
    end: int


class MeasuredText:
    """Prefix sums over a text, so that every question about a span is answered in constant time."""

    def __init__(self, text: str, lang: str) -> None:
        self.text = text
        self.lang = lang
        self._phonemes = running_phonemes(text, lang)
        self._speakable = running_speakable(text)

    def phonemes(self, begin: int, end: int) -> float:
        return self._phonemes[end] - self._phonemes[begin]

    def is_speakable(self, begin: int, end: int) -> bool:
        return self._speakable[end] > self._speakable[begin]

    def reach(self, begin: int, phonemes: float) -> int:
        """The furthest end of a span from `begin` that has at most so many phonemes."""
        return bisect_right(self._phonemes, self._phonemes[begin] + phonemes) - 1

    def is_fragment(self, begin: int, end: int) -> bool:
        """One or two short words, too little for a sentence of its own."""
        if self.phonemes(begin, end) >= FRAGMENT_PHONEMES:
            return False
        return len(self.text[begin:end].split(None, FRAGMENT_WORDS)) <= FRAGMENT_WORDS

    def trimmed(self, begin: int, end: int) -> Span:
        """The span without white space at its ends; empty where there is nothing else."""
        text = self.text
        while begin < end and text[begin].isspace():
            begin += 1
        while end > begin and text[end - 1].isspace():
            end -= 1
        return Span(begin, end)

    def utf16_offsets(self) -> Sequence[int]:
        """Offset in UTF-16 units of every code point, and of the end."""
        if self.text.isascii():
            return range(len(self.text) + 1)
        return list(accumulate((2 if char > "\uffff" else 1 for char in self.text), initial=0))
