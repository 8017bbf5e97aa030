"""What one seed does: texts, submits, readers and faults, each at its moment. Pure: a seed gives the same plan."""

import random
from dataclasses import dataclass
from typing import Literal

Fault = Literal["kill", "stop", "cut", "reset", "hold", "delay", "swallow", "half_open", "refuse"]

EVERYTHING = "everything"
"""S2-Lite, both workers and the proxy at once: a power cut."""

KILLABLE = ("s2", "s2", "worker1", "worker1", "worker2", "worker2", "engine1", "engine2", "proxy", EVERYTHING)
STOPPABLE = ("worker1", "worker1", "worker2", "worker2", "s2", "engine1", "engine2", "proxy")
LINKS = ("worker1", "worker2", "proxy", "readers")

LINK_FAULTS: tuple[Fault, ...] = ("cut", "reset", "hold", "delay", "swallow", "refuse")
HALF_OPEN_ONE_IN = 25
"""Of link faults: each costs its victim the twenty seconds in which it must notice by itself."""

WORDS = (
    "boat", "river", "stone", "winter", "quiet", "garden", "window", "market", "bread", "salt", "light", "morning",
    "paper", "bridge", "summer", "road", "letter", "music", "cloud", "mountain", "table", "silver", "evening",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedSubmit:
    at_s: float
    text: int
    asap: bool


@dataclass(frozen=True, slots=True)
class PlannedReader:
    """`cursor` is the first record wanted: 0, or one in the middle."""

    at_s: float
    text: int
    cursor: int


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """`lasts_s` is how long the victim stays stopped or dead, or the link broken; 0 for engines and cuts."""

    at_s: float
    kind: Fault
    target: str
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    seconds: float
    texts: tuple[str, ...]
    submits: tuple[PlannedSubmit, ...]
    readers: tuple[PlannedReader, ...]
    faults: tuple[PlannedFault, ...]


def make_plan(seed: int, seconds: float) -> Plan:
    rng = random.Random(seed)
    texts = tuple(_text(rng, f"{seed} {number}") for number in range(rng.randint(4, 7)))
    submits = [
        PlannedSubmit(rng.uniform(0, seconds * 0.7), number, rng.random() < 0.25) for number in range(len(texts))
    ]
    for _ in range(rng.randint(1, 3)):  # the same text again: at once, or later
        first = rng.choice(submits)
        again_s = first.at_s + rng.choice([0.0, 0.0, rng.uniform(0, seconds * 0.3)])
        submits.append(PlannedSubmit(again_s, first.text, rng.random() < 0.3))
    readers = []
    for submit in submits:
        late_s = rng.choice([0.0, rng.uniform(0, seconds * 0.4)])
        cursor = rng.choice([0, 0, rng.randint(1, sentences_of(texts[submit.text]))])
        readers.append(PlannedReader(submit.at_s + late_s, submit.text, cursor))
    faults = [_fault(rng, seconds) for _ in range(rng.randint(3, 8))]
    return Plan(
        seed,
        seconds,
        texts,
        tuple(sorted(submits, key=lambda one: one.at_s)),
        tuple(sorted(readers, key=lambda one: one.at_s)),
        tuple(sorted(faults, key=lambda one: one.at_s)),
    )


def _text(rng: random.Random, name: str) -> str:
    sentences = rng.choice([1, 2, 4, 8, 16, rng.randint(20, 50), rng.randint(20, 50)])
    return " ".join([f"This is text number {name}.", *(_sentence(rng) for _ in range(sentences - 1))])


def sentences_of(text: str) -> int:
    return sum(text.count(mark) for mark in ".?!")


def _sentence(rng: random.Random) -> str:
    words = rng.choices(WORDS, k=rng.randint(4, 14))
    return " ".join(words).capitalize() + rng.choice([".", ".", "?", "!"])


def _fault(rng: random.Random, seconds: float) -> PlannedFault:
    at_s = rng.uniform(0.2, seconds * 0.9)
    match rng.choices(["kill", "stop", "link"], [4, 2, 3])[0]:
        case "kill":
            target = rng.choice(KILLABLE)
            lasts_s = 0.0 if target.startswith("engine") else rng.choice([0.2, rng.uniform(0.2, 3.5)])
            return PlannedFault(at_s, "kill", target, lasts_s)
        case "stop":
            return PlannedFault(at_s, "stop", rng.choice(STOPPABLE), rng.uniform(0.5, 4.0))
        case _:
            kind = "half_open" if rng.randrange(HALF_OPEN_ONE_IN) == 0 else rng.choice(LINK_FAULTS)
            lasts_s = 0.0 if kind in ("cut", "reset") else rng.uniform(0.3, 3.0)
            return PlannedFault(at_s, kind, rng.choice(LINKS), lasts_s)
