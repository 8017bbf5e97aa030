"""The admin API: what the operator sees of queue, workers, dead jobs and this proxy. Changes nothing.

Its key is compared in constant time and appears in no answer and no log line.
"""

import asyncio
import hmac
import time
from dataclasses import asdict

from aiohttp import web

from casts.ids import CastId, is_cast_id
from casts.names import JOBS
from proxy.api import dumps
from proxy.dead import Dead, Since, newest_dead, since_then
from proxy.errors import ApiError
from proxy.health import READY_PATIENCE_S
from proxy.keys import ADMIN_KEY, CASTS, CHANNELS, LEDGER, STORE, WORKERS
from proxy.read import whole_number
from streams.committed import read_committed
from streams.port import Store, StoreUnavailable, StreamMissing

DEAD_SHOWN, DEAD_AT_MOST = 20, 1000


def check_admin(request: web.Request) -> None:
    """Raises ApiError: 403 `admin_disabled` where this proxy has no key, 401 `unauthorized`."""
    key = request.app.get(ADMIN_KEY)
    if key is None:
        raise ApiError(
            403,
            "admin_disabled",
            "This proxy has no admin key. Set STREAMTTS_ADMIN_KEY, or give it the data folder in which `streamtts up` "
            "has made admin.key, and start it again.",
        )
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), key.encode())
    if scheme.lower() != "bearer" or not same:
        raise ApiError(401, "unauthorized", "This needs the admin key: Authorization: Bearer <key>.")


async def get_status(request: web.Request) -> web.Response:
    check_admin(request)
    app = request.app
    ledger = app[LEDGER]
    jobs = await _jobs(app[STORE])
    oldest_ms = ledger.oldest_ms
    body = {
        "queue": {"unfinished": ledger.unfinished, "oldest_at": None if oldest_ms is None else _utc(oldest_ms)},
        "jobs": jobs,
        "workers": app[WORKERS].described(int(time.time() * 1000)),
        "dead": {"count": ledger.dead},
        "proxy": asdict(app[CHANNELS].statistics()),
        "store": {"ok": jobs["tail"] is not None},
    }
    return web.json_response(body, dumps=dumps)


async def _jobs(store: Store) -> dict[str, int | None]:
    """Tail and committed cursor; both None where the store does not answer as fast as a ready one does."""
    try:
        async with asyncio.timeout(READY_PATIENCE_S):
            tail = await store.tail(JOBS)
            return {"tail": tail, "committed": (await read_committed(store)).offset}
    except (TimeoutError, StoreUnavailable, StreamMissing):
        return {"tail": None, "committed": None}


async def get_dead(request: web.Request) -> web.Response:
    check_admin(request)
    limit = whole_number(request, "limit", DEAD_SHOWN, DEAD_AT_MOST)
    wanted = request.query.get("id")
    if wanted is not None and not is_cast_id(wanted):
        raise ApiError(400, "invalid_parameter", "id is that of a cast.", param="id")
    found = await newest_dead(request.app[STORE], limit, None if wanted is None else CastId(wanted)) if limit else []
    since = await since_then(request.app[CASTS], request.app[LEDGER], found)
    body = {"dead": [_described(dead, then) for dead, then in zip(found, since, strict=True)]}
    return web.json_response(body, dumps=dumps)


def _described(dead: Dead, since: Since | None) -> dict[str, object]:
    return {"offset_of_record": dead.seq_num, **asdict(dead.job), "at": _utc(dead.at_ms), "since": since}


def _utc(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
