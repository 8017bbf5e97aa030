"""The whole service under test, as a user starts it: `streamtts up` on free ports of the loopback interface."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from casts.codec import decode
from casts.errors import InvalidRecord
from casts.fold import CastFold
from casts.frames import Frame, FrameDecoder
from casts.settings import Settings
from streams.key import read_key
from streams.s2 import S2Address, S2Store

T = TypeVar("T")

READY_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0

ROLES = {"s2": " lite ", "worker": " -m worker ", "proxy": " -m proxy ", "engine": " -m worker.engines."}
"""Words of a command line that tell the processes apart (design: each stands in no other one's)."""


def eventually(what: str, holds: Callable[[], T | None], deadline_s: float = 20.0) -> T:
    """Ask until the answer is truthy; fails with `what` at the deadline."""
    until = time.monotonic() + deadline_s
    while True:
        if answer := holds():
            return answer
        assert time.monotonic() < until, f"not in {deadline_s:g} s: {what}"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stack:
    """`streamtts up` with its own data folder. `settings` are names without their prefix: `comfort_s="5"`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._settings = {f"STREAMTTS_{name.upper()}": value for name, value in settings.items()}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.url = ""

    def start(self) -> "Stack":
        environ = {name: value for name, value in os.environ.items() if not name.startswith("STREAMTTS_")}
        environ |= {"STREAMTTS_S2_PORT": "0", "STREAMTTS_LOG": "text", **self._settings}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", "--port", "0", "--data", str(self.folder)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_lines, name="up's output", daemon=True)
        self._reader.start()
        try:
            self.url = eventually("streamtts up is ready", self._address, READY_DEADLINE_S)
        except AssertionError:
            self.stop()
            raise AssertionError("streamtts up did not become ready:\n" + "\n".join(self.lines[-40:])) from None
        return self

    def _read_lines(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _address(self) -> str | None:
        assert self._process is not None
        assert self._process.poll() is None, "streamtts up ended:\n" + "\n".join(self.lines[-40:])
        for line in self.lines:
            if line.startswith("StreamTTS is ready:"):
                return line.split()[-1]
        return None

    def stop(self) -> float:
        """SIGTERM as Ctrl-C would; returns the seconds it took. No process of the stack is left."""
        assert self._process is not None
        began = time.monotonic()
        left = self.pids()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        took = time.monotonic() - began
        if self._reader is not None:
            self._reader.join(STOP_DEADLINE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        eventually("no orphan is left", lambda: not any(_alive(pid) for pid in left.values()), 5.0)
        return took

    def __enter__(self) -> "Stack":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of `up` itself."""
        assert self._process is not None
        return self._process.pid

    def pids(self) -> dict[str, int]:
        """Role -> process id of each living process of this stack."""
        assert self._process is not None
        found: dict[str, int] = {}
        parents = _parents()
        for pid in parents:
            line = f" {_command_line(pid)} "
            for role, words in ROLES.items():
                if words in line and self._process.pid in _ancestors(pid, parents):
                    found[role] = pid
        return found

    def kill(self, role: str) -> int:
        """SIGKILL the process of a role, as a crash would end it; returns its id."""
        pid = eventually(f"a process of {role}", lambda: self.pids().get(role))
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, role: str, killed: int) -> int:
        """The id of the process that took the killed one's place."""
        return eventually(f"{role} restarted", lambda: ((new := self.pids().get(role)) != killed and new) or None, 30.0)

    def store(self) -> S2Store:
        """The store itself, past the proxy. To be used in one event loop and closed."""
        words = _command_line(eventually("S2-Lite runs", lambda: self.pids().get("s2"))).split()
        settings = Settings(data=self.folder)
        url = f"http://127.0.0.1:{words[words.index('--port') + 1]}"
        return S2Store(S2Address(url, settings.basin, "unused", read_key(settings), settings.retention_s))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own. Raises OSError or HTTPException where the proxy is not there."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), int(address.port or 80), timeout=45)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def submit(self, text: str, **fields: object) -> Answer:
        body = json.dumps({"text": text, **fields}).encode()
        return self.request("POST", "/api/casts", body, {"Content-Type": "application/json"})

    def submitted(self, text: str, **fields: object) -> str:
        """Submit what must be accepted; returns the cast's id."""
        answer = self.submit(text, **fields)
        assert answer.status in (200, 201), answer
        return str(answer.json["id"])

    def frames(self, cast_id: str, start: int = 0, wait_s: int = 0) -> list[Frame]:
        answer = self.get(f"/api/casts/{cast_id}/records?from={start}&wait={wait_s}")
        assert answer.status == 200, answer
        decoder = FrameDecoder()
        frames = decoder.feed(answer.body)
        assert decoder.pending_bytes == 0
        return frames

    def finished(self, cast_id: str, deadline_s: float = 60.0) -> list[Frame]:
        """All frames of a cast once it has ended."""
        eventually(
            f"cast {cast_id} ended",
            lambda: self.get(f"/api/casts/{cast_id}").json.get("state") in ("done", "failed"),
            deadline_s,
        )
        return self.frames(cast_id)


def fold_frames(frames: list[Frame]) -> tuple[CastFold, dict[int, bytes]]:
    """The fold of served frames, and the MP3 of each sentence that counts by its index."""
    fold, mp3s = CastFold(), {}
    for frame in frames:
        headers = tuple(
            (name.encode(), (json.dumps(value) if isinstance(value, list) else str(value)).encode())
            for name, value in frame.header.items()
            if name != "seq"
        )
        try:
            record = decode(headers, frame.body)
        except InvalidRecord as error:
            raise AssertionError(f"the proxy served what is no record: {frame.header}") from error
        fold.apply(frame.seq_num, record)
        if fold.sentences and fold.sentences[-1].seq_num == frame.seq_num:
            mp3s[fold.sentences[-1].index] = frame.body
    return fold, {sentence.index: mp3s[sentence.index] for sentence in fold.sentences}


def _command_line(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()


def _parents() -> dict[int, int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(status.rpartition(")")[2].split()[1])
    return parents


def _ancestors(pid: int, parents: Mapping[int, int]) -> list[int]:
    line = []
    while pid in parents and pid not in line:
        line.append(pid)
        pid = parents[pid]
    return line


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
