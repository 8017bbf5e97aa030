"""The eSpeak NG engine: `python -m worker.engines.espeak`. Needs espeakng-loader, numpy and soxr, no download."""

from __future__ import annotations

import os
import re

import numpy as np
import numpy.typing as npt
import soxr

from worker.engines.espeak_library import (
    NORMAL_WPM,
    RATE,
    EspeakFiles,
    find_files,
    list_voices,
    read_version,
    synthesise,
)
from worker.engines.espeak_voices import DEFAULT_BODY, ENGINE, offered_variants, offered_voices, split_body
from worker.engines.espeak_words import word_times
from worker.engines.protocol import SAMPLE_RATE, EngineRefused, Hello, Request, Speech
from worker.engines.serve import resident_bytes, serve

MIN_SPEED, MAX_SPEED = 0.25, 4.0
MIN_WPM = 80  # eSpeak speaks no slower, so speeds below 0.46 sound like 0.46

# eSpeak never frees a second language, as for a Russian word in a German sentence: 180 kB each time.
MAX_RESIDENT_BYTES = 256 * 1024 * 1024

# Control-A begins a command to eSpeak inside the text; NUL would end it.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Espeak:
    """Speaks sentences with eSpeak NG; the same request gives the same bytes, in any process."""

    def __init__(self, files: EspeakFiles) -> None:
        self._files = files
        voices = offered_voices(list_voices(files))
        variants = offered_variants(os.listdir(os.path.join(files.data, "voices", "!v")))
        version = read_version(files)
        self._tags = {voice.id.removeprefix(f"{ENGINE}/"): voice.lang for voice in voices}
        self._variants = frozenset(variants)
        self._hello = Hello(
            engine=ENGINE,
            version=version,
            label=f"eSpeak NG {version}",
            voices=voices,
            variants=variants,
            default_voice=f"{ENGINE}/{DEFAULT_BODY}",
        )

    def hello(self) -> Hello:
        return self._hello

    def speak(self, request: Request) -> Speech:
        """Speak one sentence.

        Raises:
            EngineRefused: `voice_unavailable`, `language_unavailable` or `speed_unsupported`.
        """
        self._check(request)
        text = _CONTROLS.sub(" ", request.text)
        wpm = max(MIN_WPM, round(NORMAL_WPM * request.speed))
        raw, events = synthesise(self._files, text, request.body, wpm)
        pcm = resample(raw) if events else b""  # without a word there are a few hundred samples of nothing
        total_ms = len(pcm) // 2 * 1000 // SAMPLE_RATE
        return Speech(pcm, SAMPLE_RATE, word_times(text, events, total_ms))

    def is_spent(self) -> bool:
        return resident_bytes() > MAX_RESIDENT_BYTES

    def _check(self, request: Request) -> None:
        name, variant = split_body(request.body)
        tag = self._tags.get(name)
        if tag is None:
            raise EngineRefused("voice_unavailable", f"eSpeak NG has no voice {name!r}")
        if variant is not None and variant not in self._variants:
            raise EngineRefused("voice_unavailable", f"eSpeak NG has no variant {variant!r}")
        if request.lang is not None and request.lang.lower() not in (name, tag.lower()):
            raise EngineRefused("language_unavailable", f"the voice {name!r} speaks {tag} and no other language")
        if not MIN_SPEED <= request.speed <= MAX_SPEED:
            raise EngineRefused("speed_unsupported", f"speed is {MIN_SPEED} to {MAX_SPEED}")


def resample(raw: bytes) -> bytes:
    """16-bit samples at RATE to SAMPLE_RATE, through floats: on integers soxr dithers, so bytes would not repeat."""
    wave = np.frombuffer(raw, dtype="<i2").astype(np.float32)
    resampled: npt.NDArray[np.float32] = soxr.resample(wave, RATE, SAMPLE_RATE, quality="HQ")
    return np.clip(np.rint(resampled), -32768, 32767).astype("<i2").tobytes()


if __name__ == "__main__":
    raise SystemExit(serve(lambda: Espeak(find_files())))
