"""The proxy's application on the in-memory store: errors, headers, origins, readiness, held-open reads."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from casts.codec import Encoded, encode
from casts.frames import Frame, FrameDecoder
from casts.ids import CastId, Epoch
from casts.names import JOBS, JOBS_CURSOR, JOBS_DEAD, WORKERS, StreamName, catalog, output
from casts.plan import Planned
from casts.private import (
    Announcement,
    Cursor,
    DeadJob,
    Gone,
    Job,
    Lease,
    OfferedVoice,
    Recipe,
    decode_private,
    encode_private,
)
from casts.records import Audio, Eos, Fail, Meta, Start
from casts.settings import Settings
from proxy.app import make_app
from proxy.keys import CHANNELS, LEDGER, VOICES
from streams.memory import MemoryStore
from streams.port import Entry, StoreUnavailable, fence

VOICE = OfferedVoice("espeak/en-us", "English (America)", "en-US", "English", None, True)
ANNOUNCED = Announcement("w1", "espeak", "1", "A fake voice", None, VOICE.id, (VOICE,), ("f3",))
PLAN = (Planned(0, 4, 100), Planned(5, 9, 100))
META = Meta(Epoch("0a1b2c3d"), "A title", VOICE.id, "en-US", "2026-01-01T00:00:00Z", "Some text.")
RECIPE = Recipe("Some text.", VOICE.id, "A title", "en-US", META.created, "")
CAST_ID = CastId("abcdefghijkl")
STREAM = output(CAST_ID)

Client = TestClient[web.Request, web.Application]


def app_of(client: Client) -> web.Application:
    app = client.app
    assert app is not None
    return app


@asynccontextmanager
async def serving(store: MemoryStore, *, announced: bool = True) -> AsyncIterator[Client]:
    await store.ensure()
    if announced:
        await store.append(WORKERS, [encode_private(ANNOUNCED), encode_private(Lease("w1", 0))])
    async with TestClient(TestServer(make_app(Settings(max_text_bytes=2000), store))) as client:
        async with asyncio.timeout(5):
            while announced and not app_of(client)[VOICES].announcements():
                await asyncio.sleep(0)
        yield client


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def audio(index: int) -> Audio:
    return Audio(index, 1, 24, 576, "text", (), b"x" * 192)


async def started_cast(store: MemoryStore) -> None:
    await store.append(STREAM, [encode(META), fence("w1-1"), encode(Start(1, 0, PLAN)), encode(audio(0))])


def frames_of(body: bytes) -> list[Frame]:
    return FrameDecoder().feed(body)


SUBMIT_HEADERS = [
    pytest.param({}, 201, id="a program"),
    pytest.param({"Sec-Fetch-Site": "same-origin"}, 201, id="our page"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="another site"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="another host of the same site"),
    pytest.param({"Origin": "https://evil.example"}, 403, id="another origin, older browser"),
    pytest.param({"Origin": "null"}, 403, id="a sandboxed page"),
]


@pytest.mark.parametrize(("headers", "status"), SUBMIT_HEADERS)
async def test_pages_of_other_sites_cannot_submit(store: MemoryStore, headers: dict[str, str], status: int) -> None:
    async with serving(store) as client:
        response = await client.post("/api/casts", json={"text": "A text."}, headers=headers)
        assert response.status == status
        form = await client.post("/", data={"text": "A text."}, headers=headers, allow_redirects=False)
        assert form.status == (303 if status == 201 else 403)


async def test_own_origin_of_an_older_browser_may_submit(store: MemoryStore) -> None:
    async with serving(store) as client:
        origin = str(client.make_url("/")).rstrip("/")
        response = await client.post("/api/casts", json={"text": "A text."}, headers={"Origin": origin})
        assert response.status == 201


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/casts/x", "/api/voices", "/healthz", "/c/abcdefghijkl"])
async def test_every_answer_has_the_security_headers(store: MemoryStore, path: str) -> None:
    async with serving(store) as client:
        response = await client.get(path, headers={"Accept": "text/html"})
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "microphone" not in response.headers["Permissions-Policy"]
        assert response.headers["X-Request-Id"]


async def test_unexpected_error_is_500_in_the_shape_and_tells_nothing(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(store) as client:

        async def broken(stream: str) -> None:
            raise RuntimeError("the secret inside")

        monkeypatch.setattr(store, "last", broken)
        response = await client.get(f"/api/casts/{CAST_ID}")
        body = await response.json()
    assert response.status == 500
    assert set(body["error"]) == {"message", "type", "code", "param", "request_id"}
    assert body["error"]["code"] == "internal_error"
    assert "secret" not in str(body)
    assert "the secret inside" in caplog.text


async def test_store_that_does_not_answer_is_503_with_retry_after(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(store) as client:

        async def away(stream: str) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(store, "last", away)
        response = await client.get(f"/api/casts/{CAST_ID}")
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert (await response.json())["error"]["code"] == "store_unavailable"


async def test_submit_before_any_worker_is_503(store: MemoryStore) -> None:
    async with serving(store, announced=False) as client:
        response = await client.post("/api/casts", json={"text": "A text."})
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "no_worker"
        ready = await client.get("/readyz")
        assert (ready.status, (await ready.json())["reasons"]) == (503, ["no worker has reported lately"])
        assert (await client.get("/healthz")).status == 200


async def test_announcement_that_is_a_day_old_counts_no_more(store: MemoryStore) -> None:
    async with serving(store) as client:
        assert (await client.get("/readyz")).status == 200
        voices = app_of(client)[VOICES]
        voices._now_ms = lambda: int(time.time() * 1000) + 25 * 3600 * 1000
        assert (await client.get("/readyz")).status == 503
        assert (await (await client.get("/api/voices")).json())["voices"] == []


async def test_static_files_are_immutable_under_their_hash_only(store: MemoryStore) -> None:
    async with serving(store) as client:
        html = await (await client.get("/")).text()
        prefix = html.partition('src="/static/')[2].partition("/")[0]
        found = await client.get(f"/static/{prefix}/home.js")
        assert found.status == 200
        assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert found.headers["Access-Control-Allow-Origin"] == "*"
        assert found.content_type == "text/javascript"
        for path in ("/static/000000000000/home.js", f"/static/{prefix}/../proxy/app.py", f"/static/{prefix}/no.js"):
            assert (await client.get(path)).status == 404


async def test_read_without_wait_ends_at_the_tail_and_its_cursor_goes_on(store: MemoryStore) -> None:
    await started_cast(store)
    async with serving(store) as client:
        response = await client.get(f"/api/casts/{CAST_ID}/records")
        frames = frames_of(await response.read())
        assert [frame.seq_num for frame in frames] == [0, 2, 3]
        assert (response.headers["Cast-Epoch"], response.headers["Cast-State"]) == ("0a1b2c3d", "speaking")
        rest = await client.get(f"/api/casts/{CAST_ID}/records?from=4")
        assert (rest.status, await rest.read()) == (200, b"")
        assert (await client.get(f"/api/casts/{CAST_ID}/records?from=5")).status == 416
        assert (await client.get(f"/api/casts/{CAST_ID}/records?v=ffffffff")).status == 410


async def test_held_open_read_gives_each_record_as_it_comes_and_ends_with_the_cast(store: MemoryStore) -> None:
    await started_cast(store)
    async with serving(store) as client:
        response = await client.get(f"/api/casts/{CAST_ID}/records?from=4&wait=30")
        decoder = FrameDecoder()
        await store.append(STREAM, [encode(audio(1))])
        assert [frame.header["i"] for frame in decoder.feed(await response.content.readany())] == [1]
        await store.append(STREAM, [encode(Eos(1, 2, 48, "d")), fence("end-1")])
        async with asyncio.timeout(5):
            assert [frame.header["e"] for frame in decoder.feed(await response.read())] == ["eos"]
        again = await client.get(f"/api/casts/{CAST_ID}/records?from=7&wait=30")
        async with asyncio.timeout(5):
            assert await again.read() == b""


async def test_held_open_read_of_a_failed_cast_ends_unless_a_newer_job_waits(store: MemoryStore) -> None:
    await started_cast(store)
    await store.append(STREAM, [encode(Fail(1, "engine_hung", "It hung.")), fence("fail-0")])
    async with serving(store) as client:
        async with asyncio.timeout(5):
            response = await client.get(f"/api/casts/{CAST_ID}/records?from=6&wait=30")
            assert (response.headers["Cast-State"], await response.read()) == ("failed", b"")
        jobs = [Job(CAST_ID, META.epoch, 0, False)] * 2
        await store.append(JOBS, [encode_private(job) for job in jobs])
        await store.append(JOBS_DEAD, [encode_private(DeadJob(jobs[0].id, META.epoch, 0, "r", "m", "w1"))])
        ledger = app_of(client)[LEDGER]
        await ledger.wait_for(lambda: ledger.next_job == 2)
        held = await client.get(f"/api/casts/{CAST_ID}/records?from=6&wait=30")
        assert held.headers["Cast-State"] == "queued"
        await store.append(STREAM, [fence("w1-2"), encode(Start(2, 1, ()))])
        (start,) = frames_of(await held.content.readany())
        assert (start.header["e"], start.header["i"]) == ("start", 1)
        held.close()


async def test_client_that_leaves_while_it_waits_is_noticed(store: MemoryStore) -> None:
    await started_cast(store)
    async with serving(store) as client:
        response = await client.get(f"/api/casts/{CAST_ID}/records?from=4&wait=30")
        channels = app_of(client)[CHANNELS]
        assert channels.statistics().listeners == 1
        response.close()
        async with asyncio.timeout(5):
            while channels.statistics().listeners:
                await asyncio.sleep(0.001)


async def test_shutdown_ends_held_reads_at_once(store: MemoryStore) -> None:
    await started_cast(store)
    async with serving(store) as client:
        response = await client.get(f"/api/casts/{CAST_ID}/records?from=4&wait=30")
        began = time.monotonic()
        await client.server.close()
        assert time.monotonic() - began < 2
        assert await response.read() == b""


async def test_status_of_a_failed_cast_says_why(store: MemoryStore) -> None:
    await started_cast(store)
    await store.append(STREAM, [encode(Fail(1, "engine_hung", "It hung.")), fence("fail-0")])
    async with serving(store) as client:
        body = await (await client.get(f"/api/casts/{CAST_ID}")).json()
        assert (body["state"], body["error"]) == ("failed", {"code": "engine_hung", "message": "It hung."})
        assert (body["sentences"], body["sentences_done"], body["duration_ms"]) == (2, 1, 24)
        assert (await client.get(f"/api/casts/{CAST_ID}/audio.mp3")).status == 409


async def failed_cast(store: MemoryStore) -> None:
    """Job 0 has failed after one sentence of two."""
    await store.append(catalog(CAST_ID), [encode_private(RECIPE)])
    await store.append(JOBS, [encode_private(Job(CAST_ID, META.epoch, 0, False))])
    await started_cast(store)
    await store.append(STREAM, [encode(Fail(1, "engine_hung", "It hung.")), fence("fail-0")])
    await store.append(JOBS_DEAD, [encode_private(DeadJob(CAST_ID, META.epoch, 0, "engine_hung", "It hung.", "w1"))])


async def jobs(store: MemoryStore) -> int:
    return len(await store.read(JOBS, 0))


async def test_retry_of_a_failed_cast_appends_a_job_and_describes_it_as_queued(store: MemoryStore) -> None:
    await failed_cast(store)
    async with serving(store) as client:
        response = await client.post(f"/api/casts/{CAST_ID}/retry")
        body = await response.json()
        assert (response.status, body["id"], body["state"], body["error"]) == (200, CAST_ID, "queued", None)
        assert await jobs(store) == 2
        again = await client.post(f"/api/casts/{CAST_ID}/retry")
        assert (again.status, (await again.json())["error"]["code"]) == (409, "not_failed")
        assert await jobs(store) == 2


@pytest.mark.parametrize(
    ("records", "state"),
    [
        pytest.param([], "queued", id="queued"),
        pytest.param([fence("w1-1"), encode(Start(1, 0, PLAN))], "speaking", id="speaking"),
        pytest.param(
            [fence("w1-1"), encode(Start(1, 0, ())), encode(Eos(1, 0, 0, "")), fence("end-1")], "done", id="done"
        ),
    ],
)
async def test_retry_of_a_cast_that_has_not_failed_is_409(
    store: MemoryStore, records: list[Encoded], state: str
) -> None:
    await store.append(STREAM, [encode(META), *records])
    async with serving(store) as client:
        response = await client.post(f"/api/casts/{CAST_ID}/retry")
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["type"]) == (409, "not_failed", "conflict_error")
    assert state in error["message"]
    assert await jobs(store) == 0


@pytest.mark.parametrize("cast_id", [CAST_ID, "no-id"])
async def test_retry_of_no_cast_is_404(store: MemoryStore, cast_id: str) -> None:
    async with serving(store) as client:
        response = await client.post(f"/api/casts/{cast_id}/retry")
        assert (response.status, (await response.json())["error"]["code"]) == (404, "cast_not_found")


async def test_retry_of_a_cast_that_is_being_deleted_is_503(store: MemoryStore) -> None:
    await failed_cast(store)
    await store.append(catalog(CAST_ID), [encode_private(Gone(1))])
    async with serving(store) as client:
        response = await client.post(f"/api/casts/{CAST_ID}/retry")
        assert (response.status, (await response.json())["error"]["code"]) == (503, "being_deleted")
    assert await jobs(store) == 1


@pytest.mark.parametrize(("headers", "status"), SUBMIT_HEADERS)
async def test_pages_of_other_sites_cannot_retry(store: MemoryStore, headers: dict[str, str], status: int) -> None:
    await failed_cast(store)
    async with serving(store) as client:
        response = await client.post(f"/api/casts/{CAST_ID}/retry", headers=headers)
        assert response.status == (200 if status == 201 else 403)
    assert await jobs(store) == (2 if status == 201 else 1)


async def test_strangers_record_behind_the_seal_does_not_reopen_a_done_cast(store: MemoryStore) -> None:
    await started_cast(store)
    await store.append(STREAM, [encode(audio(1)), encode(Eos(1, 2, 48, "d")), fence("end-1")])
    store.append_with_another_key(STREAM)
    async with serving(store) as client:
        assert (await (await client.get(f"/api/casts/{CAST_ID}")).json())["state"] == "done"
        frames = frames_of(await (await client.get(f"/api/casts/{CAST_ID}/records")).read())
        assert [frame.header["e"] for frame in frames] == ["meta", "start", "audio", "audio", "eos"]


async def test_jobs_below_the_committed_cursor_are_not_in_flight(store: MemoryStore) -> None:
    """Their receipts may be trimmed before they are: a proxy that starts late must not wait for them."""
    await store.ensure()
    job = encode_private(Job(CAST_ID, META.epoch, 0, False))
    await store.append(JOBS, [job, job])
    await store.append(JOBS_CURSOR, [encode_private(Cursor(1))])
    async with serving(store) as client:
        ledger = app_of(client)[LEDGER]
        await ledger.wait_for(lambda: ledger.next_job == 2)
        pending = ledger.pending(CAST_ID, META.epoch)
        assert pending is not None
        assert (pending.first, ledger.unfinished) == (1, 1)


async def test_download_of_a_live_cast_follows_it_and_makes_its_job_urgent(store: MemoryStore) -> None:
    async with serving(store) as client:
        await store.append(JOBS, [encode_private(Job(CAST_ID, META.epoch, 0, False))])
        await started_cast(store)
        response = await client.get(f"/api/casts/{CAST_ID}/audio.mp3")
        assert await response.content.readexactly(192) == audio(0).mp3
        await store.append(STREAM, [encode(audio(1)), encode(Eos(1, 2, 48, "d")), fence("end-1")])
        async with asyncio.timeout(5):
            assert await response.read() == audio(1).mp3
    jobs = [decode_private(entry.headers, entry.body) for entry in await store.read(JOBS, 0)]
    assert [job.asap for job in jobs if isinstance(job, Job)] == [False, True]


async def test_download_of_a_cast_that_fails_is_cut_and_never_passes_for_the_whole(store: MemoryStore) -> None:
    async with serving(store) as client:
        await store.append(JOBS, [encode_private(Job(CAST_ID, META.epoch, 0, True))])
        await started_cast(store)
        response = await client.get(f"/api/casts/{CAST_ID}/audio.mp3")
        await response.content.readexactly(192)
        await store.append(STREAM, [encode(Fail(1, "engine_hung", "It hung.")), fence("fail-0")])
        with pytest.raises(ClientPayloadError):
            async with asyncio.timeout(5):
                await response.read()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(b"text=\xff\xfe", "application/x-www-form-urlencoded; charset=utf-8", id="not UTF-8"),
        pytest.param(b"text=x", "application/x-www-form-urlencoded; charset=klingon", id="unknown charset"),
        pytest.param(b"text=x", "multipart/form-data", id="no boundary"),
    ],
)
async def test_form_that_cannot_be_read_is_a_400(store: MemoryStore, body: bytes, kind: str) -> None:
    async with serving(store) as client:
        response = await client.post("/", data=body, headers={"Content-Type": kind})
        assert response.status == 400


async def test_body_that_does_not_decompress_is_a_400(store: MemoryStore) -> None:
    async with serving(store) as client:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        response = await client.post(
            "/api/casts", data=b"no gzip", headers=headers, skip_auto_headers=["Content-Encoding"]
        )
        assert response.status == 400


async def test_form_without_a_worker_keeps_the_text_and_says_when_to_come_back(store: MemoryStore) -> None:
    async with serving(store, announced=False) as client:
        response = await client.post("/", data={"text": "My long text."})
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert "My long text." in await response.text()


async def test_record_of_an_unknown_kind_that_makes_no_frame_is_skipped_by_every_reader(store: MemoryStore) -> None:
    await started_cast(store)
    strange = Encoded(((b"e", b"chapter"), (b"w", b"no json")), b"")
    huge = Encoded(((b"e", b"chapter"), (b"x", b"y" * 70_000)), b"")
    await store.append(STREAM, [strange, huge])
    async with serving(store) as client:
        response = await client.get(f"/api/casts/{CAST_ID}/records?wait=30")
        decoder = FrameDecoder()
        frames: list[Frame] = []
        while len(frames) < 3:
            frames += decoder.feed(await response.content.readany())
        await store.append(STREAM, [strange, huge, encode(audio(1))])
        assert [f.header["e"] for f in decoder.feed(await response.content.readany())] == ["audio"]
        response.close()


async def test_download_of_a_cast_that_ends_just_after_it_was_read_is_whole(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end lands between the read up to the tail and the look whether anything will follow."""
    await started_cast(store)
    async with serving(store) as client:
        await store.append(JOBS, [encode_private(Job(CAST_ID, META.epoch, 0, True))])
        real, looks = store.last, 0

        async def last(stream: StreamName) -> Entry | None:
            nonlocal looks
            looks += stream == STREAM
            if looks == 3:  # the state, the job, and then whether it goes on
                store.append_now(STREAM, [encode(audio(1)), encode(Eos(1, 2, 48, "d")), fence("end-1")])
            return await real(stream)

        monkeypatch.setattr(store, "last", last)
        async with asyncio.timeout(5):
            response = await client.get(f"/api/casts/{CAST_ID}/audio.mp3")
            assert await response.read() == audio(0).mp3 + audio(1).mp3
        assert looks >= 3
