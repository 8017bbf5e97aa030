"""Child processes that end with this one: each leads a session of its own, so Ctrl-C reaches only this process."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
CHUNK_BYTES = 64 * 1024
MAX_LINE_BYTES = 16 * 1024
LAST_READS = 64  # of CHUNK_BYTES: more than a pipe holds, and an end for one that somebody else still fills

OnLine = Callable[[str], None]


def die_with_parent() -> Callable[[], None] | None:
    """What a new child does before it becomes its program: ask Linux to be killed when this process dies.

    It covers a `kill -9` of this process, after which nothing here can run. Everything is looked up beforehand,
    so that the child between fork and exec makes two system calls and takes no lock. None elsewhere than on Linux.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()
    kill = int(signal.SIGKILL)

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, kill, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def kill_group(leader: int) -> None:
    """Kill a child and all that it started, if any of them is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


class LineSplitter:
    """Bytes in pieces -> whole lines. A line longer than `MAX_LINE_BYTES` comes in parts, so memory is bounded."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [_text(line) for line in lines]

    def rest(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


class Child:
    """One running process. Its output is read to the end, whether anybody looks at it or not."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: int, on_line: OnLine) -> None:
        self._process = process
        self._pipe = pipe
        self._on_line = on_line
        self._lines = LineSplitter()
        self._open = True
        os.set_blocking(pipe, False)
        asyncio.get_running_loop().add_reader(pipe, self._read)

    @classmethod
    async def start(
        cls,
        argv: tuple[str, ...],
        on_line: OnLine,
        *,
        env: Mapping[str, str],
        executable: Path | None = None,
        cwd: Path | None = None,
    ) -> "Child":
        """Start a process.

        Raises:
            OSError: there is no such program, or it cannot be executed.
        """
        # A pipe of ours instead of asyncio's: with theirs `wait` returns only when every process that inherited
        # the pipe has closed it, so a dead worker whose engine lives on would not be noticed (Python 3.11).
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                executable=executable,
                env=dict(env),
                cwd=cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(process, reading, on_line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminate(self) -> None:
        """Ask it to end; not those that it started, which it may want to end in order."""
        if self._process.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process.returncode is None:
            kill_group(self.pid)

    async def wait(self) -> int:
        """Its exit code, minus the signal's number if one ended it. What it left running is killed."""
        code = await self._process.wait()
        kill_group(self.pid)
        for _ in range(LAST_READS):
            self._read()
        self._close()
        return code

    def _read(self) -> None:
        if not self._open:
            return
        try:
            chunk = os.read(self._pipe, CHUNK_BYTES)
        except BlockingIOError:
            return
        for line in self._lines.feed(chunk):
            self._on_line(line)
        if not chunk:
            self._close()

    def _close(self) -> None:
        if not self._open:
            return
        self._open = False
        for line in self._lines.rest():
            self._on_line(line)
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
