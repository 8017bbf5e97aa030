"""What a person sees: names before lines, a redrawn line on a terminal, few lines elsewhere."""

import io

import pytest

from cli.children import MAX_LINE_BYTES, LineSplitter
from cli.output import Output
from cli.progress import CLEAR_LINE, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_output_puts_aligned_names_before_lines() -> None:
    stream = io.StringIO()
    output = Output(stream, ("s2", "worker"), colours=False)
    output.relay("s2", "ready")
    output.relay("worker", "took a job")
    output.say("StreamTTS is ready")
    assert stream.getvalue() == "s2     | ready\nworker | took a job\nStreamTTS is ready\n"


def test_output_colours_the_names_alone_and_each_otherwise() -> None:
    stream = io.StringIO()
    output = Output(stream, ("s2", "worker"), colours=True)
    output.relay("s2", "ready")
    output.relay("worker", "ready")
    assert stream.getvalue() == "\x1b[36ms2     | \x1b[0mready\n\x1b[33mworker | \x1b[0mready\n"


def test_output_to_a_stream_that_is_gone_is_dropped() -> None:
    Output(Gone(), (), colours=False).say("nobody reads this")


def test_progress_on_a_terminal_redraws_one_line() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.step("1 of 2")
    progress.step("2 of 2")
    progress.line("finished")
    assert stream.getvalue() == f"{CLEAR_LINE}1 of 2{CLEAR_LINE}2 of 2{CLEAR_LINE}finished\n"


def test_progress_elsewhere_writes_a_step_now_and_then() -> None:
    stream = io.StringIO()
    now = 0.0
    progress = Progress(stream, every_s=10, clock=lambda: now)
    for now in (0.0, 5.0, 9.9, 10.0, 19.0, 21.0):
        progress.step(f"{now:.0f} s")
    assert stream.getvalue() == "0 s\n10 s\n21 s\n"


def test_progress_shows_the_first_step_of_the_next_thing_at_once() -> None:
    stream = io.StringIO()
    progress = Progress(stream, every_s=10, clock=lambda: 0.0)
    progress.step("fetching")
    progress.done()
    progress.step("building")
    assert stream.getvalue() == "fetching\nbuilding\n"


@pytest.mark.parametrize(
    ("chunks", "lines", "rest"),
    [
        pytest.param([b"a\nb\n"], ["a", "b"], [], id="whole"),
        pytest.param([b"a", b"b\nc"], ["ab"], ["c"], id="in pieces"),
        pytest.param([b"\xe2\x82", b"\xac\n"], ["€"], [], id="a character in pieces"),
        pytest.param([b"\xff\r\n"], ["\ufffd"], [], id="no UTF-8"),
    ],
)
def test_lines_are_split_wherever_the_pieces_end(chunks: list[bytes], lines: list[str], rest: list[str]) -> None:
    splitter = LineSplitter()
    assert [line for chunk in chunks for line in splitter.feed(chunk)] == lines
    assert splitter.rest() == rest


def test_line_without_an_end_comes_in_parts_and_fills_no_memory() -> None:
    splitter = LineSplitter()
    lines = [line for _ in range(100) for line in splitter.feed(b"x" * 1000)]
    assert sum(map(len, lines)) + sum(map(len, splitter.rest())) == 100_000
    assert max(map(len, lines)) <= MAX_LINE_BYTES + 1000
