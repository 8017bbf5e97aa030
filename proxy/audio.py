"""Downloads made from the records: the whole speech as one MP3, and the text.

Concatenated records are one valid MP3 of exactly the sum. While the cast is live the answer follows it.
"""

import re
from urllib.parse import quote

from aiohttp import web

from casts.codec import decode
from casts.errors import InvalidRecord
from casts.fold import CastFold
from casts.ids import CastId
from casts.names import output
from casts.records import Audio, Eos, Meta
from proxy.errors import STARTED, ApiError
from proxy.keys import CASTS, CHANNELS, STOPPING, STORE, SUBMITTER
from proxy.overview import missing
from proxy.read import cast_id_of, check_epoch
from streams.port import BeyondTail, Entry, StreamMissing
from streams.reading import read_to_tail

MP3_BYTES_PER_MS = 8
"""64 kbit/s CBR. A frame of 576 samples is 24 ms and 192 bytes, so `d` gives the bytes exactly."""


def attachment(title: str, suffix: str) -> str:
    """Content-Disposition with the cast's title as file name (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9 _-]+", "", title).strip() or "streamtts"
    wished = re.sub(r"[\x00-\x1f/\\]+", " ", title).strip() or "streamtts"
    return f"attachment; filename=\"{plain}{suffix}\"; filename*=UTF-8''{quote(wished + suffix)}"


async def get_audio(request: web.Request) -> web.StreamResponse:
    """The whole speech: with its length where the cast is done, else what is there and then what comes."""
    cast_id = cast_id_of(request)
    casts = request.app[CASTS]
    meta = await casts.meta(cast_id)
    check_epoch(request, meta)
    overview = await casts.overview(cast_id)
    if overview.state == "failed":
        raise ApiError(409, "cast_failed", overview.message or "This cast failed.")
    if overview.state != "done" and request.method != "HEAD":
        await request.app[SUBMITTER].hurry(cast_id, meta)
    response = web.StreamResponse(
        headers={
            "Content-Type": "audio/mpeg",
            "Content-Disposition": attachment(meta.title, ".mp3"),
            "Cast-Epoch": meta.epoch,
            "Cast-State": overview.state,
            "Accept-Ranges": "none",
        }
    )
    if overview.state == "done":
        response.content_length = overview.duration_ms * MP3_BYTES_PER_MS
    request[STARTED] = True
    await response.prepare(request)
    if request.method != "HEAD":
        await _send_speech(request, response, cast_id, meta)
    return response


async def _send_speech(request: web.Request, response: web.StreamResponse, cast_id: CastId, meta: Meta) -> None:
    """Every sentence that counts, once and in order, over attempts and failures, to the end of the cast.

    A boundary that voids what was sent already cannot be taken back, and a failure leaves the speech unfinished:
    then the connection is cut, so that nobody takes a part for the whole.
    """
    voice = _Voice(response)
    stream = output(cast_id)
    store, casts = request.app[STORE], request.app[CASTS]
    position = 0
    while True:
        try:
            async for entry in read_to_tail(store, stream, position):
                position = entry.seq_num + 1
                if isinstance(entry, Entry) and await voice.hear(entry):
                    await response.write_eof()
                    return
        except (StreamMissing, BeyondTail):
            raise ConnectionError("the cast was deleted while it was downloaded") from None
        ending = await casts.ending(cast_id)
        if ending.tail > position:
            continue  # it went on since it was read: perhaps to its end
        if ending.seal is not None and not casts.is_wanted_anew(cast_id, meta, ending.seal):
            raise ConnectionError("the cast failed while it was downloaded")
        await _wait_for_more(request, cast_id, position)


async def _wait_for_more(request: web.Request, cast_id: CastId, position: int) -> None:
    """Until the cast has a record at the position, or its channel is over and the store must be asked again.

    Raises:
        ConnectionError: the proxy is stopping.
    """
    channels, stopping = request.app[CHANNELS], request.app[STOPPING]
    channel = channels.join(cast_id, position)
    try:
        while channel.next_seq <= position and not channel.over:
            if stopping.is_set():
                raise ConnectionError("the proxy is stopping")
            changed = channel.changed
            await changed.wait()
    finally:
        channels.leave(channel)


class _Voice:
    """Folds the records and writes the sentences that count."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._fold = CastFold()
        self._sent = 0

    async def hear(self, entry: Entry) -> bool:
        """Take a record; returns whether the cast has ended."""
        try:
            record = decode(entry.headers, entry.body) if entry.command is None else None
        except InvalidRecord:
            record = None
        if record is None or not self._fold.apply(entry.seq_num, record):
            return False
        if len(self._fold.sentences) < self._sent:
            raise ConnectionError("the attempt that was sent is void")
        if isinstance(record, Audio):
            self._sent += 1
            await self._response.write(record.mp3)
        return isinstance(record, Eos)


async def get_text(request: web.Request) -> web.StreamResponse:
    cast_id = cast_id_of(request)
    try:
        meta = await request.app[CASTS].meta(cast_id)
    except StreamMissing:
        raise missing() from None
    check_epoch(request, meta)
    return web.Response(
        text=meta.text + "\n",
        content_type="text/plain",
        charset="utf-8",
        headers={"Content-Disposition": attachment(meta.title, ".txt"), "Cast-Epoch": meta.epoch},
    )
