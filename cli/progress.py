"""How the command line tells a person what takes time: lines, and one line that is redrawn on a terminal."""

import shutil
import time
from collections.abc import Callable
from typing import TextIO

CLEAR_LINE = "\r\x1b[2K"
LINE_EVERY_S = 10.0


class Progress:
    """Writes to one stream. Elsewhere than on a terminal a step is a line of its own, at most every `every_s`."""

    def __init__(
        self, stream: TextIO, *, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._every_s = every_s
        self._clock = clock
        self._step_shown = False
        self._last_step_at = float("-inf")

    def line(self, text: str) -> None:
        """A line that stays."""
        self._write(f"{self._erase()}{text}\n")

    def step(self, text: str) -> None:
        """The state of something long: replaces the step before it."""
        if self._terminal:
            width = shutil.get_terminal_size().columns
            self._write(f"{CLEAR_LINE}{text[: width - 1]}")
            self._step_shown = True
        elif self._clock() - self._last_step_at >= self._every_s:
            self._write(f"{text}\n")
            self._last_step_at = self._clock()

    def done(self) -> None:
        """The long thing is over: the next step is shown at once."""
        self._write(self._erase())
        self._last_step_at = float("-inf")

    def _erase(self) -> str:
        shown, self._step_shown = self._step_shown, False
        return CLEAR_LINE if shown else ""

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
