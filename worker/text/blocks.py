"""A text's blocks: headings, list items, paragraphs and lines meant as lines. Pure.

The question is always whether a line break is meant or comes from hard wrapping. A wrapped line is one that the next
word would not have fitted on; anything shorter was broken on purpose.
"""

import re
from dataclasses import dataclass
from enum import Enum

from worker.text.measure import Span

MAX_WRAP_CHARS = 120
"""Nobody wraps wider than this: a longer line is a paragraph."""

MIN_WRAP_CHARS = 40
"""Nor narrower than this: short lines that begin with capitals are verse or an address."""

MAX_HEADING_CHARS = 80
MAX_HEADING_WORDS = 12

_ITEM = re.compile(r"(?:[-*+•◦▪‣·–—]|\(?\d{1,3}[.)]|\(?[A-Za-z]\))\s+\S")
_HASHES = re.compile(r"#{1,6}\s")
_SENTENCE_END = re.compile(r"[.!?…:;。！？：；।؟۔]['\"”’»)\]」』）]*\Z")
_OPEN_END = re.compile(r"[.!?…:;,。！？：；，、।؟۔]['\"”’»)\]」』）]*\Z")
_OPENERS = "'\"“‘«„‚([¿¡「『（"
_FIRST_WIDE = "\u2e80"


class Kind(Enum):
    """What ends with the block, and so how long the pause is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Block:
    """Text without outer white space; its own line breaks are wrapping."""

    begin: int
    end: int
    kind: Kind


def find_blocks(text: str) -> list[Block]:
    """The blocks in order. Together they hold everything but white space."""
    blocks: list[Block] = []
    paragraph: list[Span] = []
    at = 0
    for line in text.splitlines(keepends=True):
        content = line.strip()
        if content:
            begin = at + line.index(content[0])
            paragraph.append(Span(begin, begin + len(content)))
        elif paragraph:
            blocks += _paragraph_blocks(text, paragraph)
            paragraph = []
        at += len(line)
    if paragraph:
        blocks += _paragraph_blocks(text, paragraph)
    if blocks and blocks[-1].kind is Kind.HEADING:
        blocks[-1] = Block(blocks[-1].begin, blocks[-1].end, Kind.PARAGRAPH)  # it heads nothing
    return blocks


def _paragraph_blocks(text: str, lines: list[Span]) -> list[Block]:
    width = max(end - begin for begin, end in lines)
    runs: list[list[Span]] = [[lines[0]]]
    for line in lines[1:]:
        if _is_break(text, runs[-1][-1], line, width):
            runs.append([line])
        else:
            runs[-1].append(line)
    return [
        Block(run[0].begin, run[-1].end, _kind(text, run, width, place == 0, place == len(runs) - 1))
        for place, run in enumerate(runs)
    ]


def _kind(text: str, run: list[Span], width: int, first: bool, last: bool) -> Kind:
    line = text[run[0].begin : run[0].end]
    if _HASHES.match(line):
        return Kind.HEADING
    heads = last or 2 * width > 3 * len(line)
    if first and len(run) == 1 and heads and _looks_like_heading(line):
        return Kind.HEADING
    return Kind.PARAGRAPH if last or run[-1].end - run[-1].begin > MAX_WRAP_CHARS else Kind.LINE


def _looks_like_heading(line: str) -> bool:
    return (
        len(line) <= MAX_HEADING_CHARS
        and len(line.split()) <= MAX_HEADING_WORDS
        and not _OPEN_END.search(line)
        and not _ITEM.match(line)
    )


def _is_break(text: str, line: Span, following: Span, width: int) -> bool:
    before, after = text[line.begin : line.end], text[following.begin : following.end]
    if _HASHES.match(before) or _HASHES.match(after) or _ITEM.match(after):
        return True
    ends = bool(_SENTENCE_END.search(before, max(0, len(before) - 8)))
    if len(before) > MAX_WRAP_CHARS:
        return ends or _begins_anew(after)
    if width < MIN_WRAP_CHARS and after.lstrip(_OPENERS)[:1].isupper():
        return True
    next_word = 1 if after[0] >= _FIRST_WIDE else len(after.split(None, 1)[0])
    would_fit = len(before) + 1 + next_word <= width
    return would_fit and (ends or _begins_anew(after))


def _begins_anew(line: str) -> bool:
    return not line.lstrip(_OPENERS)[:1].islower()
