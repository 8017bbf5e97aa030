"""The fold beyond the golden fixtures: budgets, digest, and any log cut in two."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casts.fold import CastFold, chain_digest
from casts.ids import Epoch
from casts.plan import Planned
from casts.records import Audio, Eos, Fail, Meta, Record, Start, UnknownKind

PLAN = tuple(Planned(10 * n, 10 * n + 9, 100) for n in range(4))
META = Meta(Epoch("00000000"), "t", "espeak/en", "en", "2026-01-01T00:00:00Z", "x" * 40)


def audio(index: int, attempt: int = 1) -> Audio:
    return Audio(index, attempt, 24, 576, "x", (), b"%d-%d" % (attempt, index))


def folded(*records: Record) -> CastFold:
    fold = CastFold()
    for seq_num, record in enumerate(records):
        fold.apply(seq_num, record)
    return fold


logs = st.lists(
    st.one_of(
        st.just(META),
        st.builds(lambda n, r: Start(n, 0, PLAN, r), st.integers(1, 5), st.sampled_from([None, "engine_hung"])),
        st.builds(lambda n, i: Start(n, i, ()), st.integers(1, 5), st.integers(1, 4)),
        st.builds(audio, st.integers(0, 4), st.integers(1, 5)),
        st.builds(lambda n, c: Eos(n, c, 24, "h"), st.integers(1, 5), st.integers(0, 4)),
        st.builds(lambda n: Fail(n, "r", "m"), st.integers(0, 5)),
        st.just(UnknownKind("chapter")),
    ),
    max_size=25,
)


@given(logs, st.integers(0, 25))
def test_fold_of_a_log_in_two_parts_is_that_of_the_whole(log: list[Record], split: int) -> None:
    whole, parts = folded(*log), CastFold()
    for part in (list(enumerate(log))[:split], list(enumerate(log))[split:]):
        for seq_num, record in part:
            parts.apply(seq_num, record)
    assert parts == whole


@given(logs)
def test_sentences_are_gapless_and_of_the_kept_attempts_whatever_the_log(log: list[Record]) -> None:
    fold = folded(*log)
    assert [sentence.index for sentence in fold.sentences] == list(range(len(fold.sentences)))
    assert all(sentence.attempt <= fold.attempt for sentence in fold.sentences)
    assert len(fold.sentences) <= len(fold.plan)
    counted = len(log) - fold.ignored
    assert 0 <= counted <= len(log)


def test_digest_chains_the_sentences_that_count() -> None:
    fold = folded(META, Start(1, 0, PLAN), audio(0), audio(1), Start(2, 1, ()), audio(1, 2))
    expected = b""
    for mp3 in (b"1-0", b"2-1"):
        expected = hashlib.sha256(expected + hashlib.sha256(mp3).digest()).digest()
    assert fold.chain == expected == chain_digest(chain_digest(b"", b"1-0"), b"2-1")


def test_failures_count_in_a_row_and_new_audio_clears_them() -> None:
    fold = folded(META, Start(1, 0, PLAN), Start(2, 0, PLAN, "engine_hung"), Start(3, 0, PLAN, "engine_hung"))
    assert (fold.failures, fold.interruptions) == (2, 0)
    fold.apply(9, audio(0, 3))
    assert fold.failures == 0


def test_start_without_a_cause_is_an_interruption_and_leaves_the_failures() -> None:
    fold = folded(META, Start(1, 0, PLAN, "engine_hung"), Start(2, 0, PLAN), Start(3, 0, PLAN))
    assert (fold.failures, fold.interruptions) == (1, 2)


def test_start_after_a_failed_cast_has_a_fresh_budget() -> None:
    fold = folded(META, Start(1, 0, PLAN, "r"), Start(2, 0, PLAN, "r"), Fail(2, "r", "m"), Start(3, 0, PLAN))
    assert (fold.failures, fold.interruptions, fold.state) == (0, 0, "speaking")


def test_record_before_the_cursor_is_the_callers_bug() -> None:
    fold = folded(META, Start(1, 0, PLAN))
    with pytest.raises(ValueError, match="before the cursor"):
        fold.apply(1, audio(0))


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ([META], "queued"),
        ([META, Start(1, 0, PLAN)], "speaking"),
        ([META, Start(1, 0, PLAN[:1]), audio(0), Eos(1, 1, 24, "h")], "done"),
        ([META, Fail(0, "voice_unavailable", "m")], "failed"),
    ],
)
def test_state_is_what_the_records_say(records: list[Record], state: str) -> None:
    assert folded(*records).state == state
