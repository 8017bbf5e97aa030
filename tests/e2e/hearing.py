"""What a page's loudspeakers got, sample by sample, against what the records hold."""

import base64
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from tests.stack import Stack

Sound = NDArray[np.float32]

RATE = 24_000
BLOCK = RATE * 4 // 1000
"""Samples of 4 ms: shorter than anything that an ear takes for a gap."""
TOLERANCE = 1e-3
"""Of the speech's level, for the browser's float arithmetic."""
LOUD = 1e-3
RENDER_BLOCKS = 2048

TAP = Path(__file__).with_name("tap.js")


def open_tapped(browser: Browser, stack: Stack, cast_id: str) -> Page:
    """The cast's page with a tap at its loudspeakers. Nothing was evaluated in it: that would count as a gesture."""
    context = browser.new_context(bypass_csp=True)  # the tap's worklet is a blob, which the page's policy forbids
    context.add_init_script(path=TAP)
    page = context.new_page()
    with page.expect_console_message(lambda message: message.text.startswith("tap ready")) as ready:
        page.goto(f"{stack.url}/c/{cast_id}")
    assert ready.value.text == "tap ready: suspended", "the page made sound before any gesture"
    return page


def heard_by(page: Page) -> Sound:
    """Everything since the tap was opened, one sample after the other of the context's clock."""
    assert page.evaluate("tap.lost") == 0, "blocks did not reach the tap: nothing can be said"
    blocks = page.evaluate("tap.samples / 128")
    parts = [page.evaluate(f"tap.slice({at}, {RENDER_BLOCKS})") for at in range(0, blocks, RENDER_BLOCKS)]
    sound = np.concatenate([_floats(part) for part in parts])
    return sound[: blocks * 128]


def decoded_by(page: Page, mp3s: Iterable[bytes]) -> list[Sound]:
    """Each sentence as the page's browser decodes it."""
    return [_floats(page.evaluate("mp3 => tap.decode(mp3)", base64.b64encode(mp3).decode())) for mp3 in mp3s]


def place_of(beginning: Sound, heard: Sound) -> int:
    """Where in what was heard a beginning lies best, by cross-correlation."""
    size = 1 << (len(heard) + len(beginning)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(beginning, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))


def check_same_sound(heard: Sound, wanted: Sound) -> None:
    """No block of 4 ms is missing, doubled, shifted or changed, and before the first one there is silence."""
    at = place_of(wanted[: 3 * RATE], heard)
    assert is_silent(heard[:at]), "something was heard before the beginning"
    check_blocks(heard[at : at + len(wanted)], wanted, _rms(wanted))


def check_sentences_once(heard: Sound, sentences: list[Sound]) -> float:
    """Every sentence was heard whole, once and in order, with nothing but silence where the player had to wait.

    Returns the seconds that it waited between sentences.
    """
    level = _rms(np.concatenate(sentences))
    end = place_of(sentences[0], heard)
    assert is_silent(heard[:end]), "something was heard before the first sentence"
    waited = 0
    for number, sentence in enumerate(sentences):
        wait = 0
        if len(heard) - end < len(sentence) or worst_error(heard[end : end + len(sentence)], sentence, level)[1] > 0.1:
            wait = place_of(sentence, heard[end:])
        assert is_silent(heard[end : end + wait]), f"something was heard before sentence {number}"
        check_blocks(heard[end + wait : end + wait + len(sentence)], sentence, level)
        end += wait + len(sentence)
        waited += wait
    assert is_silent(heard[end:]), "something was heard after the last sentence"
    return waited / RATE


def check_blocks(part: Sound, wanted: Sound, level: float) -> None:
    assert len(part) == len(wanted), f"heard {len(part) / RATE:.3f} s of {len(wanted) / RATE:.3f} s"
    assert level > 0.01, "the records are silent"
    place, error = worst_error(part, wanted, level)
    assert error <= TOLERANCE, f"differs by {error:.3f} of the level at {place / RATE:.3f} s"


def worst_error(part: Sound, wanted: Sound, level: float) -> tuple[int, float]:
    """The block that differs most: its place in samples and its error's share of the level."""
    whole = len(wanted) // BLOCK * BLOCK
    errors = np.sqrt(np.mean(np.square((part - wanted)[:whole].reshape(-1, BLOCK)), axis=1)) / level
    worst = int(np.argmax(errors))
    return worst * BLOCK, float(errors[worst])


def is_silent(sound: Sound) -> bool:
    return not np.any(np.abs(sound) > LOUD)


def _floats(text: str) -> Sound:
    return np.frombuffer(base64.b64decode(text), dtype=np.float32)


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))
