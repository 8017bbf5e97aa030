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
from streams.s2 import S2Store, s2_address
from worker.engine import EngineHost, choose_engine, engine_command
from worker.identity import Identity, take_identity
from worker.metrics_server import serving_metrics
from worker.worker import Worker

log = logging.getLogger("worker")

FINISH_S = 1.5
"""What the running sentence, its record, the farewell and the last commit may take."""


async def _serve(settings: Settings, key: str, identity: Identity) -> None:
    """Work until a signal; then end in order. A second signal ends the process at once."""
    store = S2Store(s2_address(settings, key))
    choice = choose_engine(settings)
    engine = EngineHost(engine_command(choice.module, settings.engine_python))
    worker = Worker(store, engine, settings, identity.name)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _begin_to_stop, loop, stop)
    running = asyncio.create_task(_run(worker, settings, choice.notice), name="worker")
    stopping = asyncio.create_task(stop.wait(), name="signals")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        await _finish(worker)
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
        await engine.close()
        await store.close()


def _begin_to_stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    stop.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)


async def _finish(worker: Worker) -> None:
    log.info("stopping", extra={"action": "stop"})
    try:
        await worker.finish(FINISH_S)
    except (TimeoutError, StreamTTSError) as error:
        log.warning("not all was finished at the end: %s", type(error).__name__)


async def _run(worker: Worker, settings: Settings, notice: str | None) -> None:
    async with serving_metrics(worker.metrics.registry, settings):
        await worker.run(notice)


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
