"""The admin key: made once by `up`, read by the proxy and the commands, never shown."""

from pathlib import Path

import pytest

from casts.errors import SettingsError
from casts.settings import Settings
from cli.data_folder import DataFolderError, make_admin_key
from streams.admin_key import read_admin_key

KEY = "sixteen-or-more-x"


def test_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    assert read_admin_key(settings) is None
    make_admin_key(settings)
    first = read_admin_key(settings)
    assert first is not None
    assert len(first) >= 32
    make_admin_key(settings)
    assert read_admin_key(settings) == first
    assert (tmp_path / "admin.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]


def test_key_of_the_setting_wins_and_is_not_stored(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, admin_key=KEY)
    make_admin_key(settings)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "admin.key").write_text("another-key-of-the-file\n")
    assert read_admin_key(settings) == KEY


@pytest.mark.parametrize("key", ["short", "has spaces in its middle", "schlüssel-schlüssel", "a\nheader: of-its-own"])
def test_key_that_is_none_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError, match="STREAMTTS_ADMIN_KEY is no admin key") as raised:
        read_admin_key(Settings(data=tmp_path, admin_key=key))
    assert key not in str(raised.value)
    (tmp_path / "admin.key").write_text(key)
    with pytest.raises(SettingsError, match="admin.key is no admin key") as raised:
        make_admin_key(Settings(data=tmp_path))
    assert key not in str(raised.value)


def test_key_file_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "admin.key").mkdir()
    with pytest.raises(SettingsError, match="admin.key cannot be read"):
        read_admin_key(Settings(data=tmp_path))
    with pytest.raises(DataFolderError, match="admin.key cannot be used"):
        make_admin_key(Settings(data=tmp_path / "not there"))
