"""A bar chart as SVG, small enough to read and to commit. Logarithmic, since waits span four decades."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

COLOURS = ("#2f3fd6", "#d0872f", "#8a8f98")
LEFT, ROW, BAR, WIDTH = 190.0, 58, 15, 880
DECADES = (-1, 4)


@dataclass(frozen=True, slots=True)
class Series:
    """One colour: a value for each group."""

    name: str
    values: Sequence[float]


def bar_chart(title: str, groups: Sequence[str], series: Sequence[Series]) -> str:
    """Horizontal bars, grouped; values below 0.1 are drawn as 0.1."""
    height = 90 + ROW * len(groups)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="600">{escape(title)}</text>',
    ]
    for place, one in enumerate(series):
        x = LEFT + 150 * place
        parts.append(f'<rect x="{x}" y="40" width="12" height="12" fill="{COLOURS[place]}"/>')
        parts.append(f'<text x="{x + 18}" y="51">{escape(one.name)}</text>')
    for decade in range(DECADES[0], DECADES[1] + 1):
        x = _x(10.0**decade)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="66" y2="{height - 22}" stroke="#e3e3e3"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle" fill="#666">{10.0**decade:g}</text>')
    for row, group in enumerate(groups):
        top = 72 + ROW * row
        parts.append(f'<text x="{LEFT - 10}" y="{top + 28}" text-anchor="end">{escape(group)}</text>')
        for place, one in enumerate(series):
            value, y = one.values[row], top + (BAR + 2) * place
            length = _x(value) - LEFT
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[place]}"/>')
            parts.append(f'<text x="{LEFT + length + 5:.1f}" y="{y + 12}" fill="#333">{value:.1f}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(value: float) -> float:
    low, high = DECADES
    share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
    return LEFT + share * (WIDTH - LEFT - 60)
