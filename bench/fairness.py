"""`python -m bench.fairness`: the schedule against two simpler rules, simulated. Pure, seeded, no clock.

The rule under test is `worker.schedule.next_turn` itself. A listener begins at the first audio of a cast, plays, and
waits at every underrun. One engine makes `speed` seconds of speech a second, one sentence at a time.
"""

import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.plot import Series, bar_chart
from bench.report import percentile
from casts.keys import CastKey
from worker.schedule import Candidate, Lead, Rest, Turn, next_turn

COMFORT_S = 300.0
FIRST_CHUNK_S = 1.8
SENTENCE_S = (2.5, 7.0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A cast that comes in: seconds of speech of each of its sentences."""

    at: float
    sentences: tuple[float, ...]


@dataclass(slots=True)
class Spoken:
    """A cast in work. `made_at` has the moment of each finished sentence."""

    key: CastKey
    arrival: Arrival
    number: int
    made_at: list[float] = field(default_factory=list)
    lead: Lead | None = None
    served: int = 0

    @property
    def complete(self) -> bool:
        return len(self.made_at) == len(self.arrival.sentences)


Policy = Callable[[Sequence[Spoken], float], Turn | Rest]


def ours(waiting: Sequence[Spoken], now: float) -> Turn | Rest:
    """The worker's own rule."""
    candidates = (Candidate(cast.key, cast.number, cast.lead, cast.served) for cast in waiting)
    return next_turn(candidates, now, COMFORT_S)


def first_come(waiting: Sequence[Spoken], now: float) -> Turn | Rest:
    """One cast after the other, whole."""
    return Turn(min(waiting, key=lambda cast: cast.number).key) if waiting else Rest(None)


def lowest_lead(waiting: Sequence[Spoken], now: float) -> Turn | Rest:
    """Least audio made minus time since it came in: the wall clock never forgives an old cast its delay."""

    def lead(cast: Spoken) -> float:
        return sum(cast.arrival.sentences[: len(cast.made_at)]) - (now - cast.arrival.at)

    return Turn(min(waiting, key=lambda cast: (lead(cast), cast.number)).key) if waiting else Rest(None)


POLICIES: dict[str, Policy] = {"StreamTTS": ours, "first come": first_come, "lowest lead": lowest_lead}


@dataclass(frozen=True, slots=True)
class Heard:
    """What one listener lived through, in seconds.

    Attributes:
        wait: from the submit to the first audio.
        stalled: silence at underruns, and how many there were.
        starved: the longest time for which the engine served others while this listener's audio had run out.
    """

    wait: float
    stalled: float
    underruns: int
    starved: float


def simulate(arrivals: Iterable[Arrival], speed: float, policy: Policy, until: float) -> list[Heard]:
    """Run one engine over the arrivals up to a moment; returns what each listener of a begun cast heard.

    A cast that has no audio by then counts as waiting up to that moment.
    """
    coming = sorted(arrivals, key=lambda arrival: arrival.at)
    casts = [Spoken(CastKey(str(number)), arrival, number) for number, arrival in enumerate(coming)]
    now, turn = 0.0, 0
    while now < until:
        present = [cast for cast in casts if cast.arrival.at <= now and not cast.complete]
        following = min((cast.arrival.at for cast in casts if cast.arrival.at > now), default=until)
        match policy(present, now):
            case Turn(key):
                turn += 1
                cast = casts[int(key)]
                duration = cast.arrival.sentences[len(cast.made_at)]
                now += duration / speed
                cast.made_at.append(now)
                cast.served = turn
                cast.lead = (cast.lead or Lead(0.0, now)).with_audio(duration, now)
            case Rest(until=wake):
                now = max(now + 1e-9, min(following, until if wake is None else wake))
    return [_heard(cast, until) for cast in casts if cast.arrival.at < until]


def _heard(cast: Spoken, until: float) -> Heard:
    if not cast.made_at:
        return Heard(until - cast.arrival.at, 0.0, 0, until - cast.arrival.at)
    heard_up_to = cast.made_at[0]
    stalled, underruns, starved = 0.0, 0, cast.made_at[0] - cast.arrival.at
    for made, before in zip(cast.made_at[1:], cast.arrival.sentences, strict=False):
        heard_up_to += before
        if made > heard_up_to:
            stalled, underruns, starved = stalled + made - heard_up_to, underruns + 1, max(starved, made - heard_up_to)
            heard_up_to = made
    if not cast.complete:
        heard_up_to += cast.arrival.sentences[len(cast.made_at) - 1]
        starved = max(starved, until - heard_up_to)
    return Heard(cast.made_at[0] - cast.arrival.at, stalled, underruns, starved)


def text(rng: random.Random, speech_s: float) -> tuple[float, ...]:
    """Sentences of about so many seconds in all, the first one small as the planner makes it."""
    sentences = [min(FIRST_CHUNK_S, speech_s)]
    while sum(sentences) < speech_s:
        sentences.append(rng.uniform(*SENTENCE_S))
    return tuple(sentences)


def poisson(rng: random.Random, speed: float) -> list[Arrival]:
    """Articles of half a minute to five, 80 % of what a realtime engine could do, for half an hour."""
    arrivals, now = [], 0.0
    while (now := now + rng.expovariate(0.8 / 165)) < 1800:
        arrivals.append(Arrival(now, text(rng, rng.uniform(30, 300))))
    return arrivals


def burst(rng: random.Random, speed: float) -> list[Arrival]:
    """Fifty people with a minute each, at the same moment."""
    return [Arrival(0.001 * n, text(rng, 60)) for n in range(50)]


def book_among_tweets(rng: random.Random, speed: float) -> list[Arrival]:
    """An hour of book from the start, and every half minute a text of ten seconds."""
    tweets = [Arrival(30.0 * n + rng.uniform(0, 20), text(rng, 10)) for n in range(1, 60)]
    return [Arrival(0.0, text(rng, 3600)), *tweets]


PATTERNS = {"Poisson": poisson, "burst of 50": burst, "a book among tweets": book_among_tweets}
SPEEDS = (0.3, 0.9, 1.1, 4.0)
UNTIL_S = 3600.0
SEED = 7


def table() -> tuple[str, dict[tuple[str, float, str], list[Heard]]]:
    lines = [
        "| pattern | engine | rule | wait p50 | wait p95 | longest | stalled a listener | longest starved |",
        "|---|---|---|---|---|---|---|---|",
    ]
    results = {}
    for pattern, arrivals_of in PATTERNS.items():
        for speed in SPEEDS:
            for rule, policy in POLICIES.items():
                heard = simulate(arrivals_of(random.Random(SEED), speed), speed, policy, UNTIL_S)
                results[pattern, speed, rule] = heard
                waits = [one.wait for one in heard]
                stalled = sum(one.stalled for one in heard) / len(heard)
                starved = max(one.starved for one in heard)
                lines.append(
                    f"| {pattern} | {speed:g}x | {rule} | {percentile(waits, 0.5):.1f} s | "
                    f"{percentile(waits, 0.95):.1f} s | {max(waits):.0f} s | {stalled:.0f} s | {starved:.0f} s |"
                )
    return "\n".join(lines), results


def chart(results: dict[tuple[str, float, str], list[Heard]]) -> str:
    """Time to first audio, 95th percentile, of each rule under each pattern and speed."""
    groups = [f"{pattern}, {speed:g}x" for pattern in PATTERNS for speed in SPEEDS]
    series = [
        Series(rule, [percentile([h.wait for h in results[p, s, rule]], 0.95) for p in PATTERNS for s in SPEEDS])
        for rule in POLICIES
    ]
    return bar_chart("Wait for the first sound, 95th percentile, seconds (logarithmic)", groups, series)


def main() -> int:
    rows, results = table()
    print(rows)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(chart(results))
        print(f"\nPlot written to {sys.argv[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
