"""One engine process, seen from the worker: start it, ask it, end it. No policy; that is `worker/engine.py`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from worker.engines.frames import READ_BYTES, Frame, FrameDecoder, GarbledFrame
from worker.engines.protocol import Hello, Request, Speech, decode_answer, decode_hello, encode_request

log = logging.getLogger(__name__)

MAX_LOG_LINE_BYTES = 500
_STDERR_GRACE_S = 1.0


class EngineExited(Exception):
    """The process has ended, or closed its pipes, before it answered."""


class EngineNotStarted(Exception):
    """The process could not be started, or did not say hello."""


class EngineProcess:
    """A child process that has said hello. One request at a time; not safe for concurrent use."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        self._child = child
        self._stdin = child.stdin
        self._stdout = child.stdout
        self._decoder = FrameDecoder()
        self._owed: Request | None = None
        self._spent = False
        self._last_line = ""
        # Lives as long as the pipe and is awaited in `kill`; no task group spans that.
        self._stderr_task = asyncio.create_task(self._forward_stderr(child.stderr), name=f"engine-stderr-{child.pid}")
        self.hello: Hello

    @classmethod
    async def start(cls, command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> EngineProcess:
        """Start the command and wait for its hello; on cancellation it is killed.

        Raises:
            EngineNotStarted: no such program, or something else than a hello.
        """
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                cwd=cwd,
                env=dict(environ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as err:
            raise EngineNotStarted(f"{command[0]} does not start: {err.strerror}") from err
        process = cls(child)
        try:
            process.hello = decode_hello(*await process._next_frame())
        except (GarbledFrame, EngineExited) as err:
            await process.kill()
            said = f"; it said: {process._last_line}" if process._last_line else ""
            raise EngineNotStarted(f"{err}{said}") from err
        except BaseException:
            await process.kill()
            raise
        return process

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        """False as soon as the process has ended, even where the event loop has not noticed yet."""
        if self._child.returncode is not None or self._stdout.at_eof():
            return False
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return True
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False  # already collected by asyncio's watcher

    @property
    def spent(self) -> bool:
        """True once the engine has asked to be replaced before its next sentence."""
        return self._spent

    @property
    def owes_answer(self) -> bool:
        """True after `ask` was cancelled and until `collect_owed` has read the answer that nobody wants."""
        return self._owed is not None

    async def ask(self, request: Request) -> Speech:
        """Send a request and read its answer. After a cancellation the answer is owed: see `collect_owed`.

        Raises:
            EngineExited: the process is gone.
            EngineRefused: it answered with an error.
            GarbledFrame: it answered with anything else; it must be killed.
        """
        assert self._owed is None, "an answer is owed"
        frame = encode_request(request)
        self._owed = request
        try:
            self._stdin.write(frame)
            await self._stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise EngineExited("it closed its input") from None
        return await self._answer(request)

    async def collect_owed(self) -> None:
        """Read and drop an owed answer, so that the pipe is in step again. Raises as `ask` does, refusals aside."""
        if self._owed is not None:
            header, _ = await self._next_frame()
            if header.get("id") != self._owed.id:
                raise GarbledFrame("an answer to another request")
            self._owed = None

    async def kill(self) -> int:
        """End the process at once and release its pipes; the answer is its exit status. May be called twice."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):  # it ended by itself in this moment
                self._child.kill()
        try:
            return await self._child.wait()
        finally:
            await self._release()

    async def close(self, grace_s: float) -> int:
        """End the process by the end of its input, and by force after `grace_s`."""
        self._stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._child.wait()
        return await self.kill()

    async def _answer(self, request: Request) -> Speech:
        header, body = await self._next_frame()
        self._owed = None
        self._spent = header.get("spent") is True
        return decode_answer(header, body, request, self.hello.rate)

    async def _next_frame(self) -> Frame:
        """Safe to cancel: bytes are either still in the stream or already in the decoder."""
        while (frame := self._decoder.next_frame()) is None:
            chunk = await self._stdout.read(READ_BYTES)
            if not chunk:
                raise EngineExited("it closed its output")
            self._decoder.feed(chunk)
        return frame

    async def _forward_stderr(self, stream: asyncio.StreamReader) -> None:
        """Log the child's lines as they come. Engines print no texts; long lines are cut, in case a library does."""
        rest = b""
        while chunk := await stream.read(4096):
            *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                self._log_line(line)
            rest = rest[-MAX_LOG_LINE_BYTES:]
        self._log_line(rest)

    def _log_line(self, line: bytes) -> None:
        said = line[:MAX_LOG_LINE_BYTES].decode(errors="replace").strip()
        if said:
            self._last_line = said
            log.info("engine: %s", said, extra={"action": "engine_said", "pid": self.pid})

    async def _release(self) -> None:
        self._stdin.close()
        try:
            await asyncio.wait({self._stderr_task}, timeout=_STDERR_GRACE_S)  # a grandchild may hold the pipe open
        finally:
            self._stderr_task.cancel()
            # There is no public way to drop the pipes of an ended child that somebody else keeps open.
            self._child._transport.close()  # type: ignore[attr-defined]
