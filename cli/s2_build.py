"""Builds the pinned S2-Lite from the Rust package registry, with its progress shown: minutes, once a machine."""

import os
import re
import select
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from cli.children import die_with_parent, kill_group
from cli.progress import Progress
from cli.s2_program import PINNED_VERSION, S2Binary, UnusableProgram, inspect_program

CRATES = 389  # that cargo compiles for 0.43.4 on Linux, x86_64; elsewhere a few more or less
LAST_LINES = 15
LOOK_EVERY_S = 1.0

# A third of the time of a full build, for a server whose single appends take just as long.
QUICK_BUILD = {
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "256",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_TERM_COLOR": "never",
    "CARGO_TERM_QUIET": "false",
}


def built_path(cache: Path) -> Path:
    return _root(cache) / "bin" / "server"


def _root(cache: Path) -> Path:
    return cache / f"s2-lite-{PINNED_VERSION}"


def build_s2(cache: Path, environ: Mapping[str, str], progress: Progress) -> S2Binary:
    """Build the package `s2-lite` into the cache. An interrupted build goes on where it was.

    Raises:
        UnusableProgram: there is no cargo, the build fails, or its result does not run.
        OSError: the cache cannot be written.
    """
    cargo = find_cargo(environ)
    if cargo is None:
        raise UnusableProgram("Rust's `cargo` is neither on PATH nor in ~/.cargo/bin: S2-Lite cannot be built")
    workshop = cache / f"build-s2-lite-{PINNED_VERSION}"
    log_path = cache / f"s2-lite-{PINNED_VERSION}.log"
    progress.line(f"Building S2-Lite {PINNED_VERSION} with {cargo}: about 5 minutes on 2 cores. Log: {log_path}")
    began = time.monotonic()
    argv = [str(cargo), "install", "s2-lite", "--version", PINNED_VERSION, "--locked", "--root", str(_root(cache))]
    env = {
        **environ,
        **QUICK_BUILD,
        "CARGO_TARGET_DIR": str(workshop),
        "PATH": f"{cargo.parent}{os.pathsep}{environ.get('PATH', os.defpath)}",
    }
    last: deque[str] = deque(maxlen=LAST_LINES)
    with log_path.open("wb") as log:
        code = _run(argv, env, log, last, progress, began)
    progress.done()
    if code != 0:
        shown = "\n".join(f"    {line}" for line in last)
        raise UnusableProgram(
            f"building S2-Lite with {cargo} failed (exit code {code}); the end of {log_path}:\n{shown}"
        )
    binary = inspect_program(built_path(cache), environ)
    shutil.rmtree(workshop, ignore_errors=True)
    progress.line(f"S2-Lite {PINNED_VERSION} is built, after {_minutes(time.monotonic() - began)}")
    return binary


def find_cargo(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("CARGO_HOME") or os.path.join(environ.get("HOME", ""), ".cargo")
    path = shutil.which("cargo", path=environ.get("PATH", os.defpath))
    path = path or shutil.which("cargo", path=os.path.join(home, "bin"))
    return Path(path).absolute() if path else None


def build_progress(compiled: int, elapsed_s: float) -> str:
    """One line for a person: `Building S2-Lite: 120 of about 389 crates, 1:35`."""
    if compiled == 0:
        return f"Building S2-Lite: fetching its sources, {_minutes(elapsed_s)}"
    of_total = f" of about {CRATES}" if compiled <= CRATES else ""
    return f"Building S2-Lite: {compiled}{of_total} crates, {_minutes(elapsed_s)}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _run(
    argv: list[str],
    env: Mapping[str, str],
    log: BinaryIO,
    last: deque[str],
    progress: Progress,
    began: float,
) -> int:
    compiled = 0
    # Its own group: the compilers that cargo starts end with it, whatever ends this process.
    with subprocess.Popen(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    ) as cargo:
        try:
            for line in _lines(cargo):
                if line is not None:
                    log.write(line + b"\n")
                    text = line.decode("utf-8", "replace").rstrip()
                    compiled += bool(re.match(r"\s*Compiling ", text))
                    last.append(text)
                progress.step(build_progress(compiled, time.monotonic() - began))
        except BaseException:
            kill_group(cargo.pid)
            raise
    return cargo.returncode


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes | None]:
    """The lines of its output, and None for each second without one, so that the clock is seen to run."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    rest = b""
    while True:
        if not select.select([descriptor], [], [], LOOK_EVERY_S)[0]:
            yield None
            continue
        chunk = os.read(descriptor, 65536)
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
