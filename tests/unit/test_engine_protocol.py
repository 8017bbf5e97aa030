"""Frames and messages between the worker and an engine process."""

import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import ROOT
from worker.engines.frames import MAX_FRAME_BYTES, Frame, FrameDecoder, GarbledFrame, encode_frame
from worker.engines.protocol import (
    EngineRefused,
    Hello,
    Request,
    Speech,
    Voice,
    Word,
    decode_answer,
    decode_hello,
    decode_request,
    encode_hello,
    encode_refusal,
    encode_request,
    encode_speech,
)

VOICE = Voice("fake/one", "One", "en-US", "English", "f", True)
HELLO = Hello("fake", "1", "Fake 1", (VOICE,), ("f1",), "fake/one")
REQUEST = Request(7, "two 😀 words", "one", None, 1.25)
SPEECH = Speech(b"\0\1" * 24_000, 24_000, (Word(0, 3, 0, 400), Word(4, 6, 400, 1000)))


def unframe(raw: bytes) -> Frame:
    decoder = FrameDecoder()
    decoder.feed(raw)
    frame = decoder.next_frame()
    assert frame is not None
    assert decoder.pending_bytes == 0
    return frame


@given(st.lists(st.tuples(st.dictionaries(st.text(), st.text()), st.binary()), max_size=4), st.data())
def test_frames_arrive_whole_however_the_bytes_are_cut(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(header, body) for header, body in frames)
    decoder = FrameDecoder()
    got: list[Frame] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        decoder.feed(stream[:size])
        stream = stream[size:]
        while (frame := decoder.next_frame()) is not None:
            got.append(frame)
    assert got == frames
    assert decoder.pending_bytes == 0


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">I", MAX_FRAME_BYTES + 1),
        struct.pack(">I", 1) + b"x",
        struct.pack(">IH", 4, 10) + b"{}",
        struct.pack(">IH", 4, 2) + b"[]",
        struct.pack(">IH", 3, 1) + b"{",
        struct.pack(">IH", 3, 1) + b"\xff",
        b"Loading the model ...",
    ],
    ids=["huge", "tiny", "header", "list", "json", "utf-8", "print"],
)
def test_frame_that_is_none_is_garbled(raw: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(raw)
    with pytest.raises(GarbledFrame):
        decoder.next_frame()


def test_frame_too_large_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too large"):
        encode_frame({"x": "y" * 70_000})


def test_messages_arrive_as_sent() -> None:
    assert decode_hello(*unframe(encode_hello(HELLO))) == HELLO
    assert decode_request(*unframe(encode_request(REQUEST))) == REQUEST
    assert decode_answer(*unframe(encode_speech(7, SPEECH)), REQUEST, 24_000) == SPEECH


def test_request_with_half_a_character_keeps_its_length() -> None:
    sent = Request(1, "a\ud800b", "one")
    assert decode_request(*unframe(encode_request(sent))).text == "a?b"


def test_refusal_is_raised_with_its_code() -> None:
    frame = unframe(encode_refusal(7, EngineRefused("voice_unavailable", "no such voice")))
    with pytest.raises(EngineRefused, match="no such voice") as caught:
        decode_answer(*frame, REQUEST, 24_000)
    assert caught.value.code == "voice_unavailable"


SECOND = b"\0" * 48_000


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({"id": 6, "words": []}, b""),
        ({"words": []}, b""),
        ({"id": 7}, b""),
        ({"id": 7, "words": []}, b"\0"),
        ({"id": 7, "words": [[0, 3, 0]]}, SECOND),
        ({"id": 7, "words": [[0, 3, 0, 1.5]]}, SECOND),
        ({"id": 7, "words": [[0, 13, 0, 9]]}, SECOND),
        ({"id": 7, "words": [[3, 3, 0, 9]]}, SECOND),
        ({"id": 7, "words": [[4, 6, 0, 9], [0, 3, 9, 10]]}, SECOND),
        ({"id": 7, "words": [[0, 3, 0, 1001]]}, SECOND),
        ({"id": 7, "words": [[0, 3, 9, 8]]}, SECOND),
        ({"id": 7, "error": "no"}, b""),
        ({"id": 7, "error": {"code": 1, "message": ""}}, b""),
    ],
    ids=[
        "other id", "no id", "no words", "odd", "short word", "fraction", "outside text", "empty word", "backwards",
        "outside sound", "time backwards", "refusal", "code",
    ],
)  # fmt: skip
def test_answer_that_is_malformed_is_garbled(header: dict[str, object], body: bytes) -> None:
    with pytest.raises(GarbledFrame):
        decode_answer(header, body, REQUEST, 24_000)


@pytest.mark.parametrize(
    "change",
    [{"hello": 2}, {"rate": 22_050}, {"voices": []}, {"voices": ["x"]}, {"variants": [1]}, {"label": None}],
    ids=str,
)
def test_hello_that_is_malformed_is_garbled(change: dict[str, object]) -> None:
    header, body = unframe(encode_hello(HELLO))
    with pytest.raises(GarbledFrame):
        decode_hello({**header, **change}, body)


def test_engine_side_needs_the_standard_library_and_its_own_engine_only() -> None:
    """It may run in a Python that has none of our other dependencies."""
    code = (
        "import sys, worker.engines.espeak, worker.engines.serve\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"aiohttp", "s2_sdk", "casts", "streams", "proxy", "cli", "lameenc", "sentencex"})
