"""A listener that outlives everything: reads by cursor, and asks again from it after whatever went wrong."""

import asyncio
import contextlib

import aiohttp

from casts.errors import InvalidRecord
from casts.frames import Frame, FrameDecoder
from casts.ids import CastId
from tests.faults.invariants import Broken

WAIT_S = 4
SILENCE_S = 10.0
"""Longer than a held read: then the connection is dead."""

RETRY_PAUSE_S = 0.15


class Reader:
    """Reads one cast from a cursor until it has ended.

    Attributes:
        seen: every frame, in order of arrival.
        resumes: requests after the first answer that went on from a cursor.
    """

    def __init__(self, session: aiohttp.ClientSession, cast_id: CastId, start: int) -> None:
        self.cast_id = cast_id
        self.start = start
        self.seen: list[Frame] = []
        self.resumes = 0
        self._session = session
        self._cursor = start

    @property
    def ended(self) -> bool:
        return bool(self.seen) and self.seen[-1].header["e"] == "eos"

    async def run(self) -> None:
        """Bound it with a timeout. Raises Broken where an answer is none that a reader may get."""
        while not self.ended:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                await self._read_once()
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _read_once(self) -> None:
        path = f"/api/casts/{self.cast_id}/records?from={self._cursor}&wait={WAIT_S}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=SILENCE_S)
        self.resumes += bool(self.seen)
        async with self._session.get(path, timeout=timeout) as answer:
            if answer.status != 200:
                self._check_refusal(answer.status)
                return
            decoder = FrameDecoder()
            async for portion in answer.content.iter_any():
                try:
                    frames = decoder.feed(portion)
                except InvalidRecord as error:
                    raise Broken("frames are whole", f"{self.cast_id}: {error}") from None
                for frame in frames:
                    self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.seq_num < self._cursor:
            raise Broken("a reader's view has no double", f"{self.cast_id}: {frame.seq_num} at {self._cursor}")
        self.seen.append(frame)
        self._cursor = frame.seq_num + 1

    def _check_refusal(self, status: int) -> None:
        """Before it has anything, a reader may be early: not there yet, or its cursor above the tail."""
        if status == 503 or (status in (404, 416) and not self.seen):
            return
        raise Broken("a reader is never turned away", f"{self.cast_id}: {status} at {self._cursor}")


async def replay(session: aiohttp.ClientSession, cast_id: CastId, deadline_s: float) -> list[Frame]:
    """The whole of a finished cast, by the public API."""
    reader = Reader(session, cast_id, 0)
    async with asyncio.timeout(deadline_s):
        await reader.run()
    return reader.seen
