"""Which line breaks are meant."""

import pytest

from worker.text.blocks import Kind, find_blocks


def blocks(text: str) -> list[tuple[str, Kind]]:
    return [(text[block.begin : block.end], block.kind) for block in find_blocks(text)]


WRAPPED = "A wrapped line that is as long as it goes\nbecause this word would not have fitted in.\nA short one."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n\ntwo.\n \t\n\nthree", [("one", Kind.HEADING), ("two.", Kind.PARAGRAPH), ("three", Kind.PARAGRAPH)]),
        ("one.\r\n\r\ntwo.", [("one.", Kind.PARAGRAPH), ("two.", Kind.PARAGRAPH)]),
        ("one.\u2029\u2029two.", [("one.", Kind.PARAGRAPH), ("two.", Kind.PARAGRAPH)]),
        (WRAPPED, [(WRAPPED, Kind.PARAGRAPH)]),
        ("only a title", [("only a title", Kind.PARAGRAPH)]),
        ("A title,\n\nwith a comma.", [("A title,", Kind.PARAGRAPH), ("with a comma.", Kind.PARAGRAPH)]),
        ("* a\n* b", [("* a", Kind.LINE), ("* b", Kind.PARAGRAPH)]),
        ("2) a\n10. b", [("2) a", Kind.LINE), ("10. b", Kind.PARAGRAPH)]),
        ("第一章\n\n你好。", [("第一章", Kind.HEADING), ("你好。", Kind.PARAGRAPH)]),
        ("", []),
        (" \n\n ", []),
    ],
    ids=[
        "blank", "crlf", "separators", "wrapped", "lone title", "comma", "bullets", "numbers", "chinese", "empty",
        "white",
    ],
)  # fmt: skip
def test_blocks_of(text: str, expected: list[tuple[str, Kind]]) -> None:
    assert blocks(text) == expected


def test_blocks_take_a_long_line_for_a_paragraph() -> None:
    line = "A line is longer than anybody would ever wrap a text. " * 3 + "Yes."
    assert blocks(f"{line}\n{line}") == [(line, Kind.PARAGRAPH), (line, Kind.PARAGRAPH)]
