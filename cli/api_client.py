"""The HTTP API as the operator's commands use it: one request, one JSON answer, and an error in one line.

Follows no redirect: the admin key goes to the address that was named and nowhere else.
"""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from casts.errors import SettingsError, StreamTTSError
from casts.ids import CastId
from casts.settings import Settings
from streams.admin_key import admin_key_path, read_admin_key

TIMEOUT_S = 20.0
MOST_DEAD = 1000  # what one question may ask for
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # recognised, not listened on


class Unreachable(StreamTTSError):
    """Nothing that speaks the API answers there, at the moment."""


class RequestRefused(StreamTTSError):
    """The API's own word. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def local_url(settings: Settings) -> str:
    """Where this machine reaches the proxy of these settings. Raises SettingsError where the port is any free one."""
    if settings.port == 0:
        raise SettingsError("STREAMTTS_PORT=0 is any free port: name the address that `up` has said with --url")
    host = ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def check_url(url: str) -> str:
    """An address without its last slash. Raises SettingsError."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"--url {url!r} is no address such as http://127.0.0.1:8080")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class ApiClient:
    """`url` without its last slash; `key` is None where none was found at `key_place`."""

    url: str
    key: str | None
    key_place: str

    def status(self) -> Any:
        return self._get_as_admin("/api/admin/status")

    def dead(self, limit: int, cast_id: CastId | None = None) -> list[Any]:
        narrowed = f"&id={cast_id}" if cast_id else ""
        found: list[Any] = self._get_as_admin(f"/api/admin/dead?limit={limit}{narrowed}")["dead"]
        return found

    def cast(self, cast_id: CastId) -> Any:
        return self._ask("GET", f"/api/casts/{cast_id}", {})

    def retry(self, cast_id: CastId) -> Any:
        return self._ask("POST", f"/api/casts/{cast_id}/retry", {})

    def _get_as_admin(self, path: str) -> Any:
        """Raises SettingsError where there is no key to send, and what `_ask` raises."""
        if self.key is None:
            raise SettingsError(
                f"no admin key: STREAMTTS_ADMIN_KEY is not set and {self.key_place} does not exist. `streamtts up` "
                "makes it; --data names another data folder"
            )
        try:
            return self._ask("GET", path, {"Authorization": f"Bearer {self.key}"})
        except RequestRefused as error:
            if error.code != "unauthorized":
                raise
            raise RequestRefused(
                error.code,
                f"{self.url} has another admin key: set STREAMTTS_ADMIN_KEY, or name its data folder with --data",
            ) from None

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> Any:
        """Raises Unreachable, RequestRefused."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, parts.path + path, headers=headers)
            answer = connection.getresponse()
            status, raw = answer.status, answer.read()
        except TimeoutError:
            raise Unreachable(f"no answer from {self.url} within {TIMEOUT_S:.0f} s") from None
        except ConnectionRefusedError:
            raise Unreachable(
                f"nothing listens at {self.url}: start StreamTTS with `streamtts up`, or name its address with --url"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"no answer from {self.url}: {str(error) or type(error).__name__}") from None
        finally:
            connection.close()
        return _read_answer(self.url, status, raw)


def _read_answer(url: str, status: int, raw: bytes) -> Any:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    match body:
        case dict() if status == 200:  # in which a failed cast has an `error` of its own
            return body
        case {"error": {"code": str(code), "message": str(message)}}:
            raise RequestRefused(code, message)
        case _:
            raise RequestRefused("no_api", f"what answers at {url} is not StreamTTS (status {status})")


def make_client(settings: Settings, url: str | None) -> ApiClient:
    """For `--url`, else for this machine's own proxy. Raises SettingsError."""
    address = local_url(settings) if url is None else check_url(url)
    return ApiClient(address, read_admin_key(settings), str(admin_key_path(settings.data.expanduser())))
