"""Looks at a service over HTTP: S2-Lite's `/health`, the proxy's `/readyz`, and what the proxy offers."""

import asyncio
from dataclasses import dataclass

import aiohttp

from cli.health import WELL, Health

PROBE_S = 5.0  # the proxy itself waits 2 s for its store before it says that it is missing


@dataclass(frozen=True, slots=True)
class Voice:
    """What the proxy says of its voices: the engine's name, and what would make a better one possible."""

    engine_label: str
    notice: str


def open_session() -> aiohttp.ClientSession:
    """No connection outlives its request: an idle one would hold up the end of the service on its other side."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=PROBE_S), connector=aiohttp.TCPConnector(force_close=True)
    )


async def s2_health(session: aiohttp.ClientSession, s2_url: str) -> Health:
    """S2-Lite is well at 200. A 503 is its closed store, which only a restart opens."""
    try:
        async with session.get(f"{s2_url.rstrip('/')}/health") as answer:
            if answer.status == 200:
                return WELL
            return Health(False, f"/health answers {answer.status}", broken=answer.status == 503)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Health(False, _trouble(error))


async def proxy_health(session: aiohttp.ClientSession, proxy_url: str) -> Health:
    """The proxy is well when it, the store and a worker's engine are: 503 lists what is missing."""
    try:
        async with session.get(f"{proxy_url}/readyz") as answer:
            if answer.status == 200:
                return WELL
            try:
                body: object = await answer.json(content_type=None)
            except ValueError:
                body = None
            return Health(False, missing(body) or f"/readyz answers {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Health(False, _trouble(error))


async def offered_voice(session: aiohttp.ClientSession, proxy_url: str) -> Voice | None:
    """The engine's label and notice from `/api/voices`, None when it does not tell them."""
    try:
        async with session.get(f"{proxy_url}/api/voices") as answer:
            body: object = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    match body:
        case {"engine_label": str(label), **rest}:
            notice = rest.get("notice")
            return Voice(label, notice if isinstance(notice, str) else "")
        case _:
            return None


def missing(body: object) -> str:
    """The reasons in the JSON of `/readyz`, as one line; empty when there are none that can be read."""
    match body:
        case {"reasons": [*reasons]}:
            return "; ".join(str(reason) for reason in reasons)
        case {"reasons": dict(by_name)}:
            return "; ".join(f"{name}: {reason}" for name, reason in by_name.items())
        case {"error": {"message": str(message)}}:
            return message
        case _:
            return ""


def _trouble(error: Exception) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer within {PROBE_S:.0f} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "nothing listens there yet"
    return str(error) or type(error).__name__
