"""One suite, two stores: the in-memory fake is held to what the real S2-Lite does."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from casts.codec import Encoded
from casts.names import JOBS, StreamName
from streams.memory import MemoryStore
from streams.port import (
    Acknowledged,
    BeyondTail,
    Entry,
    Refused,
    Store,
    StreamMissing,
    Unknown,
    Unreadable,
    UnreadableRecord,
    fence,
    trim,
)
from streams.s2 import _cancellable
from tests.s2_lite import S2Lite

CAST = StreamName("pub/casts/abcdefghijkl")
OTHER_KEY = base64.b64encode(b"k" * 32).decode()


def note(text: str) -> Encoded:
    return Encoded(((b"e", b"note"),), text.encode())


@pytest.fixture(scope="module")
def s2_lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S2Lite]:
    server = S2Lite(tmp_path_factory.mktemp("s2"))
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["memory", pytest.param("s2", marks=pytest.mark.s2)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        made: Store = MemoryStore()
    else:
        server: S2Lite = request.getfixturevalue("s2_lite")
        made = server.store(basin=f"test-{abs(hash(request.node.name)) % 10**9:09d}")
    await made.ensure()
    yield made
    await made.close()


async def append(store: Store, *texts: str, at: int | None = None, token: str | None = None) -> int:
    outcome = await store.append(CAST, [note(text) for text in texts], match_seq_num=at, token=token)
    assert isinstance(outcome, Acknowledged), outcome
    return outcome.next_seq


async def test_append_returns_consecutive_positions(store: Store) -> None:
    assert await store.append(CAST, [note("a"), note("b")]) == Acknowledged(0, 2)
    assert await store.append(CAST, [note("c")]) == Acknowledged(2, 3)
    assert [entry.body for entry in await store.read(CAST, 0)] == [b"a", b"b", b"c"]


async def test_claim_at_zero_is_won_once(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.append(CAST, [note(str(n))], match_seq_num=0) for n in range(20)))
    assert sum(isinstance(outcome, Acknowledged) for outcome in outcomes) == 1
    losers = {outcome for outcome in outcomes if not isinstance(outcome, Acknowledged)}
    assert losers == {Refused(next_seq=1)}


async def test_append_is_refused_at_a_wrong_position_and_says_the_right_one(store: Store) -> None:
    await append(store, "a", "b")
    assert await store.append(CAST, [note("x")], match_seq_num=1) == Refused(next_seq=2)
    assert await store.tail(CAST) == 2


async def test_fence_in_a_batch_rules_later_batches_only(store: Store) -> None:
    await append(store, "meta")
    taken = await store.append(CAST, [fence("w1"), note("start")], match_seq_num=1, token="")
    assert taken == Acknowledged(1, 3)
    assert await store.append(CAST, [note("late")], match_seq_num=3, token="") == Refused(token="w1")
    assert await store.append(CAST, [note("audio")], match_seq_num=3, token="w1") == Acknowledged(3, 4)


async def test_second_taker_is_refused_and_told_the_token(store: Store) -> None:
    await append(store, "meta")
    outcomes = await asyncio.gather(
        *(store.append(CAST, [fence(f"w{n}"), note("start")], match_seq_num=1, token="") for n in range(2))
    )
    winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Acknowledged)]
    assert len(winners) == 1
    assert outcomes[1 - winners[0]] == Refused(token=f"w{winners[0]}")


async def test_token_is_checked_before_the_position(store: Store) -> None:
    await store.append(CAST, [fence("w1")])
    assert await store.append(CAST, [note("x")], match_seq_num=9, token="w0") == Refused(token="w1")


async def test_read_of_a_stream_that_never_was_is_missing(store: Store) -> None:
    with pytest.raises(StreamMissing):
        await store.read(CAST, 0)
    with pytest.raises(StreamMissing):
        await store.tail(CAST)
    with pytest.raises(StreamMissing):
        await store.last(CAST)
    async with aclosing(store.follow(CAST, 0)) as followed:
        with pytest.raises(StreamMissing):
            await anext(followed)


async def test_stream_left_empty_by_a_refused_claim_counts_as_missing(store: Store) -> None:
    assert await store.append(CAST, [note("x")], match_seq_num=5) == Refused(next_seq=0)
    with pytest.raises(StreamMissing):
        await store.read(CAST, 0)


async def test_append_to_a_deleted_stream_leaves_it_missing_for_every_reader(store: Store) -> None:
    """As a writer meets it whose cast was deleted under it."""
    await append(store, "a", "b", "c")
    await store.delete(CAST)
    async with asyncio.timeout(10):
        while (await store.append(CAST, [note("x")], match_seq_num=3)) != Refused(next_seq=0):
            await asyncio.sleep(0.05)
    with pytest.raises(StreamMissing):
        await store.read(CAST, 3)
    async with aclosing(store.follow(CAST, 3)) as followed:
        with pytest.raises(StreamMissing):
            await anext(followed)


async def test_shared_stream_is_there_and_empty_after_ensure(store: Store) -> None:
    await store.ensure()
    assert await store.tail(JOBS) == 0
    assert await store.read(JOBS, 0) == []
    assert await store.last(JOBS) is None


async def test_read_at_the_tail_is_empty_and_above_it_an_error(store: Store) -> None:
    await append(store, "a")
    assert await store.read(CAST, 1) == []
    with pytest.raises(BeyondTail) as caught:
        await store.read(CAST, 2)
    assert caught.value.tail == 1


async def test_read_is_bounded_in_count_and_bytes(store: Store) -> None:
    await append(store, *("x" * 1000 for _ in range(20)))
    assert [entry.seq_num for entry in await store.read(CAST, 3, count=4)] == [3, 4, 5, 6]
    assert len(await store.read(CAST, 0, max_bytes=5000)) in (4, 5)


async def test_last_is_the_last_record_with_its_headers(store: Store) -> None:
    await append(store, "a", "b")
    last = await store.last(CAST)
    assert last is not None
    assert (last.seq_num, last.headers, last.body) == (1, ((b"e", b"note"),), b"b")
    assert last.timestamp > 1_600_000_000_000


async def test_batch_over_the_limit_is_never_sent(store: Store) -> None:
    with pytest.raises(ValueError, match="1048576"):
        await store.append(CAST, [note("x" * (1 << 20))])
    with pytest.raises(ValueError, match="1000"):
        await store.append(CAST, [note("x")] * 1001)
    with pytest.raises(StreamMissing):
        await store.tail(CAST)


async def test_record_at_the_limit_is_taken(store: Store) -> None:
    largest = (1 << 20) - 8 - (2 + len(b"e") + len(b"note"))
    assert isinstance(await store.append(CAST, [note("x" * largest)]), Acknowledged)
    (entry,) = await store.read(CAST, 0)
    assert len(entry.body) == largest


async def test_trimmed_records_are_skipped_by_a_reader(store: Store) -> None:
    await append(store, "a", "b", "c")
    await store.append(CAST, [trim(2)])
    async with asyncio.timeout(30):
        while (first := (await store.read(CAST, 0))[0].seq_num) != 2:
            assert first < 2
            await asyncio.sleep(0.2)  # S2 trims in the background


async def test_follow_gives_history_then_what_comes(store: Store) -> None:
    await append(store, "a", "b")
    async with aclosing(store.follow(CAST, 1)) as followed:
        first = await anext(followed)
        assert isinstance(first, Entry)
        assert first.body == b"b"
        waiting = asyncio.ensure_future(anext(followed))
        await append(store, "c", "d")
        heard = [await waiting, await anext(followed)]
    assert [entry.body for entry in heard if isinstance(entry, Entry)] == [b"c", b"d"]


async def test_follow_from_above_the_tail_is_an_error(store: Store) -> None:
    await append(store, "a")
    async with aclosing(store.follow(CAST, 7)) as followed:
        with pytest.raises(BeyondTail):
            await anext(followed)


async def test_follow_cancelled_while_waiting_leaves_the_store_usable(store: Store) -> None:
    await append(store, "a")
    followed = store.follow(CAST, 1)
    waiting = asyncio.ensure_future(anext(followed))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await followed.aclose()
    assert await append(store, "b") == 2


async def test_deleted_stream_can_be_claimed_again_at_zero(store: Store) -> None:
    await append(store, "old")
    await store.delete(CAST)
    async with asyncio.timeout(10):
        while not isinstance(await store.append(CAST, [note("new")], match_seq_num=0), Acknowledged):
            await asyncio.sleep(0.02)
    assert [entry.body for entry in await store.read(CAST, 0)] == [b"new"]
    await store.delete(StreamName("pub/casts/neverwasthere"))


async def strange_record(store: Store, request: pytest.FixtureRequest, stream: StreamName) -> int:
    """A record that was appended with another key, by whatever means this store has."""
    if isinstance(store, MemoryStore):
        return store.append_with_another_key(stream)
    server: S2Lite = request.getfixturevalue("s2_lite")
    stranger = server.store(basin=store.basin, key=OTHER_KEY)  # type: ignore[attr-defined]  # the S2 store
    outcome = await stranger.append(stream, [note("stranger")])
    await stranger.close()
    assert isinstance(outcome, Acknowledged)
    return outcome.first


async def test_reader_steps_over_what_it_cannot_decrypt(store: Store, request: pytest.FixtureRequest) -> None:
    await append(store, "a", "b")
    place = await strange_record(store, request, CAST)
    await append(store, "c")
    readable: list[Entry] = []
    with pytest.raises(UnreadableRecord) as caught:
        while len(readable) < 3:
            readable += await store.read(CAST, len(readable))
    assert [entry.body for entry in readable] == [b"a", b"b"]
    assert caught.value.seq_num == place
    async with aclosing(store.follow(CAST, 0)) as followed:
        heard = [await anext(followed) for _ in range(4)]
        assert [type(entry) for entry in heard] == [Entry, Entry, Unreadable, Entry]
        second = await strange_record(store, request, CAST)
        assert await anext(followed) == Unreadable(second)


@pytest.mark.s2
async def test_real_server_killed_and_restarted_loses_and_doubles_nothing(tmp_path: Path) -> None:
    server = S2Lite(tmp_path)
    await server.restart()
    store = server.store()
    await store.ensure()
    heard: list[int] = []
    written = 0

    async def listen() -> None:
        async with aclosing(store.follow(CAST, 0)) as followed:
            async for entry in followed:
                assert isinstance(entry, Entry)
                heard.append(int(entry.body))
                if len(heard) == 90:
                    return

    async def write() -> None:
        nonlocal written
        position = 0
        while written < 90:
            outcome = await store.append(CAST, [note(str(written))], match_seq_num=position)
            match outcome:
                case Acknowledged(next_seq=position):
                    written += 1
                case Unknown():
                    page = await store.read(CAST, position, count=1) if position else []
                    if page and page[0].body == str(written).encode():
                        written, position = written + 1, position + 1
                    await asyncio.sleep(0.02)
                case Refused():
                    pytest.fail(f"nobody else writes here: {outcome}")

    try:
        await append(store, "0", at=0)
        await store.delete(CAST)
        async with asyncio.timeout(45), asyncio.TaskGroup() as group:
            writing = group.create_task(write())
            while written < 1:
                await asyncio.sleep(0.01)
            group.create_task(listen())
            for threshold in (30, 60):
                while written < threshold and not writing.done():
                    await asyncio.sleep(0.001)
                server.kill()
                await server.restart()
    finally:
        await store.close()
        server.close()
    assert heard == list(range(90))


async def test_cancellation_that_the_sdk_swallows_comes_through() -> None:
    async def swallowing() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "as if nothing had happened"
        return "never"

    task = asyncio.ensure_future(_cancellable(swallowing()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _cancellable(asyncio.sleep(0, "an answer")) == "an answer"
