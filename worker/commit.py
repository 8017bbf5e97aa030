"""The committed cursor: read at start, moved up conditionally and monotonically, streams below it trimmed."""

import asyncio
import logging
from collections.abc import Callable

from casts.errors import StreamTTSError
from casts.names import JOBS, JOBS_CURSOR
from casts.private import Cursor, encode_private
from streams.committed import read_committed
from streams.port import Acknowledged, Refused, Store, StoreUnavailable, trim

log = logging.getLogger(__name__)

COMMIT_PAUSE_S = 0.5
TRIM_EVERY = 64
"""Jobs between two trims of the intake log."""


class CursorBeyondTail(StreamTTSError):
    """The cursor says that jobs are finished which the intake log does not have: the wrong basin or a lost disk."""


class CommittedCursor:
    """One per worker. An older worker cannot rewind it: each commit names the record that it follows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_seq = 0
        self.offset = 0
        self._trimmed = 0

    async def load(self) -> int:
        """The committed offset, 0 where none was.

        Raises:
            CursorBeyondTail, StoreUnavailable.
        """
        await self._reload()
        tail = await self._store.tail(JOBS)
        if self.offset > tail:
            raise CursorBeyondTail(f"{JOBS_CURSOR} is at {self.offset}, but the tail of {JOBS} is {tail}")
        self._trimmed = self.offset
        return self.offset

    async def _reload(self) -> None:
        committed = await read_committed(self._store)
        self._next_seq, self.offset = committed.next_seq, max(self.offset, committed.offset)

    async def commit(self, offset: int) -> None:
        """Say that every job below `offset` is finished; less than what stands there is no change.

        Raises:
            StoreUnavailable: not known to be written; call again.
        """
        while offset > self.offset:
            outcome = await self._store.append(
                JOBS_CURSOR, [encode_private(Cursor(offset))], match_seq_num=self._next_seq
            )
            match outcome:
                case Acknowledged(first=place, next_seq=next_seq):
                    self._next_seq, self.offset = next_seq, offset
                    if offset - self._trimmed >= TRIM_EVERY:
                        await self._trim(place)
                case Refused():
                    await self._reload()
                case _:
                    await self._reload()
                    raise StoreUnavailable("the commit was not answered")

    async def _trim(self, own_place: int) -> None:
        """Let finished jobs go, and cursors before our own record. Best effort: the next trim does the rest."""
        await self._store.append(JOBS, [trim(self.offset)])
        outcome = await self._store.append(JOBS_CURSOR, [trim(own_place)], match_seq_num=self._next_seq)
        if isinstance(outcome, Acknowledged):
            self._next_seq, self._trimmed = outcome.next_seq, self.offset


async def commit_whenever_moved(cursor: CommittedCursor, value: Callable[[], int], moved: asyncio.Event) -> None:
    """Keep the committed cursor behind the watermark, at most one commit every half second."""
    while True:
        await moved.wait()
        moved.clear()
        try:
            await cursor.commit(value())
        except StoreUnavailable as error:
            log.warning("cursor not committed: %s", error)
            moved.set()
        await asyncio.sleep(COMMIT_PAUSE_S)
