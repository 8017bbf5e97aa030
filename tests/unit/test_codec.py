"""Any bytes in: a record or InvalidRecord, and nothing else. What is written reads back as it was."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casts.codec import decode, duration_ms, encode
from casts.errors import InvalidRecord
from casts.frames import FrameDecoder, encode_frame
from casts.ids import CastId, Epoch
from casts.plan import Planned
from casts.private import (
    Announcement,
    Cursor,
    DeadJob,
    Gone,
    Job,
    Lease,
    LeasedCast,
    OfferedVoice,
    PrivateRecord,
    Receipt,
    Recipe,
    decode_private,
    encode_private,
)
from casts.records import Audio, Eos, Fail, Meta, Record, Start, Word

names = st.sampled_from([b"e", b"n", b"i", b"d", b"s", b"c", b"t", b"w", b"r", b"h", b"", b"x", b"\xff"])
values = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"meta", b"start", b"audio", b"eos", b"fail", b"0", b"1", b"24", b"576", b"[]", b"job"]),
)
bodies = st.one_of(st.binary(max_size=40), st.sampled_from([b"[[0,1,2]]", b"{}", b'{"v":1}', b"null", b"1e999"]))
text = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
counts = st.integers(min_value=0, max_value=10**9)
plans = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 90), counts), min_size=1, max_size=5).map(
    lambda steps: tuple(
        Planned(100 * place + gap, 100 * place + gap + length, pause)
        for place, (gap, length, pause) in enumerate(steps)
    )
)
words = st.lists(st.builds(Word, counts, counts, counts, counts), max_size=3).map(tuple)
audio = st.builds(
    lambda index, attempt, frames, spoken, timed, mp3: Audio(
        index, attempt, duration_ms(576 * frames), 576 * frames, spoken, timed, mp3
    ),
    counts, st.integers(1, 99), st.integers(1, 5000), text, words, st.binary(max_size=40),
)  # fmt: skip
epochs = st.text(alphabet="0123456789abcdef", min_size=8, max_size=8).map(Epoch)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(Meta, epochs, text, text, text, text, text),
    st.builds(lambda attempt, plan, cause: Start(attempt, 0, plan, cause), st.integers(1, 99), plans, st.none() | text),
    st.builds(lambda attempt, first: Start(attempt, first, ()), st.integers(1, 99), st.integers(1, 99)),
    audio,
    st.builds(Eos, st.integers(1, 99), counts, counts, text),
    st.builds(Fail, counts, text, text),
)
ids = st.text(alphabet=string.ascii_letters + "-_", min_size=12, max_size=12).map(CastId)
voices = st.builds(OfferedVoice, text, text, text, text, st.none() | text, st.booleans())
shares = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
private: st.SearchStrategy[PrivateRecord] = st.one_of(
    st.builds(Job, ids, epochs, counts, st.booleans()),
    st.builds(Cursor, counts),
    st.builds(Receipt, ids, epochs, counts, counts, counts, text),
    st.builds(DeadJob, ids, epochs, counts, text, text, text),
    st.builds(Recipe, text, text, text, text, text, text),
    st.builds(Gone, counts),
    st.builds(Lease, text, counts),
    st.builds(
        Lease, text, counts, counts, counts, st.none() | shares, shares,
        st.lists(
            st.builds(LeasedCast, ids, st.none() | counts, counts, counts, counts, st.booleans()), max_size=3
        ).map(tuple),
    ),
    st.builds(
        Announcement, text, text, text, text, st.none() | text, text, st.lists(voices, max_size=2).map(tuple),
        st.lists(text, max_size=2).map(tuple),
    ),
)  # fmt: skip


@given(st.lists(st.tuples(names, values), max_size=8).map(tuple), bodies)
def test_any_bytes_are_a_record_or_an_invalid_record(headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
    for read in (decode, decode_private):
        try:
            read(headers, body)
        except InvalidRecord as error:
            assert str(error)


@given(records)
def test_public_record_reads_back_as_it_was_written(record: Record) -> None:
    encoded = encode(record)
    assert decode(encoded.headers, encoded.body) == record


@given(private)
def test_private_record_reads_back_as_it_was_written(record: PrivateRecord) -> None:
    encoded = encode_private(record)
    assert decode_private(encoded.headers, encoded.body) == record


@given(records, counts, st.integers(0, 400))
def test_frame_of_any_record_survives_any_cut(record: Record, seq_num: int, cut: int) -> None:
    encoded = encode(record)
    frame = encode_frame(seq_num, encoded.headers, encoded.body)
    decoder = FrameDecoder()
    (found,) = decoder.feed(frame[:cut]) + decoder.feed(frame[cut:])
    assert (found.seq_num, found.body) == (seq_num, encoded.body)


@given(st.binary(max_size=60))
def test_any_bytes_are_frames_or_an_invalid_record(raw: bytes) -> None:
    try:
        FrameDecoder().feed(raw)
    except InvalidRecord as error:
        assert str(error)


def test_frame_with_more_word_times_than_a_header_holds_goes_without_them() -> None:
    timed = tuple(Word(n, n + 1, n, n + 1) for n in range(9000))
    encoded = encode(Audio(0, 1, 24, 576, "x", timed, b"mp3"))
    (frame,) = FrameDecoder().feed(encode_frame(3, encoded.headers, encoded.body))
    assert "w" not in frame.header
    assert frame.body == b"mp3"


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (Job(CastId("a" * 12), Epoch("0" * 8), 1, False), b'"offset"'),
        (Receipt(CastId("a" * 12), Epoch("0" * 8), 1, 1, 1, "w"), b'"epok"'),
    ],
)
def test_private_record_without_one_of_its_fields_is_invalid(record: PrivateRecord, change: bytes) -> None:
    encoded = encode_private(record)
    with pytest.raises(InvalidRecord, match="epoch"):
        decode_private(encoded.headers, encoded.body.replace(b'"epoch"', change))


def test_lease_of_an_earlier_version_reads_with_nothing_in_hand() -> None:
    headers = encode_private(Lease("w1", 3)).headers
    assert decode_private(headers, b'{"worker":"w1","active":3}') == Lease("w1", 3, 0, 0, None, 0.0, ())


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param('"busy_share":-0.5', id="negative"),
        pytest.param('"busy_share":NaN', id="no number"),
        pytest.param('"busy_share":true', id="a truth value"),
        pytest.param('"engine_speed":"85"', id="a string"),
        pytest.param('"engine_speed":1e999', id="without end"),
        pytest.param(f'"engine_speed":1{"0" * 400}', id="longer than a float"),
        pytest.param(
            '"casts":[{"id":"../..","lead_ms":1,"sentences_done":1,"sentences":1,"attempt":1,"asap":false}]', id="no id"
        ),
        pytest.param('"casts":[{"id":"abcdefghijkl"}]', id="a cast without its fields"),
    ],
)  # fmt: skip
def test_lease_with_a_field_that_is_not_what_it_should_be_is_invalid(fields: str) -> None:
    headers = encode_private(Lease("w1", 3)).headers
    with pytest.raises(InvalidRecord):
        decode_private(headers, f'{{"worker":"w1","active":3,{fields}}}'.encode())
