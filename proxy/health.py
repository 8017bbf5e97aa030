"""`/healthz`: this process is alive. `/readyz`: store, worker and engine are there to serve a submit."""

import asyncio

from aiohttp import web

from casts.names import JOBS
from proxy.api import dumps
from proxy.keys import STORE, VOICES
from streams.port import StoreUnavailable, StreamMissing

READY_PATIENCE_S = 2.0


async def get_healthz(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def get_readyz(request: web.Request) -> web.Response:
    """200, or 503 with what is missing."""
    reasons = []
    try:
        async with asyncio.timeout(READY_PATIENCE_S):
            await request.app[STORE].tail(JOBS)
    except (TimeoutError, StoreUnavailable, StreamMissing):
        reasons.append("the store does not answer")
    voices = request.app[VOICES]
    if not voices.a_worker_is_there():
        reasons.append("no worker has reported lately")
    elif not voices.announcements():
        reasons.append("no voice engine has reported")
    status = 503 if reasons else 200
    headers = {"Retry-After": "2"} if reasons else {}
    body = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return web.json_response(body, status=status, headers=headers, dumps=dumps)
