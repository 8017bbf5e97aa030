"""The consumer of `jobs`: reads them into the book up to a window, and knows below which all are finished."""

import asyncio
import logging
from contextlib import aclosing

from casts.names import JOBS
from casts.private import Job
from streams.port import Store
from streams.shared_log import Placed, follow_shared
from worker.book import Book
from worker.watermark import Watermark

log = logging.getLogger(__name__)

REFILL_BELOW = 0.9
"""Share of the window to which a full one empties before jobs are read again."""


class Intake:
    """One per worker. `changed` is set when the book got a job, `moved` when the watermark did."""

    def __init__(self, store: Store, book: Book, window: int, changed: asyncio.Event) -> None:
        self._store = store
        self._book = book
        self._window = window
        self._changed = changed
        self._room = asyncio.Event()
        self._watermark = Watermark(0)
        self.moved = asyncio.Event()

    @property
    def watermark(self) -> int:
        """Every job below it is done or dead."""
        return self._watermark.value

    def begin_at(self, offset: int) -> None:
        """The committed cursor, before `follow`."""
        self._watermark = Watermark(offset)

    def finish(self, offset: int) -> None:
        """A job is done or dead."""
        if self._watermark.finish(offset):
            self.moved.set()
        self._room.set()

    async def follow(self) -> None:
        """Read jobs for ever; closed while the window is full, so that unread ones stay in the store."""
        position = self.watermark
        while True:
            async with aclosing(follow_shared(self._store, JOBS, position)) as places:
                async for placed in places:
                    self._take(placed, position)
                    position = placed.seq_num + 1
                    if self._book.unfinished_jobs >= self._window:
                        break
            while self._book.unfinished_jobs > REFILL_BELOW * self._window:
                self._room.clear()
                await self._room.wait()

    def _take(self, placed: Placed, expected: int) -> None:
        if expected < placed.seq_num:  # only what is finished is ever trimmed, so the cursor was lost
            log.error("jobs %d to %d are gone from the log", expected, placed.seq_num - 1)
            for offset in range(expected, placed.seq_num):
                self.finish(offset)
        if isinstance(placed.record, Job):
            self._book.join(placed.record, placed.seq_num)
            self._changed.set()
        else:
            self.finish(placed.seq_num)
