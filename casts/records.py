"""The records of a cast's public output, as frozen values. `casts.codec` turns them into bytes and back."""

from dataclasses import dataclass
from typing import Literal

from casts.ids import Epoch
from casts.plan import Plan

State = Literal["queued", "speaking", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Word:
    """When a word is heard: span in the submitted text (UTF-16 units), times in ms from the record's start."""

    begin: int
    end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Meta:
    """First record: what the cast is. `created` is ISO 8601 in UTC; `text` is stripped and whole."""

    epoch: Epoch
    title: str
    voice: str
    lang: str
    created: str
    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """The boundary of an attempt: voids all audio from sentence `first` on.

    Attributes:
        attempt: from 1, growing.
        first: index of the first sentence that this attempt makes.
        plan: the whole plan where `first` is 0, else empty: the stored one goes on.
        cause: the engine failure that led to this attempt, if one did.
    """

    attempt: int
    first: int
    plan: Plan
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """One spoken sentence, pause included. `mp3` decodes alone to exactly `samples` at 24 kHz mono."""

    index: int
    attempt: int
    duration_ms: int
    samples: int
    text: str
    words: tuple[Word, ...]
    mp3: bytes


@dataclass(frozen=True, slots=True)
class Eos:
    """The end: everything was spoken. `digest` is the chained hash of the sentences (`casts.fold`)."""

    attempt: int
    sentences: int
    duration_ms: int
    digest: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The cast failed; stands until a later `Start`. `reason` is a code, `message` is for listeners."""

    attempt: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """A well-formed record of a kind that this version does not know: ignored."""

    kind: str


Record = Meta | Start | Audio | Eos | Fail | UnknownKind
