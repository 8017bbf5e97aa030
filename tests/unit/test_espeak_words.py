"""Word times from eSpeak's rough events; voices from its list. Both pure."""

import re

import pytest

from worker.engines.espeak_library import InstalledVoice, WordEvent
from worker.engines.espeak_voices import language_tag, offered_variants, offered_voices, split_body
from worker.engines.espeak_words import word_times
from worker.engines.protocol import Word


def words(text: str, *events: tuple[int, int, int], total_ms: int = 1000) -> list[tuple[str, int, int]]:
    """Events are (position, length, milliseconds)."""
    made = word_times(text, [WordEvent(at, length, ms * 22_050 // 1000 + 1) for at, length, ms in events], total_ms)
    units = text.encode("utf-16-le")
    return [(units[2 * w.begin : 2 * w.end].decode("utf-16-le"), w.start_ms, w.end_ms) for w in made]


def test_words_end_where_the_next_begins() -> None:
    assert words("one two.", (0, 3, 0), (4, 3, 400)) == [("one", 0, 400), ("two", 400, 1000)]


def test_words_of_a_number_merge() -> None:
    events = [(0, 2, 0), (1, 2, 100), (2, 5, 200), (3, 5, 300), (3, 5, 400), (8, 4, 500)]
    assert words("1,234.5 left", *events) == [("1,234.5", 0, 500), ("left", 500, 1000)]


def test_words_of_initials_merge() -> None:
    assert words("U.S. won", (0, 1, 0), (0, 1, 200), (5, 3, 400)) == [("U.S.", 0, 400), ("won", 400, 1000)]


def test_word_at_a_space_is_the_word_behind_it() -> None:
    assert words("😀 ok naïve end", (0, 1, 0), (1, 1, 100), (2, 2, 200), (4, 1, 300), (11, 3, 500)) == [
        ("😀", 0, 100),
        ("ok", 100, 300),
        ("naïve", 300, 500),
        ("end", 500, 1000),
    ]


def test_word_is_counted_in_utf16_units() -> None:
    assert word_times("😀 ok", [WordEvent(2, 2, 0)], 10) == (Word(3, 5, 0, 10),)


@pytest.mark.parametrize("event", [(99, 3, 0), (3, 5, 0), (-5, 0, 0), (0, 0, 0), (0, 99, 0), (0, 3, 9999)], ids=str)
def test_word_event_that_is_nonsense_stays_inside(event: tuple[int, int, int]) -> None:
    for word in word_times("one", [WordEvent(*event)], 100):
        assert 0 <= word.begin < word.end <= 3
        assert 0 <= word.start_ms <= word.end_ms <= 100


def test_word_event_that_goes_back_is_dropped() -> None:
    assert words("one two", (4, 3, 0), (0, 3, 500)) == [("two", 0, 1000)]


def test_words_of_nothing() -> None:
    assert word_times("...", [], 0) == ()


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en-us", "en-US"),
        ("es-419", "es-419"),
        ("fa-latn", "fa-Latn"),
        ("vi-vn-x-south", "vi-VN-x-south"),
        ("en-gb-x-rp", "en-GB-x-rp"),
        ("de", "de"),
    ],
)
def test_language_tag_has_the_usual_case(tag: str, expected: str) -> None:
    assert language_tag(tag) == expected


def test_voices_are_named_after_files_and_the_featured_come_first() -> None:
    installed = [
        InstalledVoice("Afrikaans", "gmw/af", "af"),
        InstalledVoice("English (Great Britain)", "gmw/en", "en-gb"),
        InstalledVoice("English (America)", "gmw/en-US", "en-us"),
        InstalledVoice("Japanese", "jpx/ja", "ja"),
    ]
    voices = offered_voices(installed)
    assert [(voice.id, voice.lang, voice.language, voice.featured) for voice in voices] == [
        ("espeak/en-us", "en-US", "English", True),
        ("espeak/en", "en-GB", "English", True),
        ("espeak/af", "af", "Afrikaans", False),
    ]


def test_variants_that_cannot_be_named_or_heard_are_left_out() -> None:
    assert offered_variants(["m1", "Mr serious", "f1", ".hidden", "fast"]) == ("f1", "m1")


@pytest.mark.parametrize(("body", "parts"), [("en", ("en", None)), ("en+f3", ("en", "f3")), ("en+", ("en", ""))])
def test_body_is_a_name_and_perhaps_a_variant(body: str, parts: tuple[str, str | None]) -> None:
    assert split_body(body) == parts


def test_bodies_on_offer_fit_the_voice_string() -> None:
    from worker.engines.espeak import Espeak
    from worker.engines.espeak_library import find_files

    hello = Espeak(find_files()).hello()
    well_formed = re.compile(r"[a-z]{2,4}(-[A-Za-z0-9]{1,8})*")
    for voice in hello.voices:
        assert re.fullmatch(r"espeak/[a-z0-9-]+", voice.id)
        assert well_formed.fullmatch(voice.lang)
        assert voice.name == voice.name.strip()
    assert len({voice.id for voice in hello.voices}) == len(hello.voices)
    assert len({voice.lang for voice in hello.voices}) == len(hello.voices)
