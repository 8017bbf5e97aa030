"""Records -> the state of a cast: the meaning of the log, for every reader and writer.

The latest `start` is the boundary. Audio that is not the next sentence of the current attempt is ignored and
counted; `eos` is final; `fail` stands until a later `start`. Incremental: feeding a log in two parts gives what
feeding it at once gives. `frontend/static/fold.js` is its twin; both are held to `casts/fixtures/v1.json`.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal, assert_never

from casts.codec import duration_ms
from casts.plan import Plan
from casts.records import Audio, Eos, Fail, Meta, Record, Start, State, UnknownKind


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that counts. `chain` is the digest of all sentences up to this one."""

    seq_num: int
    index: int
    attempt: int
    duration_ms: int
    samples: int
    chain: bytes


def chain_digest(previous: bytes, mp3: bytes) -> bytes:
    """h(k+1) = sha256(h(k) + sha256(mp3 of sentence k)); h(0) is empty."""
    return hashlib.sha256(previous + hashlib.sha256(mp3).digest()).digest()


@dataclass(slots=True)
class CastFold:
    """The state of one cast after the records that were applied.

    Attributes:
        next_seq: the cursor: one past the last sequence number that was seen.
        failures: starts with a cause since the last counted audio, in a row.
        interruptions: starts without a cause since the last counted audio, in a row, the first start excluded.
        ignored: records that did not count.
    """

    meta: Meta | None = None
    attempt: int = 0
    plan: Plan = ()
    sentences: list[Sentence] = field(default_factory=list)
    ended: Literal["eos", "fail"] | None = None
    reason: str | None = None
    message: str | None = None
    digest: str | None = None
    failures: int = 0
    interruptions: int = 0
    ignored: int = 0
    next_seq: int = 0

    def apply(self, seq_num: int, record: Record) -> bool:
        """Take one record in order. Returns whether it counted.

        Raises:
            ValueError: the record lies before the cursor; a caller's bug, never the log's.
        """
        self.skip(seq_num)
        counted = self.ended != "eos" and self._apply(seq_num, record)
        if not counted:
            self.ignored += 1
        return counted

    def skip(self, seq_num: int) -> None:
        """Move the cursor past a command record or one that cannot be read."""
        if seq_num < self.next_seq:
            raise ValueError(f"record {seq_num} lies before the cursor {self.next_seq}")
        self.next_seq = seq_num + 1

    def _apply(self, seq_num: int, record: Record) -> bool:
        match record:
            case Meta():
                if self.meta is not None or self.attempt or self.ended:
                    return False
                self.meta = record
            case Start():
                return self._start(record)
            case Audio():
                return self._audio(seq_num, record)
            case Eos():
                if self.ended or record.attempt != self.attempt or record.sentences != len(self.sentences):
                    return False
                self.ended, self.digest = "eos", record.digest
            case Fail():
                if self.ended or record.attempt != self.attempt:
                    return False
                self.ended, self.reason, self.message = "fail", record.reason, record.message
            case UnknownKind():
                return False
            case _:
                assert_never(record)
        return True

    def _start(self, record: Start) -> bool:
        if record.attempt <= self.attempt or record.first > len(self.sentences):
            return False
        if record.first == 0:
            self.plan = record.plan
        if self.ended == "fail":  # a new job gives a failed cast a fresh budget
            self.failures = self.interruptions = 0
        elif record.cause is None and self.attempt:
            self.interruptions += 1
        if record.cause is not None:
            self.failures += 1
        self.attempt = record.attempt
        del self.sentences[record.first :]
        self.ended = self.reason = self.message = None
        return True

    def _audio(self, seq_num: int, record: Audio) -> bool:
        if self.ended or record.attempt != self.attempt or record.index != len(self.sentences):
            return False
        if record.index >= len(self.plan):
            return False
        chain = chain_digest(self.chain, record.mp3)
        self.sentences.append(
            Sentence(seq_num, record.index, record.attempt, record.duration_ms, record.samples, chain)
        )
        self.failures = self.interruptions = 0
        return True

    @property
    def chain(self) -> bytes:
        """Digest of the sentences held; empty for none."""
        return self.sentences[-1].chain if self.sentences else b""

    @property
    def samples(self) -> int:
        return sum(sentence.samples for sentence in self.sentences)

    @property
    def duration_ms(self) -> int:
        return duration_ms(self.samples)

    @property
    def state(self) -> State:
        """What the records say. A job that is newer than a failure makes it `queued`; that is not in this log."""
        if self.ended == "eos":
            return "done"
        if self.ended == "fail":
            return "failed"
        return "speaking" if self.attempt else "queued"
