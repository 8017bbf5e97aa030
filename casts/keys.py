"""The key of one making of one cast: the same id after a deletion is another."""

from typing import NewType

from casts.ids import CastId, Epoch

CastKey = NewType("CastKey", str)


def cast_key(cast_id: CastId, epoch: Epoch) -> CastKey:
    return CastKey(f"{cast_id}/{epoch}")
