"""What follows a failure, as a table."""

import pytest

from streams.backoff import store_backoff
from worker.retry import GiveUp, Retry, after_engine_failure, before_resuming


@pytest.mark.parametrize(
    ("failures", "jitter", "expected"),
    [
        pytest.param(0, 0.0, Retry(0.25), id="first"),
        pytest.param(1, 1.0, Retry(1.0), id="second, with jitter"),
        pytest.param(2, 0.0, GiveUp("engine_hung", "The voice engine took too long at this text."), id="third"),
        pytest.param(7, 0.0, GiveUp("engine_hung", "The voice engine took too long at this text."), id="more"),
    ],
)
def test_after_engine_failure(failures: int, jitter: float, expected: Retry | GiveUp) -> None:
    assert after_engine_failure("engine_hung", failures, jitter) == expected


@pytest.mark.parametrize(
    ("failures", "interruptions", "gives_up"),
    [(0, 0, False), (2, 9, False), (3, 0, True), (2, 10, True), (0, 29, False), (0, 30, True)],
)
def test_before_resuming(failures: int, interruptions: int, gives_up: bool) -> None:
    assert (before_resuming(failures, interruptions) is not None) == gives_up


def test_sentence_that_the_engine_refuses_is_not_asked_for_again() -> None:
    assert isinstance(after_engine_failure("engine_refused", 0, 0.0), GiveUp)


def test_unknown_reason_still_has_words_for_listeners() -> None:
    decision = after_engine_failure("engine_on_fire", 9, 0.0)
    assert isinstance(decision, GiveUp)
    assert decision.message


def test_store_backoff_grows_and_is_bounded() -> None:
    delays = [store_backoff(tries, 0.5) for tries in range(1, 12)]
    assert delays == sorted(delays)
    assert delays[-1] == 5.0
