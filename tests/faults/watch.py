"""What the shared streams said while faults went on, read past every link: jobs, receipts, the cursor, leases."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field

from casts.ids import CastId
from casts.names import JOBS, JOBS_CURSOR, JOBS_DEAD, PROGRESS_DONE, SHARED, WORKERS, StreamName
from casts.private import Announcement, Cursor, DeadJob, Job, Lease, Receipt
from streams.port import BeyondTail, Store, StreamMissing
from streams.shared_log import Placed, follow_shared


@dataclass(slots=True)
class Watch:
    """Follows the five shared streams for ever.

    Attributes:
        unseen: streams of which a trim took records before they were seen here.
        cursors, cursor_times: every committed cursor in order, and S2's time of each in ms.
        seen_at: worker -> monotonic time of its last sign of life.
        broken: what must never be, in words.
    """

    jobs: dict[CastId, list[int]] = field(default_factory=dict)
    receipts: dict[CastId, list[Receipt]] = field(default_factory=dict)
    dead: dict[CastId, list[DeadJob]] = field(default_factory=dict)
    cursors: list[int] = field(default_factory=list)
    cursor_times: list[int] = field(default_factory=list)
    seen_at: dict[str, float] = field(default_factory=dict)
    next_job: int = 0
    unseen: set[StreamName] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    async def follow(self, store: Store) -> None:
        async with asyncio.TaskGroup() as group:
            for stream in SHARED:
                group.create_task(self._follow(store, stream), name=f"watch {stream}")

    async def _follow(self, store: Store, stream: StreamName) -> None:
        expected = 0
        while True:
            try:
                async with aclosing(follow_shared(store, stream, expected)) as places:
                    async for placed in places:
                        if placed.seq_num < expected:
                            self.broken.append(f"{stream} gave {placed.seq_num} after {expected - 1}")
                        if placed.seq_num > expected:
                            self.unseen.add(stream)
                        expected = placed.seq_num + 1
                        self.take(stream, placed, time.monotonic())
            except StreamMissing:  # the service has not made it yet
                await asyncio.sleep(0.1)
            except BeyondTail as error:
                self.broken.append(f"{stream} went back to {error.tail}, {expected} had been seen")
                return

    def take(self, stream: StreamName, placed: Placed, now: float) -> None:
        if stream == JOBS:
            self.next_job = placed.seq_num + 1
        match placed.record:
            case Job(id=cast_id) if stream == JOBS:
                self.jobs.setdefault(cast_id, []).append(placed.seq_num)
            case Receipt(id=cast_id) as receipt if stream == PROGRESS_DONE:
                self.receipts.setdefault(cast_id, []).append(receipt)
            case DeadJob(id=cast_id) as dead if stream == JOBS_DEAD:
                self.dead.setdefault(cast_id, []).append(dead)
            case Cursor(offset=offset) if stream == JOBS_CURSOR:
                if self.cursors and offset <= self.cursors[-1]:
                    self.broken.append(f"the committed cursor went from {self.cursors[-1]} to {offset}")
                self.cursors.append(offset)
                self.cursor_times.append(placed.timestamp)
            case Announcement(worker=worker) | Lease(worker=worker) if stream == WORKERS:
                self.seen_at[worker] = now
            case _:
                pass

    def passed_at(self, offset: int) -> int | None:
        """S2's time, in ms, of the first cursor that says a job is finished."""
        for committed, timestamp in zip(self.cursors, self.cursor_times, strict=True):
            if committed > offset:
                return timestamp
        return None

    @property
    def committed(self) -> int:
        return self.cursors[-1] if self.cursors else 0
