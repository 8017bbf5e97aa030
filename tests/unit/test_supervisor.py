"""The supervisor with small real processes: order, restarts, an end within the deadline, no orphans."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.health import WELL, Health, Probe, RestartRules
from cli.keeper import OnHealthy, Service, ServiceFailed
from cli.output import Output
from cli.supervisor import Supervisor

QUICK = RestartRules(first_s=0.01, longest_s=0.05, look_s=0.005, watch_s=0.01, doubt_s=0.01)
DEADLINE_S = 10.0
SAYS_PID_AND_WAITS = "import os, signal; print('pid', os.getpid(), flush=True); signal.pause()"
ENDS_IN_ORDER = """
import os, signal, sys
def end(*_):
    print("ends", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("pid", os.getpid(), flush=True)
signal.pause()
"""
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SAYS_PID_AND_WAITS
HAS_A_CHILD = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid, flush=True)
print("pid", os.getpid(), flush=True)
signal.pause()
"""


def service(name: str, code: str = SAYS_PID_AND_WAITS, **more: object) -> Service:
    return Service(name, (sys.executable, "-S", "-c", code), dict(os.environ), **more)  # type: ignore[arg-type]


class Watched:
    """A supervisor at work, and what it writes."""

    def __init__(self, services: list[Service], rules: RestartRules, stop_s: float, on_healthy: OnHealthy) -> None:
        self._stream = io.StringIO()
        output = Output(self._stream, tuple(one.name for one in services), colours=False)
        self.supervisor = Supervisor(services, output, rules=rules, stop_s=stop_s, on_healthy=on_healthy)

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()

    async def until(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < ends, self.lines
            await asyncio.sleep(0.002)

    async def until_line(self, pattern: str, times: int = 1) -> list[re.Match[str]]:
        def found() -> list[re.Match[str]]:
            return [match for line in self.lines if (match := re.search(pattern, line))]

        await self.until(lambda: len(found()) >= times)
        return found()

    async def pids(self, name: str, times: int = 1) -> list[int]:
        return [int(match[1]) for match in await self.until_line(rf"^{name} +\| pid (\d+)$", times)]


async def _nothing(name: str) -> None:
    pass


@asynccontextmanager
async def running(
    *services: Service, rules: RestartRules = QUICK, stop_s: float = 3.0, on_healthy: OnHealthy = _nothing
) -> AsyncIterator[Watched]:
    watched = Watched(list(services), rules, stop_s, on_healthy)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(watched.supervisor.run())
        yield watched
        watched.supervisor.stop()
        async with asyncio.timeout(DEADLINE_S):
            await run


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    if Path("/proc/self").exists():  # where it is, `ps` may not be installed
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False
    answer = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1] not in ("", "Z")


def answering(*healths: Health) -> tuple[Probe, list[None]]:
    """A probe that gives these answers one after the other, the last one for ever; and its calls."""
    calls: list[None] = []

    async def probe() -> Health:
        calls.append(None)
        return healths[min(len(calls), len(healths)) - 1]

    return probe, calls


async def test_start_waits_for_the_health_of_the_one_before() -> None:
    ready = asyncio.Event()
    looks: list[None] = []

    async def health() -> Health:
        looks.append(None)
        return WELL if ready.is_set() else Health(False, "not yet")

    async with running(service("store", health=health), service("worker")) as watched:
        await watched.pids("store")
        await watched.until(lambda: len(looks) >= 5)
        assert not any(line.startswith("worker") for line in watched.lines)
        ready.set()
        await watched.pids("worker")


async def test_start_goes_on_after_the_deadline_and_says_what_is_missing() -> None:
    never, _ = answering(Health(False, "the store is closed"))
    async with running(service("store", health=never, start_s=0.1), service("worker")) as watched:
        await watched.until_line(r"^store is not ready after 0 s: the store is closed\. Still trying\.$")
        await watched.pids("worker")


async def test_health_is_told_once_for_each_service() -> None:
    told: list[str] = []

    async def on_healthy(name: str) -> None:
        told.append(name)

    probe, _ = answering(Health(False, "starting"), WELL)
    async with running(service("store", health=probe), service("worker"), on_healthy=on_healthy) as watched:
        (first,) = await watched.pids("worker")
        os.kill(first, signal.SIGKILL)
        await watched.pids("worker", times=2)
    assert told == ["store", "worker"]


async def test_dead_service_is_started_again_and_the_others_are_left_alone() -> None:
    async with running(service("store"), service("worker")) as watched:
        (first,) = await watched.pids("worker")
        os.kill(first, signal.SIGKILL)
        second = (await watched.pids("worker", times=2))[1]
        assert second != first
        assert len(await watched.pids("store")) == 1
        await watched.until_line(r"^worker ended \(killed by SIGKILL\): starting it again in 0\.0 s$")


async def test_restarts_slow_down() -> None:
    rules = RestartRules(first_s=0.02, longest_s=10, futile=4)
    watched = Watched([service("worker", "raise SystemExit(3)")], rules, 3.0, _nothing)
    began = time.monotonic()
    with pytest.raises(ServiceFailed, match=r"worker does not start: exit code 3, 4 times in a row"):
        await watched.supervisor.run()
    assert time.monotonic() - began >= (0.02 + 0.04 + 0.08) / 2
    assert len(await watched.until_line("starting it again")) == 3


async def test_service_that_never_works_ends_the_others_in_order() -> None:
    watched = Watched([service("store", ENDS_IN_ORDER), service("worker", "raise SystemExit(1)")], QUICK, 3.0, _nothing)
    with pytest.raises(ServiceFailed, match="worker does not start"):
        await watched.supervisor.run()
    await watched.until_line(r"^store +\| ends$")


async def test_service_that_once_worked_is_never_given_up() -> None:
    async with running(service("worker")) as watched:
        for deaths in range(QUICK.futile + 2):
            pids = await watched.pids("worker", times=deaths + 1)
            os.kill(pids[-1], signal.SIGKILL)
        await watched.pids("worker", times=QUICK.futile + 3)


async def test_program_that_is_not_there_is_a_failure_at_once() -> None:
    missing = Service("store", ("/nowhere/s2", "lite"), {})
    watched = Watched([missing], QUICK, 3.0, _nothing)
    with pytest.raises(ServiceFailed, match=r"store cannot be started: .*No such file"):
        await watched.supervisor.run()


async def test_store_that_says_it_is_broken_is_restarted() -> None:
    broken = Health(False, "/health answers 503", broken=True)
    probe, _ = answering(WELL, broken, broken, broken, WELL)
    async with running(service("store", health=probe, watched=True)) as watched:
        await watched.pids("store", times=2)
        await watched.until_line(r"^store is beyond recovery: /health answers 503$")
        await watched.until_line(r"^store is back$")


async def test_store_with_a_moments_trouble_is_left_alone() -> None:
    broken = Health(False, "/health answers 503", broken=True)
    probe, calls = answering(WELL, broken, broken, WELL, broken, broken, WELL)
    async with running(service("store", health=probe, watched=True)) as watched:
        await watched.until(lambda: len(calls) >= 10)
        assert len(await watched.pids("store")) == 1


async def test_service_that_is_not_watched_is_looked_at_until_it_is_well() -> None:
    probe, calls = answering(Health(False, "starting"), WELL, Health(False, "no", broken=True))
    async with running(service("proxy", health=probe), service("other")) as watched:
        await watched.pids("other")
        await watched.pids("proxy")
        assert len(calls) == 2


async def test_stop_ends_services_in_reverse_order() -> None:
    async with running(*(service(name, ENDS_IN_ORDER) for name in ("store", "worker", "proxy"))) as watched:
        await watched.pids("proxy")
        await watched.pids("store")
        await watched.pids("worker")
    ends = [line.split()[0] for line in watched.lines if line.endswith("| ends")]
    assert ends == ["proxy", "worker", "store"]


async def test_stop_kills_a_service_that_ignores_sigterm_within_the_deadline() -> None:
    names = ("store", "worker", "proxy")
    async with running(*(service(name, IGNORES_SIGTERM) for name in names), stop_s=1.0) as watched:
        pids = [(await watched.pids(name))[0] for name in names]
        began = time.monotonic()
    took_s = time.monotonic() - began
    assert took_s < 2.0  # three seconds, were it a second for each
    assert not any(map(alive, pids))
    assert sum("to stop: killed" in line for line in watched.lines) == 3


async def test_stop_of_a_stuck_service_leaves_the_others_time_to_end_in_order() -> None:
    async with running(service("store", ENDS_IN_ORDER), service("proxy", IGNORES_SIGTERM), stop_s=1.0) as watched:
        await watched.pids("store")
        await watched.pids("proxy")
    assert watched.lines[-1] == "store | ends"


async def test_second_stop_kills_at_once() -> None:
    async with running(service("store", IGNORES_SIGTERM), stop_s=300) as watched:
        (pid,) = await watched.pids("store")
        watched.supervisor.stop()
        watched.supervisor.stop()
        await watched.until(lambda: not alive(pid))


async def test_stop_interrupts_the_wait_before_a_restart() -> None:
    async with running(service("store"), rules=RestartRules(first_s=3000, longest_s=3000)) as watched:
        (pid,) = await watched.pids("store")
        os.kill(pid, signal.SIGKILL)
        await watched.until_line("starting it again in [0-9]{4}")


async def test_stop_while_a_service_is_awaited_ends_it() -> None:
    never, calls = answering(Health(False, "starting"))
    async with running(service("store", health=never), service("worker")) as watched:
        (pid,) = await watched.pids("store")
        await watched.until(lambda: len(calls) > 2)
    assert not alive(pid)
    assert not any(line.startswith("worker ") for line in watched.lines)


async def test_cancelled_run_leaves_no_process() -> None:
    watched = Watched([service("store", IGNORES_SIGTERM)], QUICK, 3.0, _nothing)
    run = asyncio.ensure_future(watched.supervisor.run())
    (pid,) = await watched.pids("store")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not alive(pid)


async def test_children_of_a_killed_service_end_with_it_and_do_not_hold_up_its_restart() -> None:
    async with running(service("worker", HAS_A_CHILD)) as watched:
        (child,) = [int(match[1]) for match in await watched.until_line(r"child (\d+)")]
        (pid,) = await watched.pids("worker")
        os.kill(pid, signal.SIGKILL)
        await watched.until(lambda: not alive(child))
        await watched.pids("worker", times=2)


async def test_output_is_drained_and_comes_in_whole_lines() -> None:
    flood = "import sys, signal; sys.stdout.write('x' * 3_000_000 + '\\nlast'); sys.stdout.flush(); signal.pause()"
    async with running(service("worker", flood)) as watched:
        await watched.until(lambda: sum(line.count("x") for line in watched.lines) >= 3_000_000)
    assert watched.lines[-1] == "worker | last"


async def test_output_just_before_a_death_is_not_lost() -> None:
    code = "import os; os.write(1, b'y' * 60_000 + b'\\nlast words'); os._exit(1)"
    async with running(service("worker", code)) as watched:
        await watched.until_line(r"^worker ended")
        first = next(index for index, line in enumerate(watched.lines) if line.startswith("worker ended"))
        assert "worker | last words" in watched.lines[:first]


UNDER_TEST = f"""
import asyncio, os, sys
from cli.keeper import Service
from cli.output import Output
from cli.supervisor import Supervisor
services = [Service(name, (sys.executable, "-S", "-c", {IGNORES_SIGTERM!r}), dict(os.environ)) for name in "ab"]
asyncio.run(Supervisor(services, Output(sys.stdout, ("a", "b"), colours=False)).run())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its killed parent")
def test_no_orphans_after_a_kill_of_the_supervisor() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UNDER_TEST], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(supervisor.stdout.readline().split()[-1]) for _ in range(2)]
        assert all(map(alive, pids))
        # Ctrl-C in the terminal goes to the foreground group, in which they must not be.
        assert [os.getsid(pid) for pid in pids] == pids
        supervisor.kill()
        supervisor.wait(DEADLINE_S)
        ends = time.monotonic() + DEADLINE_S
        while any(map(alive, pids)):
            assert time.monotonic() < ends
            time.sleep(0.005)
