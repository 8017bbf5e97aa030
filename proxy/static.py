"""The frontend's files, read once at start and served for ever under the hash of their folder."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

import frontend

FOLDER = Path(frontend.__file__).parent / "static"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    body: bytes
    content_type: str


class StaticFiles:
    """All files of a folder in memory. `prefix` changes with any of them, so no answer is ever stale."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, StaticFile] = {}
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name, body = path.relative_to(folder).as_posix(), path.read_bytes()
                digest.update(name.encode() + b"\0" + body)
                self._files[name] = StaticFile(body, _content_type(path))
        self.prefix = f"/static/{digest.hexdigest()[:12]}"

    async def serve(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None or not request.path.startswith(f"{self.prefix}/"):
            raise web.HTTPNotFound
        return web.Response(
            body=found.body,
            content_type=found.content_type,
            charset="utf-8" if found.content_type.startswith("text/") else None,
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )


def _content_type(path: Path) -> str:
    return TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
