"""One sentence as MP3 that decodes alone, and whose concatenation with others is a valid MP3 of exactly the sum.

A fresh LAME encoder per sentence: no bits borrowed from a neighbour, no tag frame, whole frames of one size.
"""

from dataclasses import dataclass

import lameenc

from casts.errors import StreamTTSError
from casts.limits import FRAME_SAMPLES, RECORD_BYTES, SAMPLE_RATE

KBPS = 64
QUALITY = 3  # 400 times real time; 2 is three times slower and measures no better, 5 and more measure worse

FRAME_BYTES = KBPS * 1000 // 8 * FRAME_SAMPLES // SAMPLE_RATE
"""192: at 24 kHz a frame of 64 kbit/s has a whole number of bytes, so no frame is padded."""

LEAD_SAMPLES = 1105
"""Where the speech begins in what a decoder returns: 576 of the encoder and 529 of the decoder."""

EXTRA_SAMPLES = 2 * FRAME_SAMPLES
"""What the encoder adds to an input of whole frames: the lead and 47 samples at the end."""

MAX_ENCODED_BYTES = RECORD_BYTES - 48 * 1024
"""125 s. The rest of a record is for its headers: the sentence and its word times."""

FRAME_HEADER = bytes((0xFF, 0xF3, 0x84))
"""MPEG-2 layer III without CRC, 64 kbit/s, 24 kHz, not padded (ISO/IEC 13818-3, 2.4.2.3)."""

_SAMPLE_BYTES = 2


class SentenceTooLong(StreamTTSError):
    """Speech that does not fit into one record."""


@dataclass(frozen=True, slots=True)
class EncodedSentence:
    """`samples` is what every decoder returns for `mp3`; the speech begins `lead_samples` into it."""

    mp3: bytes
    samples: int
    lead_samples: int = LEAD_SAMPLES


def encode_sentence(pcm: bytes, pause_ms: int) -> EncodedSentence:
    """Encode mono 16-bit little-endian samples at 24 kHz and the pause that follows them.

    The encoder's own 48 ms count as pause, so a record lasts speech + pause to within half a frame (12 ms), but
    never less than the speech and those 48 ms. Without samples it is the pause alone. Takes about 8 ms for 3 s
    of speech and releases the GIL.

    Raises:
        SentenceTooLong: the record would be larger than MAX_ENCODED_BYTES.
    """
    frames = _input_frames(len(pcm) // _SAMPLE_BYTES, pause_ms)
    total_frames = frames + EXTRA_SAMPLES // FRAME_SAMPLES
    if total_frames * FRAME_BYTES > MAX_ENCODED_BYTES:
        seconds = total_frames * FRAME_SAMPLES / SAMPLE_RATE
        raise SentenceTooLong(f"a sentence of {seconds:.0f} s does not fit into one record")
    padded = pcm.ljust(frames * FRAME_SAMPLES * _SAMPLE_BYTES, b"\0")
    encoder = _new_encoder()
    mp3 = bytes(encoder.encode(padded)) + bytes(encoder.flush())
    if count_frames(mp3) != total_frames:
        raise AssertionError(f"LAME made {len(mp3)} bytes where {total_frames} frames were due")
    return EncodedSentence(mp3, total_frames * FRAME_SAMPLES)


def count_frames(mp3: bytes) -> int:
    """Frames in a record of ours.

    Raises:
        ValueError: it is not made of whole frames of the one kind that we write.
    """
    if len(mp3) % FRAME_BYTES:
        raise ValueError(f"{len(mp3)} bytes are not whole frames of {FRAME_BYTES}")
    for at in range(0, len(mp3), FRAME_BYTES):
        if not mp3.startswith(FRAME_HEADER, at):
            raise ValueError(f"no frame header at byte {at}")
    return len(mp3) // FRAME_BYTES


def _input_frames(speech_samples: int, pause_ms: int) -> int:
    speech = -(-speech_samples // FRAME_SAMPLES)
    wanted = speech_samples + pause_ms * SAMPLE_RATE // 1000 - EXTRA_SAMPLES
    return max(speech, (wanted + FRAME_SAMPLES // 2) // FRAME_SAMPLES, 0)


def _new_encoder() -> lameenc.Encoder:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_out_sample_rate(SAMPLE_RATE)
    encoder.set_bit_rate(KBPS)
    encoder.set_quality(QUALITY)
    return encoder
