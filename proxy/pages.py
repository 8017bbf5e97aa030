"""The pages: home with its form, the cast page, and what people see when something goes wrong.

Everything that must be there without JavaScript is in the HTML; texts go through jinja's autoescape only.
"""

from pathlib import Path

import jinja2
from aiohttp import web

import frontend
from proxy.api import base_url, submit
from proxy.errors import REQUEST_ID, ApiError, Handler, as_api_error
from proxy.keys import CASTS, SETTINGS, VOICES
from proxy.read import cast_id_of
from proxy.security import check_same_origin
from proxy.static import StaticFiles
from streams.port import StoreUnavailable

SITE = "StreamTTS"
DESCRIPTION_CHARS = 160
STATIC = web.AppKey("static", StaticFiles)
TEMPLATES = web.AppKey("templates", jinja2.Environment)

HEADINGS = {404: "Nothing here", 413: "Too much text", 503: "One moment", 429: "Too many at once"}


def load_templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(frontend.__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(request: web.Request, name: str, http_status: int = 200, **context: object) -> web.Response:
    app = request.app
    html = app[TEMPLATES].get_template(name).render(static=app[STATIC].prefix, site=SITE, **context)
    return web.Response(text=html, status=http_status, content_type="text/html", charset="utf-8")


def home(request: web.Request, *, text: str = "", error: str | None = None, status: int = 200) -> web.Response:
    voices = request.app[VOICES].described()
    return render(
        request, "home.html", status, voices=voices["voices"], default_voice=voices["default"],
        engine_label=voices["engine_label"], notice=voices["notice"], error=error, text=text,
        max_text_bytes=request.app[SETTINGS].max_text_bytes,
    )  # fmt: skip


async def get_home(request: web.Request) -> web.Response:
    return home(request)


async def post_home(request: web.Request) -> web.StreamResponse:
    """The form without JavaScript: to the cast's page, or back to the form with the text and what is wrong."""
    check_same_origin(request)
    try:
        form = await request.post()
    except (ValueError, LookupError, web.RequestPayloadError):  # not UTF-8, an unknown charset, no boundary
        raise ApiError(400, "invalid_form", "The form cannot be read.") from None
    text, voice, title = (str(form.get(name, "")) for name in ("text", "voice", "title"))
    try:
        submitted = await submit(request, text.replace("\r\n", "\n"), voice or None, title, False)
    except (ApiError, StoreUnavailable) as raised:
        error = as_api_error(raised)
        page = home(request, text=text, error=str(error), status=error.status)
        if error.retry_after_s is not None:
            page.headers["Retry-After"] = str(error.retry_after_s)
        return page
    raise web.HTTPSeeOther(f"/c/{submitted.cast_id}")


async def get_cast_page(request: web.Request) -> web.Response:
    cast_id = cast_id_of(request)
    casts = request.app[CASTS]
    ending = await casts.ending(cast_id)
    meta = await casts.meta(cast_id)
    cast = {
        "id": cast_id,
        "url": f"{base_url(request)}/c/{cast_id}",
        "state": casts.state(cast_id, meta, ending),
        "voice": meta.voice,
        "title": meta.title,
        "lang": meta.lang,
        "text": meta.text,
        "created": meta.created,
    }
    description = " ".join(meta.text[: 2 * DESCRIPTION_CHARS].split())[:DESCRIPTION_CHARS]
    return render(request, "cast.html", cast=cast, description=description)


def wants_page(request: web.Request) -> bool:
    """A browser that navigates, not a program or the page's own fetch."""
    return not request.path.startswith(("/api/", "/v1/", "/static/")) and "text/html" in request.headers.get(
        "Accept", ""
    )


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of pages as pages; everything else keeps the JSON shape."""
    if not wants_page(request):
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException as raised:
        if raised.status < 400:
            raise
        error = as_api_error(raised)
    except ConnectionError:
        raise
    except Exception as raised:
        error = as_api_error(raised)
    heading = HEADINGS.get(error.status, "That did not work")
    page = render(request, "message.html", error.status, status=error.status, heading=heading, message=str(error))
    if error.retry_after_s is not None:
        page.headers["Retry-After"] = str(error.retry_after_s)
    page.headers["X-Request-Id"] = request[REQUEST_ID]
    return page
