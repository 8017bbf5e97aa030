"""The processes under fault: each is restarted when it dies, and whatever it says goes into a file."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RESTART_PAUSE_S = 0.2
STOP_DEADLINE_S = 6.0


class Service:
    """One process that `keep` runs for ever.

    Attributes:
        deaths: exit statuses that nobody here caused.
        pause_s: how long the next death lasts.
        groups: the process groups of all its lives; children that it starts are in them too.
    """

    def __init__(
        self, name: str, argv: Sequence[str], environ: Mapping[str, str], log: Path, executable: Path | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.deaths: list[int] = []
        self.pause_s = RESTART_PAUSE_S
        self.groups: list[int] = []
        self._argv = list(argv)
        self._environ = dict(environ)
        self._executable = executable
        self._process: asyncio.subprocess.Process | None = None
        self._expected = False

    @property
    def pid(self) -> int | None:
        """None between two lives."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if alive and self._process is not None else None

    async def keep(self) -> None:
        """Start it, and start it again whenever it is dead, until cancelled; then it ends in order."""
        try:
            while True:
                self._expected = False
                with self.log.open("ab") as sink:
                    self._process = await asyncio.create_subprocess_exec(
                        *self._argv,
                        executable=self._executable,
                        env=self._environ,
                        cwd=ROOT,
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=sink,
                        stderr=sink,
                        start_new_session=True,
                    )
                self.groups.append(self._process.pid)
                status = await self._process.wait()
                if not self._expected:
                    self.deaths.append(status)
                await asyncio.sleep(self.pause_s)
                self.pause_s = RESTART_PAUSE_S
        finally:
            await self._end()

    def signal(self, number: signal.Signals) -> int | None:
        """Send a signal to the living process; returns its id, None where it is dead just now."""
        pid = self.pid
        if pid is None:
            return None
        self._expected = self._expected or number == signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    async def _end(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    def tail_of_log(self, lines: int) -> list[str]:
        try:
            return self.log.read_text(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []


def child_of(pid: int, words: str) -> int | None:
    """The child of a process whose command line has these words."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
        if parent == pid and words in line:
            return int(entry.name)
    return None


def members_of(groups: Sequence[int]) -> list[int]:
    """The living processes of some process groups."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(group) in groups and state != "Z":
                    found.append(int(entry.name))
    return found
