"""A whole service under fault on loopback: one S2-Lite, two workers, one proxy, and a breakable link to each.

It starts the processes itself, so that it decides what dies and when. Nothing here judges.
"""

import asyncio
import base64
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from casts.settings import Settings
from cli.progress import Progress
from cli.s2_binary import get_s2_binary
from cli.s2_command import s2_command, s2_environment
from streams.s2 import S2Address, S2Store
from tests.faults.plan import EVERYTHING, PlannedFault
from tests.faults.services import Service, child_of, members_of
from tests.faults.tcp_fault import Link
from tests.faults.watch import Watch
from tests.s2_lite import free_port

LEASE_S = 1.5
COMFORT_S = 4
SENTENCE_DEADLINE_S = 3
READY_DEADLINE_S = 90.0
ORPHAN_DEADLINE_S = 8.0
LINK_DELAY_S = 0.15

ENGINE_OF = {"engine1": "worker1", "engine2": "worker2"}


class Deployment:
    """Use it with `deployed`. `store` and `watch` reach S2-Lite past every link."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.s2_port, self.proxy_port = free_port(), free_port()
        self.links = {name: Link(self.s2_port) for name in ("worker1", "worker2", "proxy")}
        self.links["readers"] = Link(self.proxy_port)
        self.services: dict[str, Service] = {}
        self.watch = Watch()
        self.store = S2Store(
            S2Address(f"http://127.0.0.1:{self.s2_port}", Settings().basin, "unused", self.key, Settings().retention_s)
        )

    @property
    def url(self) -> str:
        """The proxy, through the readers' link."""
        return f"http://127.0.0.1:{self.links['readers'].port}"

    def _s2(self) -> Service:
        binary = get_s2_binary(Settings(), os.environ, Progress(sys.stderr))
        command = s2_command(binary, self.folder / "s2", self.s2_port)
        environ = s2_environment(os.environ)
        return Service("s2", command.argv, environ, self.folder / "s2.log", command.executable)

    def _python(self, name: str, module: str) -> Service:
        data = self.folder / name
        data.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("STREAMTTS_")}
        settings = {
            "data": data, "host": "127.0.0.1", "port": self.proxy_port, "s2_key": self.key, "engine": "espeak",
            "s2_url": f"http://127.0.0.1:{self.links[name].port}", "lease_s": LEASE_S, "comfort_s": COMFORT_S,
            "sentence_deadline_s": SENTENCE_DEADLINE_S, "max_active_casts": 3, "intake_window": 8, "log": "text",
        }  # fmt: skip
        environ |= {f"STREAMTTS_{name.upper()}": str(value) for name, value in settings.items()}
        return Service(name, [sys.executable, "-m", module], environ, self.folder / f"{name}.log")

    async def open(self) -> None:
        for link in self.links.values():
            await link.open()
        (self.folder / "s2").mkdir(parents=True, exist_ok=True)
        self.services = {
            "s2": await asyncio.to_thread(self._s2),
            "worker1": self._python("worker1", "worker"),
            "worker2": self._python("worker2", "worker"),
            "proxy": self._python("proxy", "proxy"),
        }

    def worker_name(self, service: str) -> str:
        """What the worker calls itself in fences, receipts and leases; empty before its first start."""
        try:
            return (self.folder / service / "workers" / "1.name").read_text()
        except FileNotFoundError:
            return ""

    async def inflict(self, fault: PlannedFault) -> bool:
        """Carry a fault out, its end included. False where the victim was not there just now."""
        if fault.kind in ("kill", "stop"):
            return await self._signal(fault)
        link = self.links[fault.target]
        match fault.kind:
            case "cut" | "reset":
                link.cut(reset=fault.kind == "reset")
                return True
            case "hold":
                link.hold()
            case "delay":
                link.delay_s = LINK_DELAY_S
            case "refuse":
                link.refuse()
                link.cut()
            case _:
                link.swallow()
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await link.heal(leave_half_open=fault.kind == "half_open")
        return True

    async def _signal(self, fault: PlannedFault) -> bool:
        if fault.kind == "kill":
            names = list(self.services) if fault.target == EVERYTHING else [fault.target]
            return any([await self._kill(name, fault.lasts_s) for name in names])
        pid = await self._send(fault.target, signal.SIGSTOP)
        if pid is None:
            return False
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self.wake(fault.target, pid)
        return True

    async def _kill(self, target: str, dead_s: float) -> bool:
        if target in self.services:
            self.services[target].pause_s = dead_s
        return await self._send(target, signal.SIGKILL) is not None

    async def _send(self, target: str, number: signal.Signals) -> int | None:
        if target not in ENGINE_OF:
            return self.services[target].signal(number)
        worker = self.services[ENGINE_OF[target]].pid
        pid = await asyncio.to_thread(child_of, worker, " -m worker.engines.") if worker else None
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    def wake(self, target: str, pid: int) -> None:
        """Let what was stopped go on, if it is still the same process."""
        service = self.services[ENGINE_OF.get(target, target)]
        if service.pid == pid or (target in ENGINE_OF and pid in members_of(service.groups)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def until_ready(self, session: aiohttp.ClientSession) -> None:
        """Every process runs and the proxy finds store and workers. Raises TimeoutError."""
        async with asyncio.timeout(READY_DEADLINE_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    timeout = aiohttp.ClientTimeout(total=5)
                    async with session.get(f"{self.url}/readyz", timeout=timeout) as answer:
                        if answer.status == 200 and all(service.pid for service in self.services.values()):
                            return
                await asyncio.sleep(0.1)

    async def close(self) -> list[int]:
        """Close links and store; returns processes that outlived those which started them."""
        for link in self.links.values():
            await link.close()
        await self.store.close()
        groups = [group for service in self.services.values() for group in service.groups]
        left = members_of(groups)
        until = asyncio.get_running_loop().time() + ORPHAN_DEADLINE_S
        while left and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.1)
            left = members_of(groups)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[Deployment]:
    """Everything runs inside, is restarted when it dies, and is gone afterwards."""
    deployment = Deployment(folder)
    await deployment.open()
    orphans: list[int] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.keep(), name=f"keep {one.name}") for one in deployment.services.values()]
            tasks.append(group.create_task(deployment.watch.follow(deployment.store), name="watch"))
            yield deployment
            for task in reversed(tasks):
                task.cancel()
    finally:
        orphans = await deployment.close()
    assert not orphans, f"processes outlived their parents: {orphans}"
