"""Whose sentence is spoken next. Pure: the clock is passed in, seconds on any monotonic scale.

The unit of work is one sentence. First come casts that nobody has heard anything of, in order of arrival; then the
one whose listener would run dry first. A cast that somebody waits for as a whole (`asap`) takes the turns that
live listeners below the comfort level do not need; when all are comfortably ahead, the engine rests.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from casts.keys import CastKey


@dataclass(frozen=True, slots=True)
class Lead:
    """Seconds of audio ahead of a listener who began at the first audio and waits at every underrun.

    Because that listener waits, the lead never falls below zero: a slow engine owes old casts nothing and does not
    starve newcomers for them.
    """

    ahead_s: float
    at: float

    def now(self, now: float) -> float:
        return max(0.0, self.ahead_s - max(0.0, now - self.at))

    def with_audio(self, duration_s: float, now: float) -> "Lead":
        return Lead(self.now(now) + duration_s, now)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An unfinished cast as the schedule sees it.

    Attributes:
        arrival: order of arrival, the job's offset.
        lead: None before its first audio.
        served: number of the last turn that it got.
        live: somebody may be listening: it was submitted to be heard.
        asap: somebody waits for the whole: a download, an API call. A cast can be both.
    """

    key: CastKey
    arrival: int
    lead: Lead | None
    served: int
    live: bool = True
    asap: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Speak the next sentence of this cast."""

    key: CastKey


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing needs the engine before `until` (None: before something changes)."""

    until: float | None


def next_turn(candidates: Iterable[Candidate], now: float, comfort_s: float) -> Turn | Rest:
    """The order of work of one engine; ties go to the least recently served."""
    unheard: Candidate | None = None
    live: Candidate | None = None
    waited_for: Candidate | None = None
    for one in candidates:
        if one.lead is None:
            if unheard is None or one.arrival < unheard.arrival:
                unheard = one
            continue
        if one.live and (live is None or _urgency(one, now) < _urgency(live, now)):
            live = one
        if one.asap and (waited_for is None or (one.served, one.arrival) < (waited_for.served, waited_for.arrival)):
            waited_for = one
    if unheard is not None:
        return Turn(unheard.key)
    if live is not None and _lead_s(live, now) < comfort_s:
        return Turn(live.key)
    if waited_for is not None:
        return Turn(waited_for.key)
    if live is not None:
        return Rest(now + _lead_s(live, now) - comfort_s)
    return Rest(None)


@dataclass(frozen=True, slots=True)
class Admit:
    """Load this cast; where `park` is given, put that one back to make room."""

    key: CastKey
    park: CastKey | None


SWAP_MARGIN_S = 30.0
"""A waiting cast with audio replaces a loaded one only if it is this much closer to running dry."""


def next_admission(waiting: Iterable[Candidate], loaded: Iterable[Candidate], room: int, now: float) -> Admit | None:
    """Which waiting cast is loaded next, if any. A cast without audio always enters.

    Args:
        loaded: those that may be parked.
        room: free places among the loaded.
    """
    wanted = min(waiting, key=lambda one: (one.lead is not None, _lead_s(one, now), one.arrival), default=None)
    if wanted is None:
        return None
    if room > 0:
        return Admit(wanted.key, None)
    with_audio = [one for one in loaded if one.lead is not None]
    richest = max(with_audio, key=lambda one: (_lead_s(one, now), one.arrival), default=None)
    if richest is None:
        return None
    if wanted.lead is None or _lead_s(wanted, now) + SWAP_MARGIN_S < _lead_s(richest, now):
        return Admit(wanted.key, richest.key)
    return None


def _lead_s(one: Candidate, now: float) -> float:
    return one.lead.now(now) if one.lead is not None else 0.0


def _urgency(one: Candidate, now: float) -> tuple[float, int, int]:
    return _lead_s(one, now), one.served, one.arrival
