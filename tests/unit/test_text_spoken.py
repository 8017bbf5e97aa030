"""What of a sentence is handed to the engine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.text.spoken import spoken_text


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("one\ntwo", "one two"),
        ("one\r\n  two\tthree", "one    two three"),
        ("bell\x07and\x01100S", "bell and 100S"),
        ("done.\n\n* * *", "done.       "),
        ("Title\n=====", "Title      "),
        ("# Title", "  Title"),
        ("- milk", "  milk"),
        ("2 * 3 = 6, a - b", "2 * 3 = 6, a - b"),
        ("-5 degrees, #1", "-5 degrees, #1"),
        ("***bold***", "***bold***"),
    ],
)
def test_spoken_text_blanks_layout_and_nothing_else(text: str, spoken: str) -> None:
    assert spoken_text(text) == spoken


@settings(deadline=None)
@given(st.text())
def test_spoken_text_keeps_the_length_and_every_letter(text: str) -> None:
    spoken = spoken_text(text)
    assert len(spoken) == len(text)
    assert all(new == old or new == " " for new, old in zip(spoken, text, strict=True))
    assert [char for char in spoken if char.isalnum()] == [char for char in text if char.isalnum()]
    assert not any(char.isspace() and char != " " for char in spoken)
