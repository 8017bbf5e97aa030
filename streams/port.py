"""What the service needs of a stream store: append with conditions, tail, bounded read, follow, delete, ensure.

An append has three outcomes and the type says which: Acknowledged (durable), Refused (a condition did not hold,
nothing was written), Unknown (it may or may not be there: read back before anything else).
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from casts.codec import Encoded, Headers
from casts.errors import StreamTTSError
from casts.limits import BATCH_RECORDS, RECORD_BYTES, TOKEN_BYTES, metered_bytes
from casts.names import StreamName

FENCE, TRIM = b"fence", b"trim"


class StreamMissing(StreamTTSError):
    """The stream does not exist, or is being deleted. A stream that never held a record counts as missing."""

    def __init__(self, stream: StreamName) -> None:
        super().__init__(f"no stream {stream}")
        self.stream = stream


class BeyondTail(StreamTTSError):
    """A read from above the tail: the stream was made anew, or the cursor is not one of this stream.

    Attributes:
        tail: the next sequence number of the stream.
    """

    def __init__(self, stream: StreamName, tail: int) -> None:
        super().__init__(f"the tail of {stream} is {tail}")
        self.stream = stream
        self.tail = tail


class StoreUnavailable(StreamTTSError):
    """The store did not answer in time. Reads may be repeated at will."""


class UnreadableRecord(StreamTTSError):
    """A record that cannot be decrypted lies first in the range of a read: step over it by position."""

    def __init__(self, stream: StreamName, seq_num: int) -> None:
        super().__init__(f"record {seq_num} of {stream} cannot be decrypted")
        self.seq_num = seq_num


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored record. `timestamp` is S2's, in ms."""

    seq_num: int
    timestamp: int
    headers: Headers
    body: bytes

    @property
    def command(self) -> bytes | None:
        """`fence` or `trim` for a command record, else None."""
        if len(self.headers) == 1 and self.headers[0][0] == b"":
            return self.headers[0][1]
        return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The place of a record that this process cannot decrypt."""

    seq_num: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Durable. `first` is the sequence number of the first record of the append, `next_seq` follows the last."""

    first: int
    next_seq: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A condition did not hold; nothing was written. One of the two says what the store has instead."""

    next_seq: int | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that can be trusted: the records may be there, now or soon. `cause` is for the log."""

    cause: str


Outcome = Acknowledged | Refused | Unknown


def fence(token: str) -> Encoded:
    """The command record that sets the fencing token for later appends."""
    raw = token.encode()
    if len(raw) > TOKEN_BYTES:
        raise ValueError(f"a fencing token has at most {TOKEN_BYTES} bytes")
    return Encoded(((b"", FENCE),), raw)


def trim(seq_num: int) -> Encoded:
    """The command record that lets everything below `seq_num` go."""
    return Encoded(((b"", TRIM),), seq_num.to_bytes(8, "big"))


def total_metered_bytes(records: Sequence[Encoded]) -> int:
    return sum(metered_bytes(record.headers, record.body) for record in records)


def check_batch(records: Sequence[Encoded]) -> None:
    """Raises ValueError where S2 would refuse the batch for its size; the message has the figures."""
    if not 1 <= len(records) <= BATCH_RECORDS:
        raise ValueError(f"an append has 1 to {BATCH_RECORDS} records, not {len(records)}")
    size = total_metered_bytes(records)
    if size > RECORD_BYTES:
        raise ValueError(f"an append has at most {RECORD_BYTES} bytes, not {size}")


class Store(Protocol):
    """One basin. Every method is safe to cancel; a cancelled append has the outcome Unknown."""

    async def ensure(self) -> None:
        """Create or mend the basin and the shared streams with their full configuration."""

    async def append(
        self,
        stream: StreamName,
        records: Sequence[Encoded],
        *,
        match_seq_num: int | None = None,
        token: str | None = None,
    ) -> Outcome:
        """Append atomically; the stream is created where it is missing.

        Args:
            match_seq_num: what the first record's sequence number must be.
            token: what the stream's fencing token must be; "" is the initial one. None is not checked.

        Raises:
            ValueError: a record or the batch is over S2's limits; nothing was sent.
        """

    async def tail(self, stream: StreamName) -> int:
        """The next sequence number. Raises StreamMissing, StoreUnavailable."""

    async def read(self, stream: StreamName, start: int, *, count: int = 1000, max_bytes: int = 1 << 20) -> list[Entry]:
        """Records from `start` on, at most `count` and about `max_bytes`; empty at the tail.

        Raises:
            StreamMissing, BeyondTail, StoreUnavailable.
            UnreadableRecord: only where the record at the first position cannot be decrypted; a read that meets
                one later ends before it.
        """

    async def last(self, stream: StreamName) -> Entry | None:
        """The last record; None where there is none or it cannot be read. Raises StreamMissing, StoreUnavailable."""

    def follow(self, stream: StreamName, start: int) -> AsyncGenerator[Entry | Unreadable, None]:
        """Every record from `start` on, for ever: history, then new ones as they become durable.

        Survives restarts of the store and steps over what cannot be decrypted. Trimmed records are skipped, so
        sequence numbers may jump. To be closed with `contextlib.aclosing`. Never wrap its `anext` in a timeout.

        Raises:
            StreamMissing, BeyondTail.
        """

    async def delete(self, stream: StreamName) -> None:
        """Delete a stream; one that is missing is no error. Raises StoreUnavailable."""

    async def close(self) -> None: ...
