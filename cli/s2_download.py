"""Fetches the pinned S2 release and checks it against the release's own checksums."""

import hashlib
import http.client
import os
import platform
import re
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from cli.progress import Progress
from cli.s2_program import PINNED_VERSION, S2Binary, UnusableProgram, inspect_program

RELEASES_URL = "https://github.com/s2-streamstore/s2/releases/download"
CHECKSUMS = "SHA256SUMS"
CONNECT_S = 3.0
STALL_S = 20.0  # without a byte for so long the download is given up; slow is fine
CHUNK_BYTES = 256 * 1024
MAX_SUMS_BYTES = 64 * 1024
MIB = 1024 * 1024
OLDEST_GLIBC = (2, 38)  # the gnu builds need it; the musl ones run everywhere


def downloaded_path(cache: Path) -> Path:
    return cache / f"s2-{PINNED_VERSION}" / "s2"


def asset_name(system: str, machine: str, glibc: tuple[int, int] | None) -> str | None:
    """The release's file for a machine (`platform.system()`, `platform.machine()`), None where there is none.

    `glibc` is None where the C library is another one.
    """
    cpu = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(machine.lower())
    if cpu is None:
        return None
    if system == "Darwin":
        return f"s2-{cpu}-apple-darwin.zip"
    if system == "Linux":
        return f"s2-{cpu}-unknown-linux-{'gnu' if glibc and glibc >= OLDEST_GLIBC else 'musl'}.zip"
    return None


def download_s2(cache: Path, environ: Mapping[str, str], progress: Progress, *, releases_url: str) -> S2Binary:
    """Put the release's `s2` into the cache, whole and checked or not at all.

    Raises:
        UnusableProgram: no release for this machine, no connection, a wrong checksum, or it does not run here.
        OSError: the cache cannot be written.
    """
    asset = asset_name(platform.system(), platform.machine(), _glibc())
    if asset is None:
        raise UnusableProgram(f"S2 has no release for {platform.system()} on {platform.machine()}")
    release = f"{releases_url}/s2-cli-v{PINNED_VERSION}"
    target = downloaded_path(cache)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as folder:
        archive = Path(folder) / asset
        wanted = _wanted_checksum(_fetch_text(f"{release}/{CHECKSUMS}"), asset)
        with archive.open("wb") as file:
            found = _fetch_file(f"{release}/{asset}", file, progress)
        if found != wanted:
            raise UnusableProgram(
                f"{release}/{asset} does not match the release's checksum and was thrown away: "
                f"SHA-256 is {found}, should be {wanted}"
            )
        program = _unpack(archive, Path(folder))
        binary = inspect_program(program, environ)
        target.parent.mkdir(exist_ok=True)
        program.rename(target)
    return S2Binary(target, binary.version, binary.needs_lite_word)


def _glibc() -> tuple[int, int] | None:
    try:
        match = re.fullmatch(r"glibc (\d+)\.(\d+).*", os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (ValueError, OSError):
        return None
    return (int(match[1]), int(match[2])) if match else None


def _wanted_checksum(sums: str, asset: str) -> str:
    for line in sums.splitlines():
        digest, _, name = line.strip().partition(" ")
        if name.strip().lstrip("*") == asset and re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            return digest.lower()
    raise UnusableProgram(f"the release's {CHECKSUMS} has no line for {asset}: not fetched unchecked")


def _fetch_text(url: str) -> str:
    try:
        with _open(url) as answer:
            return bytes(answer.read(MAX_SUMS_BYTES)).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise UnusableProgram(f"{url} cannot be fetched: {_reason(error)}") from error


def _fetch_file(url: str, file: BinaryIO, progress: Progress) -> str:
    """Write the body to `file`; its SHA-256 in hex."""
    digest = hashlib.sha256()
    done = 0
    try:
        with _open(url) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                of_total = f" of {total / MIB:.1f}" if total else ""
                progress.step(f"Fetching S2 {PINNED_VERSION}: {done / MIB:.1f}{of_total} MB")
            if done < total:
                raise OSError(f"{total / MIB:.1f} MB were promised")
    except (OSError, http.client.HTTPException) as error:
        raise UnusableProgram(f"{url} broke off after {done / MIB:.1f} MB: {_reason(error)}") from error
    progress.done()
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    return str(error.reason if isinstance(error, urllib.error.URLError) else error) or type(error).__name__


def _unpack(archive: Path, folder: Path) -> Path:
    program = folder / "s2"
    try:
        with zipfile.ZipFile(archive) as files, files.open("s2") as packed, program.open("wb") as file:
            while chunk := packed.read(CHUNK_BYTES):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        raise UnusableProgram(f"{archive.name} is no archive with a program `s2`: {error}") from error
    program.chmod(0o755)
    return program


# One time limit for a connection and another one for silence on it, which urllib has only one of.
class _PlainConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.timeout = CONNECT_S
        super().connect()
        self.sock.settimeout(STALL_S)


class _TlsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        self.timeout = CONNECT_S
        super().connect()
        self.sock.settimeout(STALL_S)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PlainConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req)


def _open(url: str) -> Any:
    try:
        return urllib.request.build_opener(_Http, _Https).open(url)
    except urllib.error.HTTPError as error:
        with error:  # it is an open answer, too
            raise UnusableProgram(f"{url} cannot be fetched: {error.code} {error.reason}") from None
