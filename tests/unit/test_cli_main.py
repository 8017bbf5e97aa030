"""The command line itself: exit codes, one-line errors, masked secrets."""

import base64
import subprocess
import sys

import pytest

from casts.settings import settings_table
from cli.__main__ import main

KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # pytest's own handlers stay
    for name, _, _ in settings_table():
        monkeypatch.delenv(name, raising=False)


def test_settings_lists_every_setting_with_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMTTS_PORT", "9001")
    assert main(["settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [name for name, _, _ in settings_table()]
    assert next(line for line in lines if line.startswith("STREAMTTS_PORT ")).split()[1] == "9001"


@pytest.mark.parametrize("name", ["STREAMTTS_S2_KEY", "STREAMTTS_S2_TOKEN", "STREAMTTS_ADMIN_KEY"])
def test_settings_show_no_secret(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, KEY)
    assert main(["settings"]) == 0
    shown = capsys.readouterr().out
    assert KEY not in shown
    assert next(line for line in shown.splitlines() if line.startswith(f"{name} ")).split()[1] == "(set)"


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "message"),
    [
        pytest.param(["settings"], {"STREAMTTS_PROT": "1"}, 2, "unknown setting STREAMTTS_PROT", id="unknown"),
        pytest.param(["up", "--port", "many"], {}, 2, "STREAMTTS_PORT='many'", id="option"),
        pytest.param(["up", "--engine", "parrot"], {}, 2, "STREAMTTS_ENGINE='parrot'", id="engine"),
        pytest.param(["s2-binary"], {"STREAMTTS_S2_BINARY": "/nowhere"}, 1, "no such program", id="failed"),
    ],
)
def test_errors_are_one_line_and_a_code(
    arguments: list[str],
    environ: dict[str, str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert said.startswith("streamtts: ")
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["sing"], ["up", "--volume", "11"]])
def test_usage_errors_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: streamtts" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "shown"), [("--version", "streamtts "), ("--help", "examples:")])
def test_module_runs_as_a_program(option: str, shown: str) -> None:
    answer = subprocess.run([sys.executable, "-m", "cli", option], capture_output=True, text=True, check=True)
    assert shown in answer.stdout
    assert answer.stderr == ""
