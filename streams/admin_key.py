"""The key of the admin API: from the setting, else from the data folder where `streamtts up` made it."""

from pathlib import Path

from casts.errors import SettingsError
from casts.settings import Settings

SHORTEST_KEY = 16


def admin_key_path(data: Path) -> Path:
    return data / "admin.key"


def check_admin_key(key: str, where: str) -> str:
    """Raises SettingsError for what is too short to be a secret or does not fit into a header; never shows it."""
    if len(key) < SHORTEST_KEY or not all("!" <= character <= "~" for character in key):
        raise SettingsError(f"{where} is no admin key: that has {SHORTEST_KEY} or more ASCII characters without spaces")
    return key


def read_admin_key(settings: Settings) -> str | None:
    """None where neither setting nor file has one. Raises SettingsError."""
    if settings.admin_key:
        return check_admin_key(settings.admin_key, "STREAMTTS_ADMIN_KEY")
    path = admin_key_path(settings.data.expanduser())
    try:
        return check_admin_key(path.read_text(encoding="ascii", errors="replace").strip(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"the admin key in {path} cannot be read: {error.strerror}") from error
