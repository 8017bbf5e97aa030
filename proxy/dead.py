"""The dead jobs, newest first, and what has become of their casts since. Reads only."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from casts.ids import CastId
from casts.names import JOBS_DEAD, StreamName
from casts.private import DeadJob
from proxy.errors import ApiError
from proxy.ledger import Ledger
from proxy.overview import Casts
from streams.port import Entry, Store, UnreadableRecord
from streams.shared_log import parse

WINDOW = 256
"""Places of the stream that are read at once, from its end towards its beginning."""

AT_ONCE = 16
"""Casts that are looked at side by side."""

Since = Literal["done", "retried", "gone"]


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead job, its place in `jobs/dead`, and S2's time of it."""

    seq_num: int
    at_ms: int
    job: DeadJob


async def newest_dead(store: Store, limit: int, cast_id: CastId | None) -> list[Dead]:
    """The last dead jobs, of one cast where it is given. Raises StoreUnavailable, StreamMissing."""
    found: list[Dead] = []
    async with aclosing(_backwards(store, JOBS_DEAD)) as entries:
        async for entry in entries:
            record = parse(JOBS_DEAD, entry).record
            if isinstance(record, DeadJob) and cast_id in (None, record.id):
                found.append(Dead(entry.seq_num, entry.timestamp, record))
            if len(found) == limit:
                break
    return found


async def _backwards(store: Store, stream: StreamName) -> AsyncGenerator[Entry, None]:
    high = await store.tail(stream)
    while high > 0:
        low = max(0, high - WINDOW)
        for entry in reversed(await _between(store, stream, low, high)):
            yield entry
        high = low


async def _between(store: Store, stream: StreamName, low: int, high: int) -> list[Entry]:
    """What can be read of a range; after a trim that may be nothing."""
    entries: list[Entry] = []
    position = low
    while position < high:
        try:
            page = await store.read(stream, position, count=high - position)
        except UnreadableRecord as error:
            position = error.seq_num + 1
            continue
        entries += [entry for entry in page if entry.seq_num < high]
        if not page:
            break
        position = page[-1].seq_num + 1
    return entries


async def since_then(casts: Casts, ledger: Ledger, found: list[Dead]) -> list[Since | None]:
    """For each: what has become of its cast since it died; None where it lies there still."""
    free = asyncio.Semaphore(AT_ONCE)

    async def ask(job: DeadJob) -> Since | None:
        async with free:
            return await _since(casts, ledger, job)

    return await asyncio.gather(*(ask(dead.job) for dead in found))


async def _since(casts: Casts, ledger: Ledger, job: DeadJob) -> Since | None:
    try:
        ending = await casts.ending(job.id)
        meta = await casts.meta(job.id)
    except ApiError:  # deleted or expired
        return "gone"
    if meta.epoch != job.epoch:
        return "gone"
    pending = ledger.pending(job.id, job.epoch)
    if pending is not None and pending.last > job.offset:
        return "retried"
    if ending.seal is None:
        return "retried" if ending.taken else None
    if ending.seal.failed_up_to is None:
        return "done"
    return "retried" if ending.seal.failed_up_to > job.offset else None
