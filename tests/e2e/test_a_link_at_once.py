"""Promise: a submit answers when the work is durable, not when it is done; listening begins with the first sentence."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest

from casts.limits import FRAME_SAMPLES
from tests.e2e.reading import PatientReader, check_complete
from tests.e2e.texts import some_sentences
from tests.stack import Stack, eventually, fold_frames

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
FRAME_BYTES = 192
"""Of an MP3 frame: 64 kbit/s at 24 kHz, without padding."""


def test_submit_answers_with_a_link_before_the_speech_is_made(stack: Stack) -> None:
    text = some_sentences("link", 5)
    answer = stack.submit(text)
    assert answer.status == 201
    assert answer.json["state"] in ("queued", "speaking")
    assert answer.json["url"] == f"{stack.url}/c/{answer.json['id']}"
    assert answer.headers["location"] == f"/c/{answer.json['id']}"
    assert stack.get(f"/c/{answer.json['id']}", Accept="text/html").status == 200
    status = stack.get(f"/api/casts/{answer.json['id']}").json
    assert status["state"] in ("queued", "speaking")
    assert status["sentences"] is None or status["sentences_done"] < status["sentences"]


def test_the_first_audio_is_at_a_reader_before_the_last_sentence_exists(stack: Stack) -> None:
    text = some_sentences("early", 6)
    cast_id = stack.submitted(text)
    with PatientReader(stack, cast_id) as reader:
        eventually("the first audio arrives", lambda: reader.spoken)
        status = stack.get(f"/api/casts/{cast_id}").json
        assert status["state"] == "speaking"
        assert status["sentences_done"] < status["sentences"]
        eventually("the cast ends", lambda: reader.ended, 30.0)
    fold = check_complete(reader.frames, text)
    audio_at = [at for frame, at in zip(reader.frames, reader.arrived_at, strict=True) if frame.header["e"] == "audio"]
    assert audio_at[-1] - audio_at[0] > 2.0, "all sentences came at once: this test has shown nothing"
    assert reader.errors == []
    assert fold.attempt == 1


def test_the_form_works_without_javascript(stack: Stack) -> None:
    text = "Fish & <chips>, she said.\nThen she left."
    posted = stack.request("POST", "/", urlencode({"text": text.replace("\n", "\r\n")}).encode(), FORM)
    assert posted.status == 303
    page = stack.get(posted.headers["location"], Accept="text/html")
    assert page.status == 200
    seen = _Page()
    seen.feed(page.body.decode())
    assert seen.text == text
    download = next(link for link in seen.downloads if link.endswith("/audio.mp3"))
    assert seen.native_player == download, "without JavaScript the page has no player"

    cast_id = posted.headers["location"].removeprefix("/c/")
    fold = check_complete(stack.finished(cast_id), text)
    speech = stack.get(download)
    assert speech.status == 200
    assert speech.headers["content-type"] == "audio/mpeg"
    assert _samples(speech.body) == fold.samples


def test_the_form_comes_back_with_the_text_and_what_is_wrong(stack: Stack) -> None:
    posted = stack.request("POST", "/", urlencode({"text": "Keep <me>.", "voice": "espeak/nobody"}).encode(), FORM)
    assert posted.status == 400
    body = posted.body.decode()
    assert "Keep &lt;me&gt;." in body
    assert "Nobody offers this voice" in body


def test_a_finished_download_has_its_length_and_decodes_to_the_sum_of_the_sentences(
    stack: Stack, tmp_path: Path
) -> None:
    cast_id = stack.submitted("One short story. It ends at once.")
    fold, mp3s = fold_frames(stack.finished(cast_id))
    speech = stack.get(f"/api/casts/{cast_id}/audio.mp3")
    assert speech.headers["content-length"] == str(len(speech.body))
    assert speech.body == b"".join(mp3s.values())
    assert _samples(speech.body) == fold.samples
    if ffmpeg := shutil.which("ffmpeg"):  # where it is there, a decoder that is not ours agrees
        path = tmp_path / "speech.mp3"
        path.write_bytes(speech.body)
        command = [ffmpeg, "-v", "error", "-i", str(path), "-f", "s16le", "-ac", "1", "-ar", "24000", "-"]
        pcm = subprocess.run(command, capture_output=True, check=True, timeout=30)
        assert pcm.stderr == b""
        assert len(pcm.stdout) == 2 * fold.samples


def test_a_download_of_a_live_cast_follows_it_to_the_end(stack: Stack) -> None:
    cast_id = stack.submitted(some_sentences("followed", 4))
    speech = stack.get(f"/api/casts/{cast_id}/audio.mp3")
    assert speech.headers["cast-state"] in ("queued", "speaking"), "it was done already: nothing was followed"
    assert "content-length" not in speech.headers
    fold, mp3s = fold_frames(stack.frames(cast_id))
    assert fold.ended == "eos"
    assert speech.body == b"".join(mp3s.values())


@pytest.mark.parametrize("name", ["audio.mp3", "text.txt"])
def test_a_download_is_named_after_the_title(stack: Stack, name: str) -> None:
    cast_id = stack.submitted("It has a title of its own.", title='Über "alles"')
    stack.finished(cast_id)
    suffix = name.rpartition(".")[2]
    disposition = stack.get(f"/api/casts/{cast_id}/{name}").headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert disposition.endswith(f"filename*=UTF-8''%C3%9Cber%20%22alles%22.{suffix}")


def _samples(mp3: bytes) -> int:
    """Of 24 kHz mono frames of 64 kbit/s, laid end to end without anything else."""
    assert len(mp3) % FRAME_BYTES == 0
    headers = {mp3[at : at + 2] for at in range(0, len(mp3), FRAME_BYTES)}
    assert headers <= {b"\xff\xf3", b"\xff\xf2"}, "not every frame begins where it should"
    return len(mp3) // FRAME_BYTES * FRAME_SAMPLES


class _Page(HTMLParser):
    """The cast page as it is without scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.downloads: list[str] = []
        self.native_player: str | None = None
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and "download" in values:
            self.downloads.append(values["href"] or "")
        if tag == "audio":
            self.native_player = values["src"]
        if tag == "div" and (self._depth or values.get("id") == "text"):
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.text += data
