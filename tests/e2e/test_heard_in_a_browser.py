"""Promise: whoever opens the link hears the speech while it is made, every sample once; replay is the same bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from casts.fold import chain_digest
from casts.frames import Frame
from tests.e2e.hearing import (
    RATE,
    Sound,
    check_same_sound,
    check_sentences_once,
    decoded_by,
    heard_by,
    open_tapped,
)
from tests.e2e.pages import open_cast, until
from tests.e2e.reading import check_complete
from tests.e2e.texts import some_sentences
from tests.stack import Stack, eventually, fold_frames

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TEXT = some_sentences("spoken", 10)
LATE_LISTENER_S = 4.0


@dataclass(frozen=True, slots=True)
class Played:
    """What two listeners heard of one cast while it was made, and the service's word at the decisive moments."""

    cast_id: str
    page: Page
    at_first_sound: dict[str, Any]
    at_second_page: dict[str, Any]
    frames: list[Frame]
    wanted: Sound
    heard: Sound
    heard_by_second: Sound


@pytest.fixture(scope="module")
def played(stack: Stack, browser: Browser) -> Iterator[Played]:
    def status() -> dict[str, Any]:
        return dict(stack.get(f"/api/casts/{cast_id}").json)

    cast_id = stack.submitted(TEXT)
    page = open_tapped(browser, stack, cast_id)
    page.click("#play")
    until(page, "tap.sounding", 10)
    at_first_sound = status()
    until(page, "streamtts.position_s > 8", 20)
    second = open_tapped(browser, stack, cast_id)
    second.click("#play")
    until(second, "tap.sounding", 10)
    at_second_page = status()
    until(second, f"streamtts.position_s > {LATE_LISTENER_S}", 20)
    heard_by_second = heard_by(second)
    second.context.close()
    until(page, "streamtts.state === 'ended'", 40)
    frames = stack.frames(cast_id)
    _, mp3s = fold_frames(frames)
    wanted = np.concatenate(decoded_by(page, mp3s.values()))
    yield Played(cast_id, page, at_first_sound, at_second_page, frames, wanted, heard_by(page), heard_by_second)
    page.context.close()


def test_the_first_sound_comes_before_the_last_sentence_is_made(played: Played) -> None:
    assert played.at_first_sound["state"] == "speaking"
    assert played.at_first_sound["sentences_done"] < played.at_first_sound["sentences"]


def test_what_is_heard_is_every_sample_of_the_records_once(played: Played) -> None:
    fold = check_complete(played.frames, TEXT)
    assert len(played.wanted) == fold.samples, "the browser's decoder and the records differ on the length"
    check_same_sound(played.heard, played.wanted)


def test_a_listener_who_comes_half_way_hears_it_from_the_start(played: Played) -> None:
    assert played.at_second_page["state"] == "speaking"
    check_same_sound(played.heard_by_second, played.wanted[: int((LATE_LISTENER_S - 1) * RATE)])


def test_a_reload_after_the_end_replays_the_same_bytes(played: Played, stack: Stack) -> None:
    page = played.page
    page.reload()
    until(page, "streamtts.ended === 'eos'", 10)
    again = stack.frames(played.cast_id)
    assert again == played.frames
    chain = b""
    for mp3 in fold_frames(again)[1].values():
        chain = chain_digest(chain, mp3)
    assert page.evaluate("streamtts.digest") == again[-1].header["h"] == chain.hex()
    assert page.evaluate("streamtts.samples") == len(played.wanted)


def test_a_tab_closed_in_the_middle_does_not_stop_the_work(stack: Stack, browser: Browser) -> None:
    text = some_sentences("abandoned", 6)
    cast_id = stack.submitted(text)
    page = open_cast(browser, stack, cast_id)
    page.click("#play")
    until(page, "streamtts.position_s > 1", 10)
    page.close()
    assert stack.get(f"/api/casts/{cast_id}").json["state"] == "speaking", "it was made already: nothing was shown"
    eventually("the cast ends", lambda: stack.get(f"/api/casts/{cast_id}").json["state"] == "done", 30.0)
    check_complete(stack.frames(cast_id), text)


def test_the_comparison_of_sounds_sees_a_gap_a_double_and_a_shift() -> None:
    """The test of the test."""
    wanted = np.random.default_rng(1).normal(0, 0.1, 5 * RATE).astype(np.float32)
    silence = np.zeros(RATE, dtype=np.float32)
    check_same_sound(np.concatenate([silence, wanted, silence]), wanted)
    middle = 4 * RATE
    broken = {
        "gap": np.concatenate([wanted[:middle], silence[:96], wanted[middle:]]),
        "dropped": np.concatenate([wanted[:middle], wanted[middle + 96 :], silence]),
        "doubled": np.concatenate([wanted[:middle], wanted[middle - 96 :]]),
        "too early": np.concatenate([wanted[-RATE:], wanted]),
        "short": wanted[:-RATE],
    }
    for what, heard in broken.items():
        with pytest.raises(AssertionError):
            check_same_sound(np.concatenate([silence, heard]), wanted)
            pytest.fail(f"not seen: {what}")


def test_the_comparison_of_sentences_allows_a_wait_between_them_and_nothing_else() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, 6 * RATE).astype(np.float32)
    silence = np.zeros(RATE, dtype=np.float32)
    first, second, third = sentences = [noise[:RATE], noise[RATE : 3 * RATE], noise[3 * RATE :]]
    assert check_sentences_once(np.concatenate([silence, first, second, silence, third, silence]), sentences) == 1.0
    broken = {
        "heard twice": [first, second, second, third],
        "left out": [first, third],
        "in another order": [first, third, second],
        "cut": [first, second[:-960], third],
        "begun twice": [first, second[:960], second, third],
        "a wait inside": [first, second[:RATE], silence, second[RATE:], third],
    }
    for what, parts in broken.items():
        with pytest.raises(AssertionError):
            check_sentences_once(np.concatenate([silence, *parts, silence]), sentences)
            pytest.fail(f"not seen: {what}")
