"""What there is to see of a worker: a snapshot of it, and the lease that is made of two of them. Pure."""

from dataclasses import dataclass

from casts.limits import LEASE_CASTS
from casts.private import Lease, LeasedCast
from worker.attempt import Attempt
from worker.book import Book, Work
from worker.engine import EngineStats


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A worker at one moment.

    Attributes:
        at: seconds on the monotonic clock.
        active: unfinished casts; `unfinished` jobs wait for them.
        engine: totals since the worker began.
        least_lead_s: of the loaded casts that somebody may be hearing; None where there is none.
        casts: all that are loaded, first those that need the engine soonest.
    """

    at: float
    active: int
    unfinished: int
    watermark: int
    engine: EngineStats
    least_lead_s: float | None
    casts: tuple[LeasedCast, ...]


def snapshot_of(book: Book, watermark: int, engine: EngineStats, now: float) -> Snapshot:
    loaded = [(work, work.attempt) for work in book.in_stage("loaded") if work.attempt is not None]
    leads = [work.lead.now(now) for work, _ in loaded if work.live and work.lead is not None]
    casts = sorted((_leased(work, attempt, now) for work, attempt in loaded), key=_urgency)
    return Snapshot(
        at=now,
        active=len(book.works),
        unfinished=book.unfinished_jobs,
        watermark=watermark,
        engine=engine,
        least_lead_s=min(leads, default=None),
        casts=tuple(casts),
    )


def is_news(told: Snapshot, now: Snapshot) -> bool:
    """Whether work was done or came in since what was told last; leads that only ran down are no news."""
    return _progress(told) != _progress(now)


def lease_of(worker: str, told: Snapshot, now: Snapshot) -> Lease:
    """The sign of life that follows one made of `told`."""
    busy_s = _busy_s(now.engine) - _busy_s(told.engine)
    passed_s = now.at - told.at
    return Lease(
        worker=worker,
        active=now.active,
        unfinished=now.unfinished,
        watermark=now.watermark,
        engine_speed=_speed(told.engine, now.engine),
        busy_share=round(min(1.0, busy_s / passed_s), 3) if passed_s > 0 else 0.0,
        casts=now.casts[:LEASE_CASTS],
    )


def _leased(work: Work, attempt: Attempt, now: float) -> LeasedCast:
    fold = attempt.log.fold
    return LeasedCast(
        id=work.cast_id,
        lead_ms=None if work.lead is None else round(work.lead.now(now) * 1000),
        sentences_done=len(fold.sentences),
        sentences=len(attempt.plan),
        attempt=fold.attempt,
        asap=work.asap,
    )


def _urgency(cast: LeasedCast) -> int:
    return -1 if cast.lead_ms is None else cast.lead_ms


def _progress(snapshot: Snapshot) -> tuple[object, ...]:
    casts = {(cast.id, cast.sentences_done, cast.attempt, cast.asap) for cast in snapshot.casts}
    return snapshot.active, snapshot.unfinished, snapshot.watermark, casts


def _busy_s(engine: EngineStats) -> float:
    return engine.busy_s + engine.in_hand_s


def _speed(before: EngineStats, now: EngineStats) -> float | None:
    """Of what was spoken in between; where nothing was, of all that was ever spoken."""
    spoken_s, busy_s = now.spoken_s - before.spoken_s, now.busy_s - before.busy_s
    if spoken_s <= 0 or busy_s <= 0:
        spoken_s, busy_s = now.spoken_s, now.busy_s
    return round(spoken_s / busy_s, 2) if spoken_s > 0 and busy_s > 0 else None
