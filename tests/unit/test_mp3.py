"""One sentence as MP3: exact lengths, decodable alone and in a row."""

import shutil
import subprocess

import numpy as np
import numpy.typing as npt
import pytest

from casts.limits import FRAME_SAMPLES, RECORD_BYTES
from worker.mp3 import (
    EXTRA_SAMPLES,
    FRAME_BYTES,
    LEAD_SAMPLES,
    MAX_ENCODED_BYTES,
    EncodedSentence,
    SentenceTooLong,
    count_frames,
    encode_sentence,
)

LENGTHS = [0, 1, 575, 576, 577, 1152, 23_999, 24_000, 100_003]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, the decoder, is not installed")


def noise(samples: int, seed: int = 1) -> bytes:
    """Speech-like enough for lengths and correlation: noise below 3 kHz."""
    wave = np.random.default_rng(seed).standard_normal(samples + 8)
    smooth = np.convolve(wave, np.ones(8) / 8, mode="valid")[:samples]
    return (smooth * 8000).astype("<i2").tobytes()


def decode(mp3: bytes) -> npt.NDArray[np.int16]:
    command = ["ffmpeg", "-v", "error", "-f", "mp3", "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "24000", "-"]
    done = subprocess.run(command, input=mp3, capture_output=True, check=True)
    assert done.stderr == b""
    return np.frombuffer(done.stdout, dtype="<i2")


@pytest.mark.parametrize("pause_ms", [0, 80, 250, 650])
@pytest.mark.parametrize("samples", LENGTHS)
def test_record_lasts_speech_and_pause_to_half_a_frame(samples: int, pause_ms: int) -> None:
    encoded = encode_sentence(noise(samples), pause_ms)
    wanted = samples + pause_ms * 24
    assert encoded.samples >= samples + EXTRA_SAMPLES
    if wanted >= samples + EXTRA_SAMPLES + FRAME_SAMPLES:
        assert abs(encoded.samples - wanted) <= FRAME_SAMPLES // 2
    else:
        assert encoded.samples < samples + EXTRA_SAMPLES + FRAME_SAMPLES


@pytest.mark.parametrize("samples", LENGTHS)
def test_record_is_whole_frames_of_one_size(samples: int) -> None:
    encoded = encode_sentence(noise(samples), 100)
    assert encoded.samples == FRAME_SAMPLES * count_frames(encoded.mp3)
    assert len(encoded.mp3) == FRAME_BYTES * count_frames(encoded.mp3)


def test_record_is_reproducible_and_independent_of_earlier_ones() -> None:
    first = encode_sentence(noise(30_000), 250)
    encode_sentence(noise(50_000, seed=2), 80)
    assert encode_sentence(noise(30_000), 250) == first


def test_record_without_speech_is_the_pause_alone() -> None:
    assert encode_sentence(b"", 480).samples == 20 * FRAME_SAMPLES
    assert encode_sentence(b"", 0).samples == EXTRA_SAMPLES


def test_record_too_long_is_refused_before_it_is_encoded() -> None:
    seconds = MAX_ENCODED_BYTES // 8000
    longest = encode_sentence(bytes(2 * 24_000 * (seconds - 1)), 250)
    assert len(longest.mp3) <= MAX_ENCODED_BYTES < RECORD_BYTES
    with pytest.raises(SentenceTooLong):
        encode_sentence(bytes(2 * 24_000 * (seconds + 1)), 0)


@pytest.mark.parametrize("mp3", [b"x", b"x" * FRAME_BYTES, encode_sentence(b"", 0).mp3[:-1]], ids=["x", "xx", "cut"])
def test_count_frames_refuses_what_is_not_ours(mp3: bytes) -> None:
    with pytest.raises(ValueError, match="frame"):
        count_frames(mp3)


@needs_ffmpeg
@pytest.mark.parametrize("samples", LENGTHS)
def test_record_decodes_alone_to_its_samples(samples: int) -> None:
    encoded = encode_sentence(noise(samples), 250)
    assert len(decode(encoded.mp3)) == encoded.samples


@needs_ffmpeg
def test_records_in_a_row_decode_to_the_sum() -> None:
    records: list[EncodedSentence] = [encode_sentence(noise(n, seed=n), 80) for n in LENGTHS]
    decoded = decode(b"".join(record.mp3 for record in records))
    assert len(decoded) == sum(record.samples for record in records)


@needs_ffmpeg
def test_speech_begins_after_the_lead_in_every_record_of_a_row() -> None:
    pcm = noise(24_000)
    record = encode_sentence(pcm, 250)
    decoded = decode(record.mp3 * 2).astype(np.float64)
    speech = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    for begin in (0, record.samples):
        window = decoded[begin : begin + record.samples]
        assert int(np.argmax(np.correlate(window, speech, mode="valid"))) == LEAD_SAMPLES
