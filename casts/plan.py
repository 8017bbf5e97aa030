"""The plan of a cast: its sentences before they are spoken, as spans of the stripped text."""

from dataclasses import dataclass

from casts.errors import InvalidRecord
from casts.limits import PLAN_ENTRIES


@dataclass(frozen=True, slots=True)
class Planned:
    """One sentence to speak.

    Attributes:
        begin, end: span in UTF-16 units of the stripped text.
        pause_ms: silence that follows the speech.
    """

    begin: int
    end: int
    pause_ms: int


Plan = tuple[Planned, ...]


def plan_to_json(plan: Plan) -> list[list[int]]:
    return [[entry.begin, entry.end, entry.pause_ms] for entry in plan]


def plan_from_json(raw: object) -> Plan:
    """Read `[[begin, end, pause_ms], …]`.

    Raises:
        InvalidRecord: not that shape, spans that overlap or run backwards, or too many of them.
    """
    if not isinstance(raw, list) or not 0 < len(raw) <= PLAN_ENTRIES:
        raise InvalidRecord("a plan is a list of 1 to 40,000 entries")
    plan = []
    last_end = 0
    for entry in raw:
        if not isinstance(entry, list) or len(entry) != 3 or not all(type(part) is int for part in entry):
            raise InvalidRecord("a plan entry is [begin, end, pause_ms]")
        begin, end, pause_ms = entry
        if begin < last_end or end <= begin or pause_ms < 0:
            raise InvalidRecord("plan entries are in order, not empty, and do not overlap")
        plan.append(Planned(begin, end, pause_ms))
        last_end = end
    return tuple(plan)
