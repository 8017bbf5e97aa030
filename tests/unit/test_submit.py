"""Submitting: two claims and a job, raced, crashed and left without an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from casts.codec import encode
from casts.ids import Epoch, content_id
from casts.names import JOBS, JOBS_CURSOR, JOBS_DEAD, PROGRESS_DONE, StreamName, catalog, output
from casts.private import Cursor, Gone, Job, Lease, LeasedCast, Receipt, Recipe, decode_private, encode_private
from casts.records import Meta
from proxy.errors import ApiError
from proxy.ledger import Ledger, follow_into
from proxy.overview import Casts
from proxy.submit import Submission, Submitter
from streams.memory import MemoryStore
from streams.port import Store, StoreUnavailable, fence
from streams.shared_log import Placed
from tests.fakes import Crash, Fault, FaultyStore

WISH = Submission("A text to be said.", "espeak/en-us", "en-US", "A text", False)
CAST_ID = content_id(WISH.text, WISH.voice)


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.ensure()
    return made


@asynccontextmanager
async def submitter_on(store: Store) -> AsyncIterator[Submitter]:
    """A submitter with its ledger, as one proxy has them."""
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        following = [
            group.create_task(follow_into(ledger, store, stream)) for stream in (JOBS, PROGRESS_DONE, JOBS_DEAD)
        ]
        yield Submitter(store, ledger, Casts(store, ledger))
        for task in following:
            task.cancel()


async def jobs(store: MemoryStore) -> list[Job]:
    records = [decode_private(entry.headers, entry.body) for entry in await store.read(JOBS, 0)]
    return [record for record in records if isinstance(record, Job)]


async def assert_one_cast_with_its_job(store: MemoryStore) -> None:
    (made,) = await jobs(store)
    (recipe,) = await store.read(catalog(CAST_ID), 0)
    (meta,) = await store.read(output(CAST_ID), 0)
    assert made.id == CAST_ID
    assert made.epoch.encode() in meta.body
    assert WISH.text.encode() in recipe.body


async def test_submit_claims_the_cast_and_appends_one_job(store: MemoryStore) -> None:
    async with submitter_on(store) as submitter:
        submitted = await submitter.submit(WISH)
    assert (submitted.cast_id, submitted.created) == (CAST_ID, True)
    await assert_one_cast_with_its_job(store)


async def test_twenty_submits_at_once_over_two_proxies_make_one_cast(store: MemoryStore) -> None:
    async with submitter_on(store) as first, submitter_on(store) as second:
        results = await asyncio.gather(*(one.submit(WISH) for one in (first, second) for _ in range(10)))
    assert sum(result.created for result in results) == 1
    assert len({result.meta.epoch for result in results}) == 1
    await assert_one_cast_with_its_job(store)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
async def test_any_append_of_a_submit_may_go_wrong_and_the_next_one_mends_it(
    store: MemoryStore, fault: Fault, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.submit.JOB_PATIENCE_S", 0.01)
    faulty = FaultyStore(store, lambda k, stream: fault if k == place else None)
    crashed = False
    try:
        async with submitter_on(faulty) as submitter:
            await submitter.submit(WISH)
    except* Crash:
        crashed = True
    assert crashed == (fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER))
    async with submitter_on(store) as submitter:
        await submitter.submit(WISH)
    await assert_one_cast_with_its_job(store)


async def test_store_that_never_answers_is_no_success(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.submit.SUBMIT_DEADLINE_S", 0.2)
    async with submitter_on(FaultyStore(store, lambda k, stream: Fault.LOST)) as submitter:
        with pytest.raises(StoreUnavailable):
            await submitter.submit(WISH)
    assert await jobs(store) == []


async def test_repeated_submit_of_a_cast_in_work_appends_nothing(store: MemoryStore) -> None:
    async with submitter_on(store) as submitter:
        await submitter.submit(WISH)
        await submitter.submit(WISH)
    assert len(await jobs(store)) == 1


async def test_submit_in_a_hurry_upgrades_a_pending_job_once(store: MemoryStore) -> None:
    hurried = Submission(WISH.text, WISH.voice, WISH.lang, WISH.title, True)
    async with submitter_on(store) as submitter:
        await submitter.submit(WISH)
        await submitter.submit(hurried)
        await submitter.submit(hurried)
    assert [job.asap for job in await jobs(store)] == [False, True]


async def finish(store: MemoryStore, seal: str, epoch: Epoch) -> None:
    """A worker took the cast and closed it; its receipt answers for job 0."""
    await store.append(output(CAST_ID), [fence("w-1")])
    await store.append(output(CAST_ID), [fence(seal)])
    await store.append(PROGRESS_DONE, [encode_private(Receipt(CAST_ID, epoch, 0, 0, 0, "w"))])


@pytest.mark.parametrize(("seal", "jobs_after"), [("end-1", 1), ("fail-0", 2)])
async def test_submit_of_a_done_cast_is_free_and_of_a_failed_one_a_new_job(
    store: MemoryStore, seal: str, jobs_after: int
) -> None:
    async with submitter_on(store) as submitter:
        submitted = await submitter.submit(WISH)
        await finish(store, seal, submitted.meta.epoch)
        again = await submitter.submit(WISH)
    assert not again.created
    assert len(await jobs(store)) == jobs_after


async def test_submit_between_a_failure_and_its_dead_entry_is_a_new_job(store: MemoryStore) -> None:
    """The worker seals first: for a moment the ledger still has the job that failed."""
    async with submitter_on(store) as submitter:
        await submitter.submit(WISH)
        await store.append(output(CAST_ID), [fence("w-1")])
        await store.append(output(CAST_ID), [fence("fail-0")])
        await submitter.submit(WISH)
        await submitter.submit(WISH)
    assert len(await jobs(store)) == 2


async def test_retry_returns_when_its_own_proxy_knows_of_the_job(store: MemoryStore) -> None:
    """Else the answer to the retry, or a read after it, would still say that the cast has failed."""
    async with submitter_on(store) as submitter:
        meta = (await submitter.submit(WISH)).meta
        await finish(store, "fail-0", meta.epoch)
        await submitter.retry(CAST_ID, meta)
        pending = submitter._ledger.pending(CAST_ID, meta.epoch)
    assert pending is not None
    assert pending.last == 1


async def test_retries_at_once_over_two_proxies_are_one_job_that_both_know_of(store: MemoryStore) -> None:
    async with submitter_on(store) as first, submitter_on(store) as second:
        meta = (await first.submit(WISH)).meta
        await finish(store, "fail-0", meta.epoch)
        await asyncio.gather(*(one.retry(CAST_ID, meta) for one in (first, second) for _ in range(5)))
        for one in (first, second):
            pending = one._ledger.pending(CAST_ID, meta.epoch)
            assert pending is not None
            assert pending.last == 1
    assert len(await jobs(store)) == 2


async def test_garbage_behind_the_recipe_does_not_make_the_cast_gone(store: MemoryStore) -> None:
    async with submitter_on(store) as submitter:
        await submitter.submit(WISH)
        store.append_with_another_key(catalog(CAST_ID))
        await submitter.submit(WISH)


async def test_other_text_under_the_same_id_is_an_error_and_never_somebody_elses_audio(store: MemoryStore) -> None:
    recipe = Recipe("Another text.", WISH.voice, "t", "en-US", "2026-01-01T00:00:00Z", "")
    await store.append(catalog(CAST_ID), [encode_private(recipe)])
    async with submitter_on(store) as submitter:
        with pytest.raises(ApiError) as caught:
            await submitter.submit(WISH)
    assert (caught.value.status, caught.value.code) == (409, "id_taken")


async def test_cast_that_is_being_deleted_says_when_to_come_back(store: MemoryStore) -> None:
    async with submitter_on(store) as submitter:
        await submitter.submit(WISH)
        await store.append(catalog(CAST_ID), [encode_private(Gone(1))])
        with pytest.raises(ApiError) as caught:
            await submitter.submit(WISH)
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (503, "being_deleted", 2)


async def test_text_whose_json_is_over_a_record_claims_nothing(store: MemoryStore) -> None:
    wish = Submission('"' * 600_000, WISH.voice, WISH.lang, "t", False)
    async with submitter_on(store) as submitter:
        with pytest.raises(ApiError) as caught:
            await submitter.submit(wish)
    assert caught.value.status == 413
    assert set(store._streams) == {
        StreamName(name) for name in ("jobs", "jobs/_cursor", "jobs/dead", "progress/done", "workers")
    }


async def test_place_counts_the_unfinished_casts_before(store: MemoryStore) -> None:
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow_into(ledger, store, stream)) for stream in (JOBS, PROGRESS_DONE)]
        epoch = Epoch("0a1b2c3d")
        ids = [content_id(str(n), "v") for n in range(4)]
        for cast_id in ids:
            await store.append(JOBS, [encode_private(Job(cast_id, epoch, 0, False))])
        await ledger.wait_for(lambda: ledger.next_job == 4)
        assert [ledger.place(cast_id, epoch) for cast_id in ids] == [0, 1, 2, 3]
        await store.append(PROGRESS_DONE, [encode_private(Receipt(ids[1], epoch, 1, 1, 1, "w"))])
        await ledger.wait_for(lambda: ledger.unfinished == 3)
        assert [ledger.place(cast_id, epoch) for cast_id in ids] == [0, None, 1, 2]
        heard = LeasedCast(ids[0], 1500, 1, 9, 1, False), LeasedCast(ids[2], None, 0, 9, 1, False)
        ledger.take_sign(Placed(0, 0, Lease("w", 2, casts=heard)))
        assert [ledger.place(cast_id, epoch) for cast_id in ids] == [0, None, 0, 1]
        assert ledger.place_of_next() == 2
        for task in tasks:
            task.cancel()


async def test_answer_read_before_its_job_still_answers_it(store: MemoryStore) -> None:
    epoch = Epoch("0a1b2c3d")
    ledger = Ledger()
    await store.append(PROGRESS_DONE, [encode_private(Receipt(CAST_ID, epoch, 0, 1, 1, "w"))])
    await store.append(JOBS, [encode_private(Job(CAST_ID, epoch, 0, False))])
    async with asyncio.TaskGroup() as group:
        done = group.create_task(follow_into(ledger, store, PROGRESS_DONE))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        following = group.create_task(follow_into(ledger, store, JOBS))
        await ledger.wait_for(lambda: ledger.next_job == 1)
        done.cancel()
        following.cancel()
    assert ledger.pending(CAST_ID, epoch) is None


async def test_meta_in_the_cast_is_what_the_loser_gets(store: MemoryStore) -> None:
    async with submitter_on(store) as submitter:
        first = await submitter.submit(WISH)
        titled = Submission(WISH.text, WISH.voice, WISH.lang, "Another title", False)
        second = await submitter.submit(titled)
    assert second.meta == first.meta
    assert isinstance(second.meta, Meta)
    assert encode(second.meta).body == (await store.read(output(CAST_ID), 0))[0].body


async def test_cursor_answers_for_jobs_whose_receipts_were_trimmed(store: MemoryStore) -> None:
    epoch = Epoch("0a1b2c3d")
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow_into(ledger, store, stream)) for stream in (JOBS, JOBS_CURSOR)]
        for number in range(3):
            await store.append(JOBS, [encode_private(Job(content_id(str(number), "v"), epoch, 0, False))])
        await ledger.wait_for(lambda: ledger.unfinished == 3)
        await store.append(JOBS_CURSOR, [encode_private(Cursor(2))])
        await ledger.wait_for(lambda: ledger.unfinished == 1)
        assert ledger.place(content_id("2", "v"), epoch) == 0
        assert ledger.newest_epoch(content_id("0", "v")) is None
        for task in tasks:
            task.cancel()
