"""The build from the package registry, with a script in cargo's place."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.progress import Progress
from cli.s2_build import CRATES, build_progress, build_s2, built_path
from cli.s2_program import PINNED_VERSION, UnusableProgram
from tests.unit.test_supervisor import alive

FAKE_CARGO = f"""#!{sys.executable}
import json, os, pathlib, sys
root = pathlib.Path(sys.argv[sys.argv.index("--root") + 1])
(root / "bin").mkdir(parents=True)
(root / "call.json").write_text(json.dumps([sys.argv[1:], dict(os.environ)]))
print("  Downloaded anstyle v1.0.14", file=sys.stderr)
for name in ("libc", "serde", "s2-lite"):
    print(f"   Compiling {{name}} v1.0.0", file=sys.stderr)
server = root / "bin" / "server"
server.write_text("#!/bin/sh\\necho s2-lite {PINNED_VERSION}\\n")
server.chmod(0o755)
"""


def wait_until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    ends = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends, "the condition did not come"
        time.sleep(0.005)


def cargo(folder: Path, script: str) -> dict[str, str]:
    path = folder / "bin" / "cargo"
    path.parent.mkdir()
    path.write_text(script)
    path.chmod(0o755)
    return {"PATH": f"{path.parent}{os.pathsep}{os.defpath}", "HOME": str(folder)}


def test_build_calls_cargo_with_the_pinned_version_and_the_quick_profile(tmp_path: Path) -> None:
    environ = cargo(tmp_path, FAKE_CARGO)
    said = io.StringIO()
    binary = build_s2(tmp_path, environ, Progress(said, every_s=0))
    assert binary.path == built_path(tmp_path)
    assert not binary.needs_lite_word
    root = tmp_path / f"s2-lite-{PINNED_VERSION}"
    argv, env = json.loads((root / "call.json").read_text())
    assert argv == ["install", "s2-lite", "--version", PINNED_VERSION, "--locked", "--root", str(root)]
    assert env["CARGO_PROFILE_RELEASE_OPT_LEVEL"] == "1"
    assert env["CARGO_PROFILE_RELEASE_CODEGEN_UNITS"] == "256"
    assert env["CARGO_PROFILE_RELEASE_LTO"] == "off"
    assert f"3 of about {CRATES} crates" in said.getvalue()
    assert (tmp_path / f"s2-lite-{PINNED_VERSION}.log").read_text().count("Compiling") == 3


def test_build_whose_result_does_not_run_is_a_failure(tmp_path: Path) -> None:
    environ = cargo(tmp_path, FAKE_CARGO.replace("echo s2-lite", "exit 1; echo"))
    with pytest.raises(UnusableProgram, match="exit code 1"):
        build_s2(tmp_path, environ, Progress(io.StringIO()))


@pytest.mark.parametrize(
    ("compiled", "elapsed_s", "line"),
    [
        (0, 4.2, "Building S2-Lite: fetching its sources, 0:04"),
        (120, 95.0, f"Building S2-Lite: 120 of about {CRATES} crates, 1:35"),
        (CRATES + 7, 301.0, f"Building S2-Lite: {CRATES + 7} crates, 5:01"),
    ],
)
def test_build_progress_is_one_line(compiled: int, elapsed_s: float, line: str) -> None:
    assert build_progress(compiled, elapsed_s) == line


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its killed parent")
def test_build_ends_with_the_process_that_asked_for_it(tmp_path: Path, ending: signal.Signals) -> None:
    pid_file = tmp_path / "pid"
    environ = cargo(
        tmp_path, f'#!/bin/sh\necho $$ > "{pid_file}.new"\nmv "{pid_file}.new" "{pid_file}"\nexec sleep 60\n'
    )
    environ |= {"STREAMTTS_DATA": str(tmp_path / "data"), "http_proxy": "http://127.0.0.1:1"}
    environ |= {"https_proxy": "http://127.0.0.1:1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    asking = subprocess.Popen(
        [sys.executable, "-m", "cli", "s2-binary"],
        env=environ,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until(pid_file.exists)
    pid = int(pid_file.read_text())
    asking.send_signal(ending)
    assert asking.wait(10) != 0
    assert asking.stderr is not None
    said = asking.stderr.read().decode()
    asking.stderr.close()
    assert "Traceback" not in said
    wait_until(lambda: not alive(pid))
