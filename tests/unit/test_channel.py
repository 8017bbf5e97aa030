"""Live fan-out: whoever joins, whenever, gets each record once and in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from casts.codec import encode
from casts.frames import FrameDecoder
from casts.ids import CastId, Epoch
from casts.names import output
from casts.plan import Planned
from casts.records import Audio, Meta, Start
from proxy.channel import Channels
from streams.memory import MemoryStore
from streams.port import fence

CAST_ID = CastId("abcdefghijkl")
META = encode(Meta(Epoch("0a1b2c3d"), "t", "espeak/en", "en", "2026-01-01T00:00:00Z", "text"))
PLAN = tuple(Planned(2 * n, 2 * n + 1, 0) for n in range(400))


@asynccontextmanager
async def running(channels: Channels) -> AsyncIterator[asyncio.TaskGroup]:
    """The readers' owner at work; yields a group for the test's own tasks, which end by themselves."""
    async with asyncio.TaskGroup() as group:
        owner = group.create_task(channels.run())
        await asyncio.sleep(0)
        yield group
        owner.cancel()


def audio(index: int, size: int = 10) -> bytes:
    return b"%d:" % index + b"x" * size


async def append_audio(store: MemoryStore, index: int, size: int = 10) -> None:
    await store.append(output(CAST_ID), [encode(Audio(index, 1, 24, 576, "x", (), audio(index, size)))])


async def listen(channels: Channels, store: MemoryStore, start: int, count: int, rng: random.Random) -> list[int]:
    """A client as `proxy.read` has them: page from the store, kept frames, wait. Returns the indices it heard."""
    heard: list[int] = []
    position = start
    channel = None
    while len(heard) < count:
        if channel is None or position < channel.first:
            for entry in await store.read(output(CAST_ID), position, count=rng.randint(1, 5)):
                if entry.headers[0] == (b"e", b"audio"):
                    heard.append(int(entry.body.split(b":")[0]))
                position = entry.seq_num + 1
            if channel is None and position >= await store.tail(output(CAST_ID)):
                channel = channels.join(CAST_ID, position)
            continue
        changed = channel.changed
        while (kept := channel.at(position)) is not None:
            if kept.frame is not None:
                (frame,) = FrameDecoder().feed(kept.frame)
                heard.append(int(frame.body.split(b":")[0]))
            position = kept.seq_num + 1
        if rng.random() < 0.3:
            await asyncio.sleep(0)  # a slow client: others go ahead and its frames may be dropped
        elif position >= channel.next_seq and len(heard) < count:
            await changed.wait()
        if rng.random() < 0.05:
            channels.leave(channel)
            channel = None
    if channel is not None:
        channels.leave(channel)
    return heard


@pytest.mark.parametrize("seed", range(30))
async def test_listener_joining_at_any_moment_hears_a_gapless_run(seed: int) -> None:
    rng = random.Random(seed)
    store = MemoryStore()
    channels = Channels(store, budget_bytes=rng.choice([1, 300, 3000, 10**6]))
    await store.append(output(CAST_ID), [META, fence("w-1"), encode(Start(1, 0, PLAN))])
    total = 60
    async with running(channels) as group:
        listeners = []
        for index in range(total):
            await append_audio(store, index, rng.randint(0, 200))
            if rng.random() < 0.1:
                await store.append(output(CAST_ID), [fence(f"w-{index}")])
            if rng.random() < 0.3:
                listeners.append(group.create_task(listen(channels, store, 0, total, random.Random(rng.random()))))
            for _ in range(rng.randint(0, 3)):
                await asyncio.sleep(0)
        results = [await listener for listener in listeners]
    assert results
    assert all(heard == list(range(total)) for heard in results)


async def test_thousand_joins_in_one_tick_start_one_reader() -> None:
    store = MemoryStore()
    await store.append(output(CAST_ID), [META])
    channels = Channels(store, 10**6)
    async with running(channels):
        joined = {id(channels.join(CAST_ID, 1)) for _ in range(1000)}
        assert len(joined) == 1
        assert channels.statistics().listeners == 1000


async def test_all_channels_together_stay_inside_the_budget() -> None:
    store = MemoryStore()
    await store.append(output(CAST_ID), [META])
    channels = Channels(store, budget_bytes=2000)
    async with running(channels):
        channel = channels.join(CAST_ID, 1)
        for index in range(50):
            await append_audio(store, index, 200)
        while channel.next_seq < 51:
            await channel.changed.wait()
        assert channels.statistics().kept_bytes <= 2000
        assert channel.first > 1


async def test_reader_ends_when_its_last_listener_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.channel.LINGER_S", 0.02)
    store = MemoryStore()
    await store.append(output(CAST_ID), [META])
    channels = Channels(store, 10**6)
    async with running(channels):
        channel = channels.join(CAST_ID, 1)
        channels.leave(channel)
        async with asyncio.timeout(5):
            while not channel.over:
                await channel.changed.wait()
        assert channels.join(CAST_ID, 1) is not channel


async def test_channel_of_a_deleted_cast_is_over() -> None:
    store = MemoryStore()
    await store.append(output(CAST_ID), [META])
    channels = Channels(store, 10**6)
    async with running(channels):
        channel = channels.join(CAST_ID, 1)
        await store.delete(output(CAST_ID))
        async with asyncio.timeout(5):
            while not channel.over:
                await channel.changed.wait()


async def test_reader_ends_with_the_cast_and_its_listener_still_gets_the_end() -> None:
    store = MemoryStore()
    await store.append(output(CAST_ID), [META])
    channels = Channels(store, 10**6)
    async with running(channels):
        channel = channels.join(CAST_ID, 1)
        await store.append(output(CAST_ID), [fence("w-1"), encode(Start(1, 0, PLAN)), fence("end-1")])
        async with asyncio.timeout(5):
            while not channel.over:
                await channel.changed.wait()
        assert [kept is not None for kept in map(channel.at, range(1, 5))] == [True, True, True, False]
