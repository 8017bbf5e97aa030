"""`streamtts up` as a process: with small programs in the place of S2-Lite, worker and proxy, and with the real
S2-Lite."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casts.settings import Settings, settings_table
from cli.ports import PortUnavailable
from cli.progress import Progress
from cli.s2_binary import get_s2_binary
from cli.up import _choose_ports, is_plain_loopback
from tests.unit.test_supervisor import alive

ROOT = Path(__file__).parents[2]
DEADLINE_S = 15.0

# Runs the real command on fake services: only where their code lies, and how long is waited, is changed.
UP = """
import sys
from pathlib import Path
import cli.up
from cli.__main__ import main
cli.up.CODE_ROOT = Path(sys.argv[1])
cli.up.READY_S = float(sys.argv[2])
sys.argv[1:] = sys.argv[3:]
sys.exit(main())
"""
FAKE_HTTP = """
import http.server, json, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = answer(self.path)
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

def serve(port):
    print("pid", os.getpid(), flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
FAKE_S2 = f"""#!{sys.executable} -S
import sys
if sys.argv[1] == "--version":
    print("s2 0.43.4 (rev 0, via cargo)")
    sys.exit()
{FAKE_HTTP}
def answer(path):
    return 200, "OK"
print("argv", json.dumps(sys.argv[1:]), flush=True)
serve(int(sys.argv[sys.argv.index("--port") + 1]))
"""
FAKE_WORKER = """
import json, os, signal
names = [name for name in os.environ if name.startswith("STREAMTTS_")]
print("env", json.dumps({name: os.environ[name] for name in names}), flush=True)
print("pid", os.getpid(), flush=True)
signal.pause()
"""
FAKE_PROXY = f"""
{FAKE_HTTP}
looks = 0
def answer(path):
    global looks
    if path == "/api/voices":
        return 200, {{"engine_label": "eSpeak NG 1.52.0", "notice": "a neural voice: make run ENGINE=kokoro"}}
    looks += 1
    if looks < READY_AT:
        return 503, {{"reasons": ["no worker has announced itself"]}}
    return 200, {{}}
serve(int(os.environ["STREAMTTS_PORT"]))
"""


class Up:
    """A running `up` whose output is collected by a thread."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def match(self, pattern: str) -> re.Match[str] | None:
        return next((match for line in list(self.lines) if (match := re.search(pattern, line))), None)

    def until(self, pattern: str) -> re.Match[str]:
        wait_until(lambda: self.match(pattern) is not None or self.process.poll() is not None, self)
        match = self.match(pattern)
        assert match, self.lines
        return match

    def pid_of(self, name: str) -> int:
        return int(self.until(rf"^{name} +\| pid (\d+)$")[1])

    def stop(self, number: signal.Signals) -> float:
        """Seconds until it had ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(DEADLINE_S)
        took_s = time.monotonic() - began
        self._reader.join(DEADLINE_S)
        return took_s


def wait_until(condition: Callable[[], bool], up: Up | None = None) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends, up.lines if up else "the condition did not come"
        time.sleep(0.005)


class Place:
    """A folder with fake services, a PATH, a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = folder / "code"
        self.bin = folder / "bin"
        self.data = folder / "data"
        self.write("bin/s2", FAKE_S2).chmod(0o755)
        self.write("code/worker/__main__.py", FAKE_WORKER)
        self.proxy_is_ready_at(3)
        ours = [name for name, _, _ in settings_table()]
        self.environ = {name: value for name, value in os.environ.items() if name not in ours}
        self.environ |= {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "STREAMTTS_S2_PORT": "0"}
        self.environ |= {"PYTHONPATH": str(ROOT)}

    def write(self, path: str, content: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        (file.parent / "__init__.py").touch()
        return file

    def proxy_is_ready_at(self, look: int) -> None:
        self.write("code/proxy/__main__.py", f"READY_AT = {look}\n{FAKE_PROXY}")

    @contextmanager
    def up(self, *arguments: str, ready_s: float = 60) -> Iterator[Up]:
        argv = [sys.executable, "-c", UP, str(self.code), str(ready_s), "up", "--data", "data", *arguments]
        process = subprocess.Popen(
            argv, env=self.environ, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        up = Up(process)
        try:
            yield up
        finally:
            process.kill()
            up.stop(signal.SIGKILL)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_up_starts_everything_and_says_where_it_is(place: Place) -> None:
    with place.up("--port", "0") as up:
        url = up.until(r"^StreamTTS is ready:  (http://127\.0\.0\.1:\d+)$")[1]
        up.until(r"^Ctrl-C stops it\.$")
        last = up.lines[up.lines.index(f"StreamTTS is ready:  {url}") :]
        assert [line for line in last if " | " not in line] == [
            f"StreamTTS is ready:  {url}",
            "Voice: eSpeak NG 1.52.0",
            "a neural voice: make run ENGINE=kokoro",
            "Ctrl-C stops it.",
        ]
        pids = [up.pid_of(name) for name in ("s2", "worker", "proxy")]
        assert up.stop(signal.SIGINT) < 3
        assert up.process.returncode == 0
        assert up.lines[-1] == "StreamTTS has stopped."
        assert not any(map(alive, pids))


def test_up_tells_services_what_it_decided(place: Place) -> None:
    with place.up("--port", "0", "--engine", "espeak") as up:
        env = json.loads(up.until(r"^worker +\| env (.*)$")[1])
        argv = json.loads(up.until(r"^s2 +\| argv (.*)$")[1])
        url = up.until(r"^StreamTTS is ready:  (.*)$")[1]
    assert env["STREAMTTS_DATA"] == str(place.data)
    assert env["STREAMTTS_ENGINE"] == "espeak"
    assert env["STREAMTTS_S2_KEY"] == (place.data / "s2.key").read_text().strip()
    assert f"http://127.0.0.1:{env['STREAMTTS_PORT']}" == url
    port = env["STREAMTTS_S2_URL"].rpartition(":")[2]
    assert argv == ["lite", "--local-root", str(place.data / "s2"), "--port", port, "--no-cors", "--no-dashboard"]
    assert "STREAMTTS_LOG" not in env


def test_up_on_a_folder_in_use_fails_and_names_the_other_start(place: Place) -> None:
    with place.up("--port", "0") as first:
        first.until("is ready")
        with place.up("--port", "0") as second:
            said = second.until("is in use by `streamtts up --data ")
            assert f"pid {first.process.pid}," in said.string
            assert second.process.wait(DEADLINE_S) == 1


@pytest.mark.parametrize("setting", ["STREAMTTS_PORT", "STREAMTTS_S2_PORT"])
def test_up_on_a_taken_port_names_the_setting_and_starts_nothing(place: Place, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        place.environ |= {"STREAMTTS_PORT": "0", setting: str(port)}
        with place.up() as up:
            up.until(rf"^streamtts: port {port} is taken.*set {setting} to another port")
            assert up.process.wait(DEADLINE_S) == 1
            assert not any("|" in line for line in up.lines)


def test_up_that_is_not_ready_says_what_is_missing_and_keeps_trying(place: Place) -> None:
    place.proxy_is_ready_at(20)
    with place.up("--port", "0", ready_s=0.3) as up:
        up.until(r"^proxy is not ready after 0 s: no worker has announced itself\. Still trying\.$")
        up.until("^StreamTTS is ready")


def test_up_with_a_store_elsewhere_starts_none(place: Place) -> None:
    place.environ["STREAMTTS_S2_URL"] = "http://127.0.0.1:1"
    (place.bin / "s2").unlink()
    with place.up("--port", "0") as up:
        up.until(r"^No S2 at http://127\.0\.0\.1:1 yet \(nothing listens there yet\)")
        up.until("^StreamTTS is ready")
        assert json.loads(up.until(r"^worker +\| env (.*)$")[1])["STREAMTTS_S2_URL"] == "http://127.0.0.1:1"
        assert not any(line.startswith("s2 ") for line in up.lines)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its killed parent")
def test_up_killed_leaves_no_process_and_can_be_started_again(place: Place) -> None:
    with place.up("--port", "0") as up:
        up.until("is ready")
        pids = [up.pid_of(name) for name in ("s2", "worker", "proxy")]
        up.stop(signal.SIGKILL)
        wait_until(lambda: not any(map(alive, pids)))
    with place.up("--port", "0") as up:
        up.until("is ready")


@pytest.mark.parametrize("name", ["s2", "worker", "proxy"])
def test_up_starts_again_what_dies(place: Place, name: str) -> None:
    with place.up("--port", "0") as up:
        up.until("is ready")
        os.kill(up.pid_of(name), signal.SIGKILL)
        up.until(rf"^{name} ended \(killed by SIGKILL\)")
        wait_until(lambda: sum(bool(re.match(rf"{name} +\| pid", line)) for line in up.lines) == 2, up)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:4002", True),
        ("http://localhost:80/", True),
        ("http://[::1]:4002", True),
        ("https://127.0.0.1:4002", False),
        ("http://store.example:4002", False),
        ("https://a.s2.dev", False),
    ],
)
def test_store_on_this_machine_is_recognised(url: str, local: bool) -> None:
    assert is_plain_loopback(url) == local


@pytest.mark.s2
@pytest.mark.timeout(900)  # the first run on a machine may have to build it
def test_up_runs_the_real_store_and_stops_it_in_time(place: Place) -> None:
    binary = get_s2_binary(Settings(), os.environ, Progress(sys.stderr))
    place.environ["STREAMTTS_S2_BINARY"] = str(binary.path)
    with place.up("--port", "0") as up:
        port = int(json.loads(up.until(r"^worker +\| env (.*)$")[1])["STREAMTTS_S2_URL"].rpartition(":")[2])
        up.until("is ready")
        store = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        store.request("GET", "/health")
        assert store.getresponse().read() == b"OK"
        store.request("GET", "/dashboard")
        assert store.getresponse().status == 404
        if Path("/proc/self").exists():
            assert sum(f"s2 lite --local-root {place.data}/s2 " in line for line in process_list()) == 1
        # The connection stays open: it is what a store on its own would wait for, up to 10 s.
        assert up.stop(signal.SIGTERM) < 3
        assert up.process.returncode == 0
        store.close()
    assert list((place.data / "s2").iterdir())


def process_list() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return lines


def test_free_ports_of_page_and_store_differ_even_when_the_system_gives_one_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = iter([4711, 4711, 4711, 4712])
    monkeypatch.setattr("cli.up.choose_port", lambda host, wanted, setting: next(given))
    chosen = _choose_ports(Settings(port=0, s2_port=0))
    assert (chosen.port, chosen.s2_port) == (4711, 4712)


def test_same_port_for_page_and_store_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.up.choose_port", lambda host, wanted, setting: wanted)
    with pytest.raises(PortUnavailable, match="both 9000"):
        _choose_ports(Settings(port=9000, s2_port=9000))
