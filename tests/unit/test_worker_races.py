"""Workers racing for the same casts: seeded interleavings, lost and unanswered appends, crashes, short leases.

Whatever happens, each cast ends once, complete, from one attempt at a time, and the cursor only moves up.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from casts.codec import Encoded, decode
from casts.fold import CastFold
from casts.ids import CastId
from casts.names import StreamName, output
from casts.records import Audio, Eos
from streams.memory import MemoryStore
from streams.port import Outcome, fence
from tests.fakes import Crash, FakeEngine, Fault, FaultyStore, submit
from tests.unit.test_worker import TEXTS, assert_spoken, committed, log_of, new_worker, until_quiet
from worker.attempt import owner_of
from worker.cast_log import Lost, read_cast_log

RACES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.commit.COMMIT_PAUSE_S", 0.001)
    for module in ("worker.cast_log", "worker.loading", "streams.shared_log"):
        monkeypatch.setattr(f"{module}.store_backoff", lambda tries, jitter: 0.0005)
    monkeypatch.setattr("worker.retry.BASE_DELAY_S", 0.001)
    monkeypatch.setattr("worker.worker.LOST_PAUSE_S", 0.002)


def faults(rng: random.Random, share: float, crash_share: float) -> Callable[[int, StreamName], Fault | None]:
    def fault_of(place: int, stream: StreamName) -> Fault | None:
        draw = rng.random()
        if draw < crash_share:
            return rng.choice([Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
        return rng.choice([Fault.LOST, Fault.UNANSWERED]) if draw < share else None

    return fault_of


async def run_as_a_supervisor_would(
    inner: MemoryStore, store: FaultyStore, engine: FakeEngine, name: str, lease_s: float
) -> int:
    """Run a worker again whenever it crashes, until all is quiet; returns the crashes."""
    crashes = 0
    while True:
        try:
            await until_quiet(inner, new_worker(store, engine, name, lease_s=lease_s), deadline_s=25)
        except* Crash:
            crashes += 1
        else:
            return crashes


async def assert_one_voice(store: MemoryStore, cast_id: CastId) -> None:
    """In the raw stream nothing of an older token follows a newer fence, and what counts is each sentence once."""
    fold, token = CastFold(), ""
    attempts: dict[int, str] = {}
    for entry in await store.read(output(cast_id), 0):
        if entry.command is not None:
            fold.skip(entry.seq_num)
            token = entry.body.decode()
            continue
        record = decode(entry.headers, entry.body)
        counted = fold.apply(entry.seq_num, record)
        if isinstance(record, Audio | Eos):
            assert attempts.setdefault(record.attempt, owner_of(token)) == owner_of(token)
            assert counted, "a writer with the current token wrote what does not count"
    assert [sentence.index for sentence in fold.sentences] == list(range(len(fold.plan)))


@pytest.mark.parametrize("workers", [1, 2, 3])
@given(seed=st.integers(0, 2**32 - 1))
@RACES
def test_racing_workers_end_every_cast_once(workers: int, seed: int) -> None:
    note(f"seed {seed}")
    rng = random.Random(seed)

    async def race() -> None:
        inner = MemoryStore()
        await inner.ensure()
        ids = [await submit(inner, text) for text in TEXTS for _ in range(rng.randint(1, 2))]
        lease_s = rng.choice([0.02, 0.2, 5.0])
        engine_fails = rng.random() < 0.3
        failed: set[str] = set()

        def fails(text: str, tries: int) -> str | None:
            if engine_fails and text not in failed and rng.random() < 0.3:
                failed.add(text)
                return rng.choice(["engine_crashed", "engine_hung", "engine_garbled"])
            return None

        stores = [FaultyStore(inner, faults(rng, 0.2, 0.03), turns=lambda: rng.randint(0, 4)) for _ in range(workers)]
        await asyncio.gather(
            *(
                run_as_a_supervisor_would(inner, store, FakeEngine(fails), f"w{number}", lease_s)
                for number, store in enumerate(stores)
            )
        )
        for cast_id in ids:
            await assert_spoken(inner, cast_id)
            await assert_one_voice(inner, cast_id)
        assert await committed(inner) >= len(ids)

    asyncio.run(race())


async def test_end_that_lands_between_another_workers_fold_and_its_take_over_stands() -> None:
    store = MemoryStore()
    await store.ensure()
    cast_id = await submit(store, TEXTS[2])
    late = await read_cast_log(store, cast_id)
    await until_quiet(store, new_worker(store))
    with pytest.raises(Lost) as caught:
        await late.write([fence("late-1")])
    assert caught.value.token.startswith("end-")
    await assert_spoken(store, cast_id)
    _, _, tokens = await log_of(store, cast_id)
    assert "late-1" not in tokens


async def test_worker_may_die_at_any_call_of_the_store() -> None:
    """Three casts, a sentence that fails once and a dead letter; the k-th call of any kind is the last one."""
    place, died = 0, True
    while died:
        store = MemoryStore()
        await store.ensure()
        poison = await submit(store, "Nobody can say this poison.")
        ids = [await submit(store, text) for text in TEXTS]
        tries_of_second = 0

        def fails(text: str, tries: int) -> str | None:
            nonlocal tries_of_second
            if "poison" in text:
                return "engine_hung"
            tries_of_second += "second" in text
            return "engine_crashed" if "second" in text and tries_of_second == 1 else None

        engine = FakeEngine(fails)
        died = False
        try:
            await until_quiet(store, new_worker(FaultyStore(store, lambda k, s: None, crash_at_call=place), engine))
        except* Crash:
            died = True
        await until_quiet(store, new_worker(store, engine))
        for cast_id in ids:
            await assert_spoken(store, cast_id)
            await assert_one_voice(store, cast_id)
        assert (await log_of(store, poison))[0].ended == "fail"
        assert await committed(store) >= 4
        place += 1
    print(f"{place - 1} calls")
    assert place > 40


ENGINE_FAULTS = ("engine_crashed", "engine_hung", "engine_garbled", "engine_unavailable")


@pytest.mark.parametrize("fault", ENGINE_FAULTS)
async def test_engine_may_fail_at_any_call_and_nothing_is_lost(fault: str) -> None:
    """The k-th sentence fails, for each k, with a poisoned cast first in the log that ends as a dead letter."""
    place, calls = 0, 10**6
    while place < calls:
        store = MemoryStore()
        await store.ensure()
        poison = await submit(store, "Nobody can say this poison.")
        ids = [await submit(store, text) for text in TEXTS]
        count = 0

        def fails(text: str, tries: int, place: int = place) -> str | None:
            nonlocal count
            count += 1
            if "poison" in text:
                return "engine_hung"
            return fault if count == place + 1 else None

        await until_quiet(store, new_worker(store, FakeEngine(fails)))
        calls = count
        for cast_id in ids:
            await assert_spoken(store, cast_id)
            await assert_one_voice(store, cast_id)
        assert (await log_of(store, poison))[0].ended == "fail"
        assert await committed(store) == 4
        place += 1
    print(f"{fault}: {place} calls")
    assert place > 8


async def test_poison_first_and_a_thousand_good_jobs_behind_it() -> None:
    store = MemoryStore()
    await store.ensure()
    poison = await submit(store, "Nobody can say this poison.")
    ids = [await submit(store, f"Good text {number}.") for number in range(1000)]
    engine = FakeEngine(lambda text, tries: "engine_hung" if "poison" in text else None)
    worker = new_worker(store, engine)
    await until_quiet(store, worker, deadline_s=50)
    assert await committed(store) >= 1001  # trims take places too
    assert (await log_of(store, poison))[0].ended == "fail"
    for cast_id in ids[::50]:
        await assert_spoken(store, cast_id)
    snapshot = worker.snapshot()
    assert (snapshot.unfinished, snapshot.casts) == (0, ())


async def test_every_append_to_a_cast_carries_the_folded_token_and_position() -> None:
    """A writer that forgets its token is never fence-checked, and nobody would notice until two of them race."""

    class Watched(MemoryStore):
        async def append(
            self,
            stream: StreamName,
            records: Sequence[Encoded],
            *,
            match_seq_num: int | None = None,
            token: str | None = None,
        ) -> Outcome:
            if watching and stream.startswith("pub/casts/"):
                seen.append((match_seq_num, token))
            return await super().append(stream, records, match_seq_num=match_seq_num, token=token)

    watching, seen = False, list[tuple[int | None, str | None]]()
    store = Watched()
    await store.ensure()
    await submit(store, TEXTS[0])
    watching = True
    await until_quiet(store, new_worker(store))
    assert len(seen) > 3
    assert seen[0] == (1, "")
    assert all(position is not None and token is not None for position, token in seen)
    assert len({token for _, token in seen[1:]}) == 1
