"""A listener without a page: reads a cast by cursor over every error, and checks each record that arrives."""

import http.client
import threading
import time
from urllib.parse import urlsplit

from casts.fold import CastFold
from casts.frames import Frame, FrameDecoder
from tests.stack import Stack, fold_frames

RETRY_PAUSE_S = 0.1
SILENCE_S = 40.0
"""Longer than the longest held read."""


class PatientReader:
    """Reads in a thread of its own until the cast has ended or `close`.

    Attributes:
        frames: everything that was served, in order of arrival.
        arrived_at: the monotonic time of each frame.
        errors: what went wrong on the way, for the reader of a failed test.
    """

    def __init__(self, stack: Stack, cast_id: str) -> None:
        self.frames: list[Frame] = []
        self.arrived_at: list[float] = []
        self.errors: list[str] = []
        self._stack = stack
        self._cast_id = cast_id
        self._cursor = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader of {cast_id}", daemon=True)
        self._thread.start()

    def __enter__(self) -> "PatientReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(SILENCE_S)

    @property
    def ended(self) -> bool:
        return bool(self.frames) and self.frames[-1].header["e"] in ("eos", "fail")

    @property
    def spoken(self) -> int:
        """Audio records so far, those of voided attempts included."""
        return sum(frame.header["e"] == "audio" for frame in list(self.frames))

    def _run(self) -> None:
        while not self._closed.is_set() and not self.ended:
            try:
                self._read_once()
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            self._closed.wait(RETRY_PAUSE_S)

    def _read_once(self) -> None:
        address = urlsplit(self._stack.url)
        connection = http.client.HTTPConnection(str(address.hostname), int(address.port or 80), timeout=SILENCE_S)
        try:
            connection.request("GET", f"/api/casts/{self._cast_id}/records?from={self._cursor}&wait=20")
            answer = connection.getresponse()
            if answer.status != 200:
                self.errors.append(f"status {answer.status}: {answer.read().decode(errors='replace')}")
                return
            decoder = FrameDecoder()
            while (portion := answer.read1(65536)) and not self._closed.is_set():
                for frame in decoder.feed(portion):
                    self.arrived_at.append(time.monotonic())
                    self.frames.append(frame)
                    self._cursor = frame.seq_num + 1
        finally:
            connection.close()


def check_prefixes(frames: list[Frame]) -> CastFold:
    """The fold after all frames, given that at every moment it was a gapless prefix without a double.

    An attempt may void sentences, but what is read is always the next sentence of the current attempt.
    """
    numbers = [frame.seq_num for frame in frames]
    assert numbers == sorted(set(numbers)), f"numbers repeat or run backwards: {numbers}"
    fold, _ = fold_frames(frames)
    assert fold.ignored == 0, "a record arrived that no reader can use"
    assert [sentence.index for sentence in fold.sentences] == list(range(len(fold.sentences)))
    return fold


def check_complete(frames: list[Frame], text: str) -> CastFold:
    """As `check_prefixes`; and the cast ended, with every sentence of the text, in one digest."""
    fold = check_prefixes(frames)
    assert fold.ended == "eos", fold.message
    assert fold.digest == fold.chain.hex(), "the digest of what was read is not the one of `eos`"
    assert len(fold.sentences) == len(fold.plan)
    counted = {sentence.seq_num for sentence in fold.sentences}
    spoken = [frame.header["t"] for frame in frames if frame.seq_num in counted]
    units = text.encode("utf-16-le")
    assert spoken == [units[2 * one.begin : 2 * one.end].decode("utf-16-le") for one in fold.plan]
    assert "".join("".join(map(str, spoken)).split()) == "".join(text.split()), "the plan leaves text out"
    return fold
