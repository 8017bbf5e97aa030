"""A connection to S2 whose other end falls silent is given up; one that answers pings is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import pytest
from s2_sdk import _client

from streams.liveness import install_liveness


@asynccontextmanager
async def connected(answers_after_hello: bool) -> AsyncIterator[tuple[_client.Connection, list[int]]]:
    """A connection of the SDK to a server that, after its greeting, answers or never speaks again; its pings."""
    pings: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        writer.write(server.data_to_send())
        while portion := await reader.read(65536):
            pings.extend(1 for event in server.receive_data(portion) if isinstance(event, h2.events.PingReceived))
            if answers_after_hello:
                writer.write(server.data_to_send())
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = _client.Connection("127.0.0.1", listening.sockets[0].getsockname()[1], None, 3.0)
    await connection.connect()
    try:
        yield connection, pings
    finally:
        await connection.close()
        listening.close()
        await listening.wait_closed()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    install_liveness()
    monkeypatch.setattr("streams.liveness.TICK_S", 0.02)


async def test_connection_whose_other_end_is_silent_is_given_up() -> None:
    async with connected(answers_after_hello=False) as (connection, pings):
        async with asyncio.timeout(5):
            while connection.is_available:
                await asyncio.sleep(0.01)
        assert pings


async def test_connection_that_answers_pings_is_kept() -> None:
    async with connected(answers_after_hello=True) as (connection, pings):
        async with asyncio.timeout(5):
            while len(pings) < 12:  # four times as many as a silent one gets
                await asyncio.sleep(0.01)
        assert connection.is_available
