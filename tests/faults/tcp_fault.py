"""A TCP link on loopback that can be broken: what lies between two services when the network is bad."""

import asyncio
import contextlib
import socket
import struct
from enum import Enum

PORTION_BYTES = 64 * 1024


class Traffic(Enum):
    """What happens to bytes, in both directions."""

    PASS = "pass"
    HOLD = "hold"  # they wait, and come later
    SWALLOW = "swallow"  # they vanish without a sign to either side


class Pair:
    """One connection through the link. Once it lost a byte it never carries another."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.writers = [client]
        self.doomed = False

    def close(self, *, reset: bool) -> None:
        for writer in self.writers:
            plain = writer.get_extra_info("socket")
            if reset and plain is not None:
                with contextlib.suppress(OSError):  # closed by its other end meanwhile
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Link:
    """Forwards every connection on `port` to `target_port`. Use it within one event loop."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.delay_s = 0.0
        self._traffic = Traffic.PASS
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pairs: set[Pair] = set()
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        return len(self._pairs)

    async def open(self) -> None:
        """Listen; on the same port as before, if there was one."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """New connections are refused; those that are there go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def hold(self) -> None:
        self._traffic = Traffic.HOLD
        self._flowing.clear()

    def swallow(self) -> None:
        self._traffic = Traffic.SWALLOW
        self._flowing.set()

    def cut(self, *, reset: bool = False) -> None:
        """End every connection, in order or by a reset."""
        for pair in list(self._pairs):
            pair.close(reset=reset)

    async def heal(self, *, leave_half_open: bool = False) -> None:
        """Everything passes again. Connections that lost bytes are reset, or left to find out for themselves."""
        self._traffic = Traffic.PASS
        self.delay_s = 0.0
        self._flowing.set()
        await self.open()
        for pair in [pair for pair in self._pairs if pair.doomed and not leave_half_open]:
            pair.close(reset=True)

    async def close(self) -> None:
        self.refuse()
        self._flowing.set()
        self.cut(reset=True)
        for _ in range(100):
            if not self._pairs:
                return
            await asyncio.sleep(0.01)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = Pair(writer)
        self._pairs.add(pair)
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target_port)
            pair.writers.append(there[1])
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(pair, reader, there[1]), name="there")
                group.create_task(self._pump(pair, there[0], writer), name="back")
        except (OSError, ExceptionGroup):
            pair.close(reset=True)  # whatever broke on one side is a reset on the other
        finally:
            pair.close(reset=False)
            self._pairs.discard(pair)

    async def _pump(self, pair: Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while portion := await source.read(PORTION_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._flowing.wait()
            if self._traffic is Traffic.SWALLOW:
                pair.doomed = True
            if not pair.doomed:
                sink.write(portion)
                await sink.drain()
        if pair.doomed:
            raise ConnectionResetError("one end has given up")
        sink.write_eof()
