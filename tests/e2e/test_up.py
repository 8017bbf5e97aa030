"""`streamtts up`: one command starts everything, says what is in its way, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.reading import PatientReader, check_complete, check_prefixes
from tests.e2e.texts import some_sentences
from tests.stack import Stack, eventually

START_DEADLINE_S = 30


def start_another(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A start that must end by itself."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STREAMTTS_")}
    environ |= {"STREAMTTS_S2_PORT": "0", **settings}
    command = [sys.executable, "-m", "cli", "up", "--data", str(folder), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=START_DEADLINE_S, check=False)


def test_a_second_start_on_the_same_folder_names_the_first_and_does_it_no_harm(stack: Stack) -> None:
    cast_id = stack.submitted(some_sentences("undisturbed", 3))
    before = stack.pids()
    second = start_another(stack.folder, "--port", "0")
    assert second.returncode == 1
    assert f"pid {stack.pid}" in second.stderr
    assert "is in use by" in second.stderr
    assert len(second.stderr.splitlines()) == 1, "a person wants one line"
    assert stack.pids() == before
    check_complete(stack.finished(cast_id), some_sentences("undisturbed", 3))


@pytest.mark.parametrize("setting", ["STREAMTTS_PORT", "STREAMTTS_S2_PORT"])
def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path, setting: str) -> None:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0" if setting == "STREAMTTS_S2_PORT" else "127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused = start_another(tmp_path / "data", **{"STREAMTTS_PORT": "0", setting: str(port)})
    assert refused.returncode == 1
    assert f"port {port} is taken" in refused.stderr
    assert f"(pid {os.getpid()})" in refused.stderr
    assert setting in refused.stderr


def test_a_setting_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    refused = start_another(tmp_path / "data", STREAMTTS_PROT="8080")
    assert refused.returncode == 2
    assert "STREAMTTS_PROT" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_stop_with_a_listener_takes_less_than_three_seconds_and_a_start_brings_the_casts_back(
    tmp_path: Path,
) -> None:
    stack = Stack(tmp_path / "data", comfort_s="3")
    text, done_text = some_sentences("interrupted", 5), "A finished one."
    with stack:
        done = stack.submitted(done_text)
        frames = stack.finished(done)
        begun = stack.submitted(text)
        with PatientReader(stack, begun) as reader:
            eventually("somebody listens", lambda: reader.spoken >= 2)
            took_s = stack.stop()  # which checks that no process is left
            assert took_s < 3.0
            assert not reader.ended, "it was finished: nothing was interrupted"
            heard = list(reader.frames)
        check_prefixes(heard)
    assert not any("killed" in line for line in stack.lines), "something did not stop when it was asked"
    assert stack.lines[-1] == "StreamTTS has stopped."
    with Stack(stack.folder, comfort_s="3") as again:
        assert again.frames(done) == frames
        assert again.submit(done_text).status == 200
        whole = again.finished(begun)
        check_complete(whole, text)
        assert whole[: len(heard)] == heard


def test_a_terminal_that_is_closed_leaves_no_orphan(tmp_path: Path) -> None:
    """SIGKILL of `up` itself: nobody is left who could clean up, so each child looks after itself."""
    stack = Stack(tmp_path / "data")
    with stack:
        children = set(stack.pids().values())
        assert len(children) == 4
        os.kill(stack.pid, signal.SIGKILL)
        eventually("the children follow", lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children), 10.0)
