"""eSpeak NG's shared library through ctypes: one sentence in, samples and word events out.

The library keeps state between calls (the same text gives other samples each time), so every synthesis runs on a
private copy of it: copied, loaded, used once, unloaded. That makes the bytes reproducible for 2 ms,
together with a seed: the noise of breathy voices is seeded with the time of day otherwise.
Names and numbers follow espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

RATE = 22_050
NORMAL_WPM = 175

# Initialize answers 22050 for a longer path too, then looks in a folder that existed where it was built.
MAX_DATA_PATH = 150

COPY_BYTES = 1024 * 1024

_SEED = 1
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_PARAMETER_RATE = 1
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1


class EspeakError(Exception):
    """The library refuses to start, to load a voice or to speak. A fault of the installation, not of a text."""


class UnknownVoice(EspeakError):
    """No voice file of this name."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_void_p),
    )


class _VoiceEntry(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class WordEvent:
    """A word begins: `position` and `length` in code points from 0, as eSpeak sees the text; `sample` at RATE."""

    position: int
    length: int
    sample: int


@dataclass(frozen=True)
class InstalledVoice:
    """An entry of eSpeak's own list: `identifier` is the voice file, `language` its first language tag."""

    name: str
    identifier: str
    language: str


@dataclass(frozen=True)
class EspeakFiles:
    """Where the library and its data folder are. `data` is at most MAX_DATA_PATH characters long."""

    library: str
    data: str


def find_files() -> EspeakFiles:
    """The files that espeakng-loader ships.

    A data path that eSpeak would cut is replaced by a relative one, which changes this process's working
    directory: unlike a link it leaves nothing behind when the process is killed.
    """
    import espeakng_loader

    data = str(espeakng_loader.get_data_path())
    if len(os.fsencode(data)) > MAX_DATA_PATH:
        folder, data = os.path.split(data)
        os.chdir(folder)
    return EspeakFiles(str(espeakng_loader.get_library_path()), data)


def _load_copy(path: str) -> ctypes.CDLL:
    """Load a copy of a library. In memory where the system can: a process killed meanwhile leaves no file behind."""
    if hasattr(os, "memfd_create"):
        with suppress(OSError), open(path, "rb") as original, open(os.memfd_create("espeak-ng"), "wb") as copy:
            shutil.copyfileobj(original, copy, COPY_BYTES)
            copy.flush()
            return ctypes.CDLL(f"/proc/self/fd/{copy.fileno()}")
    descriptor, temporary = tempfile.mkstemp(prefix="streamtts-", suffix=os.path.splitext(path)[1])
    os.close(descriptor)
    try:
        shutil.copyfile(path, temporary)
        return ctypes.CDLL(temporary)
    finally:
        os.unlink(temporary)


@contextmanager
def _private_library(files: EspeakFiles) -> Iterator[Any]:
    """A copy of the library that nobody else uses, initialised; the value is its ctypes handle."""
    library = _load_copy(files.library)
    try:
        rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(files.data), _INITIALIZE_DONT_EXIT)
        if rate != RATE:
            raise EspeakError(f"eSpeak NG does not start with its data in {files.data} (answer {rate})")
        library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        yield library
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)


def synthesise(files: EspeakFiles, text: str, voice: str, wpm: int) -> tuple[bytes, tuple[WordEvent, ...]]:
    """Speak `text` and give mono 16-bit samples at RATE and the word events in the order spoken.

    Raises:
        UnknownVoice: no such voice. An unknown VARIANT behind it is not noticed by eSpeak.
        EspeakError: the library does not start or fails.
    """
    blocks: list[bytes] = []
    words: list[WordEvent] = []

    def take(samples: int | None, count: int, events: Any) -> int:
        if samples and count > 0:
            blocks.append(ctypes.string_at(samples, count * 2))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_WORD:
                words.append(WordEvent(event.text_position - 1, event.length, event.sample))
            index += 1
        return 0

    callback = _SynthCallback(take)  # must live as long as the library may call it
    with _private_library(files) as library:
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UnknownVoice(f"eSpeak NG has no voice {voice}")
        if library.espeak_SetParameter(_PARAMETER_RATE, wpm, 0) != 0:
            raise EspeakError(f"eSpeak NG refuses {wpm} words per minute")
        spoken = text.encode("utf-8", "replace") + b"\0"
        status = library.espeak_Synth(
            spoken, ctypes.c_size_t(len(spoken)), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != 0:
            raise EspeakError(f"eSpeak NG fails with status {status}")
    return b"".join(blocks), tuple(words)


def read_version(files: EspeakFiles) -> str:
    """For instance `1.52.0`."""
    with _private_library(files) as library:
        library.espeak_Info.restype = ctypes.c_char_p
        answer: bytes = library.espeak_Info(None)
        return answer.decode().split()[0]


def list_voices(files: EspeakFiles) -> list[InstalledVoice]:
    """Every voice of eSpeak's list, unsorted, variants not among them."""
    with _private_library(files) as library:
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
        entries = library.espeak_ListVoices(None)
        voices = []
        index = 0
        while entries[index]:
            entry = entries[index].contents
            # languages: a priority byte, then the tag, both repeated; the first is the voice's own
            language = ctypes.string_at(entry.languages + 1).decode()
            voices.append(InstalledVoice(entry.name.decode().strip(), entry.identifier.decode(), language))
            index += 1
        return voices
