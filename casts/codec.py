"""Bytes and headers <-> public records. Any bytes in: a record or InvalidRecord, nothing else."""

import json
from dataclasses import dataclass
from typing import assert_never

from casts.errors import InvalidRecord
from casts.ids import Epoch, is_epoch
from casts.limits import FRAME_SAMPLES, SAMPLE_RATE
from casts.plan import plan_from_json, plan_to_json
from casts.records import Audio, Eos, Fail, Meta, Record, Start, UnknownKind, Word

VERSION = 1

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A record as S2 keeps it."""

    headers: Headers
    body: bytes


def duration_ms(samples: int) -> int:
    """Length of a record in ms, rounded half up: the one rule for `d` and for totals."""
    return (samples * 1000 + SAMPLE_RATE // 2) // SAMPLE_RATE


def to_json(value: object) -> bytes:
    """JSON as UTF-8, not escaped ASCII: a Chinese text stays at three bytes a character."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def from_json(body: bytes) -> object:
    """Raises InvalidRecord for anything that is not JSON in UTF-8."""
    try:
        value: object = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidRecord(f"the body is not JSON: {type(error).__name__}") from None
    return value


def encode(record: Record) -> Encoded:
    """Raises TypeError for an unknown kind: those are read, never written."""
    match record:
        case Meta():
            body = {
                "v": VERSION, "epoch": record.epoch, "title": record.title, "voice": record.voice,
                "lang": record.lang, "created": record.created, "text": record.text,
            }  # fmt: skip
            return Encoded(_headers(e="meta"), to_json(body))
        case Start():
            plan = to_json(plan_to_json(record.plan)) if record.plan else b""
            cause = {} if record.cause is None else {"r": record.cause}
            return Encoded(_headers(e="start", n=record.attempt, i=record.first, **cause), plan)
        case Audio():
            words = [[word.begin, word.end, word.start_ms, word.end_ms] for word in record.words]
            headers = _headers(
                e="audio", i=record.index, d=record.duration_ms, t=record.text, n=record.attempt,
                s=record.samples, w=to_json(words).decode(),
            )  # fmt: skip
            return Encoded(headers, record.mp3)
        case Eos():
            headers = _headers(e="eos", n=record.attempt, c=record.sentences, d=record.duration_ms, h=record.digest)
            return Encoded(headers, b"")
        case Fail():
            return Encoded(_headers(e="fail", n=record.attempt, r=record.reason), record.message.encode())
        case UnknownKind():
            raise TypeError(f"a record of unknown kind {record.kind!r} cannot be written")
        case _:
            assert_never(record)


def decode(headers: Headers, body: bytes) -> Record:
    """Read one stored record.

    Raises:
        InvalidRecord: whatever the bytes are, no other error leaves this function.
    """
    fields = _Fields(headers)
    match fields.text("e"):
        case "meta":
            return _decode_meta(from_json(body))
        case "start":
            attempt, first = fields.count("n", low=1), fields.count("i")
            if (first > 0) != (body == b""):
                raise InvalidRecord("a start carries its plan exactly where it begins at 0")
            plan = plan_from_json(from_json(body)) if body else ()
            return Start(attempt, first, plan, fields.optional_text("r"))
        case "audio":
            return _decode_audio(fields, body)
        case "eos":
            digest = fields.text("h")
            return Eos(fields.count("n", low=1), fields.count("c"), fields.count("d"), digest)
        case "fail":
            return Fail(fields.count("n"), fields.text("r"), _utf8(body))
        case kind:
            return UnknownKind(kind)


def _headers(**values: str | int) -> Headers:
    return tuple((name.encode(), str(value).encode()) for name, value in values.items())


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidRecord("not UTF-8") from None


class _Fields:
    """Typed access to headers; each way to be wrong is an InvalidRecord that names the header."""

    def __init__(self, headers: Headers) -> None:
        self._values = {_utf8(name): _utf8(value) for name, value in reversed(headers)}  # the first one wins

    def text(self, name: str) -> str:
        if name not in self._values:
            raise InvalidRecord(f"header {name} is missing")
        return self._values[name]

    def optional_text(self, name: str) -> str | None:
        return self._values.get(name)

    def count(self, name: str, *, low: int = 0) -> int:
        raw = self.text(name)
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 15) or int(raw) < low:
            raise InvalidRecord(f"header {name} is not a whole number from {low}")
        return int(raw)


def _decode_meta(raw: object) -> Meta:
    if not isinstance(raw, dict) or raw.get("v") != VERSION:
        raise InvalidRecord(f"not a meta record of version {VERSION}")
    names = ("epoch", "title", "voice", "lang", "created", "text")
    values = [raw.get(name) for name in names]
    if not all(isinstance(value, str) for value in values) or not is_epoch(raw["epoch"]):
        raise InvalidRecord("a meta record has epoch, title, voice, lang, created and text")
    epoch, title, voice, lang, created, text = (str(value) for value in values)
    return Meta(Epoch(epoch), title, voice, lang, created, text)


def _decode_audio(fields: _Fields, body: bytes) -> Audio:
    samples = fields.count("s", low=FRAME_SAMPLES)
    if samples % FRAME_SAMPLES:
        raise InvalidRecord("audio is a whole number of MP3 frames")
    if fields.count("d") != duration_ms(samples):
        raise InvalidRecord("the duration is not that of the samples")
    return Audio(
        index=fields.count("i"),
        attempt=fields.count("n", low=1),
        duration_ms=fields.count("d"),
        samples=samples,
        text=fields.text("t"),
        words=words_from_json(fields.optional_text("w")),
        mp3=body,
    )


def words_from_json(raw: str | None) -> tuple[Word, ...]:
    """Read the `w` header; raises InvalidRecord."""
    if raw is None:
        return ()
    entries = from_json(raw.encode("utf-8", "surrogatepass"))
    if not isinstance(entries, list):
        raise InvalidRecord("word times are a list")
    words = []
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 4 or not all(type(n) is int and n >= 0 for n in entry):
            raise InvalidRecord("a word is [begin, end, start_ms, end_ms]")
        words.append(Word(*entry))
    return tuple(words)
