"""Promise: any process may die at any moment, and every listener hears every sentence once, in order."""

import pytest
from playwright.sync_api import Browser

from casts.fold import CastFold
from tests.e2e.hearing import check_sentences_once, decoded_by, heard_by, open_tapped
from tests.e2e.pages import until
from tests.e2e.reading import PatientReader, check_complete, check_prefixes
from tests.e2e.texts import some_sentences
from tests.stack import Stack, eventually, fold_frames

pytestmark = pytest.mark.timeout(120)

ROLES = ("s2", "worker", "engine", "proxy")
SENTENCES = 6
END_DEADLINE_S = 60.0


@pytest.mark.parametrize("role", ROLES)
def test_a_reader_loses_nothing_when_a_process_is_killed(stack: Stack, role: str) -> None:
    text = some_sentences(f"{role} and reader", SENTENCES)
    cast_id = stack.submitted(text)
    with PatientReader(stack, cast_id) as reader:
        eventually("the cast is in its middle", lambda: reader.spoken >= 3)
        assert not reader.ended
        killed = stack.kill(role)
        check_prefixes(list(reader.frames))
        eventually(f"the cast ends, after {reader.errors}", lambda: reader.ended, END_DEADLINE_S)
        assert stack.wait_restarted(role, killed)
    fold = check_complete(reader.frames, text)
    assert reader.spoken - len(fold.sentences) <= 1, "more than one sentence was spoken again"
    assert _served_to_a_newcomer(stack, cast_id, reader) == fold.digest
    if role == "worker":
        assert fold.attempt == 2, "the dead worker's claim went on: it was not killed in the middle"


@pytest.mark.browser
@pytest.mark.parametrize("role", ROLES)
def test_a_page_plays_on_to_the_end_when_a_process_is_killed(stack: Stack, browser: Browser, role: str) -> None:
    text = some_sentences(f"{role} and page", SENTENCES)
    cast_id = stack.submitted(text)
    page = open_tapped(browser, stack, cast_id)
    page.click("#play")
    until(page, "streamtts.state === 'playing' && streamtts.position_s > 1")
    began = page.evaluate("performance.timeOrigin")
    assert page.evaluate("streamtts.ended") is None
    killed = stack.kill(role)
    position_s = page.evaluate("streamtts.position_s")
    stack.wait_restarted(role, killed)
    until(page, f"streamtts.position_s > {position_s + 1}", END_DEADLINE_S)
    until(page, "streamtts.state === 'ended'", END_DEADLINE_S)
    assert page.evaluate("performance.timeOrigin") == began, "the page was loaded again"
    frames = stack.frames(cast_id)
    fold = check_complete(frames, text)
    check_sentences_once(heard_by(page), decoded_by(page, fold_frames(frames)[1].values()))
    assert page.evaluate("streamtts.sentences") == len(fold.sentences)
    assert page.evaluate("streamtts.samples") == fold.samples
    assert page.evaluate("streamtts.digest") == fold.digest
    assert page.inner_text("#status") == "Finished."
    assert page.is_hidden("#failure")
    page.context.close()


def test_a_submit_while_the_store_is_away_is_no_false_success(stack: Stack) -> None:
    """Whatever is answered: with 201 the cast gets made; with another status a repeat makes it."""
    text = some_sentences("store away", 2)
    killed = stack.kill("s2")
    answer = stack.submit(text)
    assert answer.status in (201, 503), answer
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) > 0
    stack.wait_restarted("s2", killed)
    answers = [answer]

    def taken() -> bool:
        answers.append(stack.submit(text))
        return answers[-1].status in (200, 201)

    eventually("a repeat is taken", taken, 30.0)
    check_complete(stack.finished(answers[-1].json["id"]), text)


def _served_to_a_newcomer(stack: Stack, cast_id: str, reader: PatientReader) -> str | None:
    """The digest of a replay, which must be what the reader saw live, record for record."""
    frames = stack.frames(cast_id)
    assert frames == reader.frames
    fold: CastFold = check_prefixes(frames)
    return fold.digest
