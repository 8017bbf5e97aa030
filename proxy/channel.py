"""Live fan-out: one upstream reader a cast, frames encoded once, a cursor a client.

A client is no queue but a position. One that falls behind the kept frames pages from the store like a newcomer, so
a slow client costs nothing here. All channels together keep at most `live_buffer_bytes`.
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from casts.codec import decode
from casts.errors import InvalidRecord
from casts.frames import encode_frame
from casts.ids import CastId
from casts.names import output
from casts.seal import Seal, parse_seal
from streams.port import FENCE, BeyondTail, Entry, Store, StreamMissing, Unreadable

log = logging.getLogger(__name__)

LINGER_S = 30.0
"""How long an upstream reader goes on after its last listener, in case one comes back."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A place of the stream; `frame` is None for what is never served (commands, garbage)."""

    seq_num: int
    frame: bytes | None


def frame_of(entry: Entry) -> bytes | None:
    """The public frame of a stored record; None for a command record or bytes that are no record of ours."""
    if entry.command is not None:
        return None
    try:
        decode(entry.headers, entry.body)
        return encode_frame(entry.seq_num, entry.headers, entry.body)
    except (InvalidRecord, ValueError, struct.error):  # the last two: an unknown kind whose headers make no frame
        log.warning("a record that is none was not served", extra={"seq_num": entry.seq_num})
        return None


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    listeners: int
    kept_bytes: int
    channels: int


class Channel:
    """The frames of one live cast from `first` to `next_seq`, growing at the end, dropped at the front.

    Attributes:
        seal: how the attempt that was followed closed the stream, once it did.
        over: the stream cannot be followed any more (deleted, made anew).
    """

    def __init__(self, cast_id: CastId, start: int) -> None:
        self.cast_id = cast_id
        self.first = start
        self.next_seq = start
        self.kept: deque[Kept] = deque()
        self.kept_bytes = 0
        self.seal: Seal | None = None
        self.over = False
        self.listeners = 0
        self.changed = asyncio.Event()

    def take(self, entry: Entry | Unreadable) -> None:
        frame = frame_of(entry) if isinstance(entry, Entry) else None
        if isinstance(entry, Entry) and entry.command == FENCE:
            self.seal = parse_seal(entry.body.decode("utf-8", "replace"))
        if entry.seq_num != self.next_seq and self.kept:  # a trim in between: keep no hole
            self.kept.clear()
            self.kept_bytes = 0
        if not self.kept:
            self.first = entry.seq_num
        self.kept.append(Kept(entry.seq_num, frame))
        self.kept_bytes += len(frame or b"")
        self.next_seq = entry.seq_num + 1
        self.wake()

    def drop_oldest(self) -> None:
        dropped = self.kept.popleft()
        self.kept_bytes -= len(dropped.frame or b"")
        self.first = dropped.seq_num + 1

    def at(self, position: int) -> Kept | None:
        """The kept place of a position; None where it is dropped already or not there yet.

        One at a time, since a client that holds more across a slow write would keep dropped frames alive.
        """
        if self.first <= position < self.next_seq and self.kept:
            return self.kept[position - self.first]
        return None

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Channels:
    """All live casts of this proxy. `run` ends the readers that nobody needs."""

    def __init__(self, store: Store, budget_bytes: int) -> None:
        self._store = store
        self._budget_bytes = budget_bytes
        self._channels: dict[CastId, Channel] = {}
        self._group: asyncio.TaskGroup | None = None

    def statistics(self) -> ChannelStatistics:
        channels = self._channels.values()
        return ChannelStatistics(sum(c.listeners for c in channels), sum(c.kept_bytes for c in channels), len(channels))

    async def run(self) -> None:
        """Own the readers for ever."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await asyncio.Event().wait()

    def join(self, cast_id: CastId, position: int) -> Channel:
        """The channel of a cast; started at this position if there is none. Pair it with `leave`.

        No await between the look-up and the start: a thousand joins at once start one reader.
        """
        channel = self._channels.get(cast_id)
        if channel is None or channel.over:
            assert self._group is not None, "run() comes first"
            channel = self._channels[cast_id] = Channel(cast_id, position)
            self._group.create_task(self._read(channel), name=f"channel {cast_id}")
        channel.listeners += 1
        return channel

    def leave(self, channel: Channel) -> None:
        channel.listeners -= 1
        channel.wake()

    def wake_all(self) -> None:
        for channel in self._channels.values():
            channel.wake()

    async def _read(self, channel: Channel) -> None:
        """Follow the cast until nobody has listened for a while or it cannot be followed."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._follow(channel), name=f"follow {channel.cast_id}")
                group.create_task(_wait_idle(channel, reading.cancel), name=f"linger {channel.cast_id}")
        except Exception:  # one cast's reader may fail, the others go on
            log.exception("a live reader failed", extra={"cast_id": channel.cast_id})
        finally:
            channel.over = True
            if self._channels.get(channel.cast_id) is channel:
                del self._channels[channel.cast_id]
            channel.wake()

    async def _follow(self, channel: Channel) -> None:
        try:
            async with aclosing(self._store.follow(output(channel.cast_id), channel.next_seq)) as entries:
                async for entry in entries:
                    channel.take(entry)
                    self._keep_budget()
                    if channel.seal is not None and channel.seal.ended:
                        return  # nothing will ever follow: no lingering, no open read
        except (StreamMissing, BeyondTail):
            log.info("a live cast is gone", extra={"cast_id": channel.cast_id})
        finally:
            channel.over = True
            channel.wake()

    def _keep_budget(self) -> None:
        total = sum(channel.kept_bytes for channel in self._channels.values())
        while total > self._budget_bytes:
            largest = max(self._channels.values(), key=lambda channel: channel.kept_bytes)
            before = largest.kept_bytes
            largest.drop_oldest()
            total -= before - largest.kept_bytes


async def _wait_idle(channel: Channel, stop: Callable[[], object]) -> None:
    """Stop the reader after it had no listener for LINGER_S, or with the end of the stream."""
    loop = asyncio.get_running_loop()
    alone_since = loop.time()
    while not channel.over:
        changed = channel.changed
        if channel.listeners:
            await changed.wait()
            alone_since = loop.time()
            continue
        try:
            async with asyncio.timeout_at(alone_since + LINGER_S):
                await changed.wait()
        except TimeoutError:
            break
    stop()
