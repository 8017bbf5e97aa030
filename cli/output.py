"""The terminal that all services share: each line carries the name of who wrote it."""

from typing import TextIO

COLOURS = (36, 33, 35, 32, 34)  # cyan, yellow, magenta, green, blue: readable on dark and on light
RESET = "\x1b[0m"


class Output:
    """Writes whole lines. A stream that is gone (a closed pipe, a closed terminal) is no reason to stop serving."""

    def __init__(self, stream: TextIO, names: tuple[str, ...], *, colours: bool) -> None:
        self._stream = stream
        self._width = max(map(len, names), default=0)
        self._colours = dict(zip(names, COLOURS, strict=False)) if colours else {}

    def say(self, text: str) -> None:
        """A line of `up` itself."""
        self._write(text)

    def relay(self, name: str, line: str) -> None:
        """A line that the service `name` wrote."""
        prefix = f"{name:{self._width}} | "
        if name in self._colours:
            prefix = f"\x1b[{self._colours[name]}m{prefix}{RESET}"
        self._write(prefix + line)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass
