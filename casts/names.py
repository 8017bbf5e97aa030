"""Stream names. The only place where one is spelled."""

from typing import NewType

from casts.ids import CastId

StreamName = NewType("StreamName", str)

JOBS = StreamName("jobs")
JOBS_CURSOR = StreamName("jobs/_cursor")
JOBS_DEAD = StreamName("jobs/dead")
PROGRESS_DONE = StreamName("progress/done")
WORKERS = StreamName("workers")

SHARED = (JOBS, JOBS_CURSOR, JOBS_DEAD, PROGRESS_DONE, WORKERS)
"""Streams of the whole service: kept for ever and trimmed by us, never dropped by age."""


def catalog(cast_id: CastId) -> StreamName:
    """The private recipe of a cast."""
    return StreamName(f"catalog/{cast_id}")


def output(cast_id: CastId) -> StreamName:
    """The public output of a cast."""
    return StreamName(f"pub/casts/{cast_id}")
