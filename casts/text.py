"""What a submitted text must be, and the title that is made from it."""

import re

from casts.errors import InvalidText
from casts.limits import TITLE_CHARS

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MADE_TITLE_CHARS = 80


def clean_text(text: str, max_bytes: int) -> str:
    """The stripped text of a cast.

    Raises:
        InvalidText: empty, too long in UTF-8, or with characters that no text has (NUL, lone surrogates).
    """
    _check_characters(text)
    stripped = text.strip()
    if not stripped:
        raise InvalidText("text_empty", "The text is empty.")
    size = len(stripped.encode())
    if size > max_bytes:
        raise InvalidText("text_too_long", f"The text has {size:,} bytes of UTF-8; at most {max_bytes:,} are taken.")
    return stripped


def clean_title(title: str, text: str) -> str:
    """The given title on one line, or one made from the text's first line. Raises InvalidText."""
    _check_characters(title)
    given = " ".join(title.split())
    if len(given) > TITLE_CHARS:
        raise InvalidText("title_too_long", f"A title has at most {TITLE_CHARS} characters.")
    return given or made_title(text)


def made_title(text: str) -> str:
    """The text's first line, cut at a word to 80 characters, without Markdown's heading marks."""
    line = " ".join(text.split("\n", 1)[0].lstrip("#").split()) or " ".join(text[:_MADE_TITLE_CHARS].split())
    if len(line) <= _MADE_TITLE_CHARS:
        return line
    cut = line[:_MADE_TITLE_CHARS]
    return (cut.rsplit(" ", 1)[0] if " " in cut[20:] else cut) + "…"


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidText("text_invalid", "The text has half of a character (a lone surrogate).") from None
    if found := _CONTROL.search(text):
        raise InvalidText("text_invalid", f"The text has a control character (U+{ord(found.group()):04X}).")
