"""Looks at services over HTTP, against a small server that answers as they do."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli import probes
from cli.health import WELL, Health
from cli.probes import Voice, missing, offered_voice, open_session, proxy_health, s2_health

Serve = Callable[[Callable[[], web.Response]], Awaitable[str]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers = []

    async def start(answer: Callable[[], web.Response]) -> str:
        async def handle(request: web.Request) -> web.Response:
            return answer()

        app = web.Application()
        for path in ("/health", "/readyz", "/api/voices"):
            app.router.add_get(path, handle)
        server = TestServer(app)
        servers.append(server)
        await server.start_server()
        return str(server.make_url("")).rstrip("/")

    yield start
    for server in servers:
        await server.close()


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (200, WELL),
        (503, Health(False, "/health answers 503", broken=True)),
        (500, Health(False, "/health answers 500")),
    ],
)
async def test_store_is_judged_by_its_status(
    status: int, health: Health, session: aiohttp.ClientSession, serve: Serve
) -> None:
    assert await s2_health(session, await serve(lambda: web.Response(status=status))) == health


async def test_store_that_is_not_there_is_not_broken(session: aiohttp.ClientSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    health = await s2_health(session, f"http://127.0.0.1:{port}")
    assert health == Health(False, "nothing listens there yet")


async def test_store_that_accepts_and_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PROBE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with open_session() as session:
            health = await s2_health(session, f"http://127.0.0.1:{listening.getsockname()[1]}")
    assert (health.ready, health.broken) == (False, False)
    assert health.reason.startswith("no answer within")


async def test_proxy_is_ready_at_200(session: aiohttp.ClientSession, serve: Serve) -> None:
    assert await proxy_health(session, await serve(lambda: web.Response())) == WELL


async def test_proxy_says_what_is_missing(session: aiohttp.ClientSession, serve: Serve) -> None:
    url = await serve(lambda: web.json_response({"reasons": ["no worker", "no store"]}, status=503))
    assert await proxy_health(session, url) == Health(False, "no worker; no store")


async def test_proxy_that_answers_no_json_is_not_ready(session: aiohttp.ClientSession, serve: Serve) -> None:
    url = await serve(lambda: web.Response(status=502, text="<html>"))
    assert await proxy_health(session, url) == Health(False, "/readyz answers 502")


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({"reasons": ["a", "b"]}, "a; b"),
        ({"reasons": {"worker": "none announced", "store": "closed"}}, "worker: none announced; store: closed"),
        ({"error": {"message": "the worker is not ready", "code": "not_ready"}}, "the worker is not ready"),
        ({"reasons": []}, ""),
        (["nothing"], ""),
        (None, ""),
    ],
)
def test_missing_reads_what_the_proxy_tells(body: object, reasons: str) -> None:
    assert missing(body) == reasons


@pytest.mark.parametrize(
    ("body", "voice"),
    [
        (
            {"engine_label": "eSpeak NG 1.52.0", "notice": "for the neural voice …", "voices": []},
            Voice("eSpeak NG 1.52.0", "for the neural voice …"),
        ),
        ({"engine_label": "Kokoro-82M", "notice": None}, Voice("Kokoro-82M", "")),
        ({"engine_label": None}, None),
        ([], None),
    ],
)
async def test_voice_is_what_the_proxy_offers(
    body: object, voice: Voice | None, session: aiohttp.ClientSession, serve: Serve
) -> None:
    assert await offered_voice(session, await serve(lambda: web.json_response(body))) == voice


async def test_voice_of_a_proxy_that_went_away_is_none(session: aiohttp.ClientSession) -> None:
    assert await offered_voice(session, "http://127.0.0.1:1") is None
