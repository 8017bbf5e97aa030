"""The committed cursor of the intake log: every job below it is done or dead."""

from dataclasses import dataclass

from casts.names import JOBS_CURSOR
from casts.private import Cursor
from streams.port import Entry, Store
from streams.reading import read_to_tail
from streams.shared_log import parse

LOOK_BACK = 16
"""Cursors and trims alternate; the last cursor stands among the last records."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The highest committed offset, and where the next cursor record goes."""

    offset: int
    next_seq: int


async def read_committed(store: Store) -> Committed:
    """Raises StoreUnavailable, StreamMissing."""
    tail = await store.tail(JOBS_CURSOR)
    offset, next_seq = 0, tail
    async for entry in read_to_tail(store, JOBS_CURSOR, max(0, tail - LOOK_BACK)):
        next_seq = entry.seq_num + 1
        if isinstance(entry, Entry) and isinstance(cursor := parse(JOBS_CURSOR, entry).record, Cursor):
            offset = max(offset, cursor.offset)
    return Committed(offset, next_seq)
