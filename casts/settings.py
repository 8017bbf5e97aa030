"""Every `STREAMTTS_*` setting in one table: name, default, meaning.

Pure: takes an environment mapping and gives one frozen object. An unknown name is an error, so that a typing
mistake is never a silent default. `docs/operations.md` is checked against this table.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from casts.errors import SettingsError

PREFIX = "STREAMTTS_"
_BASIN = re.compile(r"[a-z0-9][a-z0-9-]{6,46}[a-z0-9]")
DAY_S = 24 * 3600


def _setting(default: Any, about: str, *, low: float | None = None, high: float | None = None) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings. Field `s2_port` is read from `STREAMTTS_S2_PORT`, and so on."""

    host: str = _setting("127.0.0.1", "address that the page and the API listen on")
    port: int = _setting(8080, "port of the page and the API; 0 takes a free one", low=0, high=65535)
    public_url: str = _setting("", "address that people see, with scheme; empty: taken from the request")
    data: Path = _setting(Path("var"), "folder for everything that must survive a restart")
    s2_url: str = _setting("", "address of a running S2; empty: `streamtts up` starts S2-Lite")
    s2_port: int = _setting(4002, "port of the S2-Lite that `up` starts; 0 takes a free one", low=0, high=65535)
    s2_token: str = _setting("", "access token for S2 cloud; S2-Lite has none")
    s2_key: str = _setting(
        "", "base64 key of 32 bytes for the stream cipher; empty: made on first start in `<data>/s2.key`"
    )
    s2_binary: str = _setting("", "S2-Lite's program; empty: `s2` on PATH, else the cache, else fetched or built")
    basin: str = _setting("streamtts", "basin that holds all streams, 8 to 48 characters")
    engine: str = _setting("auto", "voice engine: auto or espeak")
    engine_python: str = _setting("", "Python that runs the engine process; empty: this one")
    sentence_deadline_s: float = _setting(60.0, "seconds that an engine may take for one sentence", low=1, high=3600)
    retention_s: int = _setting(30 * DAY_S, "seconds for which a cast is kept", low=3600, high=3650 * DAY_S)
    max_text_bytes: int = _setting(512 * 1024, "longest text, in bytes of UTF-8", low=1, high=1000 * 1024)
    max_active_casts: int = _setting(
        64, "casts whose text and plan a worker holds in memory at once", low=1, high=10_000
    )
    intake_window: int = _setting(10_000, "unfinished jobs that a worker reads ahead", low=1, high=1_000_000)
    comfort_s: float = _setting(300.0, "seconds of lead at which a cast nobody waits for lets the engine rest", low=1)
    lease_s: float = _setting(30.0, "seconds without a sign of life after which a worker's casts are taken over", low=1)
    voice_grace_s: float = _setting(3600.0, "seconds after which a job whose voice nobody offers fails", low=1)
    live_buffer_bytes: int = _setting(
        64 * 1024 * 1024, "frames kept in memory for live listeners, all casts", low=1024 * 1024
    )
    admin_key: str = _setting(
        "", "key of the admin API, 16 characters or more; empty: made on first start in `<data>/admin.key`"
    )
    worker_metrics_port: int = _setting(0, "port of the worker's metrics; 0: none are served", low=0, high=65535)
    worker_metrics_host: str = _setting("127.0.0.1", "address that the worker's metrics are served on")
    log: str = _setting("auto", "log lines: text, json or auto (text on a terminal)")


def _env_name(name: str) -> str:
    return PREFIX + name.upper()


def _value(name: str, kind: Any, raw: str) -> Any:
    try:
        return kind(raw)
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}.get(kind, "a value")
        raise SettingsError(f"{_env_name(name)}={raw!r} is not {wanted}") from None


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings of an environment.

    Raises:
        SettingsError: an unknown name, a value of the wrong kind or out of range. The message names the setting.
    """
    known = {_env_name(f.name): f for f in fields(Settings)}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for env_name, spec in known.items():
        raw = environ.get(env_name, "")
        if raw == "":
            continue
        value = _value(spec.name, type(spec.default), raw) if not isinstance(spec.default, Path) else Path(raw)
        low, high = spec.metadata["low"], spec.metadata["high"]
        if (low is not None and value < low) or (high is not None and value > high):
            raise SettingsError(f"{env_name}={raw} is out of range: {low} to {high if high is not None else 'any'}")
        values[spec.name] = value
    settings = Settings(**values)
    if settings.engine not in ENGINES:
        raise SettingsError(f"{PREFIX}ENGINE={settings.engine!r} is none of {', '.join(ENGINES)}")
    if not _BASIN.fullmatch(settings.basin):
        raise SettingsError(f"{PREFIX}BASIN={settings.basin!r} is not 8 to 48 of a-z, 0-9 and hyphens within")
    if settings.log not in ("auto", "text", "json"):
        raise SettingsError(f"{PREFIX}LOG={settings.log!r} is none of auto, text, json")
    return settings


ENGINES = ("auto", "espeak")


def settings_table() -> list[tuple[str, str, str]]:
    """Rows of (name, default, meaning) in the order of the table, for `--help` and the docs."""
    rows = []
    for spec in fields(Settings):
        assert spec.default is not MISSING
        rows.append((_env_name(spec.name), str(spec.default), str(spec.metadata["about"])))
    return rows
