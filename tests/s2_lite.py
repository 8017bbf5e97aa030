"""The real S2-Lite under test: started on a free port, killed, restarted on the same folder."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from casts.settings import Settings
from cli.progress import Progress
from cli.s2_binary import get_s2_binary
from cli.s2_command import s2_command, s2_environment
from streams.s2 import S2Address, S2Store

START_DEADLINE_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class S2Lite:
    """One server on one folder. Every address is loopback; `close` ends the process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.key = base64.b64encode(bytes(range(32))).decode()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        binary = get_s2_binary(Settings(), os.environ, Progress(sys.stderr))
        command = s2_command(binary, self.root, self.port)
        self._process = subprocess.Popen(
            command.argv,
            executable=command.executable,
            env=s2_environment(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._healthy():
            assert self._process.poll() is None, "S2-Lite ended at start"
            assert time.monotonic() < deadline, "S2-Lite is not healthy in time"
            time.sleep(0.05)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        """As a power cut would: SIGKILL, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()

    async def restart(self) -> None:
        await asyncio.to_thread(self.start)

    def store(self, *, basin: str = "streamtts", key: str | None = None) -> S2Store:
        return S2Store(S2Address(self.url, basin, "unused", key or self.key, 30 * 24 * 3600))
