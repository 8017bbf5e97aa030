"""Reading a stream up to its tail, page by page, over what cannot be decrypted."""

from collections.abc import AsyncGenerator

from casts.names import StreamName
from streams.port import Entry, Store, Unreadable, UnreadableRecord


async def read_to_tail(store: Store, stream: StreamName, start: int) -> AsyncGenerator[Entry | Unreadable, None]:
    """Every record from `start` up to the tail as it is when the last page is read.

    Raises:
        StreamMissing, BeyondTail, StoreUnavailable.
    """
    position = start
    while True:
        try:
            page = await store.read(stream, position)
        except UnreadableRecord as error:
            yield Unreadable(error.seq_num)
            position = error.seq_num + 1
            continue
        if not page:
            return
        for entry in page:
            yield entry
        position = page[-1].seq_num + 1
