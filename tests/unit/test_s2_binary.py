"""Where S2-Lite's program comes from, in order, with small scripts in the place of the real programs."""

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from casts.settings import Settings
from cli.file_lock import waiting_lock
from cli.progress import Progress
from cli.s2_binary import cache_folder, get_s2_binary
from cli.s2_command import BOUNDARY_FILES, s2_command, s2_environment
from cli.s2_program import PINNED_VERSION, S2Binary, S2BinaryError

NO_RELEASES = "http://127.0.0.1:1"  # nothing listens on port 1
CARGO_THAT_FAILS = "echo '   Compiling broken v1.0.0' >&2; echo 'error: linker `cc` not found' >&2; exit 101"
CARGO_THAT_BUILDS = f"""
while [ "$1" != --root ]; do shift; done
mkdir -p "$2/bin"
printf '#!/bin/sh\\necho s2-lite {PINNED_VERSION}\\n' > "$2/bin/server"
chmod +x "$2/bin/server"
echo '   Compiling s2-lite v{PINNED_VERSION}' >&2
echo built >> "$2/builds"
"""


class Machine:
    """A home, a PATH and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.bin.mkdir()
        self.home.mkdir()
        self.said = io.StringIO()
        # The tools that the scripts above need, and nothing else that this machine happens to have.
        for tool in ("sh", "mkdir", "chmod"):
            (self.bin / tool).symlink_to(f"/bin/{tool}")

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": str(self.bin), "HOME": str(self.home)}

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "streamtts"

    def program(self, path: Path, script: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def find(self, settings: Settings | None = None) -> S2Binary:
        return get_s2_binary(settings or Settings(), self.environ, Progress(self.said), releases_url=NO_RELEASES)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def wait_until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    ends = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends, "the condition did not come"
        time.sleep(0.005)


def test_setting_wins_over_path_and_cache(machine: Machine) -> None:
    machine.program(machine.bin / "s2", "echo s2 0.44.0")
    named = machine.program(machine.home / "tools" / "server", "echo s2-lite 0.43.9")
    found = machine.find(Settings(s2_binary=str(named)))
    assert found == S2Binary(named, (0, 43, 9), needs_lite_word=False)


def test_setting_may_be_a_bare_name_on_path(machine: Machine) -> None:
    named = machine.program(machine.bin / "my-s2", "echo 's2 0.43.4 (rev abcdef, via cargo)'")
    assert machine.find(Settings(s2_binary="my-s2")) == S2Binary(named, (0, 43, 4), needs_lite_word=True)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("echo s2 0.41.1", "too old", id="old"),
        pytest.param("echo sponge 3.1; exit 0", "no S2", id="another program"),
        pytest.param("echo s2 0.43.4; exit 3", "exit code 3", id="fails"),
    ],
)
def test_setting_that_cannot_be_used_is_an_error_and_never_passed_over(
    machine: Machine, script: str, reason: str
) -> None:
    machine.program(machine.bin / "s2", "echo s2 0.44.0")
    named = machine.program(machine.home / "s2-of-mine", script)
    with pytest.raises(S2BinaryError, match=reason) as raised:
        machine.find(Settings(s2_binary=str(named)))
    assert "STREAMTTS_S2_BINARY" in str(raised.value)


def test_setting_that_names_nothing_says_so(machine: Machine) -> None:
    with pytest.raises(S2BinaryError, match="there is no such program"):
        machine.find(Settings(s2_binary="/nowhere/s2"))


@pytest.mark.parametrize("version", ["0.41.2", "0.43.4", "0.100.0", "1.0.0"])
def test_path_is_used_when_new_enough(machine: Machine, version: str) -> None:
    path = machine.program(machine.bin / "s2", f"echo s2 {version}")
    assert machine.find().path == path


def test_old_path_is_named_and_the_cache_used(machine: Machine) -> None:
    old = machine.program(machine.bin / "s2", "echo s2 0.9.12")
    cached = machine.program(machine.cache / f"s2-lite-{PINNED_VERSION}/bin/server", f"echo s2-lite {PINNED_VERSION}")
    found = machine.find()
    assert (found.path, found.needs_lite_word) == (cached, False)
    assert f"{old} is passed over: it is S2 0.9.12, too old: 0.41.2 is the least" in machine.said.getvalue()


def test_cached_release_is_preferred_to_a_cached_build(machine: Machine) -> None:
    machine.program(machine.cache / f"s2-lite-{PINNED_VERSION}/bin/server", f"echo s2-lite {PINNED_VERSION}")
    release = machine.program(machine.cache / f"s2-{PINNED_VERSION}/s2", f"echo s2 {PINNED_VERSION}")
    assert machine.find().path == release


def test_cached_program_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.program(machine.cache / f"s2-{PINNED_VERSION}/s2", "exit 127")
    build = machine.program(machine.cache / f"s2-lite-{PINNED_VERSION}/bin/server", f"echo s2-lite {PINNED_VERSION}")
    assert machine.find().path == build


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/caches", "HOME": "/home/a"}, "/caches/streamtts"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.cache/streamtts"),
        ({"HOME": "/home/a"}, "/home/a/.cache/streamtts"),
    ],
)
def test_cache_folder_follows_the_desktop_specification(environ: dict[str, str], folder: str) -> None:
    assert cache_folder(environ) == Path(folder)


def test_neither_download_nor_cargo_says_what_was_tried_and_three_ways_out(machine: Machine) -> None:
    with pytest.raises(S2BinaryError) as raised:
        machine.find()
    message = str(raised.value)
    assert NO_RELEASES in message
    assert "`cargo` is neither on PATH nor in ~/.cargo/bin" in message
    assert "on PATH;" in message
    assert "STREAMTTS_S2_BINARY=" in message
    assert "install Rust, or go online" in message


def test_build_that_fails_shows_the_end_of_its_log(machine: Machine) -> None:
    machine.program(machine.bin / "cargo", CARGO_THAT_FAILS)
    with pytest.raises(S2BinaryError, match="linker `cc` not found") as raised:
        machine.find()
    assert "exit code 101" in str(raised.value)
    log = machine.cache / f"s2-lite-{PINNED_VERSION}.log"
    assert str(log) in str(raised.value)
    assert "Compiling broken" in log.read_text()


def test_no_release_leads_to_a_build(machine: Machine) -> None:
    machine.program(machine.bin / "cargo", CARGO_THAT_BUILDS)
    found = machine.find()
    assert found.path == machine.cache / f"s2-lite-{PINNED_VERSION}/bin/server"
    assert "cannot be fetched" in machine.said.getvalue()


@pytest.mark.parametrize("cargo_home", [None, "elsewhere"])
def test_cargo_is_found_where_rustup_puts_it(machine: Machine, cargo_home: str | None) -> None:
    home = machine.home / (cargo_home or ".cargo")
    machine.program(home / "bin" / "cargo", CARGO_THAT_BUILDS)
    environ = machine.environ | ({"CARGO_HOME": str(home)} if cargo_home else {})
    found = get_s2_binary(Settings(), environ, Progress(machine.said), releases_url=NO_RELEASES)
    assert found.path.name == "server"


def test_second_start_waits_for_the_first_one_and_uses_its_build(machine: Machine) -> None:
    gate = machine.home / "gate"
    machine.program(
        machine.bin / "cargo",
        f'echo >> "{machine.home}/begun"\nuntil [ -e "{gate}" ]; do :; done\n{CARGO_THAT_BUILDS}',
    )
    results: list[S2Binary] = []
    outputs = (io.StringIO(), io.StringIO())

    def start(said: io.StringIO) -> threading.Thread:
        def find() -> None:
            results.append(get_s2_binary(Settings(), machine.environ, Progress(said), releases_url=NO_RELEASES))

        thread = threading.Thread(target=find)
        thread.start()
        return thread

    first = start(outputs[0])
    wait_until(lambda: (machine.home / "begun").exists())
    second = start(outputs[1])
    wait_until(lambda: "waiting for it" in outputs[1].getvalue())
    gate.touch()
    first.join(10)
    second.join(10)
    assert [found.path.name for found in results] == ["server", "server"]
    assert (machine.cache / f"s2-lite-{PINNED_VERSION}/builds").read_text() == "built\n"
    assert "waiting for it" not in outputs[0].getvalue()


def test_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with waiting_lock(tmp_path / "lock", lambda: None):
            raise RuntimeError("a build that failed")

    with pytest.raises(RuntimeError):
        fail()
    waits: list[str] = []
    with waiting_lock(tmp_path / "lock", lambda: waits.append("waited")):
        assert waits == []


@pytest.fixture
def readonly(tmp_path: Path) -> Path:
    blocked = tmp_path / "cache-is-a-file"
    blocked.touch()
    return blocked


def test_cache_that_cannot_be_written_is_a_clear_error(machine: Machine, readonly: Path) -> None:
    environ = machine.environ | {"XDG_CACHE_HOME": str(readonly)}
    with pytest.raises(S2BinaryError, match="cannot be kept in") as raised:
        get_s2_binary(Settings(), environ, Progress(machine.said), releases_url=NO_RELEASES)
    assert "Three ways out" in str(raised.value)


@pytest.mark.parametrize(
    ("binary", "begins"),
    [
        pytest.param(S2Binary(Path("/x/s2"), (0, 43, 4), True), ("/x/s2", "lite", "--local-root"), id="s2"),
        pytest.param(S2Binary(Path("/x/server"), (0, 43, 4), False), ("s2 lite", "--local-root"), id="server"),
    ],
)
def test_command_is_recognisable_in_a_process_list(binary: S2Binary, begins: tuple[str, ...]) -> None:
    command = s2_command(binary, Path("/data/s2"), 4002)
    assert command.executable == binary.path
    assert command.argv[: len(begins)] == begins
    assert " lite " in " ".join(command.argv)
    assert command.argv[len(begins) :] == ("/data/s2", "--port", "4002", "--no-cors", "--no-dashboard")


def test_command_leaves_out_the_option_that_older_versions_refuse() -> None:
    command = s2_command(S2Binary(Path("/x/s2"), (0, 42, 7), True), Path("/data/s2"), 4002)
    assert command.argv[-1] == "--no-cors"


def test_environment_of_s2_keeps_what_the_operator_set() -> None:
    env = s2_environment({"RUST_LOG": "debug", "HOME": "/h"})
    assert env["RUST_LOG"] == "debug"
    assert env["HOME"] == "/h"
    assert env["SL8_MAX_UNFLUSHED_BYTES"] == "134217728"
    assert env["SL8_L0_SST_SIZE_BYTES"] == "16777216"
    assert env[BOUNDARY_FILES] == "false"
    assert BOUNDARY_FILES == "SL8_GARBAGE_COLLECTOR_OPTIONS.BOUNDARY_FILES_ENABLED"
