"""`python -m proxy`: the web server, until SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys

from aiohttp import web

from casts.errors import SettingsError
from casts.log import configure_logging
from casts.settings import Settings, read_settings
from proxy.app import make_app
from streams.admin_key import read_admin_key
from streams.key import read_key
from streams.s2 import S2Store, s2_address

log = logging.getLogger("proxy")

SHUTDOWN_S = 1.0
BACKLOG = 4096
SEND_BUFFER_BYTES = 128 * 1024
"""For the kernel, a connection: without it a client that stops reading takes about 4 MB."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Raises OSError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def _serve(settings: Settings, key: str, admin_key: str | None, listener: socket.socket) -> None:
    store = S2Store(s2_address(settings, key))
    app = make_app(settings, store, admin_key)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_S, access_log=None)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        host, port = listener.getsockname()[:2]
        log.info("listening on http://%s:%d", host, port, extra={"action": "listening"})
        await stop.wait()
        log.info("stopping", extra={"action": "stop"})
    finally:
        await runner.cleanup()
        await store.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m proxy",
        description="Serve the page and the public API over the streams.",
        epilog="Settings are STREAMTTS_* variables; `streamtts settings` lists them.",
    )
    parser.parse_args()
    try:
        settings = read_settings(os.environ)
        configure_logging(settings.log)
        key, admin_key = read_key(settings), read_admin_key(settings)
        listener = listening_socket(settings.host, settings.port)
    except SettingsError as error:
        print(f"proxy: {error}", file=sys.stderr)  # noqa: T201  # before there is a log
        return 2
    except OSError as error:
        print(f"proxy: cannot listen on {settings.host}:{settings.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    asyncio.run(_serve(settings, key, admin_key, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
