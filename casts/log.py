"""One log line an event, the same for every service. The only module here that touches the process.

JSON for machines, a readable line on a terminal. Never a submitted text, a key or a full address.
"""

import json
import logging
import sys
import time
from typing import Literal

FIELDS = (
    "action",
    "cast_id",
    "attempt",
    "seq_num",
    "offset",
    "reason",
    "code",
    "request_id",
    "worker",
    "duration_ms",
)
"""What a call may give in `extra`; anything else stays out of the line."""


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class ReadableLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        extras = " ".join(f"{name}={value}" for name, value in _fields(record).items() if name != "action")
        line = f"{level}{record.getMessage()}" + (f"  ({extras})" if extras else "")
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logging(mode: Literal["auto", "text", "json"] | str) -> None:
    """Send everything from INFO on to stderr, in the chosen form."""
    text = mode == "text" or (mode == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ReadableLines() if text else JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
