"""A store that tells somebody the outcome of each append, and is the store beneath it in everything else."""

from collections.abc import AsyncGenerator, Callable, Sequence

from casts.codec import Encoded
from casts.names import StreamName
from streams.port import Entry, Outcome, Store, Unreadable


class CountedStore:
    """Implements `streams.port.Store`."""

    def __init__(self, inner: Store, count: Callable[[Outcome], None]) -> None:
        self._inner = inner
        self._count = count

    async def append(
        self,
        stream: StreamName,
        records: Sequence[Encoded],
        *,
        match_seq_num: int | None = None,
        token: str | None = None,
    ) -> Outcome:
        outcome = await self._inner.append(stream, records, match_seq_num=match_seq_num, token=token)
        self._count(outcome)
        return outcome

    async def ensure(self) -> None:
        await self._inner.ensure()

    async def tail(self, stream: StreamName) -> int:
        return await self._inner.tail(stream)

    async def read(self, stream: StreamName, start: int, *, count: int = 1000, max_bytes: int = 1 << 20) -> list[Entry]:
        return await self._inner.read(stream, start, count=count, max_bytes=max_bytes)

    async def last(self, stream: StreamName) -> Entry | None:
        return await self._inner.last(stream)

    def follow(self, stream: StreamName, start: int) -> AsyncGenerator[Entry | Unreadable, None]:
        return self._inner.follow(stream, start)

    async def delete(self, stream: StreamName) -> None:
        await self._inner.delete(stream)

    async def close(self) -> None:
        await self._inner.close()
