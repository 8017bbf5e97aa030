"""The watermark is the lowest unfinished job and never decreases, in whatever order jobs finish."""

from hypothesis import given
from hypothesis import strategies as st

from worker.watermark import Watermark


@given(st.integers(0, 50), st.lists(st.integers(0, 70), max_size=120))
def test_watermark_is_the_lowest_unfinished_job_in_every_order(start: int, finished: list[int]) -> None:
    watermark, done = Watermark(start), set(range(start))
    before = start
    for offset in finished:
        moved = watermark.finish(offset)
        done.add(offset)
        expected = next(n for n in range(200) if n not in done)
        assert watermark.value == expected
        assert moved == (watermark.value > before)
        before = watermark.value
        assert watermark.beyond_gap == len({n for n in done if n > watermark.value})


def test_finishing_a_job_again_changes_nothing() -> None:
    watermark = Watermark(0)
    assert watermark.finish(0)
    assert not watermark.finish(0)
    assert watermark.value == 1
