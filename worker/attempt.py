"""One worker's hold on one cast: takes spoken sentences and writes them, in order, under one fencing token.

Speaking is the engine's and the worker's business. Here a queue of steps is carried out one after the other, so
that encoding and appending overlap the speaking of the next sentence.
"""

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass

from casts.codec import duration_ms, encode
from casts.errors import StreamTTSError
from casts.plan import Plan, Planned
from casts.records import Audio, Eos, Fail, Start, Word
from casts.seal import end_token, fail_token
from casts.spans import SpanText
from streams.port import fence
from worker.cast_log import CastLog
from worker.engine import Speech
from worker.mp3 import SentenceTooLong, encode_sentence

MAX_PENDING = 2
"""Spoken sentences that may wait to be written before the cast gets another turn."""


@dataclass(frozen=True, slots=True)
class Take:
    """Claim the cast for a new attempt. `cause` is the engine failure that led to it."""

    cause: str | None


@dataclass(frozen=True, slots=True)
class Spoken:
    index: int
    planned: Planned
    text: str
    speech: Speech


@dataclass(frozen=True, slots=True)
class Seal:
    """All is spoken."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """Fail the cast for all jobs up to `offset`."""

    reason: str
    message: str
    offset: int


Step = Take | Spoken | Seal | Abandon


class IncompleteCast(StreamTTSError):
    """A cast is never sealed as done with sentences missing."""


class Attempt:
    """Holds the text, the plan and what waits to be written.

    Attributes:
        next_index: the sentence to be spoken next.
        pending: spoken sentences that are not written yet.
        own_token: the fencing token of this attempt once the cast is claimed.
        speaking: the engine is at `next_index`.
        failed_with: the engine failed at `next_index`; no more speech until it is decided what follows.
    """

    def __init__(self, cast_log: CastLog, plan: Plan, worker: str, own_token: str | None = None) -> None:
        """`own_token` is that of an attempt which was parked: if it is still in force, that attempt goes on."""
        assert cast_log.fold.meta is not None
        self.log = cast_log
        self.plan = plan
        self.next_index = len(cast_log.fold.sentences)
        self._text = SpanText(cast_log.fold.meta.text)
        self._worker = worker
        self._steps: deque[Step] = deque()
        self._arrived = asyncio.Event()
        self.pending = 0
        self.speaking = False
        self.failed_with: str | None = None
        self._stopped = False
        self._begun = own_token is not None and cast_log.token == own_token
        self._settled = asyncio.Event()
        self.own_token = own_token if self._begun else None
        if self._begun:
            self._settled.set()
        if self.all_spoken:
            self.begin()
            self.add(Seal())

    def begin(self) -> None:
        """Claim the cast unless that was done. Called with the first turn, not when it is loaded.

        So of several workers each claims what its engine is free for, and none a queue that it then works off alone.
        """
        if not self._begun:
            self._begun = True
            self.add(Take(None))

    async def is_taken(self) -> bool:
        """Wait until the claim is decided; False where another worker was faster."""
        await self._settled.wait()
        return self.own_token is not None

    @property
    def all_spoken(self) -> bool:
        return self.next_index >= len(self.plan)

    @property
    def wants_speech(self) -> bool:
        return not self.all_spoken and not self.failed_with and not self._stopped and self.pending < MAX_PENDING

    @property
    def idle(self) -> bool:
        """Nothing is on its way: the attempt may be parked."""
        return not self._steps and not self.speaking and not self.failed_with

    def next_text(self) -> str:
        """The next sentence as it stands in the submitted text."""
        planned = self.plan[self.next_index]
        return self._text.slice(planned.begin, planned.end)

    def put(self, speech: Speech) -> None:
        """Hand over the next sentence, spoken. After the last one the cast is sealed."""
        text = self.next_text()
        self.add(Spoken(self.next_index, self.plan[self.next_index], text, speech))
        self.pending += 1
        self.next_index += 1
        if self.all_spoken:
            self.add(Seal())

    def add(self, step: Step) -> None:
        self._steps.append(step)
        self._arrived.set()

    def fail(self, reason: str) -> None:
        """The engine failed at the next sentence. What was spoken before is still written."""
        self.failed_with = reason
        self._arrived.set()

    def stop(self) -> None:
        """Write nothing more; `write_next` returns None."""
        self._stopped = True
        self._settled.set()
        self._arrived.set()

    async def write_next(self) -> Step | None:
        """Wait for a step, carry it out, return it. None: nothing is left, and the engine failed or it was stopped.

        Raises:
            Lost, StreamMissing: the cast is no longer ours.
            SentenceTooLong: the speech does not fit into a record; the step is dropped.
        """
        while not self._steps:
            if self._stopped or self.failed_with:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        step = self._steps[0]
        try:
            await self._carry_out(step)
        except SentenceTooLong:
            self._steps.clear()  # what follows it can never count
            self.pending = 0
            self.failed_with = "sentence_too_long"
            raise
        self._steps.popleft()
        if isinstance(step, Spoken):
            self.pending -= 1
        return step

    async def _carry_out(self, step: Step) -> None:
        fold = self.log.fold
        match step:
            case Take(cause):
                first = len(fold.sentences)
                start = Start(fold.attempt + 1, first, self.plan if first == 0 else (), cause)
                await self.log.write([fence(new_token(self._worker)), encode(start)], after=first)
                self.own_token = self.log.token
                self._settled.set()
            case Spoken():
                await self.log.write([encode(await self._audio(step))])
            case Seal():
                if len(fold.sentences) != len(self.plan):
                    raise IncompleteCast(f"{len(fold.sentences)} of {len(self.plan)} sentences are there")
                eos = Eos(fold.attempt, len(fold.sentences), fold.duration_ms, fold.chain.hex())
                await self.log.write([encode(eos), fence(end_token(secrets.token_hex(8)))])
            case Abandon(reason, message, offset):
                await write_failure(self.log, reason, message, offset)

    async def _audio(self, step: Spoken) -> Audio:
        encoded = await asyncio.to_thread(encode_sentence, step.speech.pcm, step.planned.pause_ms)
        begin = step.planned.begin
        shift_ms = round(encoded.lead_samples / 24)
        words = tuple(
            Word(begin + word.begin, begin + word.end, word.start_ms + shift_ms, word.end_ms + shift_ms)
            for word in step.speech.words
        )
        return Audio(
            index=step.index,
            attempt=self.log.fold.attempt,
            duration_ms=duration_ms(encoded.samples),
            samples=encoded.samples,
            text=step.text,
            words=words,
            mp3=encoded.mp3,
        )


async def write_failure(cast_log: CastLog, reason: str, message: str, offset: int) -> None:
    """Fail a cast for all its jobs up to `offset`. Raises Lost, StreamMissing."""
    fail = Fail(cast_log.fold.attempt, reason, message)
    await cast_log.write([encode(fail), fence(fail_token(offset))], after=len(cast_log.fold.sentences))


def new_token(worker: str) -> str:
    """A fencing token that is new at each claim and tells whose it is."""
    return f"{worker}-{secrets.token_hex(6)}"


def owner_of(token: str) -> str:
    """The worker whose token this is; empty for none."""
    return token.rpartition("-")[0]
