"""The engine process's side of the pipes: says hello, then speaks one request after another until its input ends.

Crash-only: a refusal is an answer, anything unexpected ends the process, and the worker starts a fresh one.
Texts are never printed, not even in a traceback. Python 3.10.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Protocol

from worker.engines.frames import READ_BYTES, Frame, FrameDecoder, GarbledFrame
from worker.engines.protocol import (
    EngineRefused,
    Hello,
    Request,
    Speech,
    decode_request,
    encode_hello,
    encode_refusal,
    encode_speech,
)

EXIT_END_OF_INPUT = 0
EXIT_UNEXPECTED = 70
EXIT_GARBLED_INPUT = 65

_PR_SET_PDEATHSIG = 1


class Engine(Protocol):
    """What an engine module offers to `serve`."""

    def hello(self) -> Hello: ...

    def speak(self, request: Request) -> Speech:
        """Speak one sentence. Raises EngineRefused for what this engine cannot speak."""
        ...

    def is_spent(self) -> bool:
        """Whether a fresh process should speak the next sentence; asked after each."""
        ...


def serve(start_engine: Callable[[], Engine]) -> int:
    """Run an engine until standard input ends; the answer is the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which ends us by closing our input
    _die_with_parent()
    source, sink = _claim_pipes()
    engine = start_engine()
    try:
        _write(sink, encode_hello(engine.hello()))
        for header, body in _frames(source):
            request = decode_request(header, body)
            _write(sink, _answer(engine, request))
    except GarbledFrame as err:
        sys.stderr.write(f"the request pipe is garbled: {err}\n")
        return EXIT_GARBLED_INPUT
    except BrokenPipeError:
        return EXIT_END_OF_INPUT  # the worker is gone; nobody waits for the answer
    except Exception as err:  # the message may quote the text, so only kind and place are printed
        traceback.print_tb(err.__traceback__)
        sys.stderr.write(f"unexpected {type(err).__name__}\n")
        return EXIT_UNEXPECTED
    return EXIT_END_OF_INPUT


def _answer(engine: Engine, request: Request) -> bytes:
    try:
        speech = engine.speak(request)
        return encode_speech(request.id, speech, spent=engine.is_spent())
    except EngineRefused as refusal:
        return encode_refusal(request.id, refusal)


def resident_bytes() -> int:
    """Memory that this process holds now; 0 where the system does not tell (all but Linux).

    Not `ru_maxrss`: across exec it starts at what the parent process held.
    """
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _claim_pipes() -> tuple[int, int]:
    """Move the protocol off descriptors 0 and 1, so that no print or prompt of a library can touch it."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _die_with_parent() -> None:
    """Linux: be killed when the worker dies, also in the middle of a long synthesis. Elsewhere: at the next read."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _frames(source: int) -> Iterator[Frame]:
    decoder = FrameDecoder()
    while chunk := os.read(source, READ_BYTES):
        decoder.feed(chunk)
        while (frame := decoder.next_frame()) is not None:
            yield frame
    if decoder.pending_bytes:
        raise GarbledFrame("it ended in the middle of a frame")


def _write(sink: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(sink, view) :]
