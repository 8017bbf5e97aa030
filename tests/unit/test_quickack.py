"""The wrapped connection of the S2 SDK: it still is what it was when the cure for the 40 ms was written."""

import asyncio
import inspect
import socket
from importlib.metadata import version

import pytest
from s2_sdk import _client

from streams.quickack import install_quickack

linux_only = pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux has TCP_QUICKACK")


def test_sdk_is_the_one_whose_inside_is_known() -> None:
    assert version("s2-sdk") == "0.13.0", "look at streams/quickack.py before another version is taken"


def test_sdk_still_opens_its_connections_where_we_wrap_them() -> None:
    install_quickack()
    assert inspect.iscoroutinefunction(_client.Connection.connect)
    source = inspect.getsource(_client)
    assert "asyncio.open_connection(" in source
    assert "self._reader, self._writer = await" in source


@linux_only
async def test_connection_asks_for_immediate_acknowledgements_at_every_receive(monkeypatch: pytest.MonkeyPatch) -> None:
    assert install_quickack()
    asked: list[tuple[int, int]] = []
    received = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(24)
        writer.write(b"\0\0\0\4\0\0\0\0\0")  # an empty HTTP/2 SETTINGS frame
        await writer.drain()
        received.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = _client.Connection("127.0.0.1", port, None, 3.0)
    transport_class = asyncio.StreamWriter
    original = transport_class.get_extra_info

    class Spy:
        def __init__(self, plain: socket.socket) -> None:
            self._plain = plain

        def setsockopt(self, level: int, option: int, value: int) -> None:
            asked.append((level, option))
            self._plain.setsockopt(level, option, value)

    def spied(self: asyncio.StreamWriter, name: str, default: object = None) -> object:
        found = original(self, name, default)
        return Spy(found) if name == "socket" and found is not None else found

    monkeypatch.setattr(transport_class, "get_extra_info", spied)
    await connection.connect()
    await received.wait()
    async with asyncio.timeout(5):
        while asked.count((socket.IPPROTO_TCP, socket.TCP_QUICKACK)) < 2:
            await asyncio.sleep(0.001)
    await connection.close()
    server.close()
    await server.wait_closed()
