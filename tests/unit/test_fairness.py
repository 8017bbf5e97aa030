"""The simulator runs the worker's own rule: what it promises holds there, and the simpler rules break it."""

import random

import pytest

from bench.fairness import (
    PATTERNS,
    SPEEDS,
    UNTIL_S,
    Arrival,
    book_among_tweets,
    burst,
    chart,
    first_come,
    lowest_lead,
    ours,
    simulate,
    table,
    text,
)

LONGEST_SENTENCE_S = 7.0


def test_listener_waits_at_underruns_and_the_simulator_counts_it() -> None:
    """Two sentences of 4 s at half of real time: the second is ready 4 s after the first has been heard."""
    (heard,) = simulate([Arrival(0.0, (4.0, 4.0))], 0.5, ours, 100.0)
    assert (heard.wait, heard.stalled, heard.underruns) == (8.0, 4.0, 1)


@pytest.mark.parametrize("speed", SPEEDS)
def test_newcomer_beside_a_book_waits_for_one_sentence_and_its_own_first(speed: float) -> None:
    book = Arrival(0.0, text(random.Random(1), 3600.0))
    newcomer = Arrival(500.0, (1.8, 5.0))
    alone = simulate([Arrival(0.0, newcomer.sentences)], speed, ours, UNTIL_S)[0].wait
    beside = simulate([book, newcomer], speed, ours, UNTIL_S)[1].wait
    assert beside <= alone + LONGEST_SENTENCE_S / speed + 1e-6


@pytest.mark.parametrize("speed", SPEEDS)
def test_last_of_a_burst_hears_something_after_one_first_chunk_each(speed: float) -> None:
    waits = [heard.wait for heard in simulate(burst(random.Random(3), speed), speed, ours, UNTIL_S)]
    assert max(waits) == pytest.approx(50 * 1.8 / speed, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_engine_faster_than_real_time_lets_no_listener_of_the_book_starve(seed: int) -> None:
    heard = simulate(book_among_tweets(random.Random(seed), 4.0), 4.0, ours, UNTIL_S)
    assert max(one.starved for one in heard) < 5.0
    assert sum(one.stalled for one in heard) < 1.0


@pytest.mark.parametrize("other", [first_come, lowest_lead], ids=["first come", "lowest lead"])
def test_simpler_rules_make_newcomers_pay_for_a_slow_engine(other: object) -> None:
    """The choice is shown, not claimed: a slow engine, a book, and short texts that come later."""
    arrivals = book_among_tweets(random.Random(7), 0.9)
    waits = sorted(one.wait for one in simulate(arrivals, 0.9, ours, UNTIL_S))
    others = sorted(one.wait for one in simulate(arrivals, 0.9, other, UNTIL_S))  # type: ignore[arg-type]  # a policy
    assert others[len(others) // 2] > 20 * waits[len(waits) // 2]


def test_same_seed_gives_the_same_table_and_the_plot_shows_each_rule() -> None:
    rows, results = table()
    assert rows == table()[0]
    assert len(rows.splitlines()) == 2 + len(PATTERNS) * len(SPEEDS) * 3
    drawn = chart(results)
    assert drawn.count("<rect") == 1 + 3 + len(PATTERNS) * len(SPEEDS) * 3
