"""Settings: one table, read once, wrong ones refused by name."""

from pathlib import Path

import pytest

from casts.errors import SettingsError
from casts.settings import Settings, read_settings, settings_table


def test_defaults_hold_where_nothing_is_set() -> None:
    assert read_settings({"HOME": "/root", "STREAMTTS_PORT": ""}) == Settings()


def test_values_are_read_in_their_kind() -> None:
    settings = read_settings({"STREAMTTS_PORT": "0", "STREAMTTS_DATA": "/srv/x", "STREAMTTS_COMFORT_S": "2.5"})
    assert (settings.port, settings.data, settings.comfort_s) == (0, Path("/srv/x"), 2.5)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STREAMTTS_PROT", "1", "unknown setting STREAMTTS_PROT"),
        ("STREAMTTS_PORT", "http", "STREAMTTS_PORT='http' is not a whole number"),
        ("STREAMTTS_PORT", "70000", "out of range"),
        ("STREAMTTS_ENGINE", "festival", "none of auto, espeak"),
        ("STREAMTTS_BASIN", "short", "8 to 48"),
        ("STREAMTTS_BASIN", "Upper-Case", "8 to 48"),
        ("STREAMTTS_LOG", "xml", "none of auto, text, json"),
    ],
)
def test_wrong_setting_is_refused_by_name(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings({name: value})


def test_table_has_a_row_with_a_meaning_for_each_setting() -> None:
    rows = settings_table()
    assert len(rows) == len(Settings.__dataclass_fields__)
    assert all(name.startswith("STREAMTTS_") and about for name, _, about in rows)
