"""A store in memory with S2's rules: the tests' fake, held to the same suite as the real one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from casts.codec import Encoded
from casts.limits import metered_bytes
from casts.names import SHARED, StreamName
from streams.port import (
    FENCE,
    TRIM,
    Acknowledged,
    BeyondTail,
    Entry,
    Outcome,
    Refused,
    StreamMissing,
    Unreadable,
    UnreadableRecord,
    check_batch,
)


@dataclass(slots=True)
class _Stream:
    entries: list[Entry] = field(default_factory=list)
    next_seq: int = 0
    token: str = ""
    sealed_by_others: set[int] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryStore:
    """Implements `streams.port.Store`. Nothing survives the process."""

    def __init__(self) -> None:
        self._streams: dict[StreamName, _Stream] = {}

    async def ensure(self) -> None:
        for name in SHARED:
            self._streams.setdefault(name, _Stream())

    async def append(
        self,
        stream: StreamName,
        records: Sequence[Encoded],
        *,
        match_seq_num: int | None = None,
        token: str | None = None,
    ) -> Outcome:
        await asyncio.sleep(0)  # like the real one, never done before others had their turn
        return self.append_now(stream, records, match_seq_num=match_seq_num, token=token)

    def append_now(
        self,
        stream: StreamName,
        records: Sequence[Encoded],
        *,
        match_seq_num: int | None = None,
        token: str | None = None,
    ) -> Outcome:
        """`append` without a turn for others: a test's way to be first."""
        check_batch(records)
        held = self._streams.setdefault(stream, _Stream())
        if token is not None and token != held.token:
            return Refused(token=held.token)
        if match_seq_num is not None and match_seq_num != held.next_seq:
            return Refused(next_seq=held.next_seq)
        first = held.next_seq
        for record in records:
            entry = Entry(held.next_seq, int(time.time() * 1000), record.headers, record.body)
            held.entries.append(entry)
            held.next_seq += 1
            if entry.command == FENCE:
                held.token = record.body.decode()
            elif entry.command == TRIM:
                upto = min(int.from_bytes(record.body, "big"), entry.seq_num)
                held.entries = [kept for kept in held.entries if kept.seq_num >= upto]
        held.changed.set()
        held.changed = asyncio.Event()
        return Acknowledged(first, held.next_seq)

    def append_with_another_key(self, stream: StreamName) -> int:
        """Put a record there that no reader of ours can decrypt; returns its place."""
        held = self._streams.setdefault(stream, _Stream())
        held.entries.append(Entry(held.next_seq, 0, (), b""))
        held.sealed_by_others.add(held.next_seq)
        held.next_seq += 1
        held.changed.set()
        held.changed = asyncio.Event()
        return held.next_seq - 1

    async def tail(self, stream: StreamName) -> int:
        return self._get(stream).next_seq

    async def read(self, stream: StreamName, start: int, *, count: int = 1000, max_bytes: int = 1 << 20) -> list[Entry]:
        await asyncio.sleep(0)
        held = self._get(stream)
        if start > held.next_seq:
            raise BeyondTail(stream, held.next_seq)
        page: list[Entry] = []
        size = 0
        for entry in held.entries:
            if entry.seq_num < start:
                continue
            if entry.seq_num in held.sealed_by_others:
                if not page:
                    raise UnreadableRecord(stream, entry.seq_num)
                break
            size += metered_bytes(entry.headers, entry.body)
            if len(page) == count or (page and size > max_bytes):
                break
            page.append(entry)
        return page

    async def last(self, stream: StreamName) -> Entry | None:
        held = self._get(stream)
        if not held.entries or held.entries[-1].seq_num in held.sealed_by_others:
            return None
        return held.entries[-1]

    async def follow(self, stream: StreamName, start: int) -> AsyncGenerator[Entry | Unreadable, None]:
        position = start
        while True:
            held = self._get(stream)
            changed = held.changed
            if position > held.next_seq:
                raise BeyondTail(stream, held.next_seq)
            for entry in [entry for entry in held.entries if entry.seq_num >= position]:
                position = entry.seq_num + 1
                yield Unreadable(entry.seq_num) if entry.seq_num in held.sealed_by_others else entry
            if position >= held.next_seq:
                await changed.wait()

    async def delete(self, stream: StreamName) -> None:
        held = self._streams.pop(stream, None)
        if held is not None:
            held.changed.set()

    async def close(self) -> None:
        return None

    def _get(self, stream: StreamName) -> _Stream:
        held = self._streams.get(stream)
        if held is None or (held.next_seq == 0 and stream not in SHARED):
            raise StreamMissing(stream)
        return held
