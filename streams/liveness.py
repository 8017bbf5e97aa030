"""Give up connections to S2 whose other end is silent: without it they are used for ever (docs/decisions/0008).

A request that times out leaves its connection in the SDK's pool, and the next one takes it again. Where a machine
or a path in between vanished without a reset, nothing would be read or written until the kernel gives up, after a
quarter of an hour. So a silent connection is asked for a sign of life, an HTTP/2 ping, and cut when none comes.
The SDK has no hook for it; `tests/unit/test_liveness.py` fails when the SDK changes underneath.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable

from s2_sdk._client import Connection

log = logging.getLogger(__name__)

TICK_S = 5.0
SILENT_TICKS = 3
"""Ticks without a byte, pings being sent meanwhile, after which the other end counts as gone: 15 to 20 s."""

_installed = False


def install_liveness() -> None:
    """Watch the SDK's connections of this process from now on."""
    global _installed
    if _installed:
        return
    connect = Connection.connect

    async def connect_and_watch(self: Connection) -> None:
        await connect(self)
        if self._writer is not None:
            _Watch(self, self._writer.transport).tick()

    Connection.connect = connect_and_watch  # type: ignore[method-assign]  # no hook in s2-sdk 0.13
    _installed = True


class _Watch:
    """One connection's. It lives as a timer of the loop and ends with the connection."""

    def __init__(self, connection: Connection, transport: asyncio.WriteTransport) -> None:
        self._connection = connection
        self._transport = transport
        self._silent = 0
        protocol = transport.get_protocol()
        receive: Callable[[bytes], None] = protocol.data_received  # type: ignore[attr-defined]  # StreamReaderProtocol

        def data_received(portion: bytes) -> None:
            self._silent = 0
            receive(portion)

        protocol.data_received = data_received  # type: ignore[attr-defined]  # of this instance alone

    def tick(self) -> None:
        if self._transport.is_closing() or not self._connection.is_available:
            return  # no request will take it again
        if self._silent > SILENT_TICKS:
            log.warning("a connection to S2 is silent and is given up")
            self._transport.abort()
            return
        if self._silent and self._connection._h2 is not None:
            self._connection._h2.ping(secrets.token_bytes(8))
            self._transport.write(self._connection._h2.data_to_send())  # in step: nothing is awaited in between
        self._silent += 1
        asyncio.get_running_loop().call_later(TICK_S, self.tick)
