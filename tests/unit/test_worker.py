"""The worker on the in-memory store: crashes at every append, unknown outcomes, failures, several workers."""

import asyncio
import contextlib
import time

import pytest

from casts.codec import decode, duration_ms, encode
from casts.fold import CastFold
from casts.ids import CastId, Epoch
from casts.names import JOBS, JOBS_CURSOR, JOBS_DEAD, PROGRESS_DONE, StreamName, catalog, output
from casts.private import (
    Announcement,
    Cursor,
    DeadJob,
    Job,
    Lease,
    OfferedVoice,
    Receipt,
    decode_private,
    encode_private,
)
from casts.records import Audio, Meta, Record, Start
from casts.settings import Settings
from casts.voice import parse_voice
from streams.committed import read_committed
from streams.memory import MemoryStore
from streams.port import Store, StoreUnavailable, fence, trim
from streams.shared_log import Placed
from tests.fakes import VOICE, Crash, FakeEngine, Fault, FaultyStore, submit
from worker.commit import CommittedCursor
from worker.engine import Speech
from worker.mp3 import SentenceTooLong, encode_sentence
from worker.presence import Presence
from worker.text.plan import plan_text
from worker.worker import Worker

TEXTS = (
    "The first text has a sentence here. It has a second sentence too. And there is a third one at the end.",
    "Another text begins with these words. Its end is near, and here it is.",
    "A third text is short, but it is there.",
)
QUIET_DEADLINE_S = 20.0


async def log_of(store: Store, cast_id: CastId) -> tuple[CastFold, list[Record], list[str]]:
    """The fold of a cast, its public records, and the fencing tokens in order."""
    fold, records, tokens = CastFold(), [], []
    for entry in await store.read(output(cast_id), 0):
        if entry.command is not None:
            fold.skip(entry.seq_num)
            tokens.append(entry.body.decode())
            continue
        records.append(decode(entry.headers, entry.body))
        fold.apply(entry.seq_num, records[-1])
    return fold, records, tokens


async def privates(store: Store, stream: StreamName) -> list[object]:
    return [decode_private(entry.headers, entry.body) for entry in await store.read(stream, 0) if entry.command is None]


async def committed(store: Store) -> int:
    cursors = [record.offset for record in await privates(store, JOBS_CURSOR) if isinstance(record, Cursor)]
    assert cursors == sorted(cursors), "the committed cursor went back"
    return cursors[-1] if cursors else 0


async def until_quiet(store: Store, *workers: Worker, deadline_s: float = QUIET_DEADLINE_S) -> None:
    """Run workers until every job below the tail is committed as finished."""
    async with asyncio.timeout(deadline_s):
        running = [asyncio.create_task(worker.run(None)) for worker in workers]
        try:
            while await committed(store) < await store.tail(JOBS):
                for task in running:
                    if task.done():
                        await task
                await asyncio.sleep(0.005)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def new_worker(store: Store, engine: FakeEngine | None = None, name: str = "w1", **settings: object) -> Worker:
    return Worker(store, engine or FakeEngine(), Settings(**settings), name)  # type: ignore[arg-type]  # by name


async def assert_spoken(store: Store, cast_id: CastId) -> None:
    """Ended, every sentence once and from the attempt that counts, the digest right, sealed for good."""
    fold, _, tokens = await log_of(store, cast_id)
    assert fold.ended == "eos"
    assert len(fold.sentences) == len(fold.plan) > 0
    assert fold.digest == fold.chain.hex()
    assert tokens[-1].startswith("end-")


@pytest.fixture(autouse=True)
def quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.commit.COMMIT_PAUSE_S", 0.001)
    for module in ("worker.cast_log", "worker.loading", "streams.shared_log"):
        monkeypatch.setattr(f"{module}.store_backoff", lambda tries, jitter: 0.001)
    monkeypatch.setattr("worker.retry.BASE_DELAY_S", 0.001)


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.ensure()
    return made


async def test_casts_are_spoken_to_the_end_with_one_receipt_each(store: MemoryStore) -> None:
    ids = [await submit(store, text) for text in TEXTS]
    await until_quiet(store, new_worker(store))
    for cast_id in ids:
        await assert_spoken(store, cast_id)
    receipts = [record for record in await privates(store, PROGRESS_DONE) if isinstance(record, Receipt)]
    assert sorted(receipt.id for receipt in receipts) == sorted(ids)
    assert await committed(store) == len(TEXTS)


async def test_duplicate_jobs_join_one_cast(store: MemoryStore) -> None:
    ids = {await submit(store, TEXTS[0]) for _ in range(5)}
    engine = FakeEngine()
    await until_quiet(store, new_worker(store, engine))
    fold, records, _ = await log_of(store, ids.pop())
    assert sum(isinstance(record, Start) for record in records) == 1
    assert len(engine.spoken) == len(fold.plan)
    assert await committed(store) == 5


async def test_finished_cast_is_skipped_when_its_job_is_read_again(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    await until_quiet(store, new_worker(store))
    before = await store.tail(output(cast_id))
    await submit(store, TEXTS[0])
    engine = FakeEngine()
    await until_quiet(store, new_worker(store, engine))
    assert engine.spoken == []
    assert await store.tail(output(cast_id)) == before


CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
async def test_any_append_may_go_wrong_and_nothing_is_lost(store: MemoryStore, fault: Fault) -> None:
    """The k-th append of the run fails, for each k; after a crash a new worker of the same name goes on."""
    place = 0
    while True:
        inner = MemoryStore()
        await inner.ensure()
        ids = [await submit(inner, text) for text in TEXTS]
        faulty = FaultyStore(inner, lambda k, stream, place=place: fault if k == place else None)  # type: ignore[misc]  # bound now
        engine = FakeEngine()
        crashed = False
        try:
            await until_quiet(faulty, new_worker(faulty, engine))
        except* Crash:
            crashed = True
        if crashed:
            await until_quiet(inner, new_worker(inner, engine))
        for cast_id in ids:
            await assert_spoken(inner, cast_id)
        planned = sum([len((await log_of(inner, cast_id))[0].plan) for cast_id in ids])
        # A crash costs each cast in hand what was spoken and not yet written, never what was.
        assert len(engine.spoken) - planned <= (6 if fault in CRASHES else 0)
        if faulty.appends <= place:
            break
        place += 1
    assert place > 10
    print(f"{fault.value}: {place} places")


async def test_restarted_worker_resumes_after_the_last_sentence_and_keeps_the_plan(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    faulty = FaultyStore(store, lambda k, stream: None)
    audio_written = 0

    def crash_at_the_second_sentence(place: int, stream: StreamName) -> Fault | None:
        nonlocal audio_written
        if stream == output(cast_id):
            audio_written += 1
            return Fault.CRASH_AFTER if audio_written == 3 else None
        return None

    faulty.fault_of = crash_at_the_second_sentence
    with pytest.raises(BaseExceptionGroup):
        await until_quiet(faulty, new_worker(faulty))
    await until_quiet(store, new_worker(store))
    _, records, _ = await log_of(store, cast_id)
    starts = [record for record in records if isinstance(record, Start)]
    assert [(start.attempt, start.first, start.cause) for start in starts] == [(1, 0, None), (2, 2, None)]
    assert [record.index for record in records if isinstance(record, Audio)] == list(range(len(starts[0].plan)))
    await assert_spoken(store, cast_id)


async def test_engine_that_fails_once_costs_a_new_attempt_with_its_cause(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    engine = FakeEngine(lambda text, tries: "engine_crashed" if "second" in text and tries == 1 else None)
    await until_quiet(store, new_worker(store, engine))
    await assert_spoken(store, cast_id)
    _, records, _ = await log_of(store, cast_id)
    causes = [record.cause for record in records if isinstance(record, Start)]
    assert causes == [None, "engine_crashed"]


async def test_text_that_always_fails_is_dead_and_said_and_others_go_on(store: MemoryStore) -> None:
    poison = await submit(store, "This is the poison of the day, and nobody can say it.")
    good = [await submit(store, text) for text in TEXTS]
    engine = FakeEngine(lambda text, tries: "engine_hung" if "poison" in text else None)
    await until_quiet(store, new_worker(store, engine))
    for cast_id in good:
        await assert_spoken(store, cast_id)
    fold, records, tokens = await log_of(store, poison)
    assert (fold.ended, fold.reason, tokens[-1]) == ("fail", "engine_hung", "fail-0")
    assert sum(isinstance(record, Start) for record in records) == 3
    (dead,) = await privates(store, JOBS_DEAD)
    assert isinstance(dead, DeadJob)
    assert (dead.id, dead.offset, dead.reason) == (poison, 0, "engine_hung")


async def test_new_job_brings_a_failed_cast_back(store: MemoryStore) -> None:
    text = "Only the fourth try says it."
    cast_id = await submit(store, text)
    engine = FakeEngine(lambda text, tries: "engine_crashed" if tries <= 3 else None)
    await until_quiet(store, new_worker(store, engine))
    assert (await log_of(store, cast_id))[0].ended == "fail"
    await submit(store, text)
    await until_quiet(store, new_worker(store, engine))
    await assert_spoken(store, cast_id)


async def test_engine_that_does_not_start_uses_up_no_attempt(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    engine = FakeEngine(lambda text, tries: "engine_unavailable" if tries <= 10 else None)
    await until_quiet(store, new_worker(store, engine))
    await assert_spoken(store, cast_id)
    assert sum(isinstance(record, Start) for record in (await log_of(store, cast_id))[1]) == 1


async def test_job_of_another_epoch_is_dead_as_superseded(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    job = Job(cast_id, Epoch("ffffffff"), 0, False)
    await store.append(JOBS, [encode_private(job)])
    await until_quiet(store, new_worker(store))
    await assert_spoken(store, cast_id)
    (dead,) = await privates(store, JOBS_DEAD)
    assert isinstance(dead, DeadJob)
    assert (dead.epoch, dead.reason) == ("ffffffff", "superseded")


async def test_job_whose_cast_is_gone_is_dead_as_expired(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    await store.delete(catalog(cast_id))
    await until_quiet(store, new_worker(store))
    (dead,) = await privates(store, JOBS_DEAD)
    assert isinstance(dead, DeadJob)
    assert dead.reason == "expired"
    assert (await log_of(store, cast_id))[0].ended is None


async def test_voice_that_nobody_offers_fails_after_its_grace(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0], voice="espeak/tlh")
    await until_quiet(store, new_worker(store, voice_grace_s=0.05))
    fold, _, _ = await log_of(store, cast_id)
    assert (fold.ended, fold.reason, fold.attempt) == ("fail", "voice_unavailable", 0)


async def test_garbage_in_the_intake_log_is_stepped_over(store: MemoryStore) -> None:
    store.append_with_another_key(JOBS)
    await store.append(JOBS, [encode(Meta(Epoch("0" * 8), "", "", "", "", ""))])
    cast_id = await submit(store, TEXTS[0])
    await until_quiet(store, new_worker(store))
    await assert_spoken(store, cast_id)
    assert await committed(store) == 3


async def test_strangers_records_in_a_cast_do_not_stop_it(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])

    def meddle(text: str, tries: int) -> str | None:
        if "second" in text:
            store.append_with_another_key(output(cast_id))
        return None

    await until_quiet(store, new_worker(store, FakeEngine(meddle)))
    records = store._streams[output(cast_id)].entries
    assert any(entry.seq_num in store._streams[output(cast_id)].sealed_by_others for entry in records)
    last = await store.last(output(cast_id))
    assert last is not None
    assert last.body.startswith(b"end-")


async def test_two_workers_share_the_log_and_nothing_is_spoken_twice_in_the_end(store: MemoryStore) -> None:
    ids = [await submit(store, text) for text in TEXTS for _ in range(2)]
    await until_quiet(store, new_worker(store, name="w1"), new_worker(store, name="w2"))
    for cast_id in ids:
        await assert_spoken(store, cast_id)


async def taken_by(store: Store, cast_id: CastId, worker: str) -> None:
    await store.append(output(cast_id), [fence(f"{worker}-0123")], match_seq_num=1, token="")


async def test_cast_of_another_living_worker_is_left_alone_until_its_lease_is_over(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    await taken_by(store, cast_id, "other")
    engine = FakeEngine()
    with pytest.raises(TimeoutError):
        await until_quiet(store, new_worker(store, engine, lease_s=30.0), deadline_s=0.3)
    assert engine.spoken == []
    await until_quiet(store, new_worker(store, engine, lease_s=0.3))
    await assert_spoken(store, cast_id)


async def test_own_cast_is_taken_back_at_once(store: MemoryStore) -> None:
    cast_id = await submit(store, TEXTS[0])
    await taken_by(store, cast_id, "w1")
    await until_quiet(store, new_worker(store, name="w1", lease_s=30.0), deadline_s=5.0)
    await assert_spoken(store, cast_id)


async def test_worker_whose_cast_was_taken_over_lets_go(store: MemoryStore) -> None:
    """The other one takes it in the middle: what the first one still says is refused, never heard."""
    cast_id = await submit(store, TEXTS[0])
    taken = False

    def take_over(text: str, tries: int) -> str | None:
        nonlocal taken
        if "third" in text and not taken:
            taken = True
            store.append_now(output(cast_id), [fence("other-1")])
        return None

    with pytest.raises(TimeoutError):
        await until_quiet(store, new_worker(store, FakeEngine(take_over), lease_s=30.0), deadline_s=0.5)
    fold, _, tokens = await log_of(store, cast_id)
    assert tokens[-1] == "other-1"
    assert len(fold.sentences) < len(fold.plan)
    await until_quiet(store, new_worker(store, name="other"))
    await assert_spoken(store, cast_id)


async def test_cast_that_was_lost_comes_back_only_by_a_claim_of_its_own(store: MemoryStore) -> None:
    """The other one takes it and falls silent: its token is in force, and this worker never writes under it."""
    cast_id = await submit(store, TEXTS[0])
    taken = False

    def take_over(text: str, tries: int) -> str | None:
        nonlocal taken
        if "third" in text and not taken:
            taken = True
            store.append_now(output(cast_id), [fence("other-1"), encode(Start(2, 1, ()))])
        return None

    await until_quiet(store, new_worker(store, FakeEngine(take_over), lease_s=1.0))
    _, records, tokens = await log_of(store, cast_id)
    _, _, again, end = tokens
    assert again.startswith("w1-")
    assert end.startswith("end-")
    assert [record.attempt for record in records if isinstance(record, Start)] == [1, 2, 3]
    assert not [record for record in records if isinstance(record, Audio) and record.attempt == 2]
    await assert_spoken(store, cast_id)


async def test_owner_that_speaks_on_at_the_last_moment_is_not_voided(store: MemoryStore) -> None:
    """Its lease seemed over; between our look at the cast and our claim there came a sentence of it."""
    cast_id = await submit(store, TEXTS[0])
    plan = plan_text(TEXTS[0], "en-US")
    store.append_now(output(cast_id), [fence("other-1"), encode(Start(1, 0, plan))])
    claims = 0

    def speak_on(place: int, stream: StreamName) -> Fault | None:
        nonlocal claims
        if stream == output(cast_id):
            claims += 1
            if claims == 1:
                spoken = encode_sentence(b"\0\0" * 24_000, 100)
                ms = duration_ms(spoken.samples)
                audio = Audio(0, 1, ms, spoken.samples, "The first", (), spoken.mp3)
                store.append_now(stream, [encode(audio)], token="other-1")
        return None

    await until_quiet(store, new_worker(FaultyStore(store, speak_on), lease_s=1.0))
    _, records, _ = await log_of(store, cast_id)
    assert [(one.attempt, one.first) for one in records if isinstance(one, Start)] == [(1, 0), (2, 1)]
    assert [one.index for one in records if isinstance(one, Audio)] == list(range(len(plan)))
    await assert_spoken(store, cast_id)


async def test_more_casts_than_may_be_loaded_are_all_spoken(store: MemoryStore) -> None:
    ids = [await submit(store, f"{n} times this text was said. {TEXTS[0]}") for n in range(12)]
    await until_quiet(store, new_worker(store, max_active_casts=2, intake_window=3))
    for cast_id in ids:
        await assert_spoken(store, cast_id)


async def test_sentence_too_long_fails_the_cast_and_is_never_sealed_over(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last sentence is spoken while the one before it turns out too long: no `eos` may follow."""
    cast_id = await submit(store, TEXTS[0])
    real = encode_sentence

    def too_long(pcm: bytes, pause_ms: int) -> object:
        if too_long_at.pop(0):
            raise SentenceTooLong("131 s")
        return real(pcm, pause_ms)

    fold, _, _ = await log_of(store, cast_id)
    too_long_at = [False, True, False, False, False]
    monkeypatch.setattr("worker.attempt.encode_sentence", too_long)
    await until_quiet(store, new_worker(store))
    fold, _, tokens = await log_of(store, cast_id)
    assert (fold.ended, fold.reason, len(fold.sentences)) == ("fail", "sentence_too_long", 1)
    assert tokens[-1] == "fail-0"


async def test_parking_uses_up_no_attempt(store: MemoryStore) -> None:
    """A rested cast makes room for forty short ones, one after the other, and goes on in its first attempt."""
    book = await submit(store, " ".join(f"This is sentence number {n} of the book." for n in range(40)))
    engine = FakeEngine()
    worker = new_worker(store, engine, max_active_casts=1, comfort_s=1.0)
    running = asyncio.create_task(worker.run(None))
    shorts = []
    try:
        async with asyncio.timeout(QUIET_DEADLINE_S):
            for number in range(40):
                shorts.append(await submit(store, f"Short text {number}."))
                while (await log_of(store, shorts[-1]))[0].ended != "eos":
                    await asyncio.sleep(0.002)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    fold, records, _ = await log_of(store, book)
    assert fold.ended is None
    assert sum(isinstance(record, Start) for record in records) == 1
    assert fold.sentences


async def test_cast_deleted_while_it_is_spoken_costs_nobody_else_anything(store: MemoryStore) -> None:
    doomed, other = await submit(store, TEXTS[0]), await submit(store, TEXTS[1])

    def delete(text: str, tries: int) -> str | None:
        if "second" in text:
            store._streams.pop(output(doomed), None)
        return None

    await until_quiet(store, new_worker(store, FakeEngine(delete)))
    await assert_spoken(store, other)
    (dead,) = await privates(store, JOBS_DEAD)
    assert isinstance(dead, DeadJob)
    assert (dead.id, dead.reason) == (doomed, "expired")


async def test_unexpected_error_at_one_cast_fails_that_one_alone(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.worker.LOST_PAUSE_S", 0.001)
    real = plan_text

    def broken(text: str, lang: str) -> object:
        if "third text" in text:
            raise RuntimeError("a bug in planning")
        return real(text, lang)

    monkeypatch.setattr("worker.loading.plan_text", broken)
    ids = [await submit(store, text) for text in TEXTS]
    await until_quiet(store, new_worker(store))
    await assert_spoken(store, ids[0])
    await assert_spoken(store, ids[1])
    fold, _, _ = await log_of(store, ids[2])
    assert (fold.ended, fold.reason) == ("fail", "internal_error")


async def test_unexpected_error_at_a_sentence_of_a_cast_that_was_lost_meanwhile_ends_no_worker(
    store: MemoryStore,
) -> None:
    lost, other = await submit(store, TEXTS[0]), await submit(store, TEXTS[1])

    class BrokenEngine(FakeEngine):
        async def speak(
            self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
        ) -> Speech:
            if text in TEXTS[0]:
                store.append_now(output(lost), [fence("other-1")])
                while not worker._book.in_stage("waiting"):
                    await asyncio.sleep(0.001)
                raise RuntimeError("a bug, and the cast is gone already")
            return await super().speak(text, body, lang, speed, deadline_s=deadline_s)

    worker = new_worker(store, BrokenEngine(), lease_s=30.0)
    with pytest.raises(TimeoutError):
        await until_quiet(store, worker, deadline_s=0.5)
    await assert_spoken(store, other)


async def test_given_up_cast_is_not_asked_of_the_engine_again(store: MemoryStore) -> None:
    await submit(store, "Only one sentence is here.")
    asked = []

    def refuse(text: str, tries: int) -> str | None:
        asked.append(text)
        return "engine_hung"

    await until_quiet(store, new_worker(store, FakeEngine(refuse)))
    assert len(asked) == 3


async def test_dead_jobs_are_let_go_after_the_retention(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await submit(store, TEXTS[0], voice="espeak/tlh")
    await until_quiet(store, new_worker(store, voice_grace_s=0.01))
    assert len(await privates(store, JOBS_DEAD)) == 1
    real = time.time
    monkeypatch.setattr("worker.outcomes.time.time", lambda: real() + 31 * 24 * 3600)
    await submit(store, TEXTS[1])
    await until_quiet(store, new_worker(store))
    await submit(store, TEXTS[2])
    await until_quiet(store, new_worker(store))
    assert await privates(store, JOBS_DEAD) == []


async def test_jobs_that_vanished_above_the_cursor_are_said_aloud(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    for text in TEXTS:
        await submit(store, text)
    store.append_now(JOBS, [trim(2)])
    await until_quiet(store, new_worker(store))
    assert "jobs 0 to 1 are gone" in caplog.text


async def test_held_cast_costs_no_parking(store: MemoryStore) -> None:
    """All places are taken and another worker's cast waits: what is loaded stays loaded."""
    mine = await submit(store, " ".join(f"This is sentence number {n} of mine." for n in range(30)))
    held = await submit(store, TEXTS[1])
    await taken_by(store, held, "other")
    worker = new_worker(store, max_active_casts=1, comfort_s=1.0, lease_s=1.0)
    with pytest.raises(TimeoutError):
        await until_quiet(store, worker, deadline_s=0.8)
    _, records, _ = await log_of(store, mine)
    assert sum(isinstance(record, Start) for record in records) == 1


async def test_cursor_survives_trims_of_two_workers_and_lost_answers(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.commit.TRIM_EVERY", 2)
    faults = {3: Fault.UNANSWERED, 8: Fault.LOST, 11: Fault.UNANSWERED}
    first = CommittedCursor(FaultyStore(store, lambda k, stream: faults.get(k)))
    second = CommittedCursor(store)
    for _ in range(20):
        await store.append(JOBS, [encode(Meta(Epoch("0" * 8), "", "", "", "", ""))])
    await first.load()
    await second.load()
    for offset in range(1, 20):
        for cursor in (first, second):
            with contextlib.suppress(StoreUnavailable):
                await cursor.commit(offset)
            assert (await read_committed(store)).offset >= offset - 1
    assert (await read_committed(store)).offset == 19


@pytest.mark.parametrize("gap", [5.0, 40.0, 4000.0])
def test_outage_of_the_store_ends_nobodys_lease(store: MemoryStore, gap: float) -> None:
    presence = Presence(store, "w1", 30.0)
    now = time.monotonic()
    for worker in ("w1", "other"):
        presence.observe(Placed(0, 0, Lease(worker, 1)), now)
    presence.observe(Placed(1, 0, Lease("w1", 1)), now + gap)  # ours comes back first
    assert presence.is_alive("other")
    for beat in range(1, 5):
        presence.observe(Placed(1 + beat, 0, Lease("w1", 1)), now + gap + 10 * beat)
    assert not presence.is_alive("other")


def test_announcement_of_yesterday_keeps_no_job_waiting(store: MemoryStore) -> None:
    presence = Presence(store, "w1", 30.0)
    voice = OfferedVoice(VOICE, "English", "en-US", "English", None, True)
    offered = Announcement("other", "espeak", "1", "x", None, VOICE, (voice,), ())
    day_ms = 24 * 3600 * 1000
    presence.observe(Placed(0, int(time.time() * 1000) - day_ms - 1000, offered), 0.0)
    assert not presence.anybody_offers(parse_voice(VOICE))
    presence.observe(Placed(1, int(time.time() * 1000) - day_ms + 60_000, offered), 0.0)
    assert presence.anybody_offers(parse_voice(VOICE))


async def test_orderly_end_writes_the_running_sentence_and_leaves_nothing_held(store: MemoryStore) -> None:
    """Another worker takes the cast over at once, without waiting for the lease."""
    cast_id = await submit(store, TEXTS[0])
    engine = SlowEngine()
    worker = new_worker(store, engine)
    running = asyncio.create_task(worker.run(None))
    await engine.speaking.wait()
    finishing = asyncio.create_task(worker.finish(5.0))
    await asyncio.sleep(0)
    engine.release.set()
    await finishing
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    fold, _, tokens = await log_of(store, cast_id)
    assert (len(fold.sentences), len(engine.spoken)) == (1, 1)
    assert tokens[-1].startswith("w1-")
    await until_quiet(store, new_worker(store, name="w2", lease_s=3600.0), deadline_s=5.0)
    await assert_spoken(store, cast_id)


async def test_orderly_end_gives_a_hanging_sentence_up_in_time(store: MemoryStore) -> None:
    await submit(store, TEXTS[0])
    engine = SlowEngine()
    worker = new_worker(store, engine)
    running = asyncio.create_task(worker.run(None))
    await engine.speaking.wait()
    with pytest.raises(TimeoutError):
        await worker.finish(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class SlowEngine(FakeEngine):
    """Waits in its first sentence until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.speaking, self.release = asyncio.Event(), asyncio.Event()

    async def speak(
        self, text: str, body: str, lang: str | None = None, speed: float = 1.0, *, deadline_s: float
    ) -> Speech:
        self.speaking.set()
        await self.release.wait()
        return await super().speak(text, body, lang, speed, deadline_s=deadline_s)
