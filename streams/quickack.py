"""Acknowledge S2's small frames at once: without it one append in nine takes 40 ms longer (docs/decisions/0003).

S2-Lite leaves Nagle's algorithm on for accepted sockets, so it holds its next small frame until our kernel's
delayed ACK. Linux forgets TCP_QUICKACK after each use, hence the renewal with every receive. The SDK has no hook
for it, so its connection is wrapped here; `tests/unit/test_quickack.py` fails when the SDK changes underneath.
"""

import asyncio
import socket
from collections.abc import Callable

from s2_sdk._client import Connection

_installed = False


def install_quickack() -> bool:
    """Wrap the SDK's connections of this process, once. Returns False where the system has no TCP_QUICKACK."""
    global _installed
    if not hasattr(socket, "TCP_QUICKACK"):
        return False
    if _installed:
        return True
    connect = Connection.connect

    async def connect_with_quickack(self: Connection) -> None:
        await connect(self)
        if self._writer is not None:
            _acknowledge_at_once(self._writer)

    Connection.connect = connect_with_quickack  # type: ignore[method-assign]  # no hook in s2-sdk 0.13
    _installed = True
    return True


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    plain = writer.get_extra_info("socket")
    protocol = writer.transport.get_protocol()
    receive: Callable[[bytes], None] | None = getattr(protocol, "data_received", None)
    if plain is None or receive is None:
        return

    def data_received(portion: bytes) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        receive(portion)

    protocol.data_received = data_received  # type: ignore[attr-defined]  # an instance of StreamReaderProtocol
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
