"""The worker at a known pace: an engine that takes a fixed time a sentence, on the real S2-Lite.

So two cores and the speed of a model decide nothing: what is measured is how well the engine is kept busy, how long a
newcomer waits, and what a second worker adds.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from bench.report import Row
from casts.codec import decode
from casts.ids import CastId
from casts.names import output
from casts.records import Audio, Eos
from casts.settings import Settings
from streams.port import Entry, Store
from tests.fakes import RATE, FakeEngine, submit
from tests.s2_lite import S2Lite
from worker.engine import Speech
from worker.worker import Worker

SENTENCE_S = 0.25
SPEECH_S = 0.5
ENDLESS_COMFORT_S = 1e6
ROUNDS = 3
DEADLINE_S = 60.0


class PacedEngine(FakeEngine):
    """Every sentence takes SENTENCE_S and gives SPEECH_S of silence."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: list[tuple[float, float]] = []

    async def speak(
        self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
    ) -> Speech:
        began = time.perf_counter()
        await asyncio.sleep(SENTENCE_S)
        self.sentences.append((began, time.perf_counter()))
        return Speech(b"\0\0" * int(RATE * SPEECH_S), RATE, ())


@asynccontextmanager
async def working(server: S2Lite, basin: str, engines: Sequence[PacedEngine]) -> AsyncIterator[Store]:
    """One worker an engine, each with its own connection; yields the submitter's."""
    store = server.store(basin=basin)
    await store.ensure()
    async with asyncio.TaskGroup() as group:
        stores = [server.store(basin=basin) for _ in engines]
        tasks = [
            group.create_task(Worker(own, engine, Settings(comfort_s=ENDLESS_COMFORT_S), f"bench{n}").run(None))
            for n, (own, engine) in enumerate(zip(stores, engines, strict=True))
        ]
        await asyncio.sleep(0.3)  # all of them follow the jobs by now; nothing is measured before
        yield store
        for task in tasks:
            task.cancel()
    for opened in [store, *stores]:
        await opened.close()


async def first_of(kind: type[Audio] | type[Eos], store: Store, cast_id: CastId) -> None:
    """Wait for the first record of a kind."""
    async with aclosing(store.follow(output(cast_id), 0)) as entries:
        async for entry in entries:
            if not isinstance(entry, Entry) or entry.command is not None:
                continue
            if isinstance(decode(entry.headers, entry.body), kind):
                return


async def first_audio_after(store: Store, cast_id: CastId, began: float) -> float:
    """Seconds from `began` to the first audio of a cast."""
    async with asyncio.timeout(DEADLINE_S):
        await first_of(Audio, store, cast_id)
    return time.perf_counter() - began


async def ended(store: Store, cast_id: CastId) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await first_of(Eos, store, cast_id)


def text_of(label: str, sentences: int) -> str:
    return " ".join(f"Sentence {n} of the {label} is here." for n in range(sentences))


async def measure_burst(server: S2Lite) -> list[Row]:
    """Sixteen at once: the last one's first audio, against sixteen first chunks."""
    lasts = []
    for number in range(ROUNDS):
        async with working(server, f"bench-burst-{number}", [PacedEngine()]) as store:
            began = time.perf_counter()
            ids = await asyncio.gather(*(submit(store, text_of(f"cast {n}", 3)) for n in range(16)))
            lasts.append(max(await asyncio.gather(*(first_audio_after(store, one, began) for one in ids))) * 1000)
    least = 16 * SENTENCE_S * 1000
    row = Row("16 at once, paced engine: last first audio", statistics.median(lasts), "ms",
              f"n={ROUNDS}, {min(lasts):.0f} to {max(lasts):.0f} ms; least {least:.0f} ms", least * 1.1)  # fmt: skip
    return [row]


async def measure_newcomer(server: S2Lite) -> list[Row]:
    """First audio on an idle engine and beside a text of 60 minutes."""
    idle, beside = [], []
    async with working(server, "bench-newcomer", [PacedEngine()]) as store:
        for number in range(5):
            began = time.perf_counter()
            cast_id = await submit(store, text_of(f"idle cast {number}", 1))
            idle.append(await first_audio_after(store, cast_id, began) * 1000)
            await ended(store, cast_id)
        book = await submit(store, text_of("book", 7200))
        await first_audio_after(store, book, time.perf_counter())
        for number in range(9):
            began = time.perf_counter()
            cast_id = await submit(store, text_of(f"newcomer {number}", 1))
            beside.append(await first_audio_after(store, cast_id, began) * 1000)
    extra = max(beside) - statistics.median(idle)
    return [
        Row("newcomer beside a 60-minute text: worst wait more than idle", extra, "ms",
            f"idle p50 {statistics.median(idle):.0f} ms, beside p50 {statistics.median(beside):.0f} ms, n=9; "
            f"a sentence takes {SENTENCE_S * 1000:.0f} ms", SENTENCE_S * 1000 * 1.1)
    ]  # fmt: skip


async def measure_busy(server: S2Lite) -> list[Row]:
    """Share of the time for which the engine speaks while work is waiting."""
    shares = []
    for number in range(ROUNDS):
        engine = PacedEngine()
        async with working(server, f"bench-busy-{number}", [engine]) as store:
            ids = [await submit(store, text_of(f"cast {n}", 10)) for n in range(4)]
            await asyncio.gather(*(ended(store, one) for one in ids))
            began, end = engine.sentences[0][0], engine.sentences[-1][1]
            shares.append(sum(b - a for a, b in engine.sentences) / (end - began) * 100)
    return [
        Row("engine busy while work is waiting", statistics.median(shares), "%",
            f"n={ROUNDS}, {min(shares):.1f} to {max(shares):.1f} %", 97, at_least=True)
    ]  # fmt: skip


async def measure_two_workers(server: S2Lite) -> list[Row]:
    """The same batch with one worker and with two, interleaved."""
    times: dict[int, list[float]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for count in (1, 2):
            engines = [PacedEngine() for _ in range(count)]
            async with working(server, f"bench-workers-{number}-{count}", engines) as store:
                began = time.perf_counter()
                ids = [await submit(store, text_of(f"cast {n}", 2)) for n in range(16)]
                await asyncio.gather(*(ended(store, one) for one in ids))
                times[count].append(time.perf_counter() - began)
    ratio = statistics.median(times[2]) / statistics.median(times[1])
    return [
        Row("two workers: share of one worker's time", ratio, "",
            f"one {statistics.median(times[1]):.1f} s, two {statistics.median(times[2]):.1f} s, n={ROUNDS}", 0.6)
    ]  # fmt: skip


async def measure_work(server: S2Lite) -> list[Row]:
    rows = await measure_burst(server)
    rows += await measure_newcomer(server)
    rows += await measure_busy(server)
    return rows + await measure_two_workers(server)
