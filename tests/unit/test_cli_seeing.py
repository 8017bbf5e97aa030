"""`streamtts status` and `streamtts dead` against a server that answers from a script."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from casts.settings import settings_table
from cli.__main__ import main
from cli.status import status_lines
from cli.words import harmless, length, table
from tests.s2_lite import free_port

KEY = "the-admin-key-of-this-test"
NOW = datetime(2026, 11, 24, 21, 12, 43, tzinfo=UTC)
CAST = {"id": "MCKyuqVVXB-k", "lead_ms": 4180, "sentences_done": 9, "sentences": 40, "attempt": 2, "asap": False}
UNHEARD = {"id": "a" * 12, "lead_ms": None, "sentences_done": 0, "sentences": 7, "attempt": 1, "asap": True}
WORKER = {
    "name": "5f0c2b9e1d7a4c33", "engine": "espeak", "label": "eSpeak NG 1.52.0", "seen_ms_ago": 840, "alive": True,
    "active": 2, "unfinished": 3, "watermark": 125, "engine_speed": 88.4, "busy_share": 0.112, "casts": [UNHEARD, CAST],
}  # fmt: skip
LOST = {**WORKER, "name": "77aa", "label": None, "seen_ms_ago": 95_000, "alive": False, "engine_speed": None}
STATUS = {
    "queue": {"unfinished": 2, "oldest_at": "2026-11-24T21:12:31Z"}, "jobs": {"tail": 128, "committed": 125},
    "workers": [WORKER, LOST], "dead": {"count": 1},
    "proxy": {"listeners": 3, "kept_bytes": 81_920, "channels": 2}, "store": {"ok": True},
}  # fmt: skip
TABLE = """\
StreamTTS at http://127.0.0.1:8080

queue  2 unfinished casts, the first submitted 12 s ago
jobs   tail 128, watermark 125
dead   1   (streamtts dead list)
proxy  3 listeners, 2 live casts, 80 KiB kept for them
store  answers

worker            engine            state       seen  speed  busy  jobs  casts  watermark
5f0c2b9e1d7a4c33  eSpeak NG 1.52.0  alive  0.8 s ago  88.4x  11 %     3      2        125
77aa              -                 LOST    95 s ago      -     -     3      2        125

cast          worker             lead  sentences  attempt
aaaaaaaaaaaa  5f0c2b9e1d7a4c33      -        0/7        1  asap
MCKyuqVVXB-k  5f0c2b9e1d7a4c33  4.2 s       9/40        2"""


def entry(cast_id: str, since: str | None = None) -> dict[str, Any]:
    return {
        "offset_of_record": 7, "id": cast_id, "epoch": "22498640", "offset": 41, "reason": "engine_hung",
        "message": "It hung.\x1b[2J", "worker": "w1", "at": "2026-11-24T21:12:31Z", "since": since,
    }  # fmt: skip


def refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


@dataclass
class FakeApi:
    """Knows one key and a few casts; remembers what was asked."""

    url: str = ""
    dead: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    disabled: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path_qs}")
        if request.path.startswith("/api/admin/"):
            if self.disabled:
                return refused(403, "admin_disabled", "This proxy has no admin key.")
            if request.headers.get("Authorization") != f"Bearer {KEY}":
                return refused(401, "unauthorized", "This needs the admin key.")
            if request.path.endswith("/status"):
                return web.json_response(STATUS)
            wanted = request.query.get("id")
            found = [one for one in self.dead if wanted in (None, one["id"])]
            return web.json_response({"dead": found[: int(request.query["limit"])]})
        assert "Authorization" not in request.headers, "the key goes where it is not needed"
        return self.cast(request)

    def cast(self, request: web.Request) -> web.Response:
        cast_id = request.path.split("/")[3]
        state = self.states.get(cast_id)
        if state is None:
            return refused(404, "cast_not_found", "There is no cast of this name.")
        if request.path.endswith("/retry"):
            if state != "failed":
                return refused(409, "not_failed", f"It is {state}.")
            state = self.states[cast_id] = "queued"
        error = {"code": "engine_hung", "message": "It hung."} if state == "failed" else None
        facts = {"title": "A title", "voice": "espeak/en-us", "sentences": 40, "sentences_done": 9, "error": error}
        return web.json_response({"id": cast_id, "state": state, "url": f"{self.url}/c/{cast_id}", **facts})


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    fake = FakeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    async with TestServer(app) as server:
        fake.url = str(server.make_url("")).rstrip("/")
        yield fake


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # pytest's own handlers stay
    for name, _, _ in settings_table():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STREAMTTS_DATA", str(tmp_path))
    (tmp_path / "admin.key").write_text(KEY + "\n")


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


def test_status_is_a_table_that_a_person_can_read() -> None:
    assert "\n".join(status_lines("http://127.0.0.1:8080", STATUS, NOW)) == TABLE


def test_status_of_a_service_without_workers_and_store_says_so() -> None:
    bare = {
        "queue": {"unfinished": 0, "oldest_at": None}, "jobs": {"tail": None, "committed": None}, "workers": [],
        "dead": {"count": 0}, "proxy": {"listeners": 1, "kept_bytes": 0, "channels": 1}, "store": {"ok": False},
    }  # fmt: skip
    assert status_lines("http://h", bare, NOW)[2:] == [
        "queue  0 unfinished casts",
        "jobs   unknown",
        "dead   0",
        "proxy  1 listener, 1 live cast, 0 bytes kept for them",
        "store  DOES NOT ANSWER",
        "",
        "no worker has given a sign of life in the last day",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0.0 s"), (0.84, "0.8 s"), (12.4, "12 s"), (119, "119 s"), (180, "3 min"), (7300, "2 h"), (400_000, "5 d")],
)
def test_length_is_as_exact_as_it_needs_to_be(seconds: float, said: str) -> None:
    assert length(seconds) == said


def test_table_obeys_no_control_characters() -> None:
    assert table(("a", ">b"), [("x\x1b[2J\n", 10), ("long one", 9)]) == ["a          b", "x�[2J�    10", "long one   9"]
    assert harmless("ä 漢 \x07") == "ä 漢 �"


async def test_status_asks_with_the_key_of_the_data_folder(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("status", "--url", api.url + "/") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"StreamTTS at {api.url}"
    assert lines[1:2] + lines[3:] == TABLE.splitlines()[1:2] + TABLE.splitlines()[3:]
    assert lines[2].startswith("queue  2 unfinished casts, the first submitted ")
    assert api.asked == ["GET /api/admin/status"]


async def test_status_for_programs_is_the_answer_itself(
    api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMTTS_PORT", api.url.rpartition(":")[2])
    assert await run("status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == STATUS


@pytest.mark.parametrize("command", [("status",), ("dead", "list"), ("dead", "retry", "--all")])
async def test_wrong_key_is_one_line_and_1(
    api: FakeApi, command: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMTTS_ADMIN_KEY", "another-key-of-another-place")
    assert await run(*command, "--url", api.url) == 1
    said = capsys.readouterr().err
    assert f"{api.url} has another admin key" in said
    assert "STREAMTTS_ADMIN_KEY" in said
    assert said.count("\n") == 1
    assert "another-key" not in said


async def test_no_key_is_usage_and_asks_nobody(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("status", "--url", api.url, "--data", str(tmp_path / "empty")) == 2
    assert f"{tmp_path}/empty/admin.key does not exist" in capsys.readouterr().err
    assert api.asked == []


async def test_proxy_without_a_key_is_quoted(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.disabled = True
    assert await run("status", "--url", api.url) == 1
    assert capsys.readouterr().err == "streamtts: This proxy has no admin key.\n"


@pytest.mark.parametrize("command", [("status",), ("dead", "list"), ("dead", "show", "a" * 12)])
async def test_not_running_is_said_with_what_to_do(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert await run(*command, "--url", url) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"streamtts: nothing listens at {url}: start StreamTTS with `streamtts up`")
    assert said.count("\n") == 1


async def test_another_server_is_not_taken_for_ours(capsys: pytest.CaptureFixture[str]) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<p>hello")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    async with TestServer(app) as server:
        assert await run("status", "--url", str(server.make_url(""))) == 1
    assert "is not StreamTTS (status 200)" in capsys.readouterr().err


async def test_redirect_takes_the_key_nowhere(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{api.url}{request.path_qs}")

    app = web.Application()
    app.router.add_get("/{path:.*}", elsewhere)
    async with TestServer(app) as server:
        assert await run("status", "--url", str(server.make_url(""))) == 1
    assert "is not StreamTTS (status 302)" in capsys.readouterr().err
    assert api.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "--url", "ftp://x"], "is no address such as"),
        (["status", "--url", "http://x:port"], "is no address such as"),
        (["status", "--port-of-mine"], None),
        (["dead"], None),
        (["dead", "list", "--limit", "0"], None),
        (["dead", "retry"], None),
        (["dead", "retry", "a" * 12, "--all"], None),
        (["dead", "show", "../secrets"], "is no id of a cast"),
    ],
)
async def test_wrong_usage_is_2(arguments: list[str], said: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = await run(*arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert (said or "usage: ") in capsys.readouterr().err


async def test_free_port_of_the_settings_needs_an_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMTTS_PORT", "0")
    assert await run("status") == 2
    assert "--url" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("status",), ("dead",), ("dead", "list"), ("dead", "show"), ("dead", "retry")])
def test_help_has_examples(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  streamtts {command[0]}" in capsys.readouterr().out


async def test_dead_list_has_a_line_each(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("dead", "list", "--url", api.url) == 0
    assert capsys.readouterr().out == "no dead jobs\n"
    api.dead = [entry("a" * 12), entry("b" * 12, "done")]
    assert await run("dead", "list", "--limit", "5", "--url", api.url) == 0
    assert capsys.readouterr().out.splitlines() == [
        "died                     cast          job  reason       since then  message",
        "2026-11-24 21:12:31 UTC  aaaaaaaaaaaa   41  engine_hung  -           It hung.�[2J",
        "2026-11-24 21:12:31 UTC  bbbbbbbbbbbb   41  engine_hung  done        It hung.�[2J",
    ]
    assert api.asked[-1] == "GET /api/admin/dead?limit=5"
    assert await run("dead", "list", "--json", "--url", api.url) == 0
    assert json.loads(capsys.readouterr().out) == api.dead


async def test_dead_show_has_the_cast_and_its_dead_jobs(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.dead, api.states = [entry("a" * 12), entry("b" * 12)], {"a" * 12: "failed"}
    assert await run("dead", "show", f"{api.url}/c/{'a' * 12}", "--url", api.url) == 0
    shown = capsys.readouterr().out
    assert "title  A title\n" in shown
    assert "state  failed, 9 of 40 sentences\n" in shown
    assert shown.count("engine_hung") == 1
    assert await run("dead", "show", "b" * 12, "--json", "--url", api.url) == 0
    assert json.loads(capsys.readouterr().out) == {"cast": None, "dead": [entry("b" * 12)]}
    assert await run("dead", "show", "c" * 12, "--url", api.url) == 1
    assert "there is no dead job of cccccccccccc" in capsys.readouterr().err


async def test_dead_retry_brings_a_cast_back(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.states = {"a" * 12: "failed"}
    assert await run("dead", "retry", "a" * 12, "--url", api.url) == 0
    assert capsys.readouterr().out == f"aaaaaaaaaaaa is queued again: {api.url}/c/aaaaaaaaaaaa\n"
    assert api.asked == ["POST /api/casts/aaaaaaaaaaaa/retry"]
    assert await run("dead", "retry", "a" * 12, "--url", api.url) == 1
    assert capsys.readouterr().err == "streamtts: It is queued.\n"


async def test_dead_retry_all_takes_each_cast_once_and_only_those_that_lie_there(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c, d = ("a" * 12, "b" * 12, "c" * 12, "d" * 12)
    api.dead = [entry(a), entry(b, "done"), entry(a), entry(c), entry(d, "retried")]
    api.states = {a: "failed", b: "done", c: "speaking", d: "failed"}
    assert await run("dead", "retry", "--all", "--url", api.url) == 0
    assert capsys.readouterr().out == f"{a}  queued again\n"  # c was retried by somebody else in between
    assert [path for path in api.asked if path.startswith("POST")] == [
        f"POST /api/casts/{a}/retry", f"POST /api/casts/{c}/retry",
    ]  # fmt: skip
    api.dead = []
    assert await run("dead", "retry", "--all", "--url", api.url) == 0
    assert capsys.readouterr().out == "nothing to retry\n"


async def test_dead_retry_all_with_a_refusal_goes_on_and_ends_with_1(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.dead, api.states = [entry("a" * 12), entry("b" * 12)], {"b" * 12: "failed"}
    assert await run("dead", "retry", "--all", "--json", "--url", api.url) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "retried": ["b" * 12],
        "refused": [{"id": "a" * 12, "code": "cast_not_found", "message": "There is no cast of this name."}],
    }
    assert said.err == "streamtts: 1 cast could not be retried\n"


async def watching(api: FakeApi, *arguments: str, stdout: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "status", "--watch", "--url", api.url, *arguments,
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": "60"},
    )  # fmt: skip


async def ended_by_ctrl_c(process: asyncio.subprocess.Process) -> tuple[int | None, bytes]:
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(process.communicate(), 10)
    return process.returncode, said


async def test_watch_for_programs_is_a_line_a_look_until_ctrl_c(api: FakeApi) -> None:
    process = await watching(api, "--json", stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(20):
        looks = [json.loads(await process.stdout.readline()) for _ in range(2)]
    assert looks == [STATUS, STATUS]
    assert await ended_by_ctrl_c(process) == (0, b"")


async def test_watch_draws_over_itself_within_the_width_of_the_terminal(api: FakeApi) -> None:
    ours, theirs = pty.openpty()
    process = await watching(api, stdout=theirs)
    os.close(theirs)
    shown = b""
    async with asyncio.timeout(20):
        while shown.count(b"\x1b[H") < 2:
            shown += await asyncio.to_thread(os.read, ours, 65_536)
    assert await ended_by_ctrl_c(process) == (0, b"")
    os.close(ours)
    first = shown.decode().split("\x1b[H")[1]
    assert first.endswith("\x1b[J")
    lines = first.removesuffix("\x1b[J").split("\x1b[K\r\n")
    assert lines[0] == f"StreamTTS at {api.url}"
    assert max(map(len, lines)) == 59


async def test_watch_waits_for_a_proxy_that_is_away(api: FakeApi) -> None:
    away = FakeApi(url=f"http://127.0.0.1:{free_port()}")
    process = await watching(away, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(20):
        for _ in range(2):
            assert (await process.stdout.readline()).startswith(b"nothing listens at")
    assert await ended_by_ctrl_c(process) == (0, b"")
