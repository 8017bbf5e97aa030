"""Voice strings: every spelling of one voice gives one canonical string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casts.errors import InvalidVoice
from casts.voice import parse_voice


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("af_heart", "af_heart"),
        ("kokoro/af_heart", "af_heart"),
        ("af_heart@1", "af_heart"),
        ("af_heart@1.0", "af_heart"),
        ("af_heart@1.00", "af_heart"),
        ("af_heart@1.50", "af_heart@1.5"),
        ("af_heart@1.25", "af_heart@1.25"),
        ("af_heart*1", "af_heart"),
        ("af_heart*7", "af_heart"),
        ("am_michael+af_heart*2", "af_heart*2+am_michael"),
        ("af_heart*4+am_michael*2", "af_heart*2+am_michael"),
        ("af_heart*0.5+am_michael*0.25", "af_heart*2+am_michael"),
        ("af_heart+af_heart+am_michael", "af_heart*2+am_michael"),
        ("af_heart:en-us", "af_heart"),
        ("af_heart:en-gb", "af_heart:en-gb"),
        ("bf_emma:en-gb", "bf_emma"),
        ("af_heart:fr-fr@0.8", "af_heart:fr-fr@0.8"),
        ("espeak/en-us", "espeak/en-us"),
        ("espeak/en-us+f3", "espeak/en-us+f3"),
        ("espeak/en-US+Annie", "espeak/en-us+Annie"),
        ("espeak/en-us+f3@1.20", "espeak/en-us+f3@1.2"),
    ],
)
def test_voice_is_written_in_one_spelling(raw: str, canonical: str) -> None:
    voice = parse_voice(raw)
    assert str(voice) == canonical
    assert parse_voice(canonical) == voice


@pytest.mark.parametrize(
    "raw",
    [
        "", "heart", "af_", "qf_heart", "ax_heart", "af_heart*0", "af_heart*-1", "af_heart*", "af_heart+", "+af_heart",
        "af_heart@", "af_heart@0.4", "af_heart@2.01", "af_heart@1.234", "af_heart@fast", "af_heart:", "af_heart:EN",
        "espeak/", "espeak/en-us:de", "espeak/../x", "espeak/en us", "espeak/en-us+", "Espeak/en", "/en", "af_heart\n",
        "af_heart@٢", "x" * 201,
    ],
)  # fmt: skip
def test_voice_that_does_not_parse_says_what_is_wrong(raw: str) -> None:
    with pytest.raises(InvalidVoice, match="."):
        parse_voice(raw)


def test_names_of_a_voice_are_what_an_engine_must_offer() -> None:
    assert parse_voice("am_michael+af_heart*2").names == ("af_heart", "am_michael")
    assert parse_voice("espeak/en-us+f3").names == ("en-us", "f3")


@given(st.text(max_size=30))
def test_any_string_is_a_voice_or_an_invalid_voice(raw: str) -> None:
    try:
        voice = parse_voice(raw)
    except InvalidVoice:
        return
    assert parse_voice(str(voice)) == voice
