"""Figures as a table: median and spread, beside the budget."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `budget` is in the unit of `value`, an upper bound or a lower one; None where there is none."""

    name: str
    value: float
    unit: str
    spread: str
    budget: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.budget is None:
            return ""
        if self.at_least:
            return "ok" if self.value >= self.budget else "UNDER"
        return "ok" if self.value <= self.budget else "OVER"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    return (
        f"n={len(values)}, p10 {percentile(values, 0.1):.1f}, p50 {statistics.median(values):.1f}, "
        f"p90 {percentile(values, 0.9):.1f}, max {max(values):.1f} {unit}"
    )


def render(rows: Sequence[Row]) -> str:
    """A Markdown table, ready for docs/benchmarks.md."""
    lines = ["", "| figure | value | budget | | spread |", "|---|---|---|---|---|"]
    for row in rows:
        bound = "≥" if row.at_least else "≤"
        budget = "" if row.budget is None else f"{bound} {row.budget:g} {row.unit}".rstrip()
        value = f"{row.value:.2f}" if not row.unit else f"{row.value:.1f} {row.unit}"
        lines.append(f"| {row.name} | {value} | {budget} | {row.verdict} | {row.spread} |")
    return "\n".join(lines)
