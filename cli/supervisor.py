"""Several services as one: starts them in order, stops them in reverse within a deadline. Knows no HTTP, no port."""

import asyncio
from collections.abc import Sequence

from cli.health import RestartRules
from cli.keeper import Keeper, OnHealthy, Service, ServiceFailed
from cli.output import Output

STOP_S = 3.0
RESERVE_S = 0.3  # of the time to stop, for the end of what had to be killed


async def _nothing(name: str) -> None:
    pass


class Supervisor:
    """Runs services until `stop`.

    `on_healthy(name)` is awaited when a service is well for the first time; it must not raise.
    """

    def __init__(
        self,
        services: Sequence[Service],
        output: Output,
        *,
        on_healthy: OnHealthy = _nothing,
        rules: RestartRules | None = None,
        stop_s: float = STOP_S,
    ) -> None:
        self._services = services
        self._output = output
        self._on_healthy = on_healthy
        self._rules = rules or RestartRules()
        self._stop_s = stop_s
        self._stop_wanted = asyncio.Event()
        self._started: list[Keeper] = []
        self._failure: ServiceFailed | None = None

    def stop(self) -> None:
        """End all services in reverse order; called again: kill them at once."""
        if self._stop_wanted.is_set():
            for keeper in self._started:
                keeper.kill()
        self._stop_wanted.set()

    async def run(self) -> None:
        """Keep the services until `stop`, and return when none of their processes is left.

        Raises:
            ServiceFailed: one of them cannot be kept running; the others have been stopped.
        """
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(self._start_all(tasks), name="start services")
            await self._stop_wanted.wait()
            starting.cancel()
            await self._stop_all()
        if self._failure:
            raise self._failure

    async def _start_all(self, tasks: asyncio.TaskGroup) -> None:
        for service in self._services:
            keeper = Keeper(service, self._output, self._rules, self._on_healthy)
            self._started.append(keeper)
            tasks.create_task(self._keep(keeper), name=f"keep {service.name}")
            try:
                async with asyncio.timeout(service.start_s):
                    await keeper.healthy.wait()
            except TimeoutError:
                self._output.say(
                    f"{service.name} is not ready after {service.start_s:.0f} s: {keeper.reason}. Still trying."
                )

    async def _keep(self, keeper: Keeper) -> None:
        try:
            await keeper.run()
        except ServiceFailed as failure:
            self._failure = self._failure or failure
            self._stop_wanted.set()

    async def _stop_all(self) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._stop_s - min(RESERVE_S, self._stop_s / 2)
        for left, keeper in zip(range(len(self._started), 0, -1), reversed(self._started), strict=True):
            await keeper.stop(max(0.0, deadline - clock()) / left)
