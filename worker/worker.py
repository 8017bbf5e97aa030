"""The worker: a durable consumer of `jobs`. Orchestration only; every decision is a pure function elsewhere.

Tasks: intake reads jobs into the book; admission loads casts up to a cap; the speaker gives the engine one sentence
after another; one writer a loaded cast puts the spoken sentences into its stream; the committer moves the cursor.
"""

import asyncio
import logging
import random
import time
from typing import Protocol, assert_never

from casts.errors import StreamTTSError
from casts.names import JOBS_DEAD, PROGRESS_DONE
from casts.offers import offers
from casts.private import Announcement, DeadJob, OfferedVoice, Receipt
from casts.settings import Settings
from streams.port import BeyondTail, Store, StreamMissing
from streams.starting import ensure_store
from worker.attempt import Abandon, Attempt, Seal, Spoken, Take, write_failure
from worker.book import Book, Work
from worker.cast_log import CastLog, Lost, read_cast_log
from worker.commit import CommittedCursor, commit_whenever_moved
from worker.counted_store import CountedStore
from worker.engine import EngineFailed, EngineStats, Hello, Speech
from worker.intake import Intake
from worker.loading import (
    AlreadyFailed,
    Complete,
    Failing,
    Loader,
    NotYet,
    Speakable,
    Unservable,
    Verdict,
)
from worker.metrics import Metrics
from worker.mp3 import SentenceTooLong
from worker.outcomes import Outcomes
from worker.presence import Presence
from worker.retry import MESSAGES, GiveUp, after_engine_failure
from worker.schedule import Admit, Lead, Rest, Turn, next_admission, next_turn
from worker.snapshot import Snapshot, snapshot_of
from worker.text.spoken import spoken_text

log = logging.getLogger(__name__)

LOST_PAUSE_S = 1.0
"""Before a cast that was lost, or that our code stumbled over, is looked at again."""

MAX_CRASHES = 3
"""Unexpected errors at one cast, in a row, after which it is given up: they are our bugs, and other casts go on."""

FINISH_LOOK_S = 0.02
"""How often an orderly end looks whether the last sentence is written."""

MAX_LOADING = 8
"""Casts that are read at once; more would only make the first of them later."""


class Engine(Protocol):
    """What the worker needs of `worker.engine.EngineHost`."""

    async def ensure_started(self) -> Hello: ...

    async def speak(
        self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
    ) -> Speech: ...

    def stats(self) -> EngineStats: ...


class Worker:
    """Runs until cancelled. Everything that it knows can be learnt again from the store."""

    def __init__(self, store: Store, engine: Engine, settings: Settings, name: str) -> None:
        self.metrics = Metrics(self.snapshot)
        self._store = store = CountedStore(store, self.metrics.appended)
        self._engine = engine
        self._settings = settings
        self._name = name
        self._book = Book()
        self._cursor = CommittedCursor(store)
        self._outcomes = Outcomes(store, settings.retention_s)
        self._presence = Presence(store, name, settings.lease_s)
        self._changed = asyncio.Event()
        self._intake = Intake(store, self._book, settings.intake_window, self._changed)
        self._turns = 0
        self._stopping = False

    def snapshot(self) -> Snapshot:
        """What there is to see now, for leases, metrics and tests; asks nobody."""
        return snapshot_of(self._book, self._intake.watermark, self._engine.stats(), time.monotonic())

    async def run(self, notice: str | None) -> None:
        """Work for ever. Raises CursorBeyondTail where the store is not the one of the cursor."""
        await ensure_store(self._store)
        self._intake.begin_at(await self._cursor.load())
        hello = await self._first_hello()
        announcement = announcement_of(self._name, hello, notice)
        loader = Loader(
            self._store, self._presence, self._name, lambda voice: offers(announcement, voice),
            self._settings.voice_grace_s, self._settings.lease_s,
        )  # fmt: skip
        log.info("worker %s speaks with %s", self._name, hello.label, extra={"offset": self._intake.watermark})
        async with asyncio.TaskGroup() as group:
            group.create_task(self._presence.follow(), name="presence")
            group.create_task(self._presence.announce_for_ever(announcement, self.snapshot), name="announce")
            for stream in (PROGRESS_DONE, JOBS_DEAD):
                group.create_task(self._outcomes.follow(stream), name=f"follow {stream}")
            group.create_task(self._others_outcomes(), name="outcomes")
            group.create_task(self._take_jobs(), name="intake")
            group.create_task(self._admit(group, loader), name="admission")
            group.create_task(self._speak(), name="speaker")
            group.create_task(
                commit_whenever_moved(self._cursor, lambda: self._intake.watermark, self._intake.moved), name="commit"
            )

    async def finish(self, deadline_s: float) -> None:
        """An orderly end while `run` still runs: begin nothing new, write what was spoken, say farewell, commit.

        Raises:
            TimeoutError: not all of it was done in time; the next start does the rest.
            StoreUnavailable: the commit was not answered.
        """
        self._stopping = True
        self._changed.set()
        async with asyncio.timeout(deadline_s):
            while any(work.attempt is not None and not work.attempt.idle for work in self._book.in_stage("loaded")):
                self._changed.clear()  # its other two waiters are gone, or going
                await self._changed_or(time.monotonic() + FINISH_LOOK_S)
            await self._presence.say_farewell()
            await self._cursor.commit(self._intake.watermark)

    async def _first_hello(self) -> Hello:
        while True:
            try:
                return await self._engine.ensure_started()
            except EngineFailed as error:  # the host waits out its own backoff
                log.error("the voice engine does not start: %s", error, extra={"reason": error.reason})

    # Intake

    async def _take_jobs(self) -> None:
        await self._outcomes.caught_up()  # so that what is known to be finished gets no second receipt
        await self._intake.follow()

    async def _others_outcomes(self) -> None:
        """A cast that another worker finished is looked at again at once; its fold confirms."""
        while True:
            await self._outcomes.changed.wait()
            self._outcomes.changed.clear()
            for key in self._outcomes.seen:
                if (work := self._book.works.get(key)) and work.stage == "waiting":
                    work.not_before = 0.0
                    self._changed.set()
            self._outcomes.seen.clear()

    # Admission

    async def _admit(self, group: asyncio.TaskGroup, loader: Loader) -> None:
        """Load waiting casts while there is room; park the one with most lead for one that nobody has heard."""
        while not self._stopping:
            now = time.monotonic()
            waiting = self._book.in_stage("waiting")
            if self._book.count("loading") < MAX_LOADING and (admit := self._next_admission(now)):
                if admit.park is not None:
                    self._park(self._book.works[admit.park], 0.0)
                work = self._book.works[admit.key]
                self._book.move(work, "loading")
                group.create_task(self._serve(work, loader), name=f"cast {work.cast_id}")
                continue
            self._changed.clear()
            later = [work.not_before for work in waiting if work.not_before > now]
            await self._changed_or(min(later, default=now + 60.0))

    def _next_admission(self, now: float) -> Admit | None:
        due = [work for work in self._book.in_stage("waiting") if work.not_before <= now]
        for work in due:
            if work.held:  # looked at again outside the count: only what can be spoken takes a place
                return Admit(work.key, None)
        parkable = (
            work.candidate() for work in self._book.in_stage("loaded") if work.attempt is None or work.attempt.idle
        )
        room = self._settings.max_active_casts - self._book.count("loading", "loaded", "finishing")
        return next_admission((work.candidate() for work in due), parkable, room, now)

    def _park(self, work: Work, delay_s: float) -> None:
        """Let go of text and plan; the token stays ours, and the attempt goes on when the cast is loaded again."""
        work.not_before = time.monotonic() + delay_s
        self._book.move(work, "waiting")
        if work.attempt is not None:
            work.token = work.attempt.own_token
            work.attempt.stop()
            work.attempt = None
        self._changed.set()

    async def _serve(self, work: Work, loader: Loader) -> None:
        """Load one cast and write for it until it is finished, lost or parked. No error of it reaches the others."""
        try:
            await self._carry_out(work, await loader.load(work))
        except Lost:
            log.info("another writer has the cast", extra={"cast_id": work.cast_id})
            self._park(work, LOST_PAUSE_S)
        except (StreamMissing, BeyondTail):
            await self._bury(work, "expired", "The cast was deleted or has expired.", work.offset)
        except Exception:
            log.exception("unexpected error at a cast", extra={"cast_id": work.cast_id, "reason": "internal_error"})
            work.crashes += 1
            if work.crashes < MAX_CRASHES:
                self._park(work, work.crashes * LOST_PAUSE_S)
            else:
                await self._give_up_broken(work)

    async def _give_up_broken(self, work: Work) -> None:
        """Fail a cast that our own code stumbles over, for listeners too if that can still be written."""
        message = MESSAGES["internal_error"]
        try:
            await write_failure(await read_cast_log(self._store, work.cast_id), "internal_error", message, work.offset)
        except (StreamTTSError, ValueError) as error:
            log.warning("the failure could not be written: %s", error, extra={"cast_id": work.cast_id})
        await self._bury(work, "internal_error", message, work.offset)

    async def _carry_out(self, work: Work, verdict: Verdict) -> None:
        """What the loader said of a cast. Raises Lost, StreamMissing, BeyondTail."""
        was_held, work.held, work.log = work.held, False, None
        match verdict:
            case Speakable() if was_held:  # from now on it waits for a place like any other
                self._park(work, 0.0)
            case Speakable(cast_log, plan, voice):
                work.voice, work.attempt = voice, Attempt(cast_log, plan, self._name, work.token)
                self._book.move(work, "loaded")
                if cast_log.fold.sentences and work.lead is None:
                    work.lead = Lead(0.0, time.monotonic())
                self._changed.set()
                await self._write(work, work.attempt)
            case Complete(cast_log):
                await self._complete(work, cast_log)
            case AlreadyFailed(reason, message, offset) | Unservable(reason, message, offset):
                await self._bury(work, reason, message, offset)
            case Failing(cast_log, GiveUp(reason, message), offset):
                await write_failure(cast_log, reason, message, offset)
                await self._bury(work, reason, message, offset)
            case NotYet(cast_log, delay_s):
                work.held, work.log = True, cast_log
                self._park(work, delay_s)
            case _:
                assert_never(verdict)

    # Speaking

    async def _speak(self) -> None:
        """Give the engine one sentence after another, in the order of `worker.schedule`."""
        while not self._stopping:
            now = time.monotonic()
            loaded = self._book.in_stage("loaded")
            ready = (work.candidate() for work in loaded if work.attempt is not None and work.attempt.wants_speech)
            self._changed.clear()
            match next_turn(ready, now, self._settings.comfort_s):
                case Turn(key):
                    work = self._book.works[key]
                    attempt = work.attempt  # by the end of the sentence the cast may have another one, or none
                    assert attempt is not None
                    attempt.speaking = True
                    try:
                        await self._speak_next(work, attempt)
                    except Exception:
                        log.exception("unexpected error at a sentence", extra={"cast_id": work.cast_id})
                        attempt.fail("internal_error")
                    finally:
                        attempt.speaking = False
                case Rest(until):
                    await self._changed_or(now + 60.0 if until is None else until)

    async def _speak_next(self, work: Work, attempt: Attempt) -> None:
        assert work.voice is not None
        voice = work.voice
        self._turns += 1
        work.served = self._turns
        pause_ms = attempt.plan[attempt.next_index].pause_ms
        attempt.begin()
        if self._presence.others_are_here() and not await attempt.is_taken():
            return  # alone, the claim and the first sentence overlap; here it would often be spoken for nothing
        try:
            speech = await self._engine.speak(
                spoken_text(attempt.next_text()), voice.body, voice.lang, float(voice.speed),
                deadline_s=self._settings.sentence_deadline_s,
            )  # fmt: skip
        except EngineFailed as error:
            self._engine_failed(work, attempt, error)
            return
        attempt.put(speech)
        self.metrics.sentence_spoken()
        if work.attempt is not attempt:
            return  # lost or parked meanwhile: nobody will hear this one
        work.crashes = 0
        spoken_s = speech.samples / speech.rate + pause_ms / 1000
        work.lead = (work.lead or Lead(0.0, time.monotonic())).with_audio(spoken_s, time.monotonic())

    def _engine_failed(self, work: Work, attempt: Attempt, error: EngineFailed) -> None:
        log.warning("no speech: %s", error, extra={"cast_id": work.cast_id, "reason": error.reason})
        if error.reason == "engine_unavailable":  # not this text's fault: nothing of its budget is used
            return
        attempt.fail(error.reason)

    # Writing

    async def _write(self, work: Work, attempt: Attempt) -> None:
        """Carry out the cast's steps until it is finished or parked."""
        while True:
            try:
                step = await attempt.write_next()
            except SentenceTooLong:
                attempt.add(Abandon("sentence_too_long", MESSAGES["sentence_too_long"], work.offset))
                continue
            self._changed.set()
            match step:
                case None if attempt.failed_with is not None:
                    await self._try_again(work, attempt, attempt.failed_with)
                case None:
                    return
                case Spoken(index=0):
                    self.metrics.first_audio(time.time() - work.at / 1000)
                case Seal():
                    self.metrics.cast_done()
                    await self._complete(work, attempt.log)
                    return
                case Abandon(reason, message, offset):
                    await self._bury(work, reason, message, offset)
                    return
                case _:
                    pass

    async def _try_again(self, work: Work, attempt: Attempt, reason: str) -> None:
        """After an engine failure, all that was spoken before it being written."""
        decision = after_engine_failure(reason, attempt.log.fold.failures, random.random())  # noqa: S311  # jitter
        if isinstance(decision, GiveUp):
            attempt.add(Abandon(decision.reason, decision.message, work.offset))  # and no more speech for it
            return
        await asyncio.sleep(decision.delay_s)
        attempt.add(Take(reason))
        attempt.failed_with = None

    # Finishing

    async def _complete(self, work: Work, cast_log: CastLog) -> None:
        """The cast ended in `eos`: the receipt, then its jobs are finished."""
        self._book.move(work, "finishing")
        fold = cast_log.fold
        answered = -1
        while work.offset > answered:  # a job may join while the receipt is on its way
            answered = work.offset
            await self._outcomes.receipt(
                Receipt(work.cast_id, work.epoch, answered, len(fold.sentences), fold.duration_ms, self._name)
            )
        log.info("cast done", extra={"action": "cast_done", "cast_id": work.cast_id, "duration_ms": fold.duration_ms})
        await self._answer(work, answered)

    async def _bury(self, work: Work, reason: str, message: str, offset: int) -> None:
        """The jobs of this cast up to `offset` are dead: say so. A later one is a new try and goes on waiting."""
        self._book.move(work, "finishing")
        if work.attempt is not None:
            work.attempt.stop()
            work.attempt = None
        await self._outcomes.dead(DeadJob(work.cast_id, work.epoch, offset, reason, message, self._name))
        self.metrics.cast_failed()
        log.warning("cast failed", extra={"action": "cast_failed", "cast_id": work.cast_id, "reason": reason})
        await self._answer(work, offset)

    async def _answer(self, work: Work, upto: int) -> None:
        for offset in self._book.answer(work, upto):
            self._intake.finish(offset)
        self._changed.set()
        await self._outcomes.forget_below(self._cursor.offset)

    async def _changed_or(self, until: float) -> None:
        """Wait until something changed or the moment has come, seconds of the monotonic clock."""
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._changed.wait()
        except TimeoutError:
            return


def announcement_of(worker: str, hello: Hello, notice: str | None) -> Announcement:
    voices = tuple(
        OfferedVoice(voice.id, voice.name, voice.lang, voice.language, voice.gender, voice.featured)
        for voice in hello.voices
    )
    return Announcement(
        worker, hello.engine, hello.version, hello.label, notice, hello.default_voice, voices, hello.variants
    )
