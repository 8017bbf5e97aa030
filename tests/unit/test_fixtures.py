"""The golden fixtures, read by Python here and by JavaScript in `tests/frontend`: one meaning in two languages."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

import casts
from casts.codec import Headers, decode, encode
from casts.errors import InvalidRecord
from casts.fold import CastFold
from casts.frames import FrameDecoder, encode_frame
from casts.ids import content_id
from casts.records import UnknownKind
from casts.spans import SpanText, utf16_length

FIXTURES: dict[str, Any] = json.loads((Path(casts.__file__).parent / "fixtures" / "v1.json").read_text())


def named(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in FIXTURES[kind]])


def raw_headers(pairs: list[list[str]]) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in pairs)


def stored_headers(header: dict[str, Any]) -> Headers:
    """A frame's header as S2 would hold it."""
    return raw_headers(
        [
            [name, json.dumps(value, separators=(",", ":")) if isinstance(value, list) else str(value)]
            for name, value in header.items()
            if name != "seq"
        ]
    )


def summary(fold: CastFold) -> dict[str, Any]:
    return {
        "epoch": fold.meta.epoch if fold.meta else None,
        "attempt": fold.attempt,
        "plan": [[entry.begin, entry.end, entry.pause_ms] for entry in fold.plan],
        "sentences": [
            {"seq": s.seq_num, "i": s.index, "n": s.attempt, "d": s.duration_ms, "s": s.samples} for s in fold.sentences
        ],
        "ended": fold.ended,
        "reason": fold.reason,
        "digest": fold.digest,
        "ignored": fold.ignored,
        "next": fold.next_seq,
    }


@named("frames")
def test_frame_is_encoded_to_the_golden_bytes(case: dict[str, Any]) -> None:
    body = base64.b64decode(case["body_base64"])
    frame = encode_frame(case["header"]["seq"], raw_headers(case["headers"]), body)
    assert base64.b64encode(frame).decode() == case["frame_base64"]


@named("frames")
def test_frame_is_decoded_wherever_the_bytes_are_cut(case: dict[str, Any]) -> None:
    frame = base64.b64decode(case["frame_base64"])
    for cut in range(len(frame) + 1):
        decoder = FrameDecoder()
        frames = decoder.feed(frame[:cut]) + decoder.feed(frame[cut:])
        assert [(f.header, f.body) for f in frames] == [(case["header"], base64.b64decode(case["body_base64"]))]
        assert decoder.pending_bytes == 0


@named("frames")
def test_record_survives_decode_and_encode(case: dict[str, Any]) -> None:
    body = base64.b64decode(case["body_base64"])
    record = decode(raw_headers(case["headers"]), body)
    if isinstance(record, UnknownKind):
        with pytest.raises(TypeError):
            encode(record)
    else:
        again = encode(record)
        assert (dict(again.headers), again.body) == (dict(raw_headers(case["headers"])), body)


@named("invalid")
def test_bytes_that_are_no_record_are_an_invalid_record(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecord):
        decode(raw_headers(case["headers"]), base64.b64decode(case["body_base64"]))


@named("folds")
def test_fold_gives_the_golden_state_at_every_split(case: dict[str, Any]) -> None:
    records = [
        (record["header"]["seq"], decode(stored_headers(record["header"]), record["body"].encode()))
        for record in case["records"]
    ]
    for split in range(len(records) + 1):
        fold = CastFold()
        for part in (records[:split], records[split:]):
            for seq_num, record in part:
                fold.apply(seq_num, record)
        assert summary(fold) == case["state"]


@pytest.mark.parametrize("case", FIXTURES["spans"])
def test_spans_cut_the_same_text_as_a_browser_does(case: dict[str, Any]) -> None:
    text = SpanText(case["text"])
    assert [text.slice(begin, end) for begin, end in case["spans"]] == case["slices"]
    assert len(text) == utf16_length(case["text"])


@pytest.mark.parametrize("case", FIXTURES["ids"])
def test_content_id_is_that_of_the_stripped_text_and_the_voice(case: dict[str, Any]) -> None:
    assert content_id(case["text"], case["voice"]) == case["id"]
