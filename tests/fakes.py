"""Stand-ins for tests: a store that crashes or leaves outcomes unknown, an engine that answers from a script."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from casts.codec import Encoded, encode
from casts.ids import CastId, Epoch, content_id
from casts.names import JOBS, StreamName, catalog, output
from casts.private import Job, Recipe, encode_private
from casts.records import Meta
from streams.memory import MemoryStore
from streams.port import Acknowledged, Entry, Outcome, Store, Unknown, Unreadable
from worker.engine import EngineFailed, EngineStats, Hello, Reason, Speech, Voice, Word

RATE = 24_000
VOICE = "espeak/en-us"


class Crash(BaseException):
    """The process dies here: nothing of it may be caught and carried on with."""


class Fault(Enum):
    """What happens to one append."""

    CRASH_BEFORE = "crash before it is written"
    CRASH_AFTER = "crash after it is written"
    LOST = "not written, and no answer"
    UNANSWERED = "written, and no answer"


@dataclass(slots=True)
class FaultyStore:
    """A store whose k-th append goes wrong. `writer` stands for one process's connection to `inner`."""

    inner: MemoryStore
    fault_of: Callable[[int, StreamName], Fault | None]
    appends: int = 0
    turns: Callable[[], int] = lambda: 0
    """How many turns of the loop others get before an append is carried out, and again before it is answered."""
    crash_at_call: int = -1
    """The call, of any kind and counted from 0, at which the process dies."""
    calls: int = 0

    async def ensure(self) -> None:
        await self.inner.ensure()

    async def append(
        self,
        stream: StreamName,
        records: Sequence[Encoded],
        *,
        match_seq_num: int | None = None,
        token: str | None = None,
    ) -> Outcome:
        self._count()
        place, self.appends = self.appends, self.appends + 1
        await self._wait()
        fault = self.fault_of(place, stream)
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.LOST:
            return Unknown("lost")
        outcome = await self.inner.append(stream, records, match_seq_num=match_seq_num, token=token)
        await self._wait()
        if fault is Fault.CRASH_AFTER:
            raise Crash
        return Unknown("unanswered") if fault is Fault.UNANSWERED else outcome

    def _count(self) -> None:
        call, self.calls = self.calls, self.calls + 1
        if call == self.crash_at_call:
            raise Crash

    async def _wait(self) -> None:
        for _ in range(self.turns()):
            await asyncio.sleep(0)

    async def tail(self, stream: StreamName) -> int:
        self._count()
        return await self.inner.tail(stream)

    async def read(self, stream: StreamName, start: int, *, count: int = 1000, max_bytes: int = 1 << 20) -> list[Entry]:
        self._count()
        return await self.inner.read(stream, start, count=count, max_bytes=max_bytes)

    async def last(self, stream: StreamName) -> Entry | None:
        self._count()
        return await self.inner.last(stream)

    def follow(self, stream: StreamName, start: int) -> AsyncGenerator[Entry | Unreadable, None]:
        return self.inner.follow(stream, start)

    async def delete(self, stream: StreamName) -> None:
        await self.inner.delete(stream)

    async def close(self) -> None:
        await self.inner.close()


class FakeEngine:
    """Speaks a tenth of a second a word of silence, at once. `fails` decides by text and count of tries."""

    def __init__(self, fails: Callable[[str, int], str | None] = lambda text, tries: None) -> None:
        self._fails = fails
        self.spoken: list[str] = []
        self.spoken_s = 0.0
        self._tries: dict[str, int] = {}
        self._failures: dict[Reason, int] = {}

    def stats(self) -> EngineStats:
        """As of one that is a hundred times as fast as speech and was never restarted."""
        return EngineStats(self.spoken_s, self.spoken_s / 100, 1, dict(self._failures))

    async def ensure_started(self) -> Hello:
        voice = Voice("espeak/en-us", "English (America)", "en-US", "English", None, True)
        return Hello("espeak", "0", "A fake voice", (voice,), ("f3",), voice.id, RATE)

    async def speak(
        self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
    ) -> Speech:
        await asyncio.sleep(0)
        tries = self._tries[text] = self._tries.get(text, 0) + 1
        if reason := self._fails(text, tries):
            code: Reason = reason  # type: ignore[assignment]  # a code of the test's
            self._failures[code] = self._failures.get(code, 0) + 1
            raise EngineFailed(code, "as the test wants it")
        self.spoken.append(text)
        samples = RATE // 10 * max(1, len(text.split()))
        self.spoken_s += samples / RATE
        return Speech(b"\0\0" * samples, RATE, (Word(0, min(5, len(text)), 0, 100),))


async def submit(store: Store, text: str, epoch: str = "0a1b2c3d", voice: str = VOICE) -> CastId:
    """Claims and job, as the proxy makes them; a repeated one only adds a job."""
    cast_id = content_id(text, voice)
    recipe = Recipe(text, voice, "t", "en-US", "2026-01-01T00:00:00Z", "")
    meta = Meta(Epoch(epoch), "t", voice, "en-US", "2026-01-01T00:00:00Z", text)
    await store.append(catalog(cast_id), [encode_private(recipe)], match_seq_num=0)
    await store.append(output(cast_id), [encode(meta)], match_seq_num=0)
    job = Job(cast_id, Epoch(epoch), int(time.time() * 1000), False)
    assert isinstance(await store.append(JOBS, [encode_private(job)]), Acknowledged)
    return cast_id
