"""From a text to its plan: the sentences to speak, in order, and the pauses between them. Pure.

Every character but white space lies in exactly one sentence. The first one is small, so that something is heard
soon; none is too long for an engine; only fragments and what cannot be spoken join a neighbour.
"""

from dataclasses import dataclass

from casts.limits import PLAN_ENTRIES
from casts.plan import Plan, Planned
from worker.text.blocks import Block, Kind, find_blocks
from worker.text.cuts import FIRST_MAX_PHONEMES, cut_first, cut_long
from worker.text.measure import MeasuredText, Span
from worker.text.sentences import split_sentences
from worker.text.spoken import spoken_text

__all__ = ["MAX_PHONEMES", "plan_text", "spoken_text"]

MAX_PHONEMES = 250
"""Estimated. 99 of 100 sentences stay below 215; above, Kokoro rushes and costs more time per second of speech."""

MAX_JOINED_PHONEMES = 2 * MAX_PHONEMES
"""Up to which a neighbour takes in what has nothing to speak: some engines say "equals" for each of a thousand."""

SENTENCE_PAUSE_MS = 250
LAST_PAUSE_MS = 300
BLOCK_PAUSE_MS = {Kind.LINE: 350, Kind.PARAGRAPH: 550, Kind.HEADING: 650}


@dataclass(slots=True)
class _Piece:
    begin: int
    end: int
    pause_ms: int

    def take_in(self, following: "_Piece") -> None:
        self.end = following.end
        self.pause_ms = max(self.pause_ms, following.pause_ms)


def plan_text(text: str, lang: str) -> Plan:
    """Plan a stripped text in the language of a BCP-47 tag.

    Spans are in UTF-16 units and without outer white space. Text without anything to speak is still planned; only
    one without characters gives an empty plan. At most PLAN_ENTRIES entries, 40,000.
    """
    measured = MeasuredText(text, lang)
    pieces: list[_Piece] = []
    for block in find_blocks(text):
        pieces += _block_pieces(measured, block, first=not pieces)
    pieces = _bounded(measured, _join_unspeakable(measured, pieces))
    if pieces:
        pieces[-1].pause_ms = LAST_PAUSE_MS
        pieces[:1] = _first_pieces(measured, pieces[0])
    offsets = measured.utf16_offsets()
    return tuple(Planned(offsets[piece.begin], offsets[piece.end], piece.pause_ms) for piece in pieces)


def _block_pieces(measured: MeasuredText, block: Block, *, first: bool) -> list[_Piece]:
    sentences = split_sentences(measured, block.begin, block.end, MAX_PHONEMES)
    pieces: list[_Piece] = []
    for begin, end in _join_fragments(measured, sentences, first=first):
        for cut in cut_long(measured, begin, end, MAX_PHONEMES):
            pieces.append(_Piece(*measured.trimmed(begin, cut.at), cut.pause_ms))
            begin = cut.at
        pieces.append(_Piece(*measured.trimmed(begin, end), SENTENCE_PAUSE_MS))
    pieces[-1].pause_ms = BLOCK_PAUSE_MS[block.kind]
    return [piece for piece in pieces if piece.begin < piece.end]


def _join_fragments(measured: MeasuredText, sentences: list[Span], *, first: bool) -> list[Span]:
    """Let a word or two join the next sentence of the block, or the one before where there is none after."""
    joined: list[Span] = []

    def fits(begin: int, end: int) -> bool:
        limit = FIRST_MAX_PHONEMES if first and len(joined) == 1 else MAX_PHONEMES
        return measured.phonemes(begin, end) <= limit

    for sentence in sentences:
        if joined and measured.is_fragment(*joined[-1]) and fits(joined[-1].begin, sentence.end):
            joined[-1] = Span(joined[-1].begin, sentence.end)
        else:
            joined.append(sentence)
    if len(joined) > 1 and measured.is_fragment(*joined[-1]):
        last = joined.pop()
        if fits(joined[-1].begin, last.end):
            joined[-1] = Span(joined[-1].begin, last.end)
        else:
            joined.append(last)
    return joined


def _join_unspeakable(measured: MeasuredText, pieces: list[_Piece]) -> list[_Piece]:
    """Let what has nothing to speak, such as a line of asterisks, join what is before it, at the start after it."""

    def fits(before: _Piece, after: _Piece) -> bool:
        return measured.phonemes(before.begin, after.end) <= MAX_JOINED_PHONEMES

    joined: list[_Piece] = []
    silent = False  # the last of `joined` has nothing to speak
    for piece in pieces:
        speakable = measured.is_speakable(piece.begin, piece.end)
        if joined and (silent or not speakable) and fits(joined[-1], piece):
            joined[-1].take_in(piece)
            silent = silent and not speakable
        else:
            joined.append(piece)
            silent = not speakable
    return joined


def _first_pieces(measured: MeasuredText, piece: _Piece) -> list[_Piece]:
    cut = cut_first(measured, piece.begin, piece.end)
    if cut is None:
        return [piece]
    head = _Piece(*measured.trimmed(piece.begin, cut.at), cut.pause_ms)
    return [head, _Piece(*measured.trimmed(cut.at, piece.end), piece.pause_ms)]


def _bounded(measured: MeasuredText, pieces: list[_Piece]) -> list[_Piece]:
    """At most PLAN_ENTRIES pieces: beyond, neighbours are packed together, no further than it takes."""
    packed_to = FIRST_MAX_PHONEMES
    while len(pieces) >= PLAN_ENTRIES:  # the first one may still be cut in two
        packed: list[_Piece] = []
        for piece in pieces:
            if packed and measured.phonemes(packed[-1].begin, piece.end) <= packed_to:
                packed[-1].take_in(piece)
            else:
                packed.append(piece)
        pieces = packed
        packed_to *= 2
    return pieces
