"""Cast ids, epochs and owner keys: how they are made from what is known, and which strings are one."""

import base64
import hashlib
import hmac
import re
from typing import NewType

CastId = NewType("CastId", str)
Epoch = NewType("Epoch", str)

_CAST_ID = re.compile(r"[A-Za-z0-9_-]{12}|[A-Za-z0-9_-]{22}")
_EPOCH = re.compile(r"[0-9a-f]{8}")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def content_id(text: str, voice: str) -> CastId:
    """The id of a public cast: the same stripped text and canonical voice give the same cast."""
    digest = hashlib.sha256(f"{voice}\0{text.strip()}".encode()).digest()
    return CastId(_base64url(digest)[:12])


def private_id(raw: bytes) -> CastId:
    """The id of a private cast from 16 random bytes."""
    if len(raw) != 16:
        raise ValueError("a private id is made from 16 bytes")
    return CastId(_base64url(raw))


def keyed_private_id(secret: bytes, idempotency_key: str) -> CastId:
    """The id of a private cast submitted with an `Idempotency-Key`: a repeat finds the same cast."""
    return private_id(hmac.digest(secret, idempotency_key.encode(), "sha256")[:16])


def owner_key(secret: bytes, cast_id: CastId) -> str:
    """The key that lets its holder delete this private cast."""
    return _base64url(hmac.digest(secret, f"owner{cast_id}".encode(), "sha256"))


def is_cast_id(raw: str) -> bool:
    """True for 12 (public) or 22 (private) base64url characters."""
    return _CAST_ID.fullmatch(raw) is not None


def is_private(cast_id: CastId) -> bool:
    return len(cast_id) == 22


def is_epoch(raw: str) -> bool:
    """True for eight hexadecimal digits, lower case."""
    return _EPOCH.fullmatch(raw) is not None
