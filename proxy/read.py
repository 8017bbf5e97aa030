"""`GET /api/casts/{id}/records`: history, then what comes, in one loop: page, kept frames, wait.

The cursor is complete: whoever asks again from the last `seq` + 1 misses nothing and hears nothing twice.
"""

import asyncio

from aiohttp import web

from casts.ids import CastId, is_cast_id, is_epoch
from casts.limits import WAIT_S
from casts.names import output
from casts.records import Meta
from casts.seal import Seal
from proxy.channel import Channel, frame_of
from proxy.errors import STARTED, ApiError
from proxy.keys import CASTS, CHANNELS, STOPPING, STORE
from proxy.overview import Ending, missing
from streams.port import BeyondTail, Entry, StreamMissing, UnreadableRecord

MAX_CURSOR = 2**53 - 1


def cast_id_of(request: web.Request) -> CastId:
    """Raises ApiError 404 for what is no id: such a cast cannot exist."""
    raw = request.match_info["id"]
    if not is_cast_id(raw):
        raise missing()
    return CastId(raw)


def whole_number(request: web.Request, name: str, default: int, high: int) -> int:
    """A query parameter. Raises ApiError 400 `invalid_parameter`."""
    raw = request.query.get(name)
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 16 and int(raw) <= high):
        raise ApiError(400, "invalid_parameter", f"{name} is a whole number from 0 to {high}.", param=name)
    return int(raw)


def check_epoch(request: web.Request, meta: Meta) -> None:
    """Raises ApiError 410 `epoch_changed` where `v` names another making of the cast."""
    wanted = request.query.get("v")
    if wanted is None:
        return
    if not is_epoch(wanted):
        raise ApiError(400, "invalid_parameter", "v is an epoch of eight hexadecimal digits.", param="v")
    if wanted != meta.epoch:
        raise ApiError(410, "epoch_changed", "This cast was made anew. Start over without v.", param="v")


async def get_records(request: web.Request) -> web.StreamResponse:
    cast_id = cast_id_of(request)
    position = whole_number(request, "from", 0, MAX_CURSOR)
    wait_s = whole_number(request, "wait", 0, WAIT_S)
    casts = request.app[CASTS]
    ending = await casts.ending(cast_id)
    meta = await casts.meta(cast_id)
    check_epoch(request, meta)
    if position > ending.tail:
        raise ApiError(416, "beyond_tail", f"The tail of this cast is {ending.tail}.", param="from")
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream",
            "Cast-Epoch": meta.epoch,
            "Cast-State": casts.state(cast_id, meta, ending),
            "Cache-Control": "no-store, no-transform",
            "X-Accel-Buffering": "no",
        }
    )
    request[STARTED] = True
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    reader = RecordReader(request, cast_id, meta, position)
    await reader.send_history(response, ending.tail)
    if wait_s:
        await reader.follow(response, ending, asyncio.get_running_loop().time() + wait_s)
    await response.write_eof()
    return response


class RecordReader:
    """One client's way through a cast. `position` is the next record wanted."""

    def __init__(self, request: web.Request, cast_id: CastId, meta: Meta, position: int) -> None:
        app = request.app
        self._store, self._channels, self._stopping = app[STORE], app[CHANNELS], app[STOPPING]
        self._casts = app[CASTS]
        self._cast_id = cast_id
        self._meta = meta
        self.position = position

    async def send_history(self, response: web.StreamResponse, upto: int) -> None:
        """Pages from the store until the position reaches `upto`."""
        while self.position < upto:
            for entry in await self._page():
                if (frame := frame_of(entry)) is not None:
                    await response.write(frame)
                self.position = entry.seq_num + 1

    async def _page(self) -> list[Entry]:
        try:
            page = await self._store.read(output(self._cast_id), self.position)
        except UnreadableRecord as error:
            self.position = error.seq_num + 1
            return []
        except (StreamMissing, BeyondTail):
            raise ConnectionError("the cast was deleted while it was read") from None
        if not page:
            raise ConnectionError("the cast was trimmed while it was read")
        return page

    async def follow(self, response: web.StreamResponse, ending: Ending, until: float) -> None:
        """Send what comes until the deadline, or the end of the cast."""
        if self._is_over(ending.seal):
            return
        channel = self._channels.join(self._cast_id, self.position)
        try:
            while not self._stopping.is_set():
                changed = channel.changed
                if self.position < channel.first:
                    await self.send_history(response, channel.first)
                elif channel.at(self.position) is not None:
                    await self._send_kept(response, channel)
                elif channel.over or self._is_over(channel.seal):
                    return
                else:
                    async with asyncio.timeout_at(until):
                        await changed.wait()
        except TimeoutError:
            return
        finally:
            self._channels.leave(channel)

    async def _send_kept(self, response: web.StreamResponse, channel: Channel) -> None:
        while (kept := channel.at(self.position)) is not None:
            if kept.frame is not None:
                await response.write(kept.frame)
            self.position = kept.seq_num + 1

    def _is_over(self, seal: Seal | None) -> bool:
        """Ended, or failed without a newer job."""
        return seal is not None and not self._casts.is_wanted_anew(self._cast_id, self._meta, seal)
