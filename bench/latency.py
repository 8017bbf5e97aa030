"""Submit latency, submit to first audio bytes, and what share of them are S2's appends.

Raw appends are measured between the submits, on the same server and records of the same size, so that both see the
same disk and the same neighbours.
"""

import asyncio
import os
import statistics
import time

import aiohttp

from bench.report import Row, percentile, spread
from casts.codec import Encoded
from casts.frames import FrameDecoder
from casts.names import StreamName
from streams.port import Store

SUBMITS = 200
BURSTS = 5
BURST_SIZE = 16

SUBMIT_P50_MS, SUBMIT_P99_MS = 30, 100
FIRST_AUDIO_P50_MS = 80
BURST_LAST_MS = 1200


def text_of(label: str) -> str:
    """A text of its own for each run: about 350 characters, an ordinary first sentence."""
    return (
        f"This is the bench text {label}, which nobody has heard before. It goes on with another sentence of "
        "ordinary length, as articles do. Then it says one thing more, so that there is work left when the first "
        "sentence is heard. At last it comes to its end, and everybody may go home."
    )


async def submit(session: aiohttp.ClientSession, label: str) -> tuple[str, float]:
    """Submit a new text; returns its id and the time to the answer in ms."""
    began = time.perf_counter()
    async with session.post("/api/casts", json={"text": text_of(label)}) as response:
        body = await response.json()
        assert response.status == 201, body
    return body["id"], (time.perf_counter() - began) * 1000


async def first_of(session: aiohttp.ClientSession, cast_id: str, kind: str) -> None:
    """Read the cast until the first frame of a kind has arrived whole."""
    decoder = FrameDecoder()
    async with session.get(f"/api/casts/{cast_id}/records", params={"from": "0", "wait": "30"}) as response:
        async for portion in response.content.iter_any():
            if any(frame.header["e"] == kind for frame in decoder.feed(portion)):
                return
    raise AssertionError(f"the cast ended without {kind}")


async def three_appends(store: Store, label: str) -> float:
    """What a submit must write at least: a recipe, a meta record and a job, one after the other. ms."""
    recipe = Encoded(((b"e", b"recipe"),), text_of(label).encode() + b" " * 150)
    meta = Encoded(((b"e", b"meta"),), text_of(label).encode() + b" " * 150)
    job = Encoded(((b"e", b"job"),), b" " * 80)
    began = time.perf_counter()
    await store.append(StreamName(f"bench/catalog/{label}"), [recipe], match_seq_num=0)
    await store.append(StreamName(f"bench/output/{label}"), [meta], match_seq_num=0)
    await store.append(StreamName("bench/jobs"), [job])
    return (time.perf_counter() - began) * 1000


async def measure_submits(session: aiohttp.ClientSession, store: Store) -> list[Row]:
    """One listener at a time on an idle service: submit, then hear; a raw measurement between any two."""
    submits, firsts, appends = [], [], []
    run = os.urandom(4).hex()
    for number in range(SUBMITS + 10):
        label = f"{run} {number}"
        began = time.perf_counter()
        cast_id, submit_ms = await submit(session, label)
        await first_of(session, cast_id, "audio")
        first_ms = (time.perf_counter() - began) * 1000
        await first_of(session, cast_id, "eos")  # the next one finds the service idle
        append_ms = await three_appends(store, label)
        if number >= 10:  # the first ones warm connections and caches
            submits.append(submit_ms)
            firsts.append(first_ms)
            appends.append(append_ms)
    await store.close()
    share = statistics.median(appends) / statistics.median(submits) * 100
    return [
        Row("submit answered, p50", statistics.median(submits), "ms", spread(submits), SUBMIT_P50_MS),
        Row("submit answered, p99", percentile(submits, 0.99), "ms", "", SUBMIT_P99_MS),
        Row("three raw S2 appends, p50", statistics.median(appends), "ms", spread(appends)),
        Row("share of S2 appends in a submit", share, "%", "median over median"),
        Row("submit to first audio bytes, p50", statistics.median(firsts), "ms", spread(firsts), FIRST_AUDIO_P50_MS),
        Row("submit to first audio bytes, p99", percentile(firsts, 0.99), "ms", ""),
    ]


async def measure_burst(session: aiohttp.ClientSession) -> list[Row]:
    """Sixteen people submit at the same moment: when the last of them hears something."""
    lasts = []
    for burst in range(BURSTS):
        run = os.urandom(4).hex()
        began = time.perf_counter()

        async def one(label: str, began: float = began) -> float:
            cast_id, _ = await submit(session, label)
            await first_of(session, cast_id, "audio")
            return (time.perf_counter() - began) * 1000

        lasts.append(max(await asyncio.gather(*(one(f"{run} {burst} {n}") for n in range(BURST_SIZE)))))
    name = f"{BURST_SIZE} submits at once, last first audio"
    return [Row(name, statistics.median(lasts), "ms", spread(lasts), BURST_LAST_MS)]
