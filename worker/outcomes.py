"""Receipts and dead jobs: what this worker and others have finished, and the appends that say so."""

import asyncio
import time
from collections import deque
from contextlib import aclosing

from casts.keys import CastKey, cast_key
from casts.names import JOBS_DEAD, PROGRESS_DONE, StreamName
from casts.private import DeadJob, Receipt
from streams.port import Store, trim
from streams.shared_log import append_at_least_once, follow_from_the_beginning


class Outcomes:
    """The highest job that each cast's receipts and dead entries answer for, as far as they still matter.

    Attributes:
        changed: set whenever one was seen; the worker clears it.
    """

    def __init__(self, store: Store, retention_s: int) -> None:
        self._store = store
        self._retention_ms = retention_s * 1000
        self._dead_at: deque[tuple[int, int]] = deque()
        self._answered: dict[StreamName, dict[CastKey, int]] = {PROGRESS_DONE: {}, JOBS_DEAD: {}}
        self._places: dict[int, int] = {}
        self._caught_up = {PROGRESS_DONE: asyncio.Event(), JOBS_DEAD: asyncio.Event()}
        self.seen: list[CastKey] = []
        self.changed = asyncio.Event()

    async def follow(self, stream: StreamName) -> None:
        """Follow one of the two streams for ever."""
        async with aclosing(follow_from_the_beginning(self._store, stream, self._caught_up[stream])) as places:
            async for placed in places:
                if isinstance(placed.record, Receipt | DeadJob):
                    self._take(stream, placed.seq_num, placed.record)
                    if stream == JOBS_DEAD:
                        self._dead_at.append((placed.timestamp, placed.seq_num))

    async def caught_up(self) -> None:
        """Wait until what was there at start has been read."""
        for event in self._caught_up.values():
            await event.wait()

    def _take(self, stream: StreamName, seq_num: int, record: Receipt | DeadJob) -> None:
        key = cast_key(record.id, record.epoch)
        answered = self._answered[stream]
        answered[key] = max(answered.get(key, -1), record.offset)
        if stream == PROGRESS_DONE:
            self._places[seq_num] = record.offset
        self.seen.append(key)
        self.changed.set()

    async def _trim_dead(self, before_ms: int) -> None:
        """Dead jobs are kept as long as a cast is."""
        upto = None
        while self._dead_at and self._dead_at[0][0] < before_ms:
            upto = self._dead_at.popleft()[1] + 1
        if upto is not None:
            await self._store.append(JOBS_DEAD, [trim(upto)])

    async def receipt(self, record: Receipt) -> None:
        """Append a receipt unless one that answers for as much is there."""
        if self._answered[PROGRESS_DONE].get(cast_key(record.id, record.epoch), -1) < record.offset:
            await append_at_least_once(self._store, PROGRESS_DONE, record)

    async def dead(self, record: DeadJob) -> None:
        """Append a dead job unless one that answers for as much is there."""
        if self._answered[JOBS_DEAD].get(cast_key(record.id, record.epoch), -1) < record.offset:
            await append_at_least_once(self._store, JOBS_DEAD, record)

    async def forget_below(self, watermark: int) -> None:
        """Drop what answers only for jobs below the watermark, here and in `progress/done`, and the long dead."""
        await self._trim_dead(int(time.time() * 1000) - self._retention_ms)
        for answered in self._answered.values():
            for key in [key for key, offset in answered.items() if offset < watermark]:
                del answered[key]
        done = [seq_num for seq_num, offset in self._places.items() if offset < watermark]
        kept = [seq_num for seq_num, offset in self._places.items() if offset >= watermark]
        for seq_num in done:
            del self._places[seq_num]
        if done:
            upto = min(kept, default=max(done) + 1)
            await self._store.append(PROGRESS_DONE, [trim(upto)])
