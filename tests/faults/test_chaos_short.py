"""A few seeds of `make chaos`, and that its checks can fail: each kind of damage has its name."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from casts.codec import Encoded, encode
from casts.fold import chain_digest
from casts.frames import Frame
from casts.ids import Epoch
from casts.limits import FRAME_SAMPLES
from casts.plan import Planned
from casts.records import Audio, Eos, Meta, Start
from streams.port import Entry, fence
from tests.faults.__main__ import run_seeds
from tests.faults.invariants import Broken, check_stream, check_view
from tests.faults.plan import make_plan
from tests.faults.tcp_fault import Link

TEXT = "Here it is. There it was."
PLAN = (Planned(0, 11, 0), Planned(12, 25, 0))


def audio(index: int, attempt: int) -> Encoded:
    body = f"sentence {index}".encode()
    return encode(Audio(index, attempt, 24, FRAME_SAMPLES, TEXT[:3], (), body))


def eos(attempt: int) -> Encoded:
    chain = b""
    for index in range(len(PLAN)):
        chain = chain_digest(chain, f"sentence {index}".encode())
    return encode(Eos(attempt, 2, 48, chain.hex()))


META = encode(Meta(Epoch("0a1b2c3d"), "t", "espeak/en-us", "en-US", "2026-01-01T00:00:00Z", TEXT))
GOOD = (
    META, fence("one-a"), encode(Start(1, 0, PLAN)), audio(0, 1),
    fence("two-b"), encode(Start(2, 1, ())), audio(1, 2), eos(2), fence("end-c"),
)  # fmt: skip


def entries(records: tuple[Encoded, ...]) -> list[Entry]:
    return [Entry(place, place, record.headers, record.body) for place, record in enumerate(records)]


def test_check_of_a_good_stream_counts_its_takeover() -> None:
    facts = check_stream(entries(GOOD), TEXT)
    assert (facts.owners, facts.takeovers, facts.resumes, facts.wasted) == (("one", "two"), 1, 0, 0)


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ((*GOOD[:6], audio(1, 1), *GOOD[6:]), "no append of an older attempt after a newer fence"),
        ((*GOOD[:4], audio(0, 1), *GOOD[4:]), "every record counts"),
        ((*GOOD[:4], *GOOD[5:]), "a start follows its fence"),
        ((*GOOD[:5], encode(Start(2, 0, PLAN)), *GOOD[6:]), "an attempt goes on where the log ends"),
        ((*GOOD, fence("two-d")), "nothing after the seal"),
        ((*GOOD[:8], audio(1, 2)), "nothing after the end"),
        (GOOD[:8], "the end is sealed"),
        (GOOD[:7], "every accepted cast ends in eos"),
        ((*GOOD[:4], fence("one-a"), *GOOD[5:]), "a token is used once"),
    ],
)
def test_check_of_a_damaged_stream_names_the_damage(records: tuple[Encoded, ...], name: str) -> None:
    with pytest.raises(Broken) as caught:
        check_stream(entries(records), TEXT)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("seen", "holds"),
    [([0, 1, 3], True), ([0, 1], True), ([0, 3], False), ([0, 1, 1], False), ([0, 1, 3, 4], False), ([], True)],
)
def test_view_is_a_prefix_without_gap_and_double(seen: list[int], holds: bool) -> None:
    served = [Frame(number, {"seq": number}, b"x") for number in (0, 1, 3)]
    view = [Frame(number, {"seq": number}, b"x") for number in seen]
    if holds:
        check_view(view, served, 0)
        return
    with pytest.raises(Broken):
        check_view(view, served, 0)


def test_view_with_other_bytes_is_none() -> None:
    served = [Frame(0, {"seq": 0}, b"x")]
    with pytest.raises(Broken):
        check_view([replace(served[0], body=b"y")], served, 0)


def test_plan_of_a_seed_is_always_the_same() -> None:
    assert make_plan(7, 4.0) == make_plan(7, 4.0)
    assert make_plan(7, 4.0) != make_plan(8, 4.0)


async def test_link_passes_holds_swallows_and_refuses() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while portion := await reader.read(100):
            writer.write(portion)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[1])
    await link.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    link.hold()
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    await link.heal()
    assert await reader.readexactly(3) == b"two"
    link.swallow()
    writer.write(b"three")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    await link.heal()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 5)
    link.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", link.port)
    writer.close()
    await link.close()
    assert link.connections == 0
    server.close()


@pytest.mark.timeout(240)
async def test_chaos_of_three_seeds_breaks_nothing(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    await run_seeds([4, 10, 21], 4.0, float("inf"), tmp_path, counts)
    assert counts["breaks"] == 0, "the events and the logs are above"
    assert counts["seeds"] == 3
