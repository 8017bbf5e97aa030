"""Promise: the same text and voice is one cast, claimed by one append, spoken once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from casts.ids import CastId
from casts.names import JOBS, output
from casts.private import Job, decode_private
from streams.port import Entry
from streams.reading import read_to_tail
from tests.e2e.reading import check_complete
from tests.e2e.texts import some_sentences
from tests.stack import Answer, Stack

CLIENTS = 20


def test_twenty_submits_of_one_text_at_once_are_one_cast(stack: Stack) -> None:
    text = some_sentences("wanted", 3)
    together = Barrier(CLIENTS)

    def submit(_: int) -> Answer:
        together.wait(10)
        return stack.submit(text)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(submit, range(CLIENTS)))
    assert sorted(answer.status for answer in answers) == [200] * (CLIENTS - 1) + [201]
    assert len({answer.json["url"] for answer in answers}) == 1
    assert len({answer.json["epoch"] for answer in answers}) == 1
    (cast_id,) = {answer.json["id"] for answer in answers}
    check_complete(stack.finished(cast_id), text)
    assert _kinds(stack, cast_id)[:2] == ["meta", "fence"]
    assert _kinds(stack, cast_id).count("start") == 1
    assert len(_jobs(stack, cast_id)) == 1


def test_a_later_submit_finds_the_finished_cast_and_makes_no_work(stack: Stack) -> None:
    first = stack.submit("Said once.  ")
    before = stack.finished(first.json["id"])
    again = stack.submit("  Said once.")
    assert (first.status, again.status) == (201, 200)
    assert again.json["id"] == first.json["id"]
    assert again.json["state"] == "done"
    assert stack.frames(first.json["id"]) == before
    assert len(_jobs(stack, first.json["id"])) == 1


def test_another_voice_is_another_cast(stack: Stack) -> None:
    ids = {stack.submitted("Said in two voices.", voice=voice) for voice in ("espeak/en-us", "espeak/de")}
    assert len(ids) == 2
    assert len({stack.finished(cast_id)[-1].header["h"] for cast_id in ids}) == 2


def _entries(stack: Stack, stream: str) -> list[Entry]:
    async def read() -> list[Entry]:
        store = stack.store()
        try:
            return [entry async for entry in read_to_tail(store, name, 0) if isinstance(entry, Entry)]
        finally:
            await store.close()

    name = JOBS if stream == "jobs" else output(CastId(stream))
    return asyncio.run(read())


def _jobs(stack: Stack, cast_id: str) -> list[Job]:
    records = [decode_private(entry.headers, entry.body) for entry in _entries(stack, "jobs") if not entry.command]
    return [record for record in records if isinstance(record, Job) and record.id == cast_id]


def _kinds(stack: Stack, cast_id: str) -> list[str]:
    entries = _entries(stack, cast_id)
    return [(entry.command or dict(entry.headers)[b"e"]).decode() for entry in entries]
