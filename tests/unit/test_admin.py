"""The admin API on the in-memory store: who may ask, what the figures are, what became of dead jobs."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from casts.codec import Encoded, encode
from casts.ids import CastId, Epoch
from casts.names import JOBS, JOBS_CURSOR, JOBS_DEAD, PROGRESS_DONE, WORKERS, output
from casts.private import (
    Announcement,
    Cursor,
    DeadJob,
    Job,
    Lease,
    LeasedCast,
    OfferedVoice,
    PrivateRecord,
    Receipt,
    encode_private,
)
from casts.records import Eos, Fail, Meta, Start
from casts.settings import Settings
from proxy.app import make_app
from proxy.dead import Dead, since_then
from proxy.keys import CHANNELS, LEDGER
from proxy.keys import WORKERS as WORKERS_SEEN
from proxy.ledger import Ledger
from proxy.overview import Casts
from proxy.workers import Workers
from streams.memory import MemoryStore
from streams.port import StoreUnavailable, fence
from streams.shared_log import Placed

KEY = "the-admin-key-of-this-test"
ALLOWED = {"Authorization": f"Bearer {KEY}"}
EPOCH = Epoch("0a1b2c3d")
VOICE = OfferedVoice("espeak/en-us", "English (America)", "en-US", "English", None, True)
ANNOUNCED = Announcement("w1", "espeak", "1", "A fake voice", None, VOICE.id, (VOICE,), ())
LEASE = Lease("w1", 3, 4, 2, 85.5, 0.25, (LeasedCast(CastId("a" * 12), None, 0, 9, 1, True),))

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.ensure()
    return made


@asynccontextmanager
async def serving(store: MemoryStore, admin_key: str | None = KEY) -> AsyncIterator[Client]:
    """A proxy that has caught up with the intake log, the dead jobs and the workers."""
    async with TestClient(TestServer(make_app(Settings(), store, admin_key))) as client:
        app = client.app
        assert app is not None
        jobs, dead, workers = [await store.tail(stream) for stream in (JOBS, JOBS_DEAD, WORKERS)]
        async with asyncio.timeout(5):
            while app[LEDGER].next_job < jobs or app[LEDGER].dead < dead or (workers and not app[WORKERS_SEEN]._seen):
                await asyncio.sleep(0)
        yield client


async def append(store: MemoryStore, stream: Any, *records: PrivateRecord) -> None:
    await store.append(stream, [encode_private(record) for record in records])


def cast_id(name: str) -> CastId:
    return CastId(name * 12)


def job(name: str, at: int = 0) -> Job:
    return Job(cast_id(name), EPOCH, at, False)


def dead(name: str, offset: int, epoch: Epoch = EPOCH) -> DeadJob:
    return DeadJob(cast_id(name), epoch, offset, "engine_hung", "It hung.", "w1")


def meta(epoch: Epoch = EPOCH) -> Encoded:
    return encode(Meta(epoch, "t", VOICE.id, "en-US", "2026-01-01T00:00:00Z", "Some text."))


FAILED = (fence("w-1"), encode(Start(1, 0, ())), encode(Fail(1, "engine_hung", "It hung.")))


async def get(client: Client, path: str) -> Any:
    answer = await client.get(path, headers=ALLOWED)
    assert answer.status == 200, await answer.text()
    return await answer.json()


PATHS = ("/api/admin/status", "/api/admin/dead")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no key"),
        pytest.param({"Authorization": f"Bearer {KEY[:-1]}"}, id="part of the key"),
        pytest.param({"Authorization": f"Bearer {KEY}x"}, id="more than the key"),
        pytest.param({"Authorization": "Bearer "}, id="empty"),
        pytest.param({"Authorization": KEY}, id="no scheme"),
        pytest.param({"Authorization": f"Basic {KEY}"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer schlüssel"}, id="not ASCII"),
    ],
)
async def test_admin_without_the_key_is_401(store: MemoryStore, path: str, headers: dict[str, str]) -> None:
    async with serving(store) as client:
        answer = await client.get(path, headers=headers)
        error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["type"]) == (401, "unauthorized", "authentication_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_admin_is_403_with_advice_where_there_is_no_key(store: MemoryStore, path: str) -> None:
    async with serving(store, admin_key=None) as client:
        answer = await client.get(path, headers={"Authorization": "Bearer "})
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (403, "admin_disabled")
    assert "STREAMTTS_ADMIN_KEY" in error["message"]
    assert "admin.key" in error["message"]


async def test_admin_key_is_in_no_log_line(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(store) as client:
        await get(client, "/api/admin/status")
        await client.get("/api/admin/status", headers={"Authorization": f"Bearer wrong-{KEY}"})
    assert KEY not in caplog.text


async def test_status_has_the_figures_of_queue_jobs_workers_dead_proxy_and_store(store: MemoryStore) -> None:
    await append(
        store,
        JOBS,
        job("a", 1000),
        job("b", 2000),
        job("c", 3_600_000),
        job("b", 4000),
        job("d", 9000),
        job("c", 7_200_000),
    )
    await append(store, PROGRESS_DONE, Receipt(cast_id("a"), EPOCH, 0, 1, 1, "w1"))
    await append(store, JOBS_DEAD, dead("b", 3))
    await append(store, JOBS_CURSOR, Cursor(1))
    await append(store, WORKERS, ANNOUNCED, LEASE)
    await store.append(output(cast_id("c")), [meta()])
    async with serving(store) as client:
        app = client.app
        assert app is not None
        async with asyncio.timeout(5):
            while app[LEDGER].unfinished != 2:
                await asyncio.sleep(0)
        held = await client.get(f"/api/casts/{cast_id('c')}/records?wait=30")
        await held.content.readany()
        body = await get(client, "/api/admin/status")
        kept_bytes = app[CHANNELS].statistics().kept_bytes
        held.close()
    (worker,) = body.pop("workers")
    assert body == {
        "queue": {"unfinished": 2, "oldest_at": "1970-01-01T01:00:00Z"},
        "jobs": {"tail": 6, "committed": 1},
        "dead": {"count": 1},
        "proxy": {"listeners": 1, "kept_bytes": kept_bytes, "channels": 1},
        "store": {"ok": True},
    }
    assert 0 <= worker.pop("seen_ms_ago") < 5000
    assert worker == {
        "name": "w1",
        "engine": "espeak",
        "label": "A fake voice",
        "alive": True,
        "active": 3,
        "unfinished": 4,
        "watermark": 2,
        "engine_speed": 85.5,
        "busy_share": 0.25,
        "casts": [
            {"id": "a" * 12, "lead_ms": None, "sentences_done": 0, "sentences": 9, "attempt": 1, "asap": True}
        ],
    }  # fmt: skip


async def test_status_of_an_empty_service_is_all_zeros(store: MemoryStore) -> None:
    async with serving(store) as client:
        assert await get(client, "/api/admin/status") == {
            "queue": {"unfinished": 0, "oldest_at": None},
            "jobs": {"tail": 0, "committed": 0},
            "workers": [],
            "dead": {"count": 0},
            "proxy": {"listeners": 0, "kept_bytes": 0, "channels": 0},
            "store": {"ok": True},
        }


async def test_status_while_the_store_is_away_says_so_and_shows_the_rest(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(store, JOBS, job("a"))
    await append(store, WORKERS, ANNOUNCED)

    async def away(stream: str) -> int:
        raise StoreUnavailable("away")

    async with serving(store) as client:
        monkeypatch.setattr(store, "tail", away)
        body = await get(client, "/api/admin/status")
        assert (body["store"], body["jobs"]) == ({"ok": False}, {"tail": None, "committed": None})
        assert (body["queue"]["unfinished"], len(body["workers"])) == (1, 1)
        answer = await client.get("/api/admin/dead", headers=ALLOWED)
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "store_unavailable")


def test_worker_is_alive_for_a_lease_and_listed_for_a_day() -> None:
    workers = Workers(lease_s=30.0)
    workers.take(Placed(0, 1000, ANNOUNCED))
    workers.take(Placed(1, 2000, Lease("w2", 1)))

    def seen(now_ms: int) -> list[tuple[object, object, object]]:
        return [(one["name"], one["alive"], one["seen_ms_ago"]) for one in workers.described(now_ms)]

    assert seen(500) == [("w1", True, 0), ("w2", True, 0)]  # a clock that is behind the store's
    assert seen(31_500) == [("w1", False, 30_500), ("w2", True, 29_500)]
    workers.take(Placed(2, 31_500, Lease("w1", 0)))
    assert seen(31_600)[0] == ("w1", True, 100)
    assert [name for name, _, _ in seen(2000 + 24 * 3600 * 1000)] == ["w1", "w2"]
    assert [name for name, _, _ in seen(2001 + 24 * 3600 * 1000)] == ["w1"]


async def test_dead_jobs_are_listed_newest_first_with_what_became_of_their_casts(store: MemoryStore) -> None:
    """One lies there, one was done since, one waits again, one failed again, one is gone, one was made anew."""
    for name, records in {
        "a": (*FAILED, fence("fail-0")),
        "b": (
            *FAILED,
            fence("fail-1"),
            fence("w-2"),
            encode(Start(2, 0, ())),
            encode(Eos(2, 0, 0, "")),
            fence("end-1"),
        ),
        "c": (*FAILED, fence("fail-2")),
        "d": (*FAILED, fence("fail-9")),
        "f": (*FAILED, fence("fail-5")),
        "g": (*FAILED, fence("fail-6"), fence("w-2"), encode(Start(2, 0, ()))),
    }.items():
        await store.append(output(cast_id(name)), [meta(Epoch("ffffffff") if name == "f" else EPOCH), *records])
    await append(store, JOBS, *(job(name) for name in "abcdefg"), job("c"))
    await append(store, JOBS_DEAD, *(dead(name, offset) for offset, name in enumerate("abcdefg")))
    async with serving(store) as client:
        listed = (await get(client, "/api/admin/dead"))["dead"]
    assert [(entry["id"][0], entry["since"]) for entry in listed] == [
        ("g", "retried"), ("f", "gone"), ("e", "gone"), ("d", "retried"), ("c", "retried"), ("b", "done"), ("a", None),
    ]  # fmt: skip
    oldest = listed[-1]
    at = time.strptime(oldest.pop("at"), "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(at) - time.mktime(time.gmtime())) < 10
    assert oldest == {
        "offset_of_record": 0,
        "id": "a" * 12,
        "epoch": EPOCH,
        "offset": 0,
        "reason": "engine_hung",
        "message": "It hung.",
        "worker": "w1",
        "since": None,
    }


async def test_dead_job_that_the_ledger_does_not_know_of_yet_was_not_retried(store: MemoryStore) -> None:
    await store.append(output(cast_id("a")), [meta(), *FAILED, fence("fail-0")])
    ledger = Ledger()
    ledger.take(Placed(0, 0, job("a")), JOBS)
    died = Dead(0, 0, dead("a", 0))
    assert await since_then(Casts(store, ledger), ledger, [died]) == [None]


async def test_dead_jobs_are_found_over_garbage_and_many_windows(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.dead.WINDOW", 4)
    for offset in range(11):
        await append(store, JOBS_DEAD, dead("a" if offset % 5 else "b", offset))
        if offset % 3 == 0:
            store.append_with_another_key(JOBS_DEAD)
    app = make_app(Settings(), store, KEY)
    async with TestClient(TestServer(app)) as client:

        async def offsets(query: str) -> list[int]:
            return [entry["offset"] for entry in (await get(client, f"/api/admin/dead{query}"))["dead"]]

        assert await offsets("") == list(range(10, -1, -1))
        assert await offsets("?limit=3") == [10, 9, 8]
        assert await offsets("?limit=0") == []
        assert await offsets(f"?id={cast_id('b')}") == [10, 5, 0]
        assert await offsets(f"?id={cast_id('c')}") == []
        for query in ("limit=-1", "limit=1001", "limit=x", "id=../x"):
            answer = await client.get(f"/api/admin/dead?{query}", headers=ALLOWED)
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_parameter")
