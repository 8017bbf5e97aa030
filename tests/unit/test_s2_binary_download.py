"""The pinned release: fetched from a server of our own, and taken only with the right checksum."""

import hashlib
import io
import os
import platform
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli import s2_download
from cli.progress import Progress
from cli.s2_download import asset_name, download_s2, downloaded_path
from cli.s2_program import PINNED_VERSION, UnusableProgram

GOOD_PROGRAM = f"#!/bin/sh\necho 's2 {PINNED_VERSION} (rev 0, via release)'\n"


class Releases:
    """Files by path, with an optional place at which a body breaks off."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.break_off_after: int | None = None
        self.silent_after: int | None = None
        self.let_go = threading.Event()
        self.url = ""

    def publish(self, program: str, *, checksum: str | None = None, name: str = "s2") -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, program)
        self.publish_bytes(packed.getvalue(), checksum=checksum)

    def publish_bytes(self, body: bytes, *, checksum: str | None = None) -> None:
        asset = here()
        digest = checksum or hashlib.sha256(body).hexdigest()
        sums = f"{'0' * 64}  s2-elsewhere.zip\n{digest}  {asset}\n"
        self.files = {self.path(asset): body, self.path("SHA256SUMS"): sums.encode()}

    def path(self, name: str) -> str:
        return f"/s2-cli-v{PINNED_VERSION}/{name}"


def here() -> str:
    name = asset_name(platform.system(), platform.machine(), s2_download._glibc())
    assert name is not None
    return name


@pytest.fixture
def releases() -> Iterator[Releases]:
    state = Releases()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            body = state.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path.endswith(".zip") and state.silent_after is not None:
                self.wfile.write(body[: state.silent_after])
                state.let_go.wait(30)
            elif self.path.endswith(".zip") and state.break_off_after is not None:
                self.wfile.write(body[: state.break_off_after])
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        state.let_go.set()
        server.shutdown()
        thread.join()


def download(releases: Releases, cache: Path, said: io.StringIO | None = None) -> Path:
    progress = Progress(said or io.StringIO(), every_s=0)
    return download_s2(cache, dict(os.environ), progress, releases_url=releases.url).path


def left_in(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "name"),
    [
        ("Linux", "x86_64", (2, 38), "s2-x86_64-unknown-linux-gnu.zip"),
        ("Linux", "x86_64", (2, 37), "s2-x86_64-unknown-linux-musl.zip"),
        ("Linux", "x86_64", None, "s2-x86_64-unknown-linux-musl.zip"),
        ("Linux", "aarch64", (2, 39), "s2-aarch64-unknown-linux-gnu.zip"),
        ("Linux", "aarch64", (2, 35), "s2-aarch64-unknown-linux-musl.zip"),
        ("Linux", "armv7l", (2, 39), None),
        ("Darwin", "arm64", None, "s2-aarch64-apple-darwin.zip"),
        ("Darwin", "x86_64", None, "s2-x86_64-apple-darwin.zip"),
        ("Windows", "AMD64", None, None),
    ],
)
def test_asset_name_fits_the_machine(
    system: str, machine: str, glibc: tuple[int, int] | None, name: str | None
) -> None:
    assert asset_name(system, machine, glibc) == name


def test_download_puts_a_checked_program_into_the_cache(releases: Releases, tmp_path: Path) -> None:
    releases.publish(GOOD_PROGRAM)
    said = io.StringIO()
    path = download(releases, tmp_path, said)
    assert path == downloaded_path(tmp_path)
    assert path.read_text() == GOOD_PROGRAM
    assert os.access(path, os.X_OK)
    assert left_in(tmp_path) == [path]
    assert releases.asked == [releases.path("SHA256SUMS"), releases.path(here())]
    assert f"Fetching S2 {PINNED_VERSION}: 0.0 of 0.0 MB" in said.getvalue()


def test_download_with_a_wrong_checksum_leaves_nothing(releases: Releases, tmp_path: Path) -> None:
    releases.publish(GOOD_PROGRAM, checksum="ab" * 32)
    with pytest.raises(UnusableProgram, match="does not match the release's checksum") as raised:
        download(releases, tmp_path)
    assert "ab" * 32 in str(raised.value)
    assert left_in(tmp_path) == []


def test_download_without_checksums_fetches_no_program(releases: Releases, tmp_path: Path) -> None:
    releases.publish(GOOD_PROGRAM)
    releases.files[releases.path("SHA256SUMS")] = b"nothing of use\n"
    with pytest.raises(UnusableProgram, match="not fetched unchecked"):
        download(releases, tmp_path)
    assert releases.asked == [releases.path("SHA256SUMS")]


def test_download_that_is_missing_names_the_address(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(UnusableProgram, match="Not Found") as raised:
        download(releases, tmp_path)
    assert releases.url in str(raised.value)


def test_download_that_breaks_off_leaves_nothing(releases: Releases, tmp_path: Path) -> None:
    releases.publish(GOOD_PROGRAM)
    releases.break_off_after = 40
    with pytest.raises(UnusableProgram, match="broke off after"):
        download(releases, tmp_path)
    assert left_in(tmp_path) == []


def test_download_that_falls_silent_is_given_up(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s2_download, "STALL_S", 0.05)
    monkeypatch.setattr(s2_download, "CONNECT_S", 3600)
    releases.publish(GOOD_PROGRAM)
    releases.silent_after = 40
    with pytest.raises(UnusableProgram, match=r"broke off after 0\.0 MB: timed out"):
        download(releases, tmp_path)
    assert left_in(tmp_path) == []


def test_download_of_a_program_that_does_not_run_here_is_not_kept(releases: Releases, tmp_path: Path) -> None:
    releases.publish("#!/bin/sh\nexit 126\n")
    with pytest.raises(UnusableProgram, match="exit code 126"):
        download(releases, tmp_path)
    assert left_in(tmp_path) == []


def test_download_takes_only_the_file_of_that_name(releases: Releases, tmp_path: Path) -> None:
    releases.publish(GOOD_PROGRAM, name="../s2")
    with pytest.raises(UnusableProgram, match="no archive with a program `s2`"):
        download(releases, tmp_path)


def test_download_that_is_no_archive_says_so(releases: Releases, tmp_path: Path) -> None:
    releases.publish_bytes(b"<html>a captive portal</html>")
    with pytest.raises(UnusableProgram, match="no archive"):
        download(releases, tmp_path)
