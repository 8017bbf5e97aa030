"""Promise: the unit of work is one sentence; a long text never starves a short one."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.reading import check_complete
from tests.stack import Stack, eventually

ENDLESS_COMFORT_S = "1000000"
SHORT_TEXTS = 8
FIRST_AUDIO_S = 4.0
"""For all of them; the long text alone takes the engine minutes."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Its engine never rests while there is anything to speak."""
    with Stack(tmp_path_factory.mktemp("stack") / "data", comfort_s=ENDLESS_COMFORT_S) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "long_text"),
    [
        pytest.param("novels", "This is a sentence of a very long novel. " * 12_000, id="half a megabyte of English"),
        pytest.param("shouts", "好！" * 85_000, id="170,000 characters of Chinese in one line"),
    ],
)
def test_short_texts_are_heard_while_a_long_one_is_spoken(stack: Stack, name: str, long_text: str) -> None:
    long_id = stack.submitted(long_text)
    check_all_are_heard(stack, [f"Short text {number} while the {name} are planned." for number in range(SHORT_TEXTS)])

    def done() -> int:
        return int(stack.get(f"/api/casts/{long_id}").json["sentences_done"])

    eventually("the long text is spoken", done)
    check_all_are_heard(stack, [f"Short text {number} while the {name} are spoken." for number in range(SHORT_TEXTS)])
    before = done()
    assert stack.get(f"/api/casts/{long_id}").json["state"] == "speaking", "it was finished: nothing was shared"
    eventually("the long one goes on", lambda: done() > before)


def check_all_are_heard(stack: Stack, texts: list[str]) -> None:
    """Each of these texts, submitted at once, has its first audio in time and all of it soon after."""
    began = time.monotonic()
    with ThreadPoolExecutor(SHORT_TEXTS) as pool:
        cast_ids = list(pool.map(stack.submitted, texts))

    def all_heard() -> bool:
        return all(stack.get(f"/api/casts/{cast_id}").json["sentences_done"] for cast_id in cast_ids)

    eventually("every short text is heard", all_heard, FIRST_AUDIO_S - (time.monotonic() - began))
    for cast_id, text in zip(cast_ids, texts, strict=True):
        check_complete(stack.finished(cast_id), text)
