"""Finds S2-Lite's program or gets it: a setting, PATH, the cache, the pinned release, a build. Blocking."""

import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from casts.settings import Settings
from cli.file_lock import waiting_lock
from cli.progress import Progress
from cli.s2_build import build_s2, built_path
from cli.s2_download import RELEASES_URL, download_s2, downloaded_path
from cli.s2_program import PINNED_VERSION, S2Binary, S2BinaryError, UnusableProgram, inspect_program

WAYS_OUT = """Three ways out:
  1. put the program `s2`, 0.41.2 or newer, on PATH;
  2. name it: STREAMTTS_S2_BINARY=/path/to/s2 (or to `server` of the Rust package s2-lite);
  3. install Rust, or go online, and start again."""


def get_s2_binary(
    settings: Settings,
    environ: Mapping[str, str],
    progress: Progress,
    *,
    releases_url: str = RELEASES_URL,
) -> S2Binary:
    """The program to run, fetched or built first if this machine has none: that takes minutes and says so.

    Raises:
        S2BinaryError: none is there and none can be had.
    """
    if settings.s2_binary:
        return _from_setting(settings.s2_binary, environ)
    cache = cache_folder(environ)
    found = _on_path(environ, progress) or _in_cache(cache, environ, progress)
    if found:
        return found
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with waiting_lock(cache / "s2.lock", lambda: progress.line("Another start is getting S2-Lite: waiting for it")):
            return _in_cache(cache, environ, progress) or _get(cache, environ, progress, releases_url)
    except OSError as error:
        raise S2BinaryError(f"S2-Lite cannot be kept in {cache}: {error}\n{WAYS_OUT}") from error


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where programs are kept, outside every checkout and data folder."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG base directory specification: a relative one is ignored
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return Path(base) / "streamtts"


def _from_setting(named: str, environ: Mapping[str, str]) -> S2Binary:
    path = shutil.which(os.path.expanduser(named), path=environ.get("PATH", os.defpath))
    if path is None:
        raise S2BinaryError(f"STREAMTTS_S2_BINARY={named}: there is no such program")
    try:
        return inspect_program(Path(path).absolute(), environ)
    except UnusableProgram as error:
        raise S2BinaryError(f"STREAMTTS_S2_BINARY={named} cannot be used: {error}") from error


def _on_path(environ: Mapping[str, str], progress: Progress) -> S2Binary | None:
    path = shutil.which("s2", path=environ.get("PATH", os.defpath))
    return _usable(Path(path).absolute(), environ, progress) if path else None


def _in_cache(cache: Path, environ: Mapping[str, str], progress: Progress) -> S2Binary | None:
    for path in (downloaded_path(cache), built_path(cache)):
        if path.exists() and (binary := _usable(path, environ, progress)):
            return binary
    return None


def _usable(path: Path, environ: Mapping[str, str], progress: Progress) -> S2Binary | None:
    try:
        return inspect_program(path, environ)
    except UnusableProgram as error:
        progress.line(f"{path} is passed over: {error}")
        return None


def _get(cache: Path, environ: Mapping[str, str], progress: Progress, releases_url: str) -> S2Binary:
    """Fetch the pinned release, else build it. The caller holds the lock."""
    failures: list[str] = []
    progress.line(f"S2-Lite is not on this machine yet: getting {PINNED_VERSION}, once")
    for get in (partial(download_s2, releases_url=releases_url), build_s2):
        for failure in failures:
            progress.line(failure)
        try:
            return get(cache, environ, progress)
        except UnusableProgram as error:
            progress.done()
            failures.append(str(error))
    tried = "\n".join(f"  - {failure}" for failure in failures)
    raise S2BinaryError(f"S2-Lite, the store, cannot be had here. Tried, after PATH and {cache}:\n{tried}\n{WAYS_OUT}")
