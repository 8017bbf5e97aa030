"""The store on S2, by its SDK. Maps the SDK's errors to the port's outcomes; decides nothing else.

Two clients, because they want opposite things: the writer never repeats an append that may have happened, the
reader repeats for as long as it takes. A stalled reader also blocks its whole connection (HTTP/2 flow control),
which must never be the writers' connection.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from s2_sdk import (
    S2,
    AppendInput,
    AppendRetryPolicy,
    BasinConfig,
    Encryption,
    Endpoints,
    FencingTokenMismatchError,
    ReadLimit,
    ReadUnwrittenError,
    Record,
    Retry,
    S2Error,
    S2ServerError,
    S2Stream,
    SeqNum,
    SeqNumMismatchError,
    SequencedRecord,
    StreamConfig,
    TailOffset,
    Timeout,
    Timestamping,
    TimestampingMode,
)

from casts.codec import Encoded
from casts.names import SHARED, StreamName
from casts.settings import DAY_S, Settings
from streams.liveness import install_liveness
from streams.port import (
    Acknowledged,
    BeyondTail,
    Entry,
    Outcome,
    Refused,
    StoreUnavailable,
    StreamMissing,
    Unknown,
    Unreadable,
    UnreadableRecord,
    check_batch,
)
from streams.quickack import install_quickack

log = logging.getLogger(__name__)

T = TypeVar("T")

READ_PATIENCE_S = 20.0
"""How long a small read waits for a store that restarts (S2-Lite needs 1 to 3 s) before it gives up."""

REOPEN_PAUSE_S = 0.25
CONFLICT_ATTEMPTS = 10
MAX_READ_BYTES = 1 << 20

_MISSING = {"stream_not_found", "basin_not_found", "stream_deletion_pending"}


@dataclass(frozen=True, slots=True)
class S2Address:
    """Where the basin is. `url` empty means S2 cloud; `key` is the base64 cipher key, `retention_s` R of casts."""

    url: str
    basin: str
    token: str
    key: str
    retention_s: int


def s2_address(settings: Settings, key: str) -> S2Address:
    url = settings.s2_url or f"http://127.0.0.1:{settings.s2_port}"
    return S2Address(url, settings.basin, settings.s2_token or "unused", key, settings.retention_s)


class S2Store:
    """Implements `streams.port.Store`. Use within one event loop; close it at the end."""

    def __init__(self, address: S2Address) -> None:
        install_quickack()
        install_liveness()
        endpoints = Endpoints(account=address.url, basin=address.url)
        self._address = address
        self._writer = S2(
            address.token,
            endpoints=endpoints,
            retry=Retry(append_retry_policy=AppendRetryPolicy.NO_SIDE_EFFECTS),
        )
        self._reader = S2(
            address.token,
            endpoints=endpoints,
            retry=Retry(max_attempts=sys.maxsize),
            timeout=Timeout(request=timedelta(seconds=30)),
        )

    @property
    def basin(self) -> str:
        return self._address.basin

    async def ensure(self) -> None:
        timestamping = Timestamping(mode=TimestampingMode.ARRIVAL, uncapped=False)
        casts = StreamConfig(
            storage_class="express",
            retention_policy=self._address.retention_s + 2 * DAY_S,
            timestamping=timestamping,
            delete_on_empty_min_age=DAY_S,
        )
        shared = StreamConfig(
            storage_class="express",
            retention_policy="infinite",
            timestamping=timestamping,
            delete_on_empty_min_age=0,
        )
        config = BasinConfig(
            default_stream_config=casts,
            stream_cipher=Encryption.AES_256_GCM,
            create_stream_on_append=True,
            create_stream_on_read=False,
        )
        try:
            await _cancellable(self._writer.ensure_basin(self._address.basin, config=config))
            for name in SHARED:
                await _cancellable(self._writer[self._address.basin].ensure_stream(name, config=shared))
        except S2Error as error:
            raise StoreUnavailable(_cause(error)) from error

    async def append(
        self,
        stream: StreamName,
        records: Sequence[Encoded],
        *,
        match_seq_num: int | None = None,
        token: str | None = None,
    ) -> Outcome:
        check_batch(records)
        wanted = AppendInput(
            records=[Record(body=record.body, headers=list(record.headers)) for record in records],
            match_seq_num=match_seq_num,
            fencing_token=token,
        )
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                ack = await _cancellable(self._stream(self._writer, stream).append(wanted))
            except SeqNumMismatchError as error:
                return Refused(next_seq=error.expected_seq_num)
            except FencingTokenMismatchError as error:
                return Refused(token=error.expected_fencing_token)
            except S2ServerError as error:
                if error.code != "transaction_conflict":
                    return Unknown(_cause(error))
                # Two appends created the stream at once: this one was not written and may be sent again.
                await asyncio.sleep(0.005 * (attempt + 1))
            except S2Error as error:
                return Unknown(_cause(error))
            else:
                return Acknowledged(ack.start.seq_num, ack.end.seq_num)
        return Unknown("transaction_conflict again and again")

    async def tail(self, stream: StreamName) -> int:
        async with _patience(stream):
            position = await _cancellable(self._stream(self._reader, stream).check_tail())
        if position.seq_num == 0 and stream not in SHARED:
            raise StreamMissing(stream)
        return int(position.seq_num)

    async def read(
        self, stream: StreamName, start: int, *, count: int = 1000, max_bytes: int = MAX_READ_BYTES
    ) -> list[Entry]:
        limit = ReadLimit(count=min(count, 1000), bytes=min(max_bytes, MAX_READ_BYTES))
        try:
            async with _patience(stream):
                batch = await _cancellable(self._stream(self._reader, stream).read(start=SeqNum(start), limit=limit))
        except ReadUnwrittenError as error:
            if error.tail.seq_num == 0 and stream not in SHARED:
                raise StreamMissing(stream) from None
            if error.tail.seq_num < start:
                raise BeyondTail(stream, error.tail.seq_num) from None
            return []
        except S2ServerError:  # decryption_failed: `_patience` lets no other one through
            if count == 1:
                raise UnreadableRecord(stream, start) from None
            # Any read that covers it fails as a whole, so come closer until it is first or out of range.
            return await self.read(stream, start, count=max(1, min(count, 1000) // 8), max_bytes=max_bytes)
        return [_entry(record) for record in batch.records]

    async def last(self, stream: StreamName) -> Entry | None:
        try:
            async with _patience(stream):
                last = self._stream(self._reader, stream).read(start=TailOffset(1), limit=ReadLimit(count=1))
                batch = await _cancellable(last)
        except ReadUnwrittenError as error:
            if error.tail.seq_num == 0 and stream not in SHARED:
                raise StreamMissing(stream) from None
            return None
        except S2ServerError:  # decryption_failed: `_patience` lets no other one through
            return None
        return _entry(batch.records[-1]) if batch.records else None

    async def follow(self, stream: StreamName, start: int) -> AsyncGenerator[Entry | Unreadable, None]:
        position = start
        while True:
            try:
                async with self._stream(self._reader, stream).read_session(start=SeqNum(position)) as session:
                    async for batch in session:
                        for record in batch.records:
                            position = record.seq_num + 1
                            yield _entry(record)
                continue  # ended in order, as a proxy in between may do: ask again
            except ReadUnwrittenError as error:
                if error.tail.seq_num == 0 and stream not in SHARED:
                    raise StreamMissing(stream) from None
                raise BeyondTail(stream, error.tail.seq_num) from None
            except S2ServerError as error:
                if error.code in _MISSING:
                    raise StreamMissing(stream) from None
                if error.code == "decryption_failed":
                    async with aclosing(self._step_over(stream, position)) as steps:
                        async for step in steps:
                            position = step.seq_num + 1
                            yield step
                    continue
                log.warning("follow of %s interrupted: %s", stream, _cause(error))
            except S2Error as error:
                log.warning("follow of %s interrupted: %s", stream, _cause(error))
            await asyncio.sleep(REOPEN_PAUSE_S)

    async def _step_over(self, stream: StreamName, position: int) -> AsyncGenerator[Entry | Unreadable, None]:
        """Records one by one up to and with the first that cannot be decrypted."""
        while True:
            try:
                page = await self.read(stream, position, count=64)
            except UnreadableRecord as error:
                yield Unreadable(error.seq_num)
                return
            except StoreUnavailable:
                return
            if not page:
                return
            for entry in page:
                position = entry.seq_num + 1
                yield entry

    async def delete(self, stream: StreamName) -> None:
        try:
            await _cancellable(self._writer[self._address.basin].delete_stream(stream, ignore_not_found=True))
        except S2ServerError as error:
            if error.code not in _MISSING:
                raise StoreUnavailable(_cause(error)) from error
        except S2Error as error:
            raise StoreUnavailable(_cause(error)) from error

    async def close(self) -> None:
        await self._writer.close()
        await self._reader.close()

    def _stream(self, client: S2, name: StreamName) -> S2Stream:
        stream: S2Stream = client[self._address.basin].stream(name, encryption_key=self._address.key)
        return stream


def _entry(record: SequencedRecord) -> Entry:
    return Entry(record.seq_num, record.timestamp, tuple(record.headers), record.body)


def _cause(error: BaseException) -> str:
    """An error and its cause in one line; the SDK hides the transport's reason behind its own."""
    below = f" <- {type(error.__cause__).__name__}: {error.__cause__}" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{below}"


async def _cancellable(call: Awaitable[T]) -> T:
    """Await a call of the SDK so that a cancellation always comes through.

    Inside it waits with `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that arrives together
    with the answer. The task would go on, wait for something that never comes, and its group never end.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        return await call
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


class _patience:
    """Bounds a small read in time and gives missing streams and lost connections their names in the port."""

    def __init__(self, stream: StreamName) -> None:
        self._stream = stream
        self._timeout = asyncio.timeout(READ_PATIENCE_S)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)  # type: ignore[arg-type]  # passed through as given
        except TimeoutError:
            raise StoreUnavailable(f"no answer in {READ_PATIENCE_S:g} s") from error
        if isinstance(error, S2ServerError):
            if error.code in _MISSING:
                raise StreamMissing(self._stream) from error
            if isinstance(error, ReadUnwrittenError) or error.code == "decryption_failed":
                return
        if isinstance(error, S2Error):
            raise StoreUnavailable(_cause(error)) from error
