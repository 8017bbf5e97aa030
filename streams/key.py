"""The cipher key of the streams: from the setting, else from the data folder where `streamtts up` made it."""

import base64
import binascii
from pathlib import Path

from casts.errors import SettingsError
from casts.settings import Settings

KEY_BYTES = 32


def key_path(data: Path) -> Path:
    return data / "s2.key"


def check_key(key: str) -> str:
    """Raises SettingsError where it is not base64 of 32 bytes; the message does not show the key."""
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError("the stream cipher's key is not base64") from None
    if len(raw) != KEY_BYTES:
        raise SettingsError(f"the stream cipher's key has {len(raw)} bytes, not {KEY_BYTES}")
    return key


def read_key(settings: Settings) -> str:
    """Raises SettingsError where there is none, and says how to get one."""
    if settings.s2_key:
        return check_key(settings.s2_key)
    path = key_path(settings.data)
    try:
        return check_key(path.read_text().strip())
    except FileNotFoundError:
        raise SettingsError(
            f"no stream cipher key: {path} does not exist. `streamtts up` makes it; "
            "on another machine set STREAMTTS_S2_KEY to the same key"
        ) from None
