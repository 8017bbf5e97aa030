"""The voice engine as the worker sees it: ask for a sentence, get speech or a reason.

Owns one engine process, so that a crash, a hang or garbage is bounded by a deadline and cured by a fresh process.
Decides nothing about casts and retries nothing: that is the caller's.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal, NoReturn

from casts.errors import StreamTTSError
from casts.settings import PREFIX, Settings
from worker.engines.frames import GarbledFrame
from worker.engines.process import EngineExited, EngineNotStarted, EngineProcess
from worker.engines.protocol import EngineRefused, Hello, Request, Speech, Voice, Word

__all__ = [
    "EngineChoice",
    "EngineFailed",
    "EngineHost",
    "EngineStats",
    "Hello",
    "Reason",
    "Speech",
    "Voice",
    "Word",
    "choose_engine",
    "engine_command",
]

log = logging.getLogger(__name__)

Reason = Literal["engine_crashed", "engine_hung", "engine_refused", "engine_garbled", "engine_unavailable"]

ROOT = Path(__file__).resolve().parent.parent
START_DEADLINE_S = 60.0
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
CLOSE_GRACE_S = 2.0


class EngineFailed(StreamTTSError):
    """No speech.

    Attributes:
        reason: stable code. `engine_refused` lies in the request, so asking again is useless; the others lie in the
            engine: `engine_crashed`, `engine_hung` (past its deadline, killed), `engine_garbled` (a malformed answer,
            killed), `engine_unavailable` (does not start, or closed).
        code: with `engine_refused` the engine's own code, for instance `voice_unavailable`; else None.
    """

    def __init__(self, reason: Reason, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine module to run, and what the operator should know about the choice, if anything."""

    module: str
    notice: str | None


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Totals of a host: seconds of speech made, seconds spent on it, processes started, failures by reason.

    `in_hand_s` are the seconds that were spent on the sentence in hand; they come to `busy_s` at its end.
    """

    spoken_s: float
    busy_s: float
    starts: int
    failures: Mapping[Reason, int]
    in_hand_s: float = 0.0

    @property
    def restarts(self) -> int:
        return max(0, self.starts - 1)


def choose_engine(settings: Settings) -> EngineChoice:
    """The engine that the setting asks for; `auto` is the best one that is there."""
    name = "espeak" if settings.engine == "auto" else settings.engine
    return EngineChoice(f"worker.engines.{name.replace('-', '_')}", None)


def engine_command(module: str, python: str = "") -> tuple[str, ...]:
    """The command line of an engine process. `python` empty: the interpreter that runs us."""
    return (python or sys.executable, "-m", module)


def engine_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What an engine process gets to see of our environment: everything but our own settings, which hold keys.

    Passive OpenMP: with its spinning barriers one busy neighbour on a small CPU slows torch down tenfold.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return {"OMP_WAIT_POLICY": "PASSIVE", **kept, "PYTHONPATH": path}


class EngineHost:
    """Keeps one engine process alive and lets one caller at a time speak through it.

    Every method is safe to cancel: a sentence that nobody waits for any more is finished by the engine and dropped
    before the next one, or killed at its own deadline.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] = os.environ,
        start_deadline_s: float = START_DEADLINE_S,
        first_backoff_s: float = FIRST_BACKOFF_S,
    ) -> None:
        self._command = tuple(command)
        self._environ = engine_environ(environ)
        self._start_deadline_s = start_deadline_s
        self._first_backoff_s = first_backoff_s
        self._lock = asyncio.Lock()
        self._closed = False
        self._limit: asyncio.Timeout | None = None
        self._process: EngineProcess | None = None
        self._hello: Hello | None = None
        self._ids = count(1)
        self._owed_until = 0.0
        self._not_before = 0.0
        self._failed_starts = 0
        self._starts = 0
        self._spoken_s = 0.0
        self._busy_s = 0.0
        self._busy_since: float | None = None
        self._failures: dict[Reason, int] = {}

    @property
    def pid(self) -> int | None:
        """The engine process's id while it is alive."""
        return self._process.pid if self._process is not None and self._process.alive else None

    @property
    def hello(self) -> Hello | None:
        """What the engine said of itself when it last started; None before that."""
        return self._hello

    def stats(self) -> EngineStats:
        in_hand_s = time.monotonic() - self._busy_since if self._busy_since is not None else 0.0
        return EngineStats(self._spoken_s, self._busy_s, self._starts, dict(self._failures), in_hand_s)

    async def ensure_started(self) -> Hello:
        """Have an engine process ready, waiting out the backoff of failed starts.

        Raises:
            EngineFailed: `engine_unavailable`, after ONE try.
        """
        async with self._lock:
            return (await self._ready()).hello

    async def speak(
        self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
    ) -> Speech:
        """Speak one sentence in the voice `body`. The deadline counts from when the engine gets the sentence.

        Raises:
            EngineFailed: see its reasons.
        """
        async with self._lock:
            process = await self._ready()
            began = self._busy_since = time.monotonic()
            self._owed_until = asyncio.get_running_loop().time() + deadline_s
            try:
                async with self._limited(deadline_s):
                    speech = await process.ask(Request(next(self._ids), text, body, lang, speed))
            except EngineRefused as err:
                self._count("engine_refused")
                raise EngineFailed("engine_refused", str(err), err.code) from err
            except TimeoutError:
                await self._fail("engine_hung", f"the engine did not answer within {deadline_s:g} s")
            except GarbledFrame as err:
                await self._fail("engine_garbled", f"the engine's answer is malformed: {err}")
            except EngineExited:
                await self._fail("engine_crashed", "the engine process ended")
            finally:
                self._busy_s += time.monotonic() - began
                self._busy_since = None
            self._spoken_s += speech.samples / speech.rate
            return speech

    async def close(self) -> None:
        """End the engine process. Whoever waits for speech gets `engine_unavailable`; the host stays closed."""
        self._closed = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())
        async with self._lock:
            process, self._process = self._process, None
            if process is not None:
                status = await process.close(CLOSE_GRACE_S)
                log.info("engine ended", extra={"action": "engine_ended", "pid": process.pid, "status": status})

    async def _ready(self) -> EngineProcess:
        """A living process whose pipe is in step. The caller holds the lock."""
        self._check_open()
        await self._collect_owed()
        if self._process is not None and not self._process.alive:
            await self._drop("ended while idle")
        if self._process is not None and self._process.spent:
            await self._drop("asked to be replaced", logging.INFO)
        if self._process is None:
            await self._wait_out_backoff()
            self._process = await self._start()
        return self._process

    async def _start(self) -> EngineProcess:
        began = time.monotonic()
        try:
            async with self._limited(self._start_deadline_s):
                process = await EngineProcess.start(self._command, cwd=str(ROOT), environ=self._environ)
        except TimeoutError:
            self._start_failed(f"no hello within {self._start_deadline_s:g} s")
        except EngineNotStarted as err:
            self._start_failed(str(err))
        self._failed_starts = 0
        self._starts += 1
        self._hello = process.hello
        log.info(
            "%s is ready",
            process.hello.label,
            extra={"action": "engine_started", "pid": process.pid, "took_ms": _ms_since(began)},
        )
        return process

    def _start_failed(self, why: str) -> NoReturn:
        self._check_open()
        backoff_s = min(MAX_BACKOFF_S, self._first_backoff_s * 2 ** min(self._failed_starts, 16))
        self._failed_starts += 1
        self._not_before = time.monotonic() + backoff_s
        self._count("engine_unavailable")
        log.error("engine does not start: %s", why, extra={"action": "engine_not_started", "backoff_s": backoff_s})
        raise EngineFailed("engine_unavailable", f"the engine does not start: {why}")

    async def _wait_out_backoff(self) -> None:
        wait_s = self._not_before - time.monotonic() if self._failed_starts else 0.0
        if wait_s > 0:
            with suppress(TimeoutError):
                async with self._limited(wait_s):
                    await asyncio.Event().wait()
            self._check_open()

    async def _collect_owed(self) -> None:
        """Finish what a cancelled caller left behind. Where that fails, the next caller gets a fresh process."""
        process = self._process
        if process is None or not process.owes_answer:
            return
        began = time.monotonic()
        try:
            async with self._limited(self._owed_until - asyncio.get_running_loop().time()):
                await process.collect_owed()
        except (TimeoutError, GarbledFrame, EngineExited) as err:
            await self._drop(f"did not finish a dropped sentence: {type(err).__name__}")
        finally:
            self._busy_s += time.monotonic() - began
        self._check_open()

    @asynccontextmanager
    async def _limited(self, seconds: float) -> AsyncIterator[None]:
        """A deadline that `close` brings forward, so that nothing keeps it waiting."""
        async with asyncio.timeout(seconds) as self._limit:
            try:
                yield
            finally:
                self._limit = None

    def _check_open(self) -> None:
        if self._closed:
            raise EngineFailed("engine_unavailable", "the engine is closed")

    async def _fail(self, reason: Reason, message: str) -> NoReturn:
        self._count(reason)
        await self._drop(reason)
        self._check_open()
        raise EngineFailed(reason, message)

    async def _drop(self, why: str, level: int = logging.WARNING) -> None:
        """Kill the process; whoever speaks next starts another."""
        process, self._process = self._process, None
        if process is not None:
            status = await process.kill()
            log.log(
                level,
                "engine process dropped: %s",
                why,
                extra={"action": "engine_dropped", "pid": process.pid, "status": status},
            )

    def _count(self, reason: Reason) -> None:
        self._failures[reason] = self._failures.get(reason, 0) + 1


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
