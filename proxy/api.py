"""The JSON side of the API: submit, retry, status, voices."""

import asyncio
import json
from typing import Any

from aiohttp import web

from casts.errors import InvalidText
from casts.text import clean_text, clean_title
from proxy.errors import ApiError
from proxy.keys import CASTS, GROUP, LEDGER, SETTINGS, SUBMITS, SUBMITTER, VOICES
from proxy.overview import Overview
from proxy.read import cast_id_of
from proxy.security import check_same_origin
from proxy.submit import Submission, Submitted

FIELDS = {"text": str, "voice": str, "title": str, "asap": bool}


def base_url(request: web.Request) -> str:
    """The address that people see: the setting, else that of the request."""
    return request.app[SETTINGS].public_url.rstrip("/") or f"{request.scheme}://{request.host}"


async def read_wish(request: web.Request) -> dict[str, Any]:
    """The JSON body of a submit. Raises ApiError 400 with the parameter that is wrong."""
    try:
        raw = json.loads(await request.text())
    except (ValueError, RecursionError, LookupError, web.RequestPayloadError):
        raise ApiError(400, "invalid_json", "The body is not JSON in UTF-8.") from None
    if not isinstance(raw, dict):
        raise ApiError(400, "invalid_json", "The body is a JSON object with a text.")
    for name, value in raw.items():
        if name not in FIELDS:
            raise ApiError(400, "unknown_parameter", f"There is no parameter {name[:40]!r}.", param=name[:40])
        if value is not None and type(value) is not FIELDS[name]:
            kind = "a string" if FIELDS[name] is str else "true or false"
            raise ApiError(400, "invalid_parameter", f"{name} is {kind}.", param=name)
    if raw.get("text") is None:
        raise ApiError(400, "missing_parameter", "A text is needed.", param="text")
    return {name: value for name, value in raw.items() if value is not None}


async def submit(request: web.Request, text: str, voice: str | None, title: str, asap: bool) -> Submitted:
    """Validate and submit; a client that goes away after sending does not stop the work.

    Raises:
        ApiError, StoreUnavailable.
    """
    param = "text"
    try:
        stripped = clean_text(text, request.app[SETTINGS].max_text_bytes)
        param = "title"
        made_title = clean_title(title, stripped)
    except InvalidText as error:
        status = 413 if error.code == "text_too_long" else 400
        raise ApiError(status, error.code, str(error), param=param) from None
    chosen, lang = request.app[VOICES].choose(voice)
    wish = Submission(stripped, str(chosen), lang, made_title, asap)
    done: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        try:
            result = await request.app[SUBMITTER].submit(wish)
        except Exception as error:
            if not done.cancelled():
                done.set_exception(error)
        else:
            if not done.cancelled():
                done.set_result(result)

    task = request.app[GROUP].create_task(run(), name="submit")
    request.app[SUBMITS].add(task)
    task.add_done_callback(request.app[SUBMITS].discard)
    return await done


async def post_cast(request: web.Request) -> web.Response:
    check_same_origin(request)
    wish = await read_wish(request)
    submitted = await submit(
        request, wish["text"], wish.get("voice") or None, wish.get("title", ""), wish.get("asap", False)
    )
    if submitted.created:  # nobody has begun yet: no need to ask the store
        ledger = request.app[LEDGER]
        ahead = ledger.place(submitted.cast_id, submitted.meta.epoch)
        ahead = ledger.place_of_next() if ahead is None else ahead
        overview = Overview(submitted.meta, "queued", ahead, None, 0, 0, None, None)
    else:
        overview = await request.app[CASTS].overview(submitted.cast_id)
    body = described(base_url(request), submitted.cast_id, overview)
    headers = {"Location": f"/c/{submitted.cast_id}"}
    return web.json_response(body, status=201 if submitted.created else 200, headers=headers, dumps=dumps)


async def get_cast(request: web.Request) -> web.Response:
    cast_id = cast_id_of(request)
    overview = await request.app[CASTS].overview(cast_id)
    return web.json_response(described(base_url(request), cast_id, overview), dumps=dumps)


async def post_retry(request: web.Request) -> web.Response:
    """A failed cast again, as a submit of its text would do it."""
    check_same_origin(request)
    cast_id = cast_id_of(request)
    casts = request.app[CASTS]
    overview = await casts.overview(cast_id)
    if overview.state != "failed":
        raise ApiError(409, "not_failed", f"This cast has not failed: it is {overview.state}.")
    await request.app[SUBMITTER].retry(cast_id, overview.meta)
    return await get_cast(request)


def described(base: str, cast_id: str, overview: Overview) -> dict[str, object]:
    """The public description of a cast."""
    meta = overview.meta
    api = f"{base}/api/casts/{cast_id}"
    error = None
    if overview.state == "failed":
        error = {"code": overview.reason, "message": overview.message}
    return {
        "id": cast_id,
        "url": f"{base}/c/{cast_id}",
        "epoch": meta.epoch,
        "state": overview.state,
        "place": overview.place,
        "voice": meta.voice,
        "title": meta.title,
        "lang": meta.lang,
        "created": meta.created,
        "sentences": overview.sentences,
        "sentences_done": overview.sentences_done,
        "duration_ms": overview.duration_ms,
        "error": error,
        "links": {
            "self": api,
            "page": f"{base}/c/{cast_id}",
            "records": f"{api}/records",
            "audio": f"{api}/audio.mp3",
            "text": f"{api}/text.txt",
        },
    }


async def get_voices(request: web.Request) -> web.Response:
    return web.json_response(request.app[VOICES].described(), dumps=dumps)


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
