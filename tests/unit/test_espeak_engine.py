"""The eSpeak NG engine, in its own process and in this one."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import espeakng_loader
import pytest

from worker.engine import EngineFailed, EngineHost, engine_command
from worker.engines import espeak as engine_module
from worker.engines.espeak import Espeak
from worker.engines.espeak_library import MAX_DATA_PATH, find_files, synthesise
from worker.engines.protocol import EngineRefused, Request
from worker.engines.serve import resident_bytes

COMMAND = engine_command("worker.engines.espeak")
TEXT = "Hello world, this is a sentence."


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak(find_files())


@pytest.fixture
async def host() -> AsyncIterator[EngineHost]:
    host = EngineHost(COMMAND)
    yield host
    await host.close()


def pcm(espeak: Espeak, text: str = TEXT, body: str = "en-us", speed: float = 1.0) -> bytes:
    return espeak.speak(Request(1, text, body, None, speed)).pcm


async def test_espeak_process_says_hello_and_speaks(host: EngineHost) -> None:
    hello = await host.ensure_started()
    assert hello.engine == "espeak"
    assert hello.label == f"eSpeak NG {hello.version}"
    assert hello.default_voice == "espeak/en-us"
    speech = await host.speak(TEXT, "en-us", deadline_s=30)
    assert 1.5 < speech.samples / speech.rate < 4
    assert [TEXT[word.begin : word.end] for word in speech.words] == ["Hello", "world", "this", "is", "a", "sentence"]


async def test_espeak_gives_the_same_bytes_in_fresh_processes() -> None:
    made = set()
    for before in ("", "Something else was spoken before."):
        host = EngineHost(COMMAND)
        if before:
            await host.speak(before, "de+f3", deadline_s=30)
        made.add(await host.speak(TEXT, "en-us+f3", deadline_s=30))
        await host.close()
    assert len(made) == 1


def test_espeak_gives_the_same_bytes_whatever_was_spoken_before(espeak: Espeak) -> None:
    first = pcm(espeak)
    for other in ("Another one.", "And a third, longer sentence with 12 words."):
        pcm(espeak, other, "fr+m2", 1.5)
        assert pcm(espeak) == first


async def test_espeak_killed_in_a_long_synthesis_is_replaced(host: EngineHost) -> None:
    await host.ensure_started()
    pid = host.pid
    assert pid is not None
    speaking = asyncio.create_task(host.speak("This goes on and on. " * 5000, "en-us", deadline_s=60))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineFailed) as caught:
        await speaking
    assert caught.value.reason == "engine_crashed"
    assert (await host.speak(TEXT, "en-us", deadline_s=30)).samples > 0


async def test_espeak_speaks_the_same_from_long_paths_and_leaves_nothing_behind(
    host: EngineHost, tmp_path: Path
) -> None:
    """Beyond some 160 characters eSpeak silently looks for its data elsewhere."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    temporary = deep / "tmp"
    temporary.mkdir(parents=True)
    (deep / "espeakng_loader").symlink_to(Path(espeakng_loader.__file__).parent)
    assert len(str(deep)) > MAX_DATA_PATH
    far = EngineHost(COMMAND, environ={**os.environ, "PYTHONPATH": str(deep), "TMPDIR": str(temporary)})
    assert await far.speak(TEXT, "en-us+f3", deadline_s=30) == await host.speak(TEXT, "en-us+f3", deadline_s=30)
    assert far.pid is not None
    os.kill(far.pid, signal.SIGKILL)
    await far.close()
    assert list(temporary.iterdir()) == []


def test_espeak_every_voice_on_offer_loads_and_speaks(espeak: Espeak, capfd: pytest.CaptureFixture[str]) -> None:
    voices = espeak.hello().voices
    assert len(voices) > 100
    silent = [voice.id for voice in voices if not pcm(espeak, "banana 1 2 3", voice.id.partition("/")[2])]
    assert silent == []
    assert capfd.readouterr().err == ""  # a voice without its dictionary loads too, and complains here


def test_espeak_every_variant_on_offer_sounds_different_from_none(espeak: Espeak) -> None:
    plain = pcm(espeak)
    variants = espeak.hello().variants
    assert {"f1", "f5", "m1", "m8", "whisper", "croak", "klatt"} <= {*variants}
    same = [variant for variant in variants if pcm(espeak, body=f"en-us+{variant}") == plain]
    assert same == []


@pytest.mark.parametrize(
    ("body", "lang", "speed", "code"),
    [
        ("en-gb", None, 1.0, "voice_unavailable"),
        ("ja", None, 1.0, "voice_unavailable"),
        ("fo", None, 1.0, "voice_unavailable"),
        ("../../etc/passwd", None, 1.0, "voice_unavailable"),
        ("en-us+nobody", None, 1.0, "voice_unavailable"),
        ("en-us+", None, 1.0, "voice_unavailable"),
        ("en-us", "de", 1.0, "language_unavailable"),
        ("en-us", None, 9.0, "speed_unsupported"),
        ("en-us", None, float("nan"), "speed_unsupported"),
    ],
)
def test_espeak_refuses_what_it_cannot_speak(
    espeak: Espeak, body: str, lang: str | None, speed: float, code: str
) -> None:
    with pytest.raises(EngineRefused) as caught:
        espeak.speak(Request(1, TEXT, body, lang, speed))
    assert caught.value.code == code


@pytest.mark.parametrize("lang", [None, "en-us", "en-US"])
def test_espeak_takes_the_voices_own_language(espeak: Espeak, lang: str | None) -> None:
    assert espeak.speak(Request(1, TEXT, "en-us", lang)).samples > 0


def test_espeak_speed_changes_the_length(espeak: Espeak) -> None:
    slow, normal, fast = (len(pcm(espeak, speed=speed)) for speed in (0.5, 1.0, 2.0))
    assert slow > 1.6 * normal
    assert fast < 0.65 * normal


@pytest.mark.parametrize("text", ["", "   ", "...", "\n", "-----"])
def test_espeak_of_silence_is_no_samples(espeak: Espeak, text: str) -> None:
    speech = espeak.speak(Request(1, text, "en-us"))
    assert (speech.pcm, speech.words) == (b"", ())


@pytest.mark.parametrize("control", ["\x01", "\x00", "\x1b", "\x85"])
def test_espeak_takes_control_characters_for_spaces(espeak: Espeak, control: str) -> None:
    assert pcm(espeak, f"one{control}100S two") == pcm(espeak, "one 100S two")


def test_espeak_speaks_markup_as_text(espeak: Espeak) -> None:
    assert pcm(espeak, "<b>bold</b>") != pcm(espeak, "bold")
    assert pcm(espeak, "[[h@loU]]") != pcm(espeak, "hello")


def test_espeak_asks_to_be_replaced_before_it_has_leaked_much(espeak: Espeak, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence in two scripts leaks the second language's dictionary."""
    monkeypatch.setattr(engine_module, "MAX_RESIDENT_BYTES", resident_bytes() + 1024 * 1024)
    for _ in range(1000):
        pcm(espeak, "привет", "de")
        if espeak.is_spent():
            return
    pytest.fail("nothing leaks any more: is_spent can go")


@pytest.mark.parametrize("body", ["en-us+f3", "en-us+whisper"])
def test_espeak_gives_the_same_bytes_in_another_second(body: str) -> None:
    """eSpeak seeds the noise of breathy voices with the time in seconds."""
    files = find_files()
    first, began = synthesise(files, TEXT, body, 175), int(time.time())
    while int(time.time()) == began:
        threading.Event().wait(0.02)  # the clock is the condition
    assert synthesise(files, TEXT, body, 175) == first
