"""Private records: the intake log, its receipts, recipes and workers' announcements. JSON in, frozen values out.

One record is a header `e` with the kind and a JSON object with the value's fields. Whatever does not have exactly
the shape is an InvalidRecord, so that garbage in a shared stream is stepped over and never acted on.
"""

import math
from dataclasses import MISSING, asdict, dataclass, fields
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from casts.codec import Encoded, Headers, from_json, to_json
from casts.errors import InvalidRecord
from casts.ids import CastId, Epoch, is_cast_id, is_epoch


@dataclass(frozen=True, slots=True)
class Job:
    """Intake: one accepted cast. `at` is the submit's time in ms; `asap` where somebody waits for the whole."""

    id: CastId
    epoch: Epoch
    at: int
    asap: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """Every job below `offset` is done or dead."""

    offset: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A completed cast. It answers for all its jobs up to `offset`."""

    id: CastId
    epoch: Epoch
    offset: int
    sentences: int
    duration_ms: int
    worker: str


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A cast that failed past its retries, or a job that cannot be served. Answers for jobs up to `offset`."""

    id: CastId
    epoch: Epoch
    offset: int
    reason: str
    message: str
    worker: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a cast is made from. `owner` is the SHA-256 (hex) of a private cast's owner key, else empty."""

    text: str
    voice: str
    title: str
    lang: str
    created: str
    owner: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The cast is being deleted; its id is not free yet."""

    at: int


@dataclass(frozen=True, slots=True)
class OfferedVoice:
    """One voice of a worker. `id` is the voice string without speed; `lang` a BCP 47 tag."""

    id: str
    name: str
    lang: str
    language: str
    gender: str | None
    featured: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """A worker says what it offers. Counts for 24 hours."""

    worker: str
    engine: str
    version: str
    label: str
    notice: str | None
    default_voice: str
    voices: tuple[OfferedVoice, ...]
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeasedCast:
    """A loaded cast of a worker. `lead_ms` is None before its first audio; `sentences` are planned ones."""

    id: CastId
    lead_ms: int | None
    sentences_done: int
    sentences: int
    attempt: int
    asap: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """A sign of life of a worker, and what it has in hand. Only the first two fields are always there.

    Attributes:
        active: unfinished casts; `unfinished` jobs wait for them.
        watermark: every job below it is done or dead, as far as this worker knows.
        engine_speed: seconds of speech per second that the engine was busy; None where it has not spoken yet.
        busy_share: part of the time since the last lease in which the engine was busy, 0 to 1.
        casts: the loaded ones, at most `LEASE_CASTS`.
    """

    worker: str
    active: int
    unfinished: int = 0
    watermark: int = 0
    engine_speed: float | None = None
    busy_share: float = 0.0
    casts: tuple[LeasedCast, ...] = ()


@dataclass(frozen=True, slots=True)
class Farewell:
    """A worker ends in order: its casts may be taken over at once."""

    worker: str


T = TypeVar("T")

KINDS: dict[type, str] = {
    Job: "job", Cursor: "cursor", Receipt: "receipt", DeadJob: "dead", Recipe: "recipe", Gone: "gone",
    Announcement: "announcement", Lease: "lease", Farewell: "farewell",
}  # fmt: skip
_TYPES = {kind: cls for cls, kind in KINDS.items()}

PrivateRecord = Job | Cursor | Receipt | DeadJob | Recipe | Gone | Announcement | Lease | Farewell


def encode_private(record: PrivateRecord) -> Encoded:
    return Encoded(((b"e", KINDS[type(record)].encode()),), to_json(asdict(record)))


def decode_private(headers: Headers, body: bytes) -> PrivateRecord:
    """Raises InvalidRecord for anything that is not exactly one of the private records."""
    kind = dict(reversed(headers)).get(b"e", b"")
    cls = _TYPES.get(kind.decode("ascii", "replace"))
    if cls is None:
        raise InvalidRecord("no private record of a known kind")
    record: PrivateRecord = _build(cls, from_json(body))
    match record:
        case Job(id=cast_id, epoch=epoch) | Receipt(id=cast_id, epoch=epoch) | DeadJob(id=cast_id, epoch=epoch):
            if not is_cast_id(cast_id) or not is_epoch(epoch):
                raise InvalidRecord("a cast id or epoch is malformed")
        case Lease(casts=casts) if not all(is_cast_id(cast.id) for cast in casts):
            raise InvalidRecord("a cast id is malformed")
        case _:
            pass
    return record


def _build(cls: type[T], raw: object) -> T:
    if not isinstance(raw, dict):
        raise InvalidRecord(f"{cls.__name__} is a JSON object")
    hints = get_type_hints(cls)
    values = {}
    for spec in fields(cls):  # type: ignore[arg-type]  # every caller passes a dataclass
        if spec.name not in raw:
            if spec.default is MISSING:
                raise InvalidRecord(f"{cls.__name__}.{spec.name} is missing")
            continue  # a record of an earlier version
        values[spec.name] = _typed(hints[spec.name], raw[spec.name], f"{cls.__name__}.{spec.name}")
    return cls(**values)


def _typed(hint: Any, value: object, where: str) -> object:
    """The value as the hint wants it. Knows str, int, float, bool, NewTypes, `X | None`, tuples, dataclasses."""
    hint = getattr(hint, "__supertype__", hint)
    if isinstance(hint, UnionType):
        if value is None:
            return None
        (hint,) = (arm for arm in get_args(hint) if arm is not type(None))
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise InvalidRecord(f"{where} is not a list")
        return tuple(_typed(get_args(hint)[0], item, where) for item in value)
    if hint is float:
        return _number(value, where)
    if hint in (str, int, bool):
        if type(value) is not hint or (hint is int and isinstance(value, int) and value < 0):
            raise InvalidRecord(f"{where} is not a {hint.__name__}")
        return value
    return _build(hint, value)


def _number(value: object, where: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and type(value) is not bool else math.nan
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not (math.isfinite(number) and number >= 0):
        raise InvalidRecord(f"{where} is not a number from 0 on")
    return number
