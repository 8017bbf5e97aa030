"""The table of contents: routes, middlewares, and what lives as long as the application."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from casts.settings import Settings
from proxy import admin, api, audio, health, pages, read
from proxy.channel import Channels
from proxy.errors import error_shape
from proxy.keys import (
    ADMIN_KEY,
    CASTS,
    CHANNELS,
    GROUP,
    LEDGER,
    SETTINGS,
    STOPPING,
    STORE,
    SUBMITS,
    SUBMITTER,
    VOICES,
    WORKERS,
)
from proxy.ledger import FOLLOWED, Ledger, follow_into
from proxy.overview import Casts
from proxy.security import add_headers
from proxy.static import StaticFiles
from proxy.submit import Submitter
from proxy.voices import Voices
from proxy.workers import Workers, follow_workers
from streams.committed import read_committed
from streams.port import Store, StoreUnavailable, StreamMissing
from streams.starting import ensure_store

log = logging.getLogger(__name__)

JSON_GROWTH = 6
"""A control character of one byte is six in JSON (`\\u0009`)."""


def make_app(settings: Settings, store: Store, admin_key: str | None = None) -> web.Application:
    """The proxy over a store. Closing the app does not close the store. Without a key there is no admin API."""
    app = web.Application(
        client_max_size=JSON_GROWTH * settings.max_text_bytes + 64 * 1024,
        middlewares=[error_shape, pages.error_pages],
        handler_args={"handler_cancellation": True},
    )
    app[SETTINGS], app[STORE], app[STOPPING] = settings, store, asyncio.Event()
    if admin_key is not None:
        app[ADMIN_KEY] = admin_key
    app[LEDGER] = Ledger()
    app[VOICES], app[WORKERS] = Voices(settings.lease_s), Workers(settings.lease_s)
    app[CASTS] = Casts(store, app[LEDGER])
    app[CHANNELS] = Channels(store, settings.live_buffer_bytes)
    app[SUBMITTER] = Submitter(store, app[LEDGER], app[CASTS])
    app[pages.STATIC], app[pages.TEMPLATES] = StaticFiles(), pages.load_templates()
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(stop_streams)
    app.cleanup_ctx.append(background)
    app.add_routes(
        [
            web.get("/", pages.get_home),
            web.post("/", pages.post_home),
            web.get("/c/{id}", pages.get_cast_page),
            web.get("/static/{hash}/{name:.+}", app[pages.STATIC].serve),
            web.post("/api/casts", api.post_cast),
            web.get("/api/casts/{id}", api.get_cast),
            web.post("/api/casts/{id}/retry", api.post_retry),
            web.get("/api/casts/{id}/records", read.get_records),
            web.get("/api/casts/{id}/audio.mp3", audio.get_audio),
            web.get("/api/casts/{id}/text.txt", audio.get_text),
            web.get("/api/voices", api.get_voices),
            web.get("/api/admin/status", admin.get_status),
            web.get("/api/admin/dead", admin.get_dead),
            web.get("/healthz", health.get_healthz),
            web.get("/readyz", health.get_readyz),
        ]
    )
    return app


async def background(app: web.Application) -> AsyncIterator[None]:
    """What follows the shared streams and owns submits and live readers, for the application's life."""
    async with asyncio.TaskGroup() as group:
        app[GROUP], app[SUBMITS] = group, set()
        tasks = [group.create_task(app[CHANNELS].run(), name="channels")]
        tasks.append(group.create_task(follow_all(app), name="follow"))
        yield
        # Handlers had their time: a submit that the store has not answered by now is unknown to its client anyway.
        for task in [*tasks, *app[SUBMITS]]:
            task.cancel()


async def follow_all(app: web.Application) -> None:
    app[LEDGER].begin_at(await first_unfinished_job(app[STORE]))
    async with asyncio.TaskGroup() as group:
        for stream in FOLLOWED:
            group.create_task(follow_into(app[LEDGER], app[STORE], stream), name=f"follow {stream}")
        group.create_task(
            follow_workers(app[STORE], app[VOICES].take, app[WORKERS].take, app[LEDGER].take_sign),
            name="follow workers",
        )


async def first_unfinished_job(store: Store) -> int:
    """The committed cursor, asked for until the store answers."""
    while True:
        await ensure_store(store)
        try:
            return (await read_committed(store)).offset
        except (StoreUnavailable, StreamMissing) as error:
            log.warning("the committed cursor cannot be read yet: %s", error)
            await asyncio.sleep(1.0)


async def stop_streams(app: web.Application) -> None:
    """End held responses in order, so that their clients resume elsewhere at once."""
    app[STOPPING].set()
    app[CHANNELS].wake_all()
