"""When and how fast a service is started again: numbers only."""

import pytest

from cli.health import RestartRules
from cli.keeper import ending

RULES = RestartRules(first_s=1, longest_s=10, stable_s=30, broken_looks=3, silent_s=20)


@pytest.mark.parametrize(("deaths", "longest"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (5000, 10)])
def test_delay_doubles_up_to_a_limit_and_is_jittered_to_half(deaths: int, longest: float) -> None:
    assert RULES.delay_s(deaths, 0.0) == longest / 2
    assert RULES.delay_s(deaths, 0.5) == longest * 0.75
    assert longest * 0.9 < RULES.delay_s(deaths, 0.999) < longest


@pytest.mark.parametrize(
    ("deaths", "healthy_s", "then"),
    [
        pytest.param(0, 0, 1, id="first"),
        pytest.param(4, 29.9, 5, id="again"),
        pytest.param(4, 30, 1, id="after a stable time"),
    ],
)
def test_deaths_count_from_the_last_stable_time(deaths: int, healthy_s: float, then: int) -> None:
    assert RULES.deaths_after(deaths, healthy_s) == then


@pytest.mark.parametrize(
    ("broken_looks", "was_well", "unwell_s", "restart"),
    [
        pytest.param(2, True, 1, False, id="a moment's trouble"),
        pytest.param(3, True, 1, True, id="broken"),
        pytest.param(3, False, 1, True, id="broken from the start"),
        pytest.param(0, True, 19.9, False, id="silent for a while"),
        pytest.param(0, True, 20, True, id="silent for too long"),
        pytest.param(0, False, 500, False, id="a slow start"),
    ],
)
def test_restart_is_for_services_beyond_recovery(
    broken_looks: int, was_well: bool, unwell_s: float, restart: bool
) -> None:
    assert RULES.must_restart(broken_looks, was_well, unwell_s) == restart


def test_next_look_is_soon_while_a_person_waits_and_rare_in_health() -> None:
    assert RULES.next_look_s(0, False) < RULES.next_look_s(1, True) < RULES.next_look_s(0, True)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by SIGKILL"), (-77, "killed by signal 77")],
)
def test_ending_is_said_in_words(code: int, words: str) -> None:
    assert ending(code) == words
