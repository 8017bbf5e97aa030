"""`python -m worker`: one worker with one engine process, until SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import sys

from casts.errors import SettingsError, StreamTTSError
from casts.log import configure_logging
from casts.settings import Settings, read_settings
from streams.key import read_key
from streams.port import Store
from streams.s2 import S2Store, s2_address
from worker.engine import EngineHost, choose_engine, engine_command
from worker.identity import Identity, take_identity
from worker.metrics_server import serving_metrics
from worker.worker import Worker

log = logging.getLogger("worker")

STOP_GRACE_S = 1.5
"""What an orderly end may take: the last commit, and closing the engine and the store."""


async def _serve(settings: Settings, key: str, identity: Identity) -> None:
    store = S2Store(s2_address(settings, key))
    choice = choose_engine(settings)
    engine = EngineHost(engine_command(choice.module, settings.engine_python))
    worker = Worker(store, engine, settings, identity.name)
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(_run(worker, settings, choice.notice), name="worker")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        log.info("stopping", extra={"action": "stop"})
    finally:
        await _close(worker, engine, store)


async def _run(worker: Worker, settings: Settings, notice: str | None) -> None:
    async with serving_metrics(worker.metrics.registry, settings):
        await worker.run(notice)


async def _close(worker: Worker, engine: EngineHost, store: Store) -> None:
    """Leave nothing behind that a restart would have to clean up; what is not done in time is done then."""
    try:
        async with asyncio.timeout(STOP_GRACE_S):
            await worker.commit()
    except (TimeoutError, StreamTTSError) as error:
        log.warning("the cursor was not committed at the end: %s", error)
    await engine.close()
    await store.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Speak what is submitted: follow the jobs, run the voice engine, write the casts.",
        epilog="Settings are STREAMTTS_* variables; `streamtts settings` lists them.",
    )
    parser.parse_args()
    try:
        settings = read_settings(os.environ)
        configure_logging(settings.log)
        key = read_key(settings)
        identity = take_identity(settings.data)
    except (SettingsError, OSError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201  # before there is a log
        return 2
    status = 0
    try:
        asyncio.run(_serve(settings, key, identity))
    except* StreamTTSError as group:
        for failure in group.exceptions:
            log.error("%s", failure)
        status = 1
    identity.release()
    return status


if __name__ == "__main__":
    sys.exit(main())
