"""Figures and tables for people to read. Pure; what others wrote is made harmless for a terminal."""

from collections.abc import Sequence
from datetime import datetime


def harmless(text: object) -> str:
    """In one line, without control characters: a terminal would obey them."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text))


def length(seconds: float) -> str:
    """`0.8 s`, `12 s`, `3 min`, `2 h`, `4 d`: as exact as anybody wants to know."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < size * most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def age_s(at: str, now: datetime) -> float:
    """Seconds since an ISO 8601 time."""
    return (now - datetime.fromisoformat(at)).total_seconds()


def size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count = round(count / 1024)
    return f"{count} GiB"


def counted(number: int, one: str, more: str = "") -> str:
    """`1 cast`, `2 casts`."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns as wide as they need, to the left; numbers (`>` before the head) to the right."""
    cells = [[harmless(cell) for cell in row] for row in rows]
    names = [name.removeprefix(">") for name in head]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    lines = []
    for row in [names, *cells]:
        padded = (
            f"{cell:>{width}}" if name.startswith(">") else f"{cell:{width}}"
            for cell, width, name in zip(row, widths, head, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    return lines
