"""`GET /metrics` of a worker: Prometheus text on a port of its own, in the worker's loop."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from casts.errors import StreamTTSError
from casts.settings import Settings

log = logging.getLogger(__name__)


class MetricsPortTaken(StreamTTSError):
    """The address of the metrics cannot be had."""


@asynccontextmanager
async def serving_metrics(registry: CollectorRegistry, settings: Settings) -> AsyncIterator[None]:
    """Serve while the block runs; nothing where the port is 0.

    Raises:
        MetricsPortTaken: the message names the setting.
    """
    if not settings.worker_metrics_port:
        yield
        return
    from aiohttp import web  # here: a worker without metrics needs no web server in memory
    from prometheus_client.aiohttp import make_aiohttp_handler

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    host, port = settings.worker_metrics_host, settings.worker_metrics_port
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise MetricsPortTaken(
                f"metrics cannot be served on {host}:{port} (STREAMTTS_WORKER_METRICS_PORT): {error.strerror}"
            ) from error
        log.info("metrics on http://%s:%d/metrics", host, port, extra={"action": "metrics"})
        yield
    finally:
        await runner.cleanup()
