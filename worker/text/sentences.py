"""Sentences of a block, by sentencex with a guard. Pure.

Quotes and brackets bind in sentencex: one without its partner swallows everything up to the next closer, and very
many take quadratic time. So what comes out too long is segmented again with quotes and brackets blanked. Full stops
of Chinese and Japanese take quadratic time too, so a long block is shown to it window by window.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

import sentencex

from worker.text.measure import MeasuredText, Span
from worker.text.scripts import primary_language

MAX_QUOTE_WORK = 20_000_000
"""Quotes times characters up to which sentencex takes at most milliseconds."""

WINDOW_CHARS = 8_000
"""What sentencex is shown at once: 25 ms at worst, for which it holds the whole process (170,000: 11 s)."""

_LANGUAGES = {"cmn": "zh", "yue": "zh", "hak": "zh", "nb": "no"}

# Abbreviations that sentencex takes for the end of a sentence.
_NEVER_LAST = {
    "fr": re.compile(r"\bMM?\.\s*\Z"),
    "en": re.compile(r"\b[Vv]ol\.\s*\Z"),
}

_PAIRED = '"“”„‟«»‹›()[]{}「」『』（）［］【】《》〈〉｢｣'
_BLANKED = str.maketrans(dict.fromkeys(_PAIRED, " "))
_OUTER_APOSTROPHE = re.compile(r"(?<!\w)['‘’‚‛]|['‘’‚‛](?!\w)")
_STRAY_OPENERS = re.compile(r"(?<=\s)['\"“‘«„‚(\[{¿¡「『（]+\s*\Z")
_LINE_BREAKS = str.maketrans(dict.fromkeys("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))
_TRAILING = " .!?…。！？"


def split_sentences(measured: MeasuredText, begin: int, end: int, max_phonemes: float) -> list[Span]:
    """The block's sentences in order, without outer white space; one above `max_phonemes` is still one sentence."""
    block = measured.text[begin:end].translate(_LINE_BREAKS)
    if block.rstrip(_TRAILING).replace(" ", "").isalnum():
        return [measured.trimmed(begin, end)]  # plain words, one sentence: spares the call for a thousand short lines
    language = primary_language(measured.lang)
    if _is_quote_heavy(block):
        cuts = _cuts(_without_quotes(block), block, language)
    else:
        cuts = []
        for low, high in _pairs(_cuts(block, block, language)):
            cuts.append(low)
            if measured.phonemes(begin + low, begin + high) > max_phonemes:
                part = block[low:high]
                cuts += [low + cut for cut in _cuts(_without_quotes(part), part, language)[1:-1]]
        cuts.append(len(block))
    spans = (measured.trimmed(begin + low, begin + high) for low, high in _pairs(cuts))
    return [span for span in spans if span.begin < span.end]


def _cuts(seen: str, block: str, language: str) -> list[int]:
    """Where the sentences begin, and the end. `seen` is what sentencex is shown of the block."""
    cuts = [0]
    for cut in _beginnings(seen, _LANGUAGES.get(language, language)):
        if not cuts[-1] < cut < len(block):
            continue
        before = block[max(cuts[-1], cut - 40) : cut]
        if stray := _STRAY_OPENERS.search(before):
            cut -= len(before) - stray.start()  # an opening quote belongs to what it opens
        if language in _NEVER_LAST and _NEVER_LAST[language].search(before):
            continue
        if cuts[-1] < cut:
            cuts.append(cut)
    return [*cuts, len(block)]


def _beginnings(seen: str, language: str) -> Iterator[int]:
    """Where sentencex begins a sentence. The last one of a window may be cut off: the next window begins with it."""
    begin, size = 0, WINDOW_CHARS
    while begin < len(seen):
        boundaries = sentencex.get_sentence_boundaries(language, seen[begin : begin + size])
        found = [begin + boundary["start_index"] for boundary in boundaries]
        if begin + size >= len(seen):
            yield from found
            return
        if len(found) > 1:
            yield from found[:-1]
            begin, size = found[-1], WINDOW_CHARS
        else:
            size *= 2


def _is_quote_heavy(block: str) -> bool:
    if len(block) * len(block) <= MAX_QUOTE_WORK:
        return False
    quotes = len(block) - len(_without_quotes(block).replace(" ", "")) - block.count(" ")
    return quotes * len(block) > MAX_QUOTE_WORK


def _without_quotes(block: str) -> str:
    """The block, as long as before, with spaces for quotes and brackets; an apostrophe inside a word stays."""
    return _OUTER_APOSTROPHE.sub(" ", block.translate(_BLANKED))


def _pairs(cuts: list[int]) -> Iterable[tuple[int, int]]:
    return pairwise(cuts)
