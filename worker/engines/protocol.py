"""Messages between the worker and an engine process: what the frames of `frames.py` mean.

The engine speaks first (`Hello`), then answers one `Request` at a time with a `Speech` or a refusal. Whatever
comes from the other side is checked here, once. Standard library only and Python 3.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from worker.engines.frames import GarbledFrame, encode_frame

PROTOCOL = 1
SAMPLE_RATE = 24_000
SAMPLE_BYTES = 2


class EngineRefused(Exception):
    """The engine cannot speak this request and says why; it is well and takes the next one.

    Attributes:
        code: stable: `voice_unavailable`, `language_unavailable`, `speed_unsupported`, `text_unspeakable`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Word(NamedTuple):
    """A spoken word: `begin`, `end` in UTF-16 units of the request's text, times from the first sample."""

    begin: int
    end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Voice:
    """A voice on offer. `id` is `<engine>/<body>`, `lang` a BCP-47 tag, `language` its English name."""

    id: str
    name: str
    lang: str
    language: str
    gender: str | None = None
    featured: bool = False


@dataclass(frozen=True)
class Hello:
    """What an engine is. `rate` is in samples per second; a variant stands behind a voice: `<id>+<variant>`."""

    engine: str
    version: str
    label: str
    voices: tuple[Voice, ...]
    variants: tuple[str, ...]
    default_voice: str
    rate: int = SAMPLE_RATE


@dataclass(frozen=True)
class Request:
    """One sentence to speak. `body` is the voice without its engine; `lang` None is the voice's own language."""

    id: int
    text: str
    body: str
    lang: str | None = None
    speed: float = 1.0


@dataclass(frozen=True)
class Speech:
    """`pcm`: mono, signed 16-bit little-endian, `rate` samples per second. No samples at all is a legal answer."""

    pcm: bytes
    rate: int
    words: tuple[Word, ...]

    @property
    def samples(self) -> int:
        return len(self.pcm) // SAMPLE_BYTES


def utf16_length(text: str) -> int:
    """Length in UTF-16 units, as JavaScript counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def encode_hello(hello: Hello) -> bytes:
    header = {
        "hello": PROTOCOL,
        "engine": hello.engine,
        "version": hello.version,
        "label": hello.label,
        "rate": hello.rate,
        "voices": [asdict(voice) for voice in hello.voices],
        "variants": list(hello.variants),
        "default_voice": hello.default_voice,
    }
    return encode_frame(header)


def decode_hello(header: Mapping[str, Any], body: bytes) -> Hello:
    """Raises GarbledFrame where the first frame is not a hello of this protocol."""
    if header.get("hello") != PROTOCOL or body:
        raise GarbledFrame(f"its first message is not a hello of protocol {PROTOCOL}")
    try:
        hello = Hello(
            engine=_string(header["engine"]),
            version=_string(header["version"]),
            label=_string(header["label"]),
            voices=tuple(_voice(entry) for entry in header["voices"]),
            variants=tuple(_string(name) for name in header["variants"]),
            default_voice=_string(header["default_voice"]),
            rate=header["rate"],
        )
    except (KeyError, TypeError) as err:
        raise GarbledFrame(f"a malformed hello: {type(err).__name__} {err}") from None
    if hello.rate != SAMPLE_RATE:
        raise GarbledFrame(f"it speaks at {hello.rate} samples per second instead of {SAMPLE_RATE}")
    if hello.default_voice not in {voice.id for voice in hello.voices}:
        raise GarbledFrame(f"its default voice {hello.default_voice!r} is not among its voices")
    return hello


def encode_request(request: Request) -> bytes:
    """The text is the body; a lone surrogate, which has no UTF-8, becomes a question mark of the same length."""
    header = {"id": request.id, "body": request.body, "lang": request.lang, "speed": request.speed}
    return encode_frame(header, request.text.encode("utf-8", "replace"))


def decode_request(header: Mapping[str, Any], body: bytes) -> Request:
    """Raises GarbledFrame where the frame is no request."""
    try:
        number, voice, lang, speed = header["id"], header["body"], header["lang"], header["speed"]
        text = body.decode()
    except (KeyError, UnicodeDecodeError) as err:
        raise GarbledFrame(f"a malformed request: {type(err).__name__}") from None
    if not (isinstance(number, int) and isinstance(voice, str) and isinstance(speed, int | float)):
        raise GarbledFrame("a malformed request: wrong types")
    return Request(number, text, voice, None if lang is None else _string(lang), float(speed))


def encode_speech(request_id: int, speech: Speech, *, spent: bool = False) -> bytes:
    """An answer; `spent` asks for a fresh process before the next request, for instance because memory leaks."""
    header: dict[str, object] = {"id": request_id, "words": [list(word) for word in speech.words]}
    return encode_frame(header | {"spent": True} if spent else header, speech.pcm)


def encode_refusal(request_id: int, refusal: EngineRefused) -> bytes:
    return encode_frame({"id": request_id, "error": {"code": refusal.code, "message": str(refusal)}})


def decode_answer(header: Mapping[str, Any], body: bytes, request: Request, rate: int) -> Speech:
    """The answer to `request`.

    Raises:
        EngineRefused: the engine's own refusal.
        GarbledFrame: not an answer to this request, or words outside the text or the sound.
    """
    if header.get("id") != request.id:
        raise GarbledFrame("an answer to another request")
    if "error" in header:
        error = header["error"]
        if not isinstance(error, dict):
            raise GarbledFrame("a malformed refusal")
        raise EngineRefused(_string(error.get("code")), _string(error.get("message")))
    if len(body) % SAMPLE_BYTES:
        raise GarbledFrame(f"{len(body)} bytes of sound are not whole samples")
    entries = header.get("words")
    if not isinstance(entries, list):
        raise GarbledFrame("an answer without words")
    speech = Speech(body, rate, tuple(_word(entry) for entry in entries))
    _check_words(speech, utf16_length(request.text))
    return speech


def _check_words(speech: Speech, text_units: int) -> None:
    length_ms = -(-speech.samples * 1000 // speech.rate)
    at, now_ms = 0, 0
    for word in speech.words:
        if not (at <= word.begin < word.end <= text_units):
            raise GarbledFrame("a word outside the text or out of order")
        if not (now_ms <= word.start_ms <= word.end_ms <= length_ms):
            raise GarbledFrame("a word outside the sound or out of order")
        at, now_ms = word.end, word.end_ms


def _word(entry: object) -> Word:
    if not (isinstance(entry, list) and len(entry) == 4 and all(type(number) is int for number in entry)):
        raise GarbledFrame("a malformed word")
    return Word(*entry)


def _voice(entry: object) -> Voice:
    if not isinstance(entry, dict):
        raise GarbledFrame("a voice that is no object")
    gender = entry.get("gender")
    return Voice(
        id=_string(entry["id"]),
        name=_string(entry["name"]),
        lang=_string(entry["lang"]),
        language=_string(entry["language"]),
        gender=None if gender is None else _string(gender),
        featured=bool(entry.get("featured", False)),
    )


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise GarbledFrame(f"{type(value).__name__} where text belongs")
    return value
