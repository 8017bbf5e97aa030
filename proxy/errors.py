"""One shape for every error: `{"error": {"message", "type", "code", "param", "request_id"}}`.

Handlers raise ApiError; the middleware turns it, and everything else that goes wrong, into that shape.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from casts.errors import StreamTTSError
from streams.port import StoreUnavailable

log = logging.getLogger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
STARTED = web.RequestKey("started", bool)
"""Set by handlers that stream, before their first byte: from then on an error can only cut the answer off."""

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    409: "conflict_error", 410: "gone_error", 413: "invalid_request_error", 416: "invalid_request_error",
    429: "rate_limit_error", 503: "unavailable_error",
}  # fmt: skip

RETRY_AFTER_S = 2


class ApiError(StreamTTSError):
    """An answer to a request that cannot be served. `code` is stable, `message` is for people."""

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s if retry_after_s is not None or status not in (429, 503) else RETRY_AFTER_S


def error_body(status: int, code: str, message: str, param: str | None, request_id: str) -> dict[str, object]:
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "code": code, "param": param, "request_id": request_id}
    return {"error": error}


def error_response(error: ApiError, request_id: str) -> web.Response:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = error_body(error.status, error.code, str(error), error.param, request_id)
    return web.json_response(body, status=error.status, headers=headers)


def as_api_error(error: Exception) -> ApiError:
    """What any exception of a handler means to the caller; unexpected ones are logged with their traceback."""
    match error:
        case ApiError():
            return error
        case web.HTTPRequestEntityTooLarge():
            return ApiError(413, "body_too_large", "The request is too large.")
        case web.HTTPNotFound():
            return ApiError(404, "not_found", "There is nothing at this address.")
        case web.HTTPMethodNotAllowed(method=method, allowed_methods=allowed):
            return ApiError(
                405, "method_not_allowed", f"{method} is not possible here, but {', '.join(sorted(allowed))}."
            )
        case web.HTTPException(status=status, reason=reason):
            return ApiError(status, "http_error", reason or "The request failed.")
        case StoreUnavailable():
            log.warning("the store does not answer: %s", error, extra={"code": "store_unavailable"})
            return ApiError(503, "store_unavailable", "The store does not answer at the moment. Try again shortly.")
        case _:
            log.error("unexpected error", exc_info=error, extra={"code": "internal_error"})
            return ApiError(500, "internal_error", "Something went wrong here. It has been logged.")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def error_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request an id and each error the one shape."""
    request_id = request[REQUEST_ID] = secrets.token_hex(8)
    try:
        response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = error_response(as_api_error(error), request_id)
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = error.headers["Allow"]
    except ConnectionError:
        raise  # the client is gone: nobody to answer
    except Exception as error:
        if request.transport is None or request.get(STARTED):
            raise  # the answer is on its way already: cutting it off is the only honest signal
        response = error_response(as_api_error(error), request_id)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response
