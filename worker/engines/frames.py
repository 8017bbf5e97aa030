"""Frames on the pipes between the worker and an engine process.

    u32 length of the rest | u16 length of the header | header: JSON object, UTF-8 | body

Numbers are big-endian. Standard library only and Python 3.10: an engine may live in another interpreter.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

MAX_FRAME_BYTES = 64 * 1024 * 1024
MAX_HEADER_BYTES = 0xFFFF
READ_BYTES = 256 * 1024

_LENGTH = struct.Struct(">I")
_HEADER_LENGTH = struct.Struct(">H")

Frame = tuple[dict[str, Any], bytes]


class GarbledFrame(Exception):
    """Bytes that are no frame, or a frame that is not the message expected. The pipe is out of step for good."""


def encode_frame(header: Mapping[str, object], body: bytes = b"") -> bytes:
    """One frame.

    Raises:
        ValueError: the header or the whole is above the limits.
    """
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    rest = _HEADER_LENGTH.size + len(head) + len(body)
    if len(head) > MAX_HEADER_BYTES or rest > MAX_FRAME_BYTES:
        raise ValueError(f"frame too large: header {len(head)} bytes, {rest} bytes in all")
    return _LENGTH.pack(rest) + _HEADER_LENGTH.pack(len(head)) + head + body


class FrameDecoder:
    """Bytes in, frames out. Keeps a partial frame between calls, so that a reader may be cancelled at any await."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending_bytes(self) -> int:
        """Bytes held that are not yet a whole frame."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk

    def next_frame(self) -> Frame | None:
        """The next whole frame, or None until more bytes are fed.

        Raises:
            GarbledFrame: a length above the limits or below what it holds, or a header that is no JSON object.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (rest,) = _LENGTH.unpack_from(self._buffer)
        if not _HEADER_LENGTH.size <= rest <= MAX_FRAME_BYTES:
            raise GarbledFrame(f"a frame of {rest} bytes")
        end = _LENGTH.size + rest
        if len(self._buffer) < end:
            return None
        (head_bytes,) = _HEADER_LENGTH.unpack_from(self._buffer, _LENGTH.size)
        body_at = _LENGTH.size + _HEADER_LENGTH.size + head_bytes
        if body_at > end:
            raise GarbledFrame(f"a header of {head_bytes} bytes in a frame of {rest}")
        head = bytes(self._buffer[body_at - head_bytes : body_at])
        body = bytes(self._buffer[body_at:end])
        del self._buffer[:end]
        return _parse_header(head), body


def _parse_header(head: bytes) -> dict[str, Any]:
    try:
        header = json.loads(head)
    except (ValueError, RecursionError):
        raise GarbledFrame("a header that is no JSON") from None
    if not isinstance(header, dict):
        raise GarbledFrame("a header that is no JSON object")
    return header
