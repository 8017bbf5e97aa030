"""The data folder: one holder at a time, one key for ever."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from casts.errors import SettingsError
from casts.settings import Settings
from cli.data_folder import DataFolderError, held_data_folder, load_or_make_key

HOLDER = """
import sys
from pathlib import Path
from cli.data_folder import held_data_folder
with held_data_folder(Path(sys.argv[1]), "streamtts up --port 9"):
    print("held", flush=True)
    sys.stdin.read()
"""
KEY = base64.b64encode(bytes(range(32))).decode()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with held_data_folder(tmp_path / "a" / "data", "streamtts up") as folder:
        assert folder == tmp_path / "a" / "data"
        assert mode(folder) == 0o700


def test_folder_is_absolute_wherever_the_start_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with held_data_folder(Path("var"), "streamtts up") as folder:
        assert folder == tmp_path / "var"


def test_folder_held_by_another_process_names_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(DataFolderError, match=f"`streamtts up --port 9`, pid {holder.pid}, since 20") as raised,
        held_data_folder(tmp_path / "data", "streamtts up"),
    ):
        pass
    assert f"kill {holder.pid}" in str(raised.value)
    assert "--data" in str(raised.value)


def test_folder_is_free_after_its_holder_was_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait(10)
    with held_data_folder(tmp_path / "data", "streamtts up"):
        assert f"pid {os.getpid()}\n" in (tmp_path / "data" / "lock").read_text()


def test_folder_is_free_after_its_holder_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with held_data_folder(tmp_path / "data", "streamtts up"):
            pass
    assert (tmp_path / "data" / "lock").read_text() == ""


def test_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataFolderError, match="STREAMTTS_DATA"),
        held_data_folder(tmp_path / "file" / "data", "streamtts up"),
    ):
        pass


def test_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    first = load_or_make_key(settings)
    assert len(base64.b64decode(first, validate=True)) == 32
    assert load_or_make_key(settings) == first
    assert mode(tmp_path / "s2.key") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["s2.key"]


def test_key_differs_between_folders(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys.add(load_or_make_key(Settings(data=tmp_path / name)))
    assert len(keys) == 2


def test_key_of_the_setting_is_used_and_not_stored(tmp_path: Path) -> None:
    assert load_or_make_key(Settings(data=tmp_path, s2_key=KEY)) == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["short", base64.b64encode(b"x" * 31).decode(), "é" * 44, KEY + "!"])
def test_key_of_the_setting_must_be_32_bytes(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="STREAMTTS_S2_KEY") as raised:
        load_or_make_key(Settings(data=tmp_path, s2_key=key))
    assert key not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no key\n", b"\xff\xfe\x00"])
def test_key_file_that_holds_no_key_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s2.key").write_bytes(content)
    with pytest.raises(DataFolderError, match="holds no key"):
        load_or_make_key(Settings(data=tmp_path))
    assert (tmp_path / "s2.key").read_bytes() == content


def test_key_is_not_made_anew_beside_a_store_that_was_written_with_one(tmp_path: Path) -> None:
    (tmp_path / "s2" / "manifest").mkdir(parents=True)
    with pytest.raises(DataFolderError, match=r"restore the file from a backup"):
        load_or_make_key(Settings(data=tmp_path))
    assert not (tmp_path / "s2.key").exists()
