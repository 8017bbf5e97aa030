"""What is in flight: unfinished jobs, learnt from `jobs`, its cursor, receipts and dead. I/O only in `follow_into`.

Every proxy keeps one: for the place in the queue, and to see whether a cast has a job before it appends another.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from casts.ids import CastId, Epoch
from casts.keys import CastKey, cast_key
from casts.names import JOBS, JOBS_CURSOR, JOBS_DEAD, PROGRESS_DONE, StreamName
from casts.private import Cursor, DeadJob, Job, Lease, Receipt
from streams.port import Store
from streams.shared_log import Placed, follow_shared

FOLLOWED = (JOBS, JOBS_CURSOR, PROGRESS_DONE, JOBS_DEAD)

ANSWERED_KEPT = 10_000
"""Answers that are remembered in case their job is read later than they are."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The unfinished jobs of one cast: the first and the last of them. `at_ms` is the first one's submit."""

    first: int
    last: int
    asap: bool
    at_ms: int


class Ledger:
    """The state of the intake log as far as it was followed.

    Attributes:
        next_job: every job below this offset has been seen.
        changed: set and replaced whenever something was taken.
        dead: dead jobs that were seen.
    """

    def __init__(self) -> None:
        self.next_job = 0
        self.changed = asyncio.Event()
        self.dead = 0
        self._pending: OrderedDict[CastKey, Pending] = OrderedDict()
        self._answered: OrderedDict[CastKey, int] = OrderedDict()
        self._epochs: dict[CastId, Epoch] = {}
        self._heard: set[CastId] = set()
        self._committed = 0

    def begin_at(self, committed: int) -> None:
        """The committed cursor, before `jobs` is followed: what lies below it is finished."""
        self.next_job = self._committed = committed

    def take(self, placed: Placed, stream: StreamName) -> None:
        """One record of one of the four streams, in order within its stream."""
        match placed.record:
            case Job() as job if stream == JOBS:
                self._take_job(job, placed.seq_num)
            case Receipt() | DeadJob() as answer:
                self.dead += isinstance(answer, DeadJob)
                self._take_answer(answer)
            case Cursor(offset=offset):
                self._take_cursor(offset)
            case _:
                pass
        if stream == JOBS:
            self.next_job = placed.seq_num + 1
        self.changed.set()
        self.changed = asyncio.Event()

    def take_sign(self, placed: Placed) -> None:
        """One record of `workers`: a lease tells which of the unfinished casts have audio already."""
        if isinstance(placed.record, Lease):
            begun = {cast.id for cast in placed.record.casts if cast.lead_ms is not None}
            self._heard |= begun & {_cast_id(key) for key in self._pending}

    def _take_job(self, job: Job, offset: int) -> None:
        key = cast_key(job.id, job.epoch)
        if self._answered.get(key, -1) >= offset or offset < self._committed:
            return
        self._epochs[job.id] = job.epoch
        known = self._pending.get(key)
        if known is None:
            self._pending[key] = Pending(offset, offset, job.asap, job.at)
        else:
            self._pending[key] = Pending(known.first, offset, job.asap or known.asap, known.at_ms)

    def _take_answer(self, answer: Receipt | DeadJob) -> None:
        key = cast_key(answer.id, answer.epoch)
        self._answered[key] = max(self._answered.pop(key, -1), answer.offset)
        if len(self._answered) > ANSWERED_KEPT:
            self._answered.popitem(last=False)
        pending = self._pending.get(key)
        if pending is not None and pending.last <= answer.offset:
            self._drop(key)

    def _take_cursor(self, offset: int) -> None:
        """Jobs below the committed cursor are finished, even where their receipt was trimmed before it was seen."""
        self._committed = max(self._committed, offset)
        for key in [key for key, pending in self._pending.items() if pending.last < self._committed]:
            self._drop(key)

    def _drop(self, key: CastKey) -> None:
        del self._pending[key]
        cast_id = _cast_id(key)
        self._heard.discard(cast_id)
        if key == cast_key(cast_id, self._epochs.get(cast_id, Epoch(""))):
            del self._epochs[cast_id]

    def pending(self, cast_id: CastId, epoch: Epoch) -> Pending | None:
        return self._pending.get(cast_key(cast_id, epoch))

    def newest_epoch(self, cast_id: CastId) -> Epoch | None:
        """The epoch of the newest unfinished job for this id, if one is known."""
        return self._epochs.get(cast_id)

    def place(self, cast_id: CastId, epoch: Epoch) -> int | None:
        """How many casts without audio came before this one, for those have a voice first; None if it is unknown."""
        pending = self._pending.get(cast_key(cast_id, epoch))
        if pending is None:
            return None
        return self._unheard_before(pending.first)

    def place_of_next(self) -> int:
        """What `place` will be for a job that is appended now."""
        return self._unheard_before(self.next_job)

    def _unheard_before(self, offset: int) -> int:
        unheard = (pending for key, pending in self._pending.items() if _cast_id(key) not in self._heard)
        return sum(1 for pending in unheard if pending.first < offset)

    @property
    def unfinished(self) -> int:
        return len(self._pending)

    @property
    def oldest_ms(self) -> int | None:
        """When the unfinished cast that came first was submitted; None where all are finished."""
        first = min(self._pending.values(), key=lambda pending: pending.first, default=None)
        return None if first is None else first.at_ms

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        """Until the condition holds; it is asked again whenever something was taken. Bound it with a timeout."""
        while not holds():
            await self.changed.wait()


def _cast_id(key: CastKey) -> CastId:
    return CastId(key.partition("/")[0])


async def follow_into(ledger: Ledger, store: Store, stream: StreamName) -> None:
    """Feed one of the four streams into the ledger for ever.

    Jobs from the committed cursor on: older ones are finished, and their receipts may be trimmed before they are.
    """
    assert stream in FOLLOWED
    start = ledger.next_job if stream == JOBS else 0
    async with aclosing(follow_shared(store, stream, start)) as places:
        async for placed in places:
            ledger.take(placed, stream)
