"""Security headers on every answer, errors and static files included, and the rule for who may submit."""

from aiohttp import web

from proxy.errors import ApiError

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self' blob: data:; "
    "img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # No microphone=() here: WebKit then ignores navigator.audioSession.type without a word.
    "Permissions-Policy": "camera=(), geolocation=(), payment=()",
}

_PUBLIC = ("/api/casts/", "/static/", "/api/voices")
EXPOSED = "Cast-Epoch, Cast-State, ETag, Content-Range, X-Request-Id"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `app.on_response_prepare`: no answer leaves without them."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    readable = request.method in ("GET", "HEAD") and request.path.startswith(_PUBLIC)
    if readable:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin" if readable else "same-origin")
    response.headers.setdefault("Cache-Control", "no-store")


def check_same_origin(request: web.Request) -> None:
    """Refuse a submit from another site's page. Programs send neither header and may pass.

    Raises:
        ApiError: 403 `cross_origin`. The rule is that of `Sec-Fetch-Site`, else of a matching `Origin`.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return
    if site is None and origin is not None and origin.partition("://")[2] == request.host:
        return
    raise ApiError(403, "cross_origin", "Pages of other sites cannot submit texts here.")
