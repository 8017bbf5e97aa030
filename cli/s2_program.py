"""What a program on this machine is: one that serves S2-Lite, of which version, or not."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from casts.errors import StreamTTSError

PINNED_VERSION = "0.43.4"
OLDEST_VERSION = (0, 41, 2)  # before it a power cut could leave a store that does not open (s2 issue 669)
VERSION_LINE = re.compile(r"^(s2|s2-lite) (\d+)\.(\d+)\.(\d+)")
VERSION_DEADLINE_S = 10


class S2BinaryError(StreamTTSError):
    """There is no usable S2-Lite program and none can be had. The message says what was tried."""


class UnusableProgram(StreamTTSError):
    """A program that cannot serve S2-Lite. The message is a reason whose subject is "it"."""


@dataclass(frozen=True, slots=True)
class S2Binary:
    """A program that serves S2-Lite.

    Attributes:
        needs_lite_word: true for the command line `s2`, whose server is `s2 lite`; false for the bare `server`
            of the Rust package s2-lite, which takes the same options.
    """

    path: Path
    version: tuple[int, int, int]
    needs_lite_word: bool

    def __str__(self) -> str:
        return f"{self.path} ({dotted(self.version)})"


def dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def inspect_program(path: Path, environ: Mapping[str, str]) -> S2Binary:
    """Ask the program at `path` for its version.

    Raises:
        UnusableProgram: it does not run here, is no S2, or is older than `OLDEST_VERSION`.
    """
    try:
        answer = subprocess.run(
            [path, "--version"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_DEADLINE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnusableProgram(f"it does not run: {error}") from error
    match = VERSION_LINE.match(answer.stdout)
    if answer.returncode != 0 or match is None:
        said = (answer.stdout.strip() or answer.stderr.strip() or "nothing").splitlines()[0]
        raise UnusableProgram(f"it is no S2 (--version says {said!r}, exit code {answer.returncode})")
    version = (int(match[2]), int(match[3]), int(match[4]))
    if version < OLDEST_VERSION:
        raise UnusableProgram(f"it is S2 {dotted(version)}, too old: {dotted(OLDEST_VERSION)} is the least")
    return S2Binary(path, version, needs_lite_word=match[1] == "s2")
