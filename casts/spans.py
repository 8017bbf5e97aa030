"""Spans of a text in UTF-16 code units, so that a browser slices with `text.slice(begin, end)` and no table."""


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: an emoji outside the basic plane counts 2."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


class SpanText:
    """A text that is sliced often by UTF-16 spans; encoded once."""

    __slots__ = ("_units",)

    def __init__(self, text: str) -> None:
        self._units = text.encode("utf-16-le")

    def __len__(self) -> int:
        return len(self._units) // 2

    def slice(self, begin: int, end: int) -> str:
        """The text of a span. Raises UnicodeDecodeError if it cuts a surrogate pair in two."""
        return self._units[2 * begin : 2 * end].decode("utf-16-le")
