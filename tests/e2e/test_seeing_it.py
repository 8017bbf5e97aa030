"""The operator sees what runs and what has failed, and brings it back: commands, page and metrics on the real stack."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser

from casts.codec import Encoded, encode
from casts.ids import CastId, Epoch, content_id
from casts.names import JOBS, StreamName, catalog, output
from casts.private import Job, Recipe, encode_private
from casts.records import Meta
from streams.port import Acknowledged
from tests.e2e.pages import until
from tests.e2e.reading import check_complete
from tests.e2e.texts import some_sentences
from tests.s2_lite import free_port
from tests.stack import Stack, eventually, fold_frames

UNKNOWN_VOICE = "espeak/nobody"
VOICE = "espeak/en-us"


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, metrics_port: int) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "data"
    with Stack(folder, comfort_s="3", voice_grace_s="1", worker_metrics_port=str(metrics_port)) as running:
        yield running


def streamtts(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of another terminal: it knows the address and the data folder."""
    command = [sys.executable, "-m", "cli", *arguments, "--url", stack.url, "--data", str(stack.folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def asked(stack: Stack, *arguments: str) -> Any:
    answer = streamtts(stack, *arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def cast_in_work(stack: Stack, cast_id: str) -> dict[str, Any] | None:
    """The cast as a worker's lease has it, once something of it was spoken."""
    casts = [cast for worker in asked(stack, "status")["workers"] for cast in worker["casts"]]
    return next((cast for cast in casts if cast["id"] == cast_id and cast["sentences_done"]), None)


def append_to_store(stack: Stack, *placed: tuple[StreamName, Encoded]) -> None:
    """Past the proxy. In a thread of its own, as the browser's driver has a loop in this one."""

    async def append() -> None:
        store = stack.store()
        try:
            for stream, record in placed:
                assert isinstance(await store.append(stream, [record]), Acknowledged)
        finally:
            await store.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, append()).result()


def poisoned(stack: Stack, text: str) -> str:
    """A cast in a voice that nobody has, past the proxy, which would have refused it; returned once it is dead."""
    cast_id = content_id(text, UNKNOWN_VOICE)
    meta = Meta(Epoch("0a1b2c3d"), "Poisoned", UNKNOWN_VOICE, "en-US", "2026-01-01T00:00:00Z", text)
    recipe = Recipe(text, meta.voice, meta.title, meta.lang, meta.created, "")

    job = Job(cast_id, meta.epoch, int(time.time() * 1000), False)
    append_to_store(
        stack,
        (catalog(cast_id), encode_private(recipe)),
        (output(cast_id), encode(meta)),
        (JOBS, encode_private(job)),
    )
    eventually("the cast is dead", lambda: dead_entries(stack, cast_id))
    return cast_id


def mend(stack: Stack, cast_id: str, text: str) -> None:
    """Somebody offers a voice for it now: the worker goes by the recipe."""
    recipe = Recipe(text, VOICE, "Poisoned", "en-US", "2026-01-01T00:00:00Z", "")
    append_to_store(stack, (catalog(CastId(cast_id)), encode_private(recipe)))


def dead_entries(stack: Stack, cast_id: str) -> list[dict[str, Any]]:
    return [entry for entry in asked(stack, "dead", "list") if entry["id"] == cast_id]


def test_status_shows_a_cast_while_it_is_spoken(stack: Stack) -> None:
    text = some_sentences("to be seen", 8)
    cast_id = stack.submitted(text)
    cast = eventually("the cast is in a lease", lambda: cast_in_work(stack, cast_id))
    assert cast["lead_ms"] is not None
    assert (cast["attempt"], cast["asap"]) == (1, False)
    assert cast["sentences_done"] <= cast["sentences"] >= 8
    status = asked(stack, "status")
    (worker,) = status["workers"]
    assert (worker["alive"], worker["engine"], status["store"]) == (True, "espeak", {"ok": True})
    assert worker["engine_speed"] > 1
    assert status["queue"]["unfinished"] >= 1
    assert status["jobs"]["tail"] > status["jobs"]["committed"]
    table = streamtts(stack, "status")
    assert (table.returncode, table.stderr) == (0, "")
    assert f"\n{cast_id}  {worker['name']}" in table.stdout
    check_complete(stack.finished(cast_id), text)
    eventually("nothing is left", lambda: asked(stack, "status")["queue"]["unfinished"] == 0)


def test_admin_key_is_made_by_up_for_its_owner_and_said_nowhere(stack: Stack) -> None:
    path = stack.folder / "admin.key"
    key = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert stack.get("/api/admin/status", Authorization=f"Bearer {key}").status == 200
    assert stack.get("/api/admin/status", Authorization=f"Bearer {key[:-1]}x").status == 401
    assert key not in "\n".join(stack.lines)


def test_dead_shows_a_poisoned_cast_and_a_retry_that_succeeds_is_seen_as_done(stack: Stack) -> None:
    text = some_sentences("poisoned", 2)
    cast_id = poisoned(stack, text)
    (entry,) = dead_entries(stack, cast_id)
    assert (entry["reason"], entry["since"]) == ("voice_unavailable", None)
    shown = streamtts(stack, "dead", "show", cast_id)
    assert "Nobody offers this voice" in shown.stdout
    assert "state  failed" in shown.stdout

    again = streamtts(stack, "dead", "retry", cast_id)
    assert (again.returncode, again.stdout) == (0, f"{cast_id} is queued again: {stack.url}/c/{cast_id}\n")
    refused = streamtts(stack, "dead", "retry", cast_id)
    assert (refused.returncode, "has not failed" in refused.stderr) == (1, True)
    eventually("it failed again", lambda: len(dead_entries(stack, cast_id)) == 2)
    assert [entry["since"] for entry in dead_entries(stack, cast_id)] == [None, "retried"]

    mend(stack, cast_id, text)
    assert asked(stack, "dead", "retry", "--all") == {"retried": [cast_id], "refused": []}
    fold, _ = fold_frames(stack.finished(cast_id))  # in which the second `fail` counts for nothing
    assert (fold.ended, len(fold.sentences)) == ("eos", 2)
    assert [entry["since"] for entry in dead_entries(stack, cast_id)] == ["done", "done"]
    assert asked(stack, "dead", "retry", "--all") == {"retried": [], "refused": []}


@pytest.mark.browser
def test_try_again_on_the_page_of_a_failed_cast_goes_on_with_the_same_link(stack: Stack, browser: Browser) -> None:
    text = some_sentences("poisoned and seen", 2)
    cast_id = poisoned(stack, text)
    page = browser.new_page()
    page.goto(f"{stack.url}/c/{cast_id}")
    page.wait_for_selector("#failure:not([hidden])")
    mend(stack, cast_id, text)
    with page.expect_response(lambda answer: answer.request.method == "POST") as posted:
        page.click("#retry")
    assert (posted.value.url, posted.value.status) == (f"{stack.url}/api/casts/{cast_id}/retry", 200)
    until(page, "streamtts.ended === 'eos'")
    assert page.is_hidden("#failure")
    assert page.url == f"{stack.url}/c/{cast_id}"
    check_complete(stack.frames(cast_id), text)
    page.close()


def test_metrics_of_the_worker_are_served_beside_it(stack: Stack, metrics_port: int) -> None:
    cast_id = stack.submitted("Counted by the metrics.")
    stack.finished(cast_id)
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    figures = dict(line.rpartition(" ")[::2] for line in text.splitlines() if not line.startswith("#"))
    assert float(figures["streamtts_worker_first_audio_wait_seconds_count"]) >= 1
    assert float(figures["streamtts_worker_engine_busy_seconds_total"]) > 0
    assert float(figures['streamtts_worker_appends_total{outcome="acknowledged"}']) > 3
    assert cast_id not in text
