"""Texts of short sentences. Each test names its own, so that no two tests share a cast."""

from itertools import cycle, islice

SENTENCES = (
    "A small boat lay on the lake.",
    "It carried five people and a dog.",
    "Nobody knew how to row it well.",
    "The wind was kind that morning.",
    "A heron stood in the reeds.",
    "They talked about bread and rain.",
    "The dog fell asleep by the bow.",
    "Then the shore came into view.",
    "All were glad to see the houses.",
    "The dog was the first to jump.",
)
"""About two seconds of speech each; none is cut in two or joined with another."""


def some_sentences(name: str, count: int = 10) -> str:
    """A text of `count` sentences, the first of which makes it another cast than that of any other name."""
    return " ".join([f"This is the {name} story.", *islice(cycle(SENTENCES), count - 1)])
