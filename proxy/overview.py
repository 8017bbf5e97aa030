"""What a cast is right now: its meta, its state and how far it is, read from its stream.

A finished cast is known from its last two records. Of an unfinished one the fold is kept between questions and fed
with what is new, so that a question costs what was added since the last one.
"""

from collections import OrderedDict
from dataclasses import dataclass

from casts.codec import decode
from casts.errors import InvalidRecord
from casts.fold import CastFold
from casts.ids import CastId
from casts.names import StreamName, output
from casts.records import Eos, Fail, Meta, Record, State
from casts.seal import Seal, parse_seal
from proxy.errors import ApiError
from proxy.ledger import Ledger
from streams.port import (
    FENCE,
    BeyondTail,
    Entry,
    Store,
    StoreUnavailable,
    StreamMissing,
    Unreadable,
    UnreadableRecord,
)
from streams.reading import read_to_tail

METAS_KEPT = 256
FOLDS_KEPT = 64
"""Of casts in work; a finished one is known from its last records."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the stream stands at its tail.

    Attributes:
        tail: the next sequence number.
        seal: how an attempt closed it, else None.
        taken: a worker has begun.
        last: the record before the seal, or the last one.
    """

    tail: int
    seal: Seal | None
    taken: bool
    last: Entry | None


@dataclass(frozen=True, slots=True)
class Overview:
    """An answer to `GET /api/casts/{id}`, all but the links."""

    meta: Meta
    state: State
    place: int | None
    sentences: int | None
    sentences_done: int
    duration_ms: int
    reason: str | None
    message: str | None


def missing() -> ApiError:
    return ApiError(404, "cast_not_found", "There is no cast of this name; it may have expired.")


class Casts:
    """Reads casts for one proxy. Everything kept here is a cache of the store."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._metas: OrderedDict[CastId, Meta] = OrderedDict()
        self._folds: OrderedDict[CastId, CastFold] = OrderedDict()

    async def meta(self, cast_id: CastId) -> Meta:
        """The first record. Raises ApiError 404, StoreUnavailable."""
        cached = self._metas.get(cast_id)
        newest = self._ledger.newest_epoch(cast_id)
        if cached is not None and newest in (None, cached.epoch):
            self._metas.move_to_end(cast_id)
            return cached
        try:
            page = await self._store.read(output(cast_id), 0, count=1)
            record = decode(page[0].headers, page[0].body) if page else None
        except (StreamMissing, UnreadableRecord, InvalidRecord):
            raise missing() from None
        if not isinstance(record, Meta):
            raise missing()
        self.remember(cast_id, record)
        return record

    def remember(self, cast_id: CastId, meta: Meta) -> None:
        """Keep what was just read or written; a cast that was made anew takes the old one's place."""
        known = self._metas.pop(cast_id, None)
        if known is not None and known.epoch != meta.epoch:
            self._folds.pop(cast_id, None)
        self._metas[cast_id] = meta
        if len(self._metas) > METAS_KEPT:
            self._metas.popitem(last=False)

    async def ending(self, cast_id: CastId) -> Ending:
        """The last records. Raises ApiError 404, StoreUnavailable."""
        stream = output(cast_id)
        try:
            last = await self._store.last(stream)
            if last is None:
                return Ending(await self._store.tail(stream), None, True, None)
            if last.command != FENCE:
                return Ending(last.seq_num + 1, None, last.seq_num > 0, last)
            seal = parse_seal(last.body.decode("utf-8", "replace"))
            before = await self._before(stream, last.seq_num) if seal else None
        except StreamMissing:
            self._forget(cast_id)
            raise missing() from None
        return Ending(last.seq_num + 1, seal, True, before)

    async def _before(self, stream: StreamName, seq_num: int) -> Entry | None:
        try:
            page = await self._store.read(stream, seq_num - 1, count=1)
        except UnreadableRecord:
            return None
        return page[0] if page else None

    def state(self, cast_id: CastId, meta: Meta, ending: Ending) -> State:
        """`failed` becomes `queued` again with a newer job."""
        if ending.seal is None:
            return "speaking" if ending.taken else "queued"
        if ending.seal.ended:
            return "done"
        return "queued" if self.is_wanted_anew(cast_id, meta, ending.seal) else "failed"

    def is_wanted_anew(self, cast_id: CastId, meta: Meta, seal: Seal) -> bool:
        """Whether a failed cast has a job that its failure does not answer for."""
        pending = self._ledger.pending(cast_id, meta.epoch)
        return pending is not None and seal.failed_up_to is not None and pending.last > seal.failed_up_to

    async def overview(self, cast_id: CastId) -> Overview:
        """Raises ApiError 404, StoreUnavailable."""
        ending = await self.ending(cast_id)
        meta = await self.meta(cast_id)
        state = self.state(cast_id, meta, ending)
        place = self._ledger.place(cast_id, meta.epoch) if state == "queued" else None
        record = _decoded(ending.last)
        if state == "done" and isinstance(record, Eos):
            return Overview(meta, state, None, record.sentences, record.sentences, record.duration_ms, None, None)
        fold = await self._fold(cast_id, meta)
        if fold.ended == "eos":  # a stranger's record behind the seal hides it from `ending`
            state = "done"
        elif state == "queued" and ending.seal is None and fold.attempt:  # begun since `ending` was read
            state, place = "speaking", None
        reason, message = (record.reason, record.message) if isinstance(record, Fail) else (None, None)
        planned = len(fold.plan) or None
        return Overview(meta, state, place, planned, len(fold.sentences), fold.duration_ms, reason, message)

    async def _fold(self, cast_id: CastId, meta: Meta) -> CastFold:
        """The fold up to the tail, from where the last question left it."""
        fold = self._folds.get(cast_id)
        if fold is None or fold.meta is None or fold.meta.epoch != meta.epoch:
            fold = CastFold()
        try:
            async for entry in read_to_tail(self._store, output(cast_id), fold.next_seq):
                if entry.seq_num < fold.next_seq:
                    continue  # another question went ahead while this one waited
                _feed(fold, entry)
        except StreamMissing:
            self._forget(cast_id)
            raise missing() from None
        except BeyondTail:  # made anew since the fold was kept
            self._forget(cast_id)
            raise StoreUnavailable("the cast was made anew while it was read") from None
        self._folds.pop(cast_id, None)
        if fold.ended == "eos":
            return fold
        self._folds[cast_id] = fold
        if len(self._folds) > FOLDS_KEPT:
            self._folds.popitem(last=False)
        return fold

    def _forget(self, cast_id: CastId) -> None:
        self._metas.pop(cast_id, None)
        self._folds.pop(cast_id, None)


def _decoded(entry: Entry | None) -> Record | None:
    if entry is None:
        return None
    try:
        return decode(entry.headers, entry.body)
    except InvalidRecord:
        return None


def _feed(fold: CastFold, entry: Entry | Unreadable) -> None:
    record = _decoded(entry) if isinstance(entry, Entry) and entry.command is None else None
    if record is None:
        fold.skip(entry.seq_num)
    else:
        fold.apply(entry.seq_num, record)
