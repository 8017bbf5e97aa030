"""Promise: a crash costs at most one sentence, however much was spoken before it."""

from collections.abc import Iterator

import pytest

from tests.e2e.reading import PatientReader, check_complete
from tests.e2e.texts import some_sentences
from tests.stack import Stack, eventually

ENDLESS_COMFORT_S = "1000000"
SENTENCES = 60
KILLED_AT = 40

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack") / "data", comfort_s=ENDLESS_COMFORT_S) as running:
        yield running


@pytest.mark.parametrize("role", ["worker", "engine", "s2", "proxy"])
def test_cast_killed_at_sentence_40_of_60_goes_on_there_and_not_at_the_beginning(stack: Stack, role: str) -> None:
    text = some_sentences(f"resume after {role}", SENTENCES)
    cast_id = stack.submitted(text)
    with PatientReader(stack, cast_id) as reader:
        eventually("forty sentences are spoken", lambda: reader.spoken >= KILLED_AT)
        killed = stack.kill(role)
        eventually(f"the cast ends, after {reader.errors}", lambda: reader.ended, 60)
        stack.wait_restarted(role, killed)
    fold = check_complete(reader.frames, text)
    resumed_at = [int(str(frame.header["i"])) for frame in reader.frames if frame.header["e"] == "start"][1:]
    assert all(KILLED_AT <= index <= len(fold.sentences) for index in resumed_at)
    assert reader.spoken - len(fold.sentences) <= 1, "more than one sentence was spoken again"
