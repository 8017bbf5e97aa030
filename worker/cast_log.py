"""A writer's view of one cast's output: the fold, the fencing token, and appends whose outcome is always settled.

Every append carries the position after the last record that was FOLDED and the last token that was folded, never
a fresh tail: whoever wrote in between is noticed. It knows nothing of engines and schedules.
"""

import asyncio
import logging
import random
from collections.abc import Sequence

from casts.codec import Encoded, decode
from casts.errors import InvalidRecord, StreamTTSError
from casts.fold import CastFold
from casts.ids import CastId
from casts.names import output
from casts.seal import Seal, parse_seal
from streams.backoff import store_backoff
from streams.port import (
    FENCE,
    Acknowledged,
    Entry,
    Refused,
    Store,
    StoreUnavailable,
    Unreadable,
)
from streams.reading import read_to_tail

log = logging.getLogger(__name__)

OWN_RECORDS = 2
"""Records of the largest append to a cast: a fence and what it comes with."""


class Lost(StreamTTSError):
    """Another writer owns the cast now, or it has ended.

    Attributes:
        token: the fencing token in force.
    """

    def __init__(self, token: str) -> None:
        super().__init__("the cast belongs to another attempt")
        self.token = token


class CastLog:
    """Read it with `read_cast_log`. One writer uses it at a time."""

    def __init__(self, store: Store, cast_id: CastId) -> None:
        self._store = store
        self._stream = output(cast_id)
        self.cast_id = cast_id
        self.fold = CastFold()
        self.token = ""

    @property
    def seal(self) -> Seal | None:
        """How the last attempt closed the cast, if it did."""
        return parse_seal(self.token)

    async def catch_up(self, first: list[Entry] | None = None) -> None:
        """Fold what is new up to the tail.

        Args:
            first: is filled with the first entries, for comparison with an own append; several calls fill one list.

        Raises:
            StreamMissing: the cast is gone. StoreUnavailable, BeyondTail.
        """
        async for entry in read_to_tail(self._store, self._stream, self.fold.next_seq):
            if isinstance(entry, Unreadable):
                self.fold.skip(entry.seq_num)
                self.fold.ignored += 1
                continue
            if first is not None and len(first) < OWN_RECORDS:
                first.append(entry)
            self._apply(entry)

    async def write(self, records: Sequence[Encoded], *, after: int | None = None) -> None:
        """Append all records exactly once, however often the store has to be asked.

        Args:
            after: how many sentences there are, where the records say so: they must not void one that came since.

        Raises:
            Lost: another token is in force, or its owner has gone on; nothing of ours was or will be written.
            StreamMissing: the cast was deleted.
        """
        token, tries = self.token, 0
        while True:
            outcome = await self._store.append(self._stream, records, match_seq_num=self.fold.next_seq, token=token)
            if isinstance(outcome, Acknowledged):
                for place, record in enumerate(records, outcome.first):
                    self._apply(Entry(place, 0, record.headers, record.body))
                return
            found = await self._settle()
            ours = [(entry.headers, entry.body) for entry in found[: len(records)]]
            if ours == [(record.headers, record.body) for record in records]:
                return
            if self.token != token or after not in (None, len(self.fold.sentences)):
                raise Lost(self.token)
            if isinstance(outcome, Refused) and outcome.token is not None:
                raise Lost(outcome.token)  # a fence that cannot be read here is in force all the same
            tries += 1
            if not isinstance(outcome, Refused):
                log.warning("append not answered: %s", outcome.cause, extra={"cast_id": self.cast_id})
                await asyncio.sleep(store_backoff(tries, random.random()))  # noqa: S311  # jitter

    async def _settle(self) -> list[Entry]:
        """Read back until the store answers: after an unknown outcome nothing else may come first."""
        tries = 0
        found: list[Entry] = []
        while True:
            try:
                await self.catch_up(found)
                return found
            except StoreUnavailable as error:
                tries += 1
                log.warning("read-back not answered: %s", error, extra={"cast_id": self.cast_id})
                await asyncio.sleep(store_backoff(tries, random.random()))  # noqa: S311  # jitter

    def _apply(self, entry: Entry) -> None:
        if entry.command is not None:
            self.fold.skip(entry.seq_num)
            if entry.command == FENCE:
                self.token = entry.body.decode("utf-8", "replace")
            return
        try:
            record = decode(entry.headers, entry.body)
        except InvalidRecord as error:
            log.warning("stepped over a record: %s", error, extra={"cast_id": self.cast_id, "seq_num": entry.seq_num})
            self.fold.skip(entry.seq_num)
            self.fold.ignored += 1
            return
        self.fold.apply(entry.seq_num, record)


async def read_cast_log(store: Store, cast_id: CastId) -> CastLog:
    """Raises StreamMissing, StoreUnavailable."""
    cast_log = CastLog(store, cast_id)
    await cast_log.catch_up()
    return cast_log
