"""From a text to a link: two claims and a job, each one append, safe to repeat and to race.

validate -> id -> claim the recipe -> claim the cast -> append the job. The answer comes when the job is durable.
What a crash leaves half done, the next submit of the same text mends.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass

from casts.codec import Encoded, decode, encode
from casts.errors import InvalidRecord
from casts.ids import CastId, Epoch, content_id
from casts.limits import RECORD_BYTES, metered_bytes
from casts.names import JOBS, StreamName, catalog, output
from casts.private import Gone, Job, Recipe, decode_private, encode_private
from casts.records import Meta
from proxy.errors import ApiError
from proxy.ledger import Ledger, Pending
from proxy.overview import Casts
from streams.port import Acknowledged, Entry, Store, StoreUnavailable, StreamMissing, UnreadableRecord
from streams.shared_log import last_readable

JOB_PATIENCE_S = 1.0
"""How long the losers of a race wait for the winner's job before they append one."""

SUBMIT_DEADLINE_S = 15.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid wish. `voice` is canonical, `text` stripped."""

    text: str
    voice: str
    lang: str
    title: str
    asap: bool


@dataclass(frozen=True, slots=True)
class Submitted:
    """A durable cast. `created` for the one that claimed it."""

    cast_id: CastId
    meta: Meta
    created: bool


class Submitter:
    """Submits for one proxy. Raises ApiError or StoreUnavailable and never claims a success that is none."""

    def __init__(self, store: Store, ledger: Ledger, casts: Casts) -> None:
        self._store = store
        self._ledger = ledger
        self._casts = casts

    async def submit(self, wish: Submission) -> Submitted:
        """Claim, or find, the cast of a text and see to it that a job for it is there."""
        cast_id = content_id(wish.text, wish.voice)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        recipe = Recipe(wish.text, wish.voice, wish.title, wish.lang, created, "")
        meta = Meta(Epoch(secrets.token_hex(4)), wish.title, wish.voice, wish.lang, created, wish.text)
        records = encode_private(recipe), encode(meta)
        check_record_sizes(records)
        try:
            async with asyncio.timeout(SUBMIT_DEADLINE_S):
                await self._claim_recipe(cast_id, recipe, records[0])
                meta, won = await self._claim_cast(cast_id, meta, records[1])
                await self._check_not_gone(cast_id)
                await self._see_to_job(cast_id, meta, wish.asap, won)
        except TimeoutError:
            raise StoreUnavailable(f"a submit took more than {SUBMIT_DEADLINE_S:g} s") from None
        self._casts.remember(cast_id, meta)
        return Submitted(cast_id, meta, won)

    async def hurry(self, cast_id: CastId, meta: Meta) -> None:
        """Somebody waits for the whole of a cast that is not done: let the worker not rest at it."""
        await self._add_job(cast_id, meta, asap=True)

    async def retry(self, cast_id: CastId, meta: Meta) -> None:
        """A failed cast again. Afterwards this proxy's ledger knows the job, so the cast is `queued` or further."""
        await self._check_not_gone(cast_id)
        await self._add_job(cast_id, meta, asap=False)
        await self._catch_up()

    async def _add_job(self, cast_id: CastId, meta: Meta, *, asap: bool) -> None:
        try:
            async with asyncio.timeout(SUBMIT_DEADLINE_S):
                await self._see_to_job(cast_id, meta, asap, won=False)
        except TimeoutError:
            raise StoreUnavailable(f"a job was not taken in {SUBMIT_DEADLINE_S:g} s") from None

    async def _claim_recipe(self, cast_id: CastId, recipe: Recipe, record: Encoded) -> None:
        """Claim `catalog/<id>`; on a lost claim the same text and voice must stand there."""
        first, won = await self._claim(catalog(cast_id), record)
        if won:
            return
        try:
            found = decode_private(first.headers, first.body)
        except InvalidRecord:
            raise StoreUnavailable("a recipe that is none") from None
        if isinstance(found, Recipe) and (found.text, found.voice) != (recipe.text, recipe.voice):
            raise ApiError(409, "id_taken", "Another text has the same id. Change a character and try again.")

    async def _claim_cast(self, cast_id: CastId, meta: Meta, record: Encoded) -> tuple[Meta, bool]:
        """Claim `pub/casts/<id>`; returns the meta that stands there and whether it is ours."""
        first, won = await self._claim(output(cast_id), record)
        if won:
            return meta, True
        try:
            found = decode(first.headers, first.body)
        except InvalidRecord:
            found = None
        if not isinstance(found, Meta):
            raise StoreUnavailable("a cast without its meta record")
        return found, False

    async def _claim(self, stream: StreamName, record: Encoded) -> tuple[Entry, bool]:
        """Be the first record of a stream, or learn which one is. After an unknown outcome it is read back."""
        while True:
            outcome = await self._store.append(stream, [record], match_seq_num=0)
            if isinstance(outcome, Acknowledged):
                return Entry(0, 0, record.headers, record.body), True
            try:
                page = await self._store.read(stream, 0, count=1)
            except StreamMissing:
                page = []
            except UnreadableRecord:
                raise StoreUnavailable("a claim that cannot be decrypted") from None
            if page and page[0].seq_num == 0:
                ours = (page[0].headers, page[0].body) == (record.headers, record.body)
                return page[0], ours
            if page:
                raise being_deleted()
            await asyncio.sleep(0.05)  # a stream that is being deleted, or an append still on its way

    async def _check_not_gone(self, cast_id: CastId) -> None:
        """A deletion may have begun before the cast was claimed: then its streams will vanish."""
        try:
            record = await last_readable(self._store, catalog(cast_id))
        except StreamMissing:
            record = None
        if record is None or isinstance(record, Gone):
            raise being_deleted()

    async def _see_to_job(self, cast_id: CastId, meta: Meta, asap: bool, won: bool) -> None:
        """Append a job unless one is there: as winner, to mend a crash, to retry a failure, to make it `asap`."""
        if not won:
            await self._catch_up()
            if await self._needs_no_job(cast_id, meta, asap):
                return
            if not self._ledger.pending(cast_id, meta.epoch) and await self._job_arrives(cast_id, meta):
                return
        job = encode_private(Job(cast_id, meta.epoch, int(time.time() * 1000), asap))
        condition: int | None = None if won else self._ledger.next_job
        while True:
            outcome = await self._store.append(JOBS, [job], match_seq_num=condition)
            if isinstance(outcome, Acknowledged):
                return
            # Refused, or unknown: look again up to the tail, and from now on append only to what was seen.
            await self._catch_up()
            if await self._needs_no_job(cast_id, meta, asap):
                return
            condition = self._ledger.next_job

    async def _catch_up(self) -> None:
        """Follow the intake log up to the tail as it is now."""
        tail = await self._store.tail(JOBS)
        await self._ledger.wait_for(lambda: self._ledger.next_job >= tail)

    async def _needs_no_job(self, cast_id: CastId, meta: Meta, asap: bool) -> bool:
        """Done, or waited for by a job that its last failure does not answer for.

        The failure is asked for before the ledger: the worker seals first, and while its dead entry is on its way
        the ledger still has the job that failed.
        """
        seal = (await self._casts.ending(cast_id)).seal
        if seal is not None and (seal.ended or not self._casts.is_wanted_anew(cast_id, meta, seal)):
            return seal.ended
        pending = self._ledger.pending(cast_id, meta.epoch)
        return pending is not None and enough(pending, asap)

    async def _job_arrives(self, cast_id: CastId, meta: Meta) -> bool:
        """Give the winner of a claim that is still fresh the time to append its job."""
        ending = await self._casts.ending(cast_id)
        if ending.taken:
            return False
        try:
            async with asyncio.timeout(JOB_PATIENCE_S):
                await self._ledger.wait_for(lambda: self._ledger.pending(cast_id, meta.epoch) is not None)
        except TimeoutError:
            await self._catch_up()
            return self._ledger.pending(cast_id, meta.epoch) is not None
        return True


def enough(pending: Pending, asap: bool) -> bool:
    """A pending job serves a submit unless that one is in more of a hurry."""
    return pending.asap or not asap


def check_record_sizes(records: tuple[Encoded, ...]) -> None:
    """Raises ApiError 413 where a record of this text would be over S2's limit: before anything is claimed."""
    largest = max(metered_bytes(record.headers, record.body) for record in records)
    if largest > RECORD_BYTES:
        raise ApiError(
            413,
            "text_too_long",
            f"Written as JSON this text has {largest:,} bytes; a record takes {RECORD_BYTES:,}.",
            param="text",
        )


def being_deleted() -> ApiError:
    return ApiError(503, "being_deleted", "This cast is being deleted. Submit it again in a moment.", retry_after_s=2)
