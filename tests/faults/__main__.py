"""`make chaos`: seeds of faults on one running service; prints a table and, for each break, what led to it.

python -m tests.faults --seeds 200 --seconds 6     seeds 1 to 200, six seconds of faults each
python -m tests.faults --seed 17                   that one again
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path

from tests.faults.deployment import Deployment, deployed
from tests.faults.invariants import Broken
from tests.faults.plan import make_plan
from tests.faults.report import render
from tests.faults.trial import Trial

MAX_BREAKS = 3
TRIAL_DEADLINE_S = 420.0
LOG_LINES = 40


async def run_seeds(seeds: list[int], seconds: float, until: float, folder: Path, counts: Counter[str]) -> None:
    """Run seeds on as few deployments as possible: a fresh one after each break, whose folder is kept.

    `counts` is filled as they go; no seed begins after `until`, monotonic.
    """
    waiting = list(seeds)
    while waiting and counts["breaks"] < MAX_BREAKS and time.monotonic() < until:
        place = folder / f"run{counts['breaks'] + 1}"
        place.mkdir(parents=True)
        async with deployed(place) as deployment:
            while waiting and time.monotonic() < until:
                seed = waiting.pop(0)
                if not await run_seed(deployment, seed, seconds, counts):
                    break


async def run_seed(deployment: Deployment, seed: int, seconds: float, counts: Counter[str]) -> bool:
    """Returns whether every invariant held."""
    trial = Trial(deployment, make_plan(seed, seconds))
    began = time.monotonic()
    broken: str | None = None
    try:
        async with asyncio.timeout(TRIAL_DEADLINE_S):
            await trial.run()
    except (Broken, TimeoutError) as error:
        broken = str(error) or "a trial ends in time"
    counts.update(trial.counts)
    counts["seeds"] += 1
    verdict = f"BROKEN  {broken}" if broken else "ok"
    print(f"seed {seed}: {verdict}  ({time.monotonic() - began:.1f} s)", flush=True)
    if broken:
        counts["breaks"] += 1
        explain(deployment, trial)
    return broken is None


def explain(deployment: Deployment, trial: Trial) -> None:
    """What happened in the seed, the last lines of each log, and where everything is kept."""
    print("  events:")
    print("\n".join(f"  {event}" for event in trial.events))
    for service in deployment.services.values():
        print(f"  {service.name}, last lines of {service.log}:")
        print("\n".join(f"    {line[:300]}" for line in service.tail_of_log(LOG_LINES)))
    print(f"  kept: {deployment.folder}", flush=True)


async def until_signal(work: Coroutine[None, None, None]) -> None:
    """SIGTERM and SIGINT end the work, with every process that it started."""
    running = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Break everything, then check.")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long the faults of a seed last")
    parser.add_argument("--minutes", type=float, default=120.0, help="no seed begins after that")
    wanted = parser.parse_args()
    seeds = [wanted.seed] if wanted.seed is not None else list(range(wanted.first, wanted.first + wanted.seeds))
    folder = Path(tempfile.mkdtemp(prefix="streamtts-chaos-"))
    logging.basicConfig(filename=folder / "harness.log", level=logging.INFO)
    began = time.monotonic()
    counts: Counter[str] = Counter()
    asyncio.run(until_signal(run_seeds(seeds, wanted.seconds, began + 60 * wanted.minutes, folder, counts)))
    print(render(counts, time.monotonic() - began))
    if counts["breaks"] or counts["seeds"] < 1:
        return 1
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())
