"""`make bench`: the service's figures against their budgets, from one run on this machine.

Starts `streamtts up` on free ports of the loopback interface and ends it again. Bounded: about two minutes.
"""

import asyncio
import platform
import sys
import tempfile
from pathlib import Path

import aiohttp

from bench.latency import measure_burst, measure_submits
from bench.report import Row, render
from bench.work import measure_work
from tests.s2_lite import S2Lite
from tests.stack import Stack


async def measure(stack: Stack) -> list[Row]:
    async with aiohttp.ClientSession(stack.url) as session:
        rows = await measure_submits(session, stack.store())
        rows += await measure_burst(session)
    return rows


def main() -> int:
    print(f"StreamTTS on {platform.machine()}, {platform.system()}, Python {platform.python_version()}", flush=True)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        rows = asyncio.run(measure(stack))
    with tempfile.TemporaryDirectory() as folder:
        server = S2Lite(Path(folder))
        server.start()
        try:
            rows += asyncio.run(measure_work(server))
        finally:
            server.close()
    print(render(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
