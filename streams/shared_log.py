"""Following and appending to the streams of the whole service; garbage in them is stepped over and counted."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from casts.errors import InvalidRecord
from casts.names import StreamName
from casts.private import PrivateRecord, decode_private, encode_private
from streams.backoff import store_backoff
from streams.port import Acknowledged, Entry, Store, StoreUnavailable
from streams.reading import read_to_tail

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """A private record and its place; None for what cannot be read there."""

    seq_num: int
    timestamp: int
    record: PrivateRecord | None


def parse(stream: StreamName, entry: Entry) -> Placed:
    """A record of garbage becomes None with a warning; command records too, silently."""
    if entry.command is not None:
        return Placed(entry.seq_num, entry.timestamp, None)
    try:
        return Placed(entry.seq_num, entry.timestamp, decode_private(entry.headers, entry.body))
    except InvalidRecord as error:
        log.warning("stepped over a record of %s: %s", stream, error, extra={"seq_num": entry.seq_num})
        return Placed(entry.seq_num, entry.timestamp, None)


async def follow_shared(store: Store, stream: StreamName, start: int) -> AsyncGenerator[Placed, None]:
    """Every place from `start` on, for ever. Close it with `aclosing`."""
    async with aclosing(store.follow(stream, start)) as entries:
        async for entry in entries:
            if isinstance(entry, Entry):
                yield parse(stream, entry)
            else:
                log.warning("a record of %s cannot be decrypted", stream, extra={"seq_num": entry.seq_num})
                yield Placed(entry.seq_num, 0, None)


async def follow_from_the_beginning(
    store: Store, stream: StreamName, caught_up: asyncio.Event
) -> AsyncGenerator[Placed, None]:
    """Every place, for ever; `caught_up` is set once all that was there at the start has been taken."""
    tail = await tail_of(store, stream)
    if tail == 0:
        caught_up.set()
    async with aclosing(follow_shared(store, stream, 0)) as places:
        async for placed in places:
            yield placed
            if placed.seq_num + 1 >= tail:
                caught_up.set()


async def last_readable(store: Store, stream: StreamName) -> PrivateRecord | None:
    """The last private record of a short stream, over garbage behind it. Raises StreamMissing, StoreUnavailable."""
    last = None
    async for entry in read_to_tail(store, stream, 0):
        if isinstance(entry, Entry) and (record := parse(stream, entry).record) is not None:
            last = record
    return last


async def append_at_least_once(store: Store, stream: StreamName, record: PrivateRecord) -> int:
    """Append until it is acknowledged; after an unknown outcome the record may stand there twice."""
    tries = 0
    while True:
        outcome = await store.append(stream, [encode_private(record)])
        if isinstance(outcome, Acknowledged):
            return outcome.first
        tries += 1
        log.warning("append to %s not answered, try %d", stream, tries)
        await asyncio.sleep(store_backoff(tries, random.random()))  # noqa: S311  # jitter


async def tail_of(store: Store, stream: StreamName) -> int:
    """The tail, asked for until the store answers."""
    tries = 0
    while True:
        try:
            return await store.tail(stream)
        except StoreUnavailable as error:
            tries += 1
            log.warning("tail of %s not answered: %s", stream, error)
            await asyncio.sleep(store_backoff(tries, random.random()))  # noqa: S311  # jitter
