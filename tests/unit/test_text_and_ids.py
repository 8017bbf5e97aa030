"""Texts, titles, ids and names: what is taken, and in which form."""

import pytest

from casts import names
from casts.errors import InvalidText
from casts.ids import CastId, content_id, is_cast_id, is_epoch, keyed_private_id, owner_key, private_id
from casts.text import clean_text, clean_title, made_title


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "text_empty"),
        (" \n\t ", "text_empty"),
        ("a\0b", "text_invalid"),
        ("a\x1bb", "text_invalid"),
        ("half \ud83d", "text_invalid"),
        ("é" * 6, "text_too_long"),
    ],
)
def test_text_that_cannot_be_spoken_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(InvalidText) as caught:
        clean_text(text, 10)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["a", "😀", "שלום", "a\tb\nc\r\nd", "x" * 10])
def test_text_is_taken_stripped(text: str) -> None:
    assert clean_text(f"\n {text} ", 10) == text


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("", "One line only.", "One line only."),
        ("", "# A heading\n\nText.", "A heading"),
        ("", "word " * 40, "word " * 15 + "word…"),
        ("", "x" * 200, "x" * 80 + "…"),
        ("  Given \n title ", "Text.", "Given title"),
    ],
)
def test_title_is_given_or_made_from_the_first_line(title: str, text: str, expected: str) -> None:
    assert clean_title(title, text) == expected


def test_title_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidText, match="200"):
        clean_title("x" * 201, "Text.")


def test_made_title_of_a_text_without_a_first_line_is_not_empty() -> None:
    assert made_title("#\nText after an empty heading.")


def test_ids_tell_public_and_private_casts_apart_by_their_length() -> None:
    public, private = content_id("x", "espeak/en"), private_id(b"\xff" * 16)
    assert (len(public), len(private)) == (12, 22)
    assert is_cast_id(public)
    assert is_cast_id(private)


@pytest.mark.parametrize("raw", ["", "short", "a" * 13, "../../../etc", "a" * 11 + "\n", "a" * 11 + "/", "ä" * 12])
def test_string_that_is_no_id_is_none(raw: str) -> None:
    assert not is_cast_id(raw)


@pytest.mark.parametrize("raw", ["", "0a1b2c3", "0A1B2C3D", "0a1b2c3d4", "0a1b2c3g"])
def test_string_that_is_no_epoch_is_none(raw: str) -> None:
    assert not is_epoch(raw)


def test_keyed_id_and_owner_key_depend_on_secret_and_key() -> None:
    made = {keyed_private_id(secret, key) for secret in (b"s1", b"s2") for key in ("k1", "k2")}
    assert len(made) == 4
    assert keyed_private_id(b"s1", "k1") in made
    assert owner_key(b"s1", CastId("a" * 22)) != owner_key(b"s2", CastId("a" * 22))


def test_stream_names_are_those_of_the_contract() -> None:
    cast_id = CastId("abcdefghijkl")
    assert names.output(cast_id) == "pub/casts/abcdefghijkl"
    assert names.catalog(cast_id) == "catalog/abcdefghijkl"
    assert set(names.SHARED) == {"jobs", "jobs/_cursor", "jobs/dead", "progress/done", "workers"}
