"""The unfinished casts of a worker: one entry a cast, joined by every job for it. Pure bookkeeping, no I/O."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from casts.ids import CastId, Epoch
from casts.keys import CastKey, cast_key
from casts.private import Job
from casts.voice import Voice
from worker.attempt import Attempt
from worker.schedule import Candidate, Lead

Stage = Literal["waiting", "loading", "loaded", "finishing"]


@dataclass(slots=True, eq=False)
class Work:
    """One unfinished cast.

    Attributes:
        offsets: the jobs that wait for it.
        not_before: monotonic time before which it is not loaded: a held cast, a retry, a voice nobody offers.
        submitted_ms: wall clock of the first job's submit.
        live, asap: of all its jobs, see `worker.schedule.Candidate`.
        attempt: text, plan and pending writes, while loaded.
    """

    key: CastKey
    cast_id: CastId
    epoch: Epoch
    offsets: list[int]
    submitted_ms: int
    live: bool
    asap: bool
    stage: Stage = "waiting"
    lead: Lead | None = None
    served: int = 0
    not_before: float = 0.0
    voice: Voice | None = None
    attempt: Attempt | None = None
    unoffered_since: float | None = None

    @property
    def offset(self) -> int:
        """The highest job that waits for it."""
        return max(self.offsets)

    def candidate(self) -> Candidate:
        return Candidate(self.key, self.offsets[0], self.lead, self.served, self.live, self.asap)


class Book:
    """All unfinished casts, in order of arrival within each stage."""

    def __init__(self) -> None:
        self.works: dict[CastKey, Work] = {}
        self._stages: dict[Stage, dict[CastKey, Work]] = {stage: {} for stage in get_args(Stage)}
        self.unfinished_jobs = 0

    def join(self, job: Job, offset: int) -> Work:
        """Enter a job; a cast that is there already takes it along."""
        key = cast_key(job.id, job.epoch)
        work = self.works.get(key)
        if work is None:
            work = self.works[key] = Work(key, job.id, job.epoch, [offset], job.at, not job.asap, job.asap)
            self._stages[work.stage][key] = work
        elif offset in work.offsets:
            return work
        else:
            work.offsets.append(offset)
            work.live, work.asap = work.live or not job.asap, work.asap or job.asap
        self.unfinished_jobs += 1
        return work

    def move(self, work: Work, stage: Stage) -> None:
        if self._stages[work.stage].pop(work.key, None) is not None:
            work.stage = stage
            self._stages[stage][work.key] = work

    def in_stage(self, stage: Stage) -> Collection[Work]:
        return self._stages[stage].values()

    def count(self, *stages: Stage) -> int:
        return sum(len(self._stages[stage]) for stage in stages)

    def answer(self, work: Work, upto: int) -> list[int]:
        """Take the jobs up to an offset off a cast, and the cast off the book with its last one; returns them."""
        answered = [offset for offset in work.offsets if offset <= upto]
        work.offsets = [offset for offset in work.offsets if offset > upto]
        self.unfinished_jobs -= len(answered)
        if work.offsets:
            self.move(work, "waiting")
        else:
            self._stages[work.stage].pop(work.key, None)
            self.works.pop(work.key, None)
        return answered
