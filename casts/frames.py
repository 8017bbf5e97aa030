"""Frames of the public read API: `u32 length of the rest | u16 header length | JSON header | body`, big-endian."""

import json
import struct
from dataclasses import dataclass

from casts.codec import Headers, from_json, to_json
from casts.errors import InvalidRecord
from casts.limits import RECORD_BYTES

NUMBERS = frozenset(b"i d n s c".split())
MAX_FRAME_BYTES = 2 * RECORD_BYTES


def encode_frame(seq_num: int, headers: Headers, body: bytes) -> bytes:
    """One stored record as a frame. The headers are those of a record that decoded (see `casts.codec`)."""
    fields: dict[str, object] = {"seq": seq_num}
    for name, value in headers:
        key, text = name.decode(), value.decode()
        if name in NUMBERS and text.isascii() and text.isdigit():
            fields[key] = int(text)
        elif name == b"w":
            fields[key] = json.loads(text)
        else:
            fields[key] = text
    header = to_json(fields)
    if len(header) > 0xFFFF:  # word times of a very long sentence: the frame goes without them
        fields.pop("w", None)
        header = to_json(fields)
    return struct.pack(">IH", 2 + len(header) + len(body), len(header)) + header + body


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame. `header` has `seq`, `e` and the record's headers, numbers as numbers."""

    seq_num: int
    header: dict[str, object]
    body: bytes


class FrameDecoder:
    """Bytes in any portions -> frames. `pending_bytes` is what waits for its rest."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        return len(self._buffer)

    def feed(self, portion: bytes) -> list[Frame]:
        """Raises InvalidRecord where the bytes are no frames; the decoder is of no use after that."""
        self._buffer += portion
        frames = []
        position = 0
        while len(self._buffer) - position >= 4:
            (rest,) = struct.unpack_from(">I", self._buffer, position)
            if not 2 <= rest <= MAX_FRAME_BYTES:
                raise InvalidRecord(f"a frame of {rest} bytes")
            if len(self._buffer) - position - 4 < rest:
                break
            frames.append(_decode(bytes(self._buffer[position + 4 : position + 4 + rest])))
            position += 4 + rest
        del self._buffer[:position]
        return frames


def _decode(rest: bytes) -> Frame:
    (length,) = struct.unpack_from(">H", rest)
    header = from_json(rest[2 : 2 + length]) if 2 + length <= len(rest) else None
    if not isinstance(header, dict) or type(header.get("seq")) is not int:
        raise InvalidRecord("a frame's header is a JSON object with seq")
    return Frame(header["seq"], header, rest[2 + length :])
