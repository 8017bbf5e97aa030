"""What a job's cast needs: reads its recipe and its log and says what is to be done with it.

The answer is a value; the worker carries it out.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from casts.errors import InvalidVoice
from casts.ids import CastId
from casts.names import catalog
from casts.plan import Plan
from casts.private import Recipe
from casts.voice import Voice, parse_voice
from streams.backoff import store_backoff
from streams.port import BeyondTail, Store, StoreUnavailable, StreamMissing
from streams.shared_log import last_readable
from worker.attempt import owner_of
from worker.book import Work
from worker.cast_log import CastLog, read_cast_log
from worker.presence import Presence
from worker.retry import MESSAGES, GiveUp, before_resuming
from worker.text.plan import plan_text


@dataclass(frozen=True, slots=True)
class Speakable:
    """Take the cast and speak from where its log ends."""

    log: CastLog
    plan: Plan
    voice: Voice


@dataclass(frozen=True, slots=True)
class Complete:
    """It was spoken to the end already: only its receipt may be missing."""

    log: CastLog


@dataclass(frozen=True, slots=True)
class Unservable:
    """No listener is concerned: the jobs up to `offset` are dead without a `fail` record."""

    reason: str
    message: str
    offset: int


@dataclass(frozen=True, slots=True)
class AlreadyFailed:
    """A failure answered for the jobs up to `offset`: only their dead entry may be missing."""

    reason: str
    message: str
    offset: int


@dataclass(frozen=True, slots=True)
class Failing:
    """Listeners are to learn of it: a `fail` record, then the dead entry."""

    log: CastLog
    give_up: GiveUp
    offset: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """Look again after so many seconds: another worker holds it, or its voice is not offered here."""

    log: CastLog
    delay_s: float


Verdict = Speakable | Complete | Unservable | AlreadyFailed | Failing | NotYet


async def recipe_of(store: Store, cast_id: CastId) -> Recipe | None:
    """What the cast is made from; None where it was deleted or never was. Raises StoreUnavailable."""
    try:
        record = await last_readable(store, catalog(cast_id))
    except StreamMissing:
        return None
    return record if isinstance(record, Recipe) else None


@dataclass(frozen=True, slots=True)
class Loader:
    """Judges casts for one worker."""

    store: Store
    presence: Presence
    worker: str
    speaks: Callable[[Voice], bool]
    voice_grace_s: float
    lease_s: float

    async def load(self, work: Work) -> Verdict:
        """Ask the store until it answers, then judge."""
        tries = 0
        while True:
            try:
                return await self._judge(work)
            except StoreUnavailable:
                tries += 1
                await asyncio.sleep(store_backoff(tries, random.random()))  # noqa: S311  # jitter

    async def _judge(self, work: Work) -> Verdict:
        recipe = await recipe_of(self.store, work.cast_id)
        log = await self._log_of(work) if recipe is not None else None
        if recipe is None or log is None:
            return Unservable("expired", "The cast was deleted or has expired.", work.offset)
        meta = log.fold.meta
        if meta is None or meta.epoch != work.epoch:
            return Unservable("superseded", "The cast was made anew since.", work.offset)
        seal = log.seal
        if seal is not None and seal.ended:
            return Complete(log)
        if seal is not None and seal.failed_up_to is not None and seal.failed_up_to >= work.offset:
            return AlreadyFailed(log.fold.reason or "failed", log.fold.message or "", work.offset)
        owner = owner_of(log.token) if seal is None else ""
        if owner and owner != self.worker and self.presence.is_alive(owner):
            return NotYet(log, self.lease_s / 3)
        return await self._voiced(work, log, meta.text, meta.lang, recipe.voice)

    async def _log_of(self, work: Work) -> CastLog | None:
        try:
            if work.log is None:
                return await read_cast_log(self.store, work.cast_id)
            await work.log.catch_up()
            return work.log
        except (StreamMissing, BeyondTail):
            return None

    async def _voiced(self, work: Work, log: CastLog, text: str, lang: str, voice_string: str) -> Verdict:
        try:
            voice = parse_voice(voice_string)
        except InvalidVoice as error:
            return Failing(log, GiveUp("voice_unavailable", str(error)), work.offset)
        if not self.speaks(voice):
            waited_s = time.time() - work.at / 1000
            if self.presence.anybody_offers(voice) or waited_s < self.voice_grace_s:
                return NotYet(log, min(30.0, self.voice_grace_s / 10))
            return Failing(log, GiveUp("voice_unavailable", MESSAGES["voice_unavailable"]), work.offset)
        if log.seal is None and (give_up := before_resuming(log.fold.failures, log.fold.interruptions)):
            return Failing(log, give_up, work.offset)
        plan = log.fold.plan or await asyncio.to_thread(plan_text, text, lang)
        return Speakable(log, plan, voice)
