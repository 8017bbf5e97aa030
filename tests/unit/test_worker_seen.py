"""What is seen of a worker from outside: its leases and its metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from casts.ids import CastId, Epoch
from casts.limits import LEASE_CASTS
from casts.names import JOBS, WORKERS
from casts.private import Announcement, Lease, LeasedCast
from casts.settings import Settings
from streams.memory import MemoryStore
from streams.port import Refused
from tests.fakes import FakeEngine, Fault, FaultyStore, submit
from tests.s2_lite import free_port
from tests.unit.test_worker import TEXTS, new_worker, privates, until_quiet
from worker.engine import EngineStats, Speech
from worker.metrics import Metrics
from worker.metrics_server import MetricsPortTaken, serving_metrics
from worker.snapshot import Snapshot, is_news, lease_of
from worker.worker import Worker

LEASE_S = 0.06


@pytest.fixture(autouse=True)
def quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.commit.COMMIT_PAUSE_S", 0.001)
    monkeypatch.setattr("worker.retry.BASE_DELAY_S", 0.001)
    monkeypatch.setattr("streams.shared_log.store_backoff", lambda tries, jitter: 0.001)


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.ensure()
    return made


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run(None))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class StuckEngine(FakeEngine):
    """Speaks for ever at a text that begins like this."""

    def __init__(self, begins: str) -> None:
        super().__init__()
        self._begins = begins

    async def speak(
        self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
    ) -> Speech:
        if text.startswith(self._begins):
            await asyncio.Event().wait()
        return await super().speak(text, body, lang, speed, deadline_s=deadline_s)


async def leases(store: MemoryStore) -> list[Lease]:
    return [record for record in await privates(store, WORKERS) if isinstance(record, Lease)]


async def leases_until(store: MemoryStore, count: int) -> list[Lease]:
    async with asyncio.timeout(10):
        while len(found := await leases(store)) < count:
            await asyncio.sleep(0.005)
    return found


def cast(name: str, lead_ms: int | None, done: int = 1) -> LeasedCast:
    return LeasedCast(CastId(name * 12), lead_ms, done, 9, 1, False)


def snapshot(at: float, spoken_s: float, busy_s: float, in_hand_s: float = 0.0, *casts: LeasedCast) -> Snapshot:
    return Snapshot(at, len(casts), 0, 0, EngineStats(spoken_s, busy_s, 1, {}, in_hand_s), None, casts)


@pytest.mark.parametrize(
    ("told", "now", "speed", "share"),
    [
        pytest.param(snapshot(0, 0, 0), snapshot(10, 0, 0), None, 0.0, id="never spoken"),
        pytest.param(snapshot(0, 0, 0), snapshot(10, 60, 2), 30.0, 0.2, id="spoken since"),
        pytest.param(snapshot(0, 60, 2), snapshot(10, 60, 2), 30.0, 0.0, id="idle: the speed of before"),
        pytest.param(snapshot(0, 60, 2), snapshot(10, 70, 7), 2.0, 0.5, id="slower than before"),
        pytest.param(snapshot(0, 60, 2), snapshot(2, 60, 2, 2), 30.0, 1.0, id="in the middle of a sentence"),
        pytest.param(snapshot(0, 60, 2, 3), snapshot(2, 66, 6), 1.5, 0.5, id="a sentence over two leases"),
    ],
)
def test_lease_has_speed_and_share_of_the_time_since_the_last_one(
    told: Snapshot, now: Snapshot, speed: float | None, share: float
) -> None:
    lease = lease_of("w1", told, now)
    assert (lease.engine_speed, lease.busy_share) == (speed, share)


def test_lease_lists_at_most_64_casts() -> None:
    many = tuple(cast("a", n) for n in range(LEASE_CASTS + 1))
    lease = lease_of("w1", snapshot(0, 0, 0), snapshot(1, 0, 0, 0.0, *many))
    assert lease.casts == many[:64]
    assert lease.active == 65


def test_news_is_work_that_was_done_and_no_lead_that_ran_down() -> None:
    told = snapshot(0, 0, 0, 0.0, cast("a", 5000), cast("b", 900))
    assert not is_news(told, snapshot(1, 0, 0, 0.0, cast("b", 0), cast("a", 4000)))
    assert is_news(told, snapshot(1, 0, 0, 0.0, cast("a", 5000, done=2), cast("b", 900)))
    assert is_news(told, snapshot(1, 0, 0, 0.0, cast("a", 5000)))


async def test_idle_worker_goes_on_giving_signs_of_life(store: MemoryStore) -> None:
    async with running(new_worker(store, lease_s=LEASE_S)):
        found = await leases_until(store, 3)
    assert found[-1] == Lease("w1", 0, 0, 0, None, 0.0, ())


async def test_idle_worker_does_not_renew_more_often_than_three_times_a_lease(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.presence.TELL_EVERY_S", 0.001)
    async with running(new_worker(store, lease_s=30.0)):
        async with asyncio.timeout(10):
            while not await privates(store, WORKERS):
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)  # a hundred looks
    assert [type(record) for record in await privates(store, WORKERS)] == [Announcement]


async def test_news_is_told_long_before_the_lease_must_be_renewed(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.presence.TELL_EVERY_S", 0.01)
    async with running(new_worker(store, lease_s=3600.0)):
        await submit(store, TEXTS[0])
        found = await leases_until(store, 1)
    assert found[0].worker == "w1"


async def test_lease_shows_the_casts_in_hand_those_that_nobody_has_heard_first(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One rests ahead of its listener; at the first sentence of the other the engine is stuck."""
    monkeypatch.setattr("worker.presence.TELL_EVERY_S", 0.01)
    spoken = await submit(store, TEXTS[0])
    worker = new_worker(store, StuckEngine("Another text"), comfort_s=0.3)
    async with running(worker):
        async with asyncio.timeout(10):
            while not (worker.snapshot().casts and worker.snapshot().casts[0].sentences_done):
                await asyncio.sleep(0.005)
        unheard = await submit(store, TEXTS[1])
        async with asyncio.timeout(5):  # a lease without news would come after 10 s
            while len((await leases(store) or [Lease("w1", 0)])[-1].casts) < 2:
                await asyncio.sleep(0.005)
        lease = (await leases(store))[-1]
    assert (lease.worker, lease.active, lease.unfinished, lease.watermark) == ("w1", 2, 2, 0)
    assert lease.engine_speed == 100.0
    first, second = lease.casts
    assert (first.id, first.lead_ms, first.sentences_done, first.attempt) == (unheard, None, 0, 1)
    assert (second.id, second.attempt, second.asap) == (spoken, 1, False)
    assert second.lead_ms is not None
    assert 0 < second.sentences_done < second.sentences


def figures(worker: Worker) -> dict[str, float]:
    """Name with labels -> value, of what a scrape would get."""
    text = generate_latest(worker.metrics.registry).decode()
    return {
        sample.name.removeprefix("streamtts_worker_") + "".join(f"/{value}" for value in sample.labels.values()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_count_what_a_worker_did(store: MemoryStore) -> None:
    for text in TEXTS:
        await submit(store, text)
    await submit(store, "This is the poison of the day, and nobody can say it.")
    engine = FakeEngine(lambda text, tries: "engine_hung" if "poison" in text else None)
    worker = new_worker(store, engine)
    await until_quiet(store, worker)
    found = figures(worker)
    assert found["sentences_spoken_total"] == len(engine.spoken)
    assert found["speech_seconds_total"] == pytest.approx(engine.spoken_s)
    assert found["engine_busy_seconds_total"] == pytest.approx(engine.spoken_s / 100)
    assert (found["casts_finished_total/done"], found["casts_finished_total/failed"]) == (3, 1)
    assert found["engine_failures_total/engine_hung"] == engine.stats().failures["engine_hung"] >= 3
    assert found["engine_restarts_total"] == 0
    assert (found["unfinished_jobs"], found["loaded_casts"], found["watermark"]) == (0, 0, 4)
    assert found["first_audio_wait_seconds_count"] == 3
    assert found["first_audio_wait_seconds_bucket/1800.0"] == 3
    assert found["appends_total/acknowledged"] >= 4 * 3
    assert "least_lead_seconds" not in found


async def test_metrics_have_the_least_lead_while_casts_are_heard(store: MemoryStore) -> None:
    await submit(store, TEXTS[0])
    worker = new_worker(store, comfort_s=0.2)
    async with running(worker), asyncio.timeout(10):
        while "least_lead_seconds" not in (found := figures(worker)):
            await asyncio.sleep(0.005)
    assert 0 <= found["least_lead_seconds"] < 5
    assert (found["loaded_casts"], found["unfinished_jobs"]) == (1, 1)


async def test_metrics_tell_appends_without_an_answer_from_others(store: MemoryStore) -> None:
    faulty = FaultyStore(store, lambda k, stream: Fault.UNANSWERED if stream == JOBS + "/dead" else None)
    await submit(store, TEXTS[0], epoch="0a1b2c3d")
    await submit(store, TEXTS[0], epoch="ffffffff")  # superseded, so that a dead entry is written
    worker = new_worker(faulty)
    with pytest.raises(TimeoutError):
        await until_quiet(store, worker, deadline_s=0.5)
    assert figures(worker)["appends_total/unknown"] >= 2
    worker.metrics.appended(Refused(next_seq=1))
    assert figures(worker)["appends_total/refused"] == 1


async def test_metrics_have_no_label_of_a_cast_or_worker(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    worker = new_worker(store, name="w1")
    await until_quiet(store, worker)
    text = generate_latest(worker.metrics.registry).decode()
    assert cast_id not in text
    assert Epoch("0a1b2c3d") not in text
    assert "w1" not in text


async def test_metrics_are_served_on_their_own_port_and_only_there(store: MemoryStore) -> None:
    port = free_port()
    metrics = new_worker(store).metrics
    async with aiohttp.ClientSession() as session:
        async with serving_metrics(metrics.registry, Settings(worker_metrics_port=port)):
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                assert answer.status == 200
                assert answer.content_type == "text/plain"
                assert "streamtts_worker_watermark 0.0" in await answer.text()
            with pytest.raises(MetricsPortTaken, match=f"127.0.0.1:{port} .STREAMTTS_WORKER_METRICS_PORT"):
                async with serving_metrics(metrics.registry, Settings(worker_metrics_port=port)):
                    pass
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://127.0.0.1:{port}/metrics")


async def test_metrics_are_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.web.TCPSite.start", lambda site: pytest.fail("something listens"))
    async with serving_metrics(Metrics(lambda: snapshot(0, 0, 0)).registry, Settings()):
        pass
