"""Counts of a run, and the table at its end."""

from collections.abc import Mapping

GROUPS = ("submits", "kills", "stops", "links", "attempts")
ORDER = (
    "seeds", "casts", "sentences", "jobs", "submits", "readers", "resumed reads", "kills", "stops", "links",
    "attempts", "engine failures", "failures", "wasted sentences", "breaks",
)  # fmt: skip
"""Every row of the table. Below a group stand its parts, `kills worker1` and the like."""


def render(counts: Mapping[str, int], seconds: float) -> str:
    rows: list[tuple[str, int]] = []
    for name in ORDER:
        parts = sorted(part for part in counts if name in GROUPS and part.startswith(f"{name} "))
        rows.append((name, sum(counts[part] for part in parts) if name in GROUPS else counts.get(name, 0)))
        rows.extend((f"  {part.removeprefix(f'{name} ')}", counts[part]) for part in parts)
    rows.append(("seconds", round(seconds)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value:>8}" for name, value in rows)
