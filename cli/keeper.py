"""Keeps one service running: starts it, looks after it, starts it again when it dies."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from casts.errors import StreamTTSError
from cli.children import Child
from cli.health import WELL, Probe, RestartRules
from cli.output import Output

OnHealthy = Callable[[str], Awaitable[None]]


class ServiceFailed(StreamTTSError):
    """A service cannot be started, or dies again and again and was never well."""


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep.

    Attributes:
        name: stands before its lines.
        argv: what a process list shows; `executable` is what runs, where that is not `argv[0]`.
        env: its whole environment.
        health: a look at it; None: it is well as long as it runs.
        watched: looked at for as long as it runs, and restarted when beyond recovery; else only until it is well.
        start_s: after so many seconds without health a person is told why, and the next service is started.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    executable: Path | None = None
    cwd: Path | None = None
    health: Probe | None = None
    watched: bool = False
    start_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Life:
    """One process from start to end: how it ended, and for how long it had been well."""

    how: str
    healthy_s: float
    killed: bool


class Keeper:
    """One service's process after process. `healthy` is set when it is well for the first time."""

    def __init__(self, service: Service, output: Output, rules: RestartRules, on_healthy: OnHealthy) -> None:
        self.service = service
        self.healthy = asyncio.Event()
        self.reason = "it has not been started yet"
        self._output = output
        self._rules = rules
        self._on_healthy = on_healthy
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._child: Child | None = None
        self._healthy_at: float | None = None

    async def run(self) -> None:
        """Until `stop`.

        Raises:
            ServiceFailed: starting it again is futile.
        """
        deaths, works = 0, False
        try:
            while not self._stopping.is_set():
                life = await self._live()
                if self._stopping.is_set():
                    break
                works = works or self._worked(life)
                deaths = self._rules.deaths_after(deaths, life.healthy_s)
                if not works and deaths >= self._rules.futile:
                    raise ServiceFailed(f"{self.service.name} does not start: {life.how}, {deaths} times in a row")
                delay_s = self._rules.delay_s(deaths, random.random())  # noqa: S311 - jitter, no secret
                self._output.say(f"{self.service.name} ended ({life.how}): starting it again in {delay_s:.1f} s")
                await _wait_at_most(self._stopping, delay_s)
        finally:
            self._ended.set()

    async def stop(self, grace_s: float) -> None:
        """End the service: asked first, killed after `grace_s`. Safe to call when it is not running."""
        self._stopping.set()
        if self._child:
            self._child.terminate()
        if not await _wait_at_most(self._ended, grace_s):
            self._output.say(f"{self.service.name} took longer than {grace_s:.1f} s to stop: killed")
            self.kill()
            await self._ended.wait()

    def kill(self) -> None:
        """End the service at once."""
        self._stopping.set()
        if self._child:
            self._child.kill()

    async def _live(self) -> _Life:
        service = self.service
        self.reason, self._healthy_at = "it is starting", None
        try:
            child = await Child.start(
                service.argv,
                lambda line: self._output.relay(service.name, line),
                env=service.env,
                executable=service.executable,
                cwd=service.cwd,
            )
        except OSError as error:
            if self.healthy.is_set():  # a moment's trouble: no memory, or a program that is being replaced
                return _Life(f"it cannot be started: {error}", 0.0, killed=False)
            raise ServiceFailed(f"{service.name} cannot be started: {error}") from error
        self._child = child
        try:
            if self._stopping.is_set():
                child.kill()
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(self._look_after(child), name=f"look after {service.name}")
                code = await child.wait()
                looking.cancel()
        finally:
            self._child = None
            child.kill()
            await child.wait()
        return _Life(ending(code), self._healthy_for_s(), killed=code < 0)

    def _healthy_for_s(self) -> float:
        return 0.0 if self._healthy_at is None else asyncio.get_running_loop().time() - self._healthy_at

    def _worked(self, life: _Life) -> bool:
        """A service without a probe has shown nothing yet when it ends by itself in its first moments."""
        if self.service.health:
            return self.healthy.is_set()
        return life.killed or life.healthy_s >= self._rules.settled_s

    async def _look_after(self, child: Child) -> None:
        clock = asyncio.get_running_loop().time
        broken_looks, well_at = 0, clock()
        while True:
            health = await self.service.health() if self.service.health else WELL
            if health.ready:
                broken_looks, well_at = 0, clock()
                if self._healthy_at is None:
                    await self._is_well()
                if not self.service.watched:
                    return
            else:
                self.reason = health.reason
                broken_looks += health.broken
                was_well = self._healthy_at is not None
                if self.service.watched and self._rules.must_restart(broken_looks, was_well, clock() - well_at):
                    self._output.say(f"{self.service.name} is beyond recovery: {health.reason}")
                    child.kill()
                    return
            await asyncio.sleep(self._rules.next_look_s(broken_looks, self._healthy_at is not None))

    async def _is_well(self) -> None:
        self._healthy_at = asyncio.get_running_loop().time()
        if self.healthy.is_set():
            if self.service.health:
                self._output.say(f"{self.service.name} is back")
        else:
            self.healthy.set()
            await self._on_healthy(self.service.name)


def ending(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


async def _wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
