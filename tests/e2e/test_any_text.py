"""Whatever is sent is spoken, or refused in the one error shape with what is wrong; never taken and then lost."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.e2e.pages import Problems, until
from tests.e2e.reading import check_complete
from tests.stack import Answer, Stack, eventually

MAX_TEXT_BYTES = 512 * 1024
FIRST_AUDIO_S = 15.0
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def begins_to_speak(stack: Stack, cast_id: str) -> dict[str, Any]:
    """The status of a cast once its first sentence is there."""

    def heard() -> dict[str, Any] | None:
        status: dict[str, Any] = stack.get(f"/api/casts/{cast_id}").json
        assert status["state"] != "failed", status["error"]
        return status if status["sentences_done"] else None

    return eventually("the first sentence", heard, FIRST_AUDIO_S)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x", id="one character"),
        pytest.param("🎉", id="one emoji"),
        pytest.param("👩‍👩‍👧‍👦 and 🇩🇪 met. They waved 👋🏽!", id="emoji of many parts"),
        pytest.param("…", id="nothing to say"),
        pytest.param("שלום לכולם. מה שלומכם היום?", id="right to left"),
        pytest.param("مرحبا. He said שלום to us.", id="both directions"),
        pytest.param("<script>alert(1)</script> & <b>bold</b>", id="markup"),
        pytest.param("Line one.\r\nLine two.\r\n\r\nThe end.", id="line ends of Windows"),
        pytest.param("Zalgo: h̸̡̪̯e̶̛̘ c̷o̴m̵e̶s̷.", id="stacked accents"),
    ],
)
def test_a_text_is_spoken_to_its_end(stack: Stack, text: str) -> None:
    cast_id = stack.submitted(text)
    check_complete(stack.finished(cast_id), text)
    assert stack.get(f"/api/casts/{cast_id}/text.txt").body.decode() == text + "\n"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        pytest.param(("word " * 200_000)[: MAX_TEXT_BYTES - 1] + ".", "word", id="ascii of exactly the limit"),
        pytest.param("今天天气很好。" * 22_857, "今天", id="160,000 Chinese characters"),
        pytest.param("a" * MAX_TEXT_BYTES, "a", id="one word of the limit"),
        pytest.param("a\n" * (MAX_TEXT_BYTES // 2), "a", id="a quarter of a million lines"),
        pytest.param('"Well," she said.\t' * 29_000, '"Well', id="quotes and tabs"),
        pytest.param("(" * 200_000 + "so it goes.", "(", id="brackets that never close"),
    ],
)
def test_the_longest_texts_are_taken_and_begin_to_speak(stack: Stack, text: str, title: str) -> None:
    answer = stack.submit(text)
    assert answer.status == 201, answer
    assert answer.json["title"].startswith(title)
    status = begins_to_speak(stack, answer.json["id"])
    assert status["state"] == "speaking"
    assert status["sentences"] > 100


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"' * (MAX_TEXT_BYTES - less), id=f"quotes, {less} below the limit")
        for less in (0, 200, 290, 300, 310, 400, 20_000)
    ]
    + [
        pytest.param("\\" * MAX_TEXT_BYTES, id="backslashes"),
        pytest.param('a"\\\t\n' * 104_000, id="a mix of what JSON escapes"),
    ],
)
def test_a_text_that_json_doubles_is_spoken_or_refused_but_never_taken_and_lost(stack: Stack, text: str) -> None:
    answer = stack.submit(text)
    if answer.status == 413:
        check_error(answer, 413, "text_too_long", "text")
        assert len(json.dumps(text)) > 1_000_000, "refused although there is room"
    else:
        assert answer.status == 201, answer
        begins_to_speak(stack, answer.json["id"])
        page = stack.get(f"/c/{answer.json['id']}", Accept="text/html")
        assert page.status == 200


def test_the_service_is_whole_after_all_that(stack: Stack) -> None:
    """The worker and its engine did not die of any text."""
    restarts = [line for line in stack.lines if "starting it again" in line or "engine_died" in line]
    assert restarts == []
    check_complete(stack.finished(stack.submitted("Still here.")), "Still here.")


@pytest.fixture(scope="module")
def cast_id(stack: Stack) -> str:
    """A finished cast to ask wrong questions about."""
    cast_id = stack.submitted("It is finished.")
    stack.finished(cast_id)
    return cast_id


def posting(body: bytes | str | dict[str, object], path: str = "/api/casts", **headers: str) -> tuple[Any, ...]:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body if isinstance(body, bytes) else body.encode()
    return "POST", path, raw, {**JSON, **headers}


def getting(path: str, method: str = "GET") -> tuple[Any, ...]:
    return method, path, None, {}


RECORDS = "/api/casts/{cast}/records"
NOBODY = "/api/casts/AAAAAAAAAAAA"

WRONG_QUERIES = (
    "from=-1", "from=abc", "from=", "from=1e3", "from=1.0", "from=%D9%A1", "from=" + "9" * 20,
    "wait=31", "wait=-1", "wait=x", "v=xyz", "v=", "v=0000000G",
)  # fmt: skip

ERRORS = [
    pytest.param(posting({"text": " \t\n "}), 400, "text_empty", "text", id="only spaces"),
    pytest.param(posting({"text": ""}), 400, "text_empty", "text", id="no text at all"),
    pytest.param(posting({"text": "a\0b"}), 400, "text_invalid", "text", id="NUL"),
    pytest.param(posting(b'{"text": "a \\ud800 b"}'), 400, "text_invalid", "text", id="lone surrogate"),
    pytest.param(posting({"text": "a", "title": "\ud800"}), 400, "text_invalid", "title", id="surrogate in title"),
    pytest.param(posting({"text": "a", "title": "t" * 201}), 400, "title_too_long", "title", id="long title"),
    pytest.param(posting({"text": "a" * (MAX_TEXT_BYTES + 1)}), 413, "text_too_long", "text", id="a byte too much"),
    pytest.param(posting({"text": "今" * 200_000}), 413, "text_too_long", "text", id="200,000 Chinese characters"),
    pytest.param(posting({"text": "a" * 8_000_000}), 413, "body_too_large", None, id="huge body"),
    pytest.param(posting("{"), 400, "invalid_json", None, id="half an object"),
    pytest.param(posting("[]"), 400, "invalid_json", None, id="a list"),
    pytest.param(posting("[" * 100_000), 400, "invalid_json", None, id="deep nesting"),
    pytest.param(posting(b'{"text": "\xff"}'), 400, "invalid_json", None, id="not UTF-8"),
    pytest.param(posting("text=a"), 400, "invalid_json", None, id="a form where JSON belongs"),
    pytest.param(posting({}), 400, "missing_parameter", "text", id="no parameter"),
    pytest.param(posting({"text": 3}), 400, "invalid_parameter", "text", id="a number for a text"),
    pytest.param(posting({"text": ["a"]}), 400, "invalid_parameter", "text", id="a list for a text"),
    pytest.param(posting({"text": "a", "voice": 1}), 400, "invalid_parameter", "voice", id="a number for a voice"),
    pytest.param(posting({"text": "a", "asap": 1}), 400, "invalid_parameter", "asap", id="a number for a flag"),
    pytest.param(posting({"text": "a", "speed": 2}), 400, "unknown_parameter", "speed", id="unknown parameter"),
    pytest.param(posting({"text": "a", "voice": "!!"}), 400, "invalid_voice", "voice", id="no voice's name"),
    pytest.param(posting({"text": "a", "voice": "af_heart"}), 400, "unknown_voice", "voice", id="voice of no worker"),
    pytest.param(
        posting({"text": "a"}, Origin="https://evil.example"), 403, "cross_origin", None, id="another site's page"
    ),
    pytest.param(
        posting({"text": "a"}, **{"Sec-Fetch-Site": "cross-site"}), 403, "cross_origin", None, id="cross-site fetch"
    ),
    pytest.param(getting("/api/casts", "PUT"), 405, "method_not_allowed", None, id="wrong method"),
    pytest.param(getting("/api/casts/{cast}", "PATCH"), 405, "method_not_allowed", None, id="wrong method on a cast"),
    pytest.param(getting("/nowhere"), 404, "not_found", None, id="unknown path"),
    pytest.param(getting("/api/nowhere"), 404, "not_found", None, id="unknown path of the API"),
    pytest.param(getting("/static/0123456789ab/cast.js"), 404, "not_found", None, id="static file of another version"),
    pytest.param(getting("/static/../proxy/app.py"), 404, "not_found", None, id="path traversal"),
    pytest.param(getting("/api/casts/short"), 404, "cast_not_found", None, id="no cast's id"),
    pytest.param(getting("/api/casts/..%2F..%2Fjobs/records"), 404, "cast_not_found", None, id="a stream's name"),
    pytest.param(getting(NOBODY), 404, "cast_not_found", None, id="status of no cast"),
    pytest.param(getting(f"{NOBODY}/records"), 404, "cast_not_found", None, id="records of no cast"),
    pytest.param(getting(f"{NOBODY}/audio.mp3"), 404, "cast_not_found", None, id="sound of no cast"),
    pytest.param(getting(f"{NOBODY}/text.txt"), 404, "cast_not_found", None, id="text of no cast"),
    pytest.param(getting("/c/AAAAAAAAAAAA"), 404, "cast_not_found", None, id="page of no cast, to a program"),
    pytest.param(getting(f"{RECORDS}?from=1000"), 416, "beyond_tail", "from", id="beyond the tail"),
    *(
        pytest.param(getting(f"{RECORDS}?{query}"), 400, "invalid_parameter", query.partition("=")[0], id=query)
        for query in WRONG_QUERIES
    ),
    pytest.param(getting(f"{RECORDS}?v=00000000"), 410, "epoch_changed", "v", id="stale epoch"),
    pytest.param(getting("/api/casts/{cast}/audio.mp3?v=00000000"), 410, "epoch_changed", "v", id="stale sound"),
]

TYPES = {
    400: "invalid_request_error", 403: "permission_error", 404: "not_found_error", 405: "invalid_request_error",
    410: "gone_error", 413: "invalid_request_error", 416: "invalid_request_error",
}  # fmt: skip


def check_error(answer: Answer, status: int, code: str, param: str | None) -> None:
    """The one shape of an error, and nothing besides."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert list(answer.json) == ["error"]
    error = answer.json["error"]
    assert sorted(error) == ["code", "message", "param", "request_id", "type"]
    assert (error["code"], error["param"], error["type"]) == (code, param, TYPES[status])
    assert error["message"].strip()
    assert error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    check_security_headers(answer)


def check_security_headers(answer: Answer) -> None:
    policy = {part.split()[0]: part.split()[1:] for part in answer.headers["content-security-policy"].split(";")}
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"]
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] in ("same-origin", "cross-origin")
    assert "microphone" not in answer.headers["permissions-policy"], "WebKit would ignore navigator.audioSession"


@pytest.mark.parametrize(("request_", "status", "code", "param"), ERRORS)
def test_an_error_has_the_one_shape(
    stack: Stack, cast_id: str, request_: tuple[Any, ...], status: int, code: str, param: str | None
) -> None:
    method, path, body, headers = request_
    check_error(stack.request(method, path.format(cast=cast_id), body, headers), status, code, param)


def test_an_unknown_voice_is_told_what_there_is(stack: Stack) -> None:
    message = stack.submit("a", voice="af_heart").json["error"]["message"]
    assert "espeak/en-us" in message
    assert "/api/voices" in message


def test_a_wrong_method_is_told_the_right_one(stack: Stack) -> None:
    assert stack.request("PUT", "/api/casts").headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/", "/c/{cast}", "/healthz", "/api/voices", "/api/casts/{cast}", RECORDS, "/api/casts/{cast}/audio.mp3"]
)
def test_every_answer_has_the_security_headers(stack: Stack, cast_id: str, path: str) -> None:
    answer = stack.get(path.format(cast=cast_id))
    assert answer.status == 200
    check_security_headers(answer)


def test_static_files_have_the_security_headers_and_are_kept_for_ever(stack: Stack) -> None:
    page = stack.get("/").body.decode()
    path = page[(at := page.index("/static/")) : page.index('"', at)]
    answer = stack.get(path)
    assert answer.status == 200
    check_security_headers(answer)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/c/AAAAAAAAAAAA", 404), ("/c/no%20id", 404)],
)
def test_a_browser_gets_an_error_as_a_page(stack: Stack, path: str, status: int) -> None:
    answer = stack.get(path, Accept="text/html,*/*")
    assert answer.status == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"Nothing here" in answer.body
    check_security_headers(answer)


@pytest.mark.parametrize(
    ("text", "status"), [("  ", 400), ("a" * (MAX_TEXT_BYTES + 1), 413)], ids=["only spaces", "too long"]
)
def test_the_form_says_what_is_wrong(stack: Stack, text: str, status: int) -> None:
    answer = stack.request("POST", "/", urlencode({"text": text}).encode(), {**FORM, "Accept": "text/html"})
    assert answer.status == status
    assert b'role="alert">The text' in answer.body


MARKUP = """</div></title></textarea><script>window.__pwned = 1; alert(1)</script>
<img src=x onerror="window.__pwned = 2"> "><svg onload=alert(3)> {{ 7 * 7 }} &lt;b&gt; javascript:alert(4)"""


@pytest.mark.browser
def test_markup_is_text_in_the_page_and_in_its_title(stack: Stack, browser: Browser) -> None:
    """Without the policy that would stop a script, so that it is the page's own care that is tested."""
    title = "Title </title><script>window.__pwned = 3</script>'\">"
    cast_id = stack.submitted(MARKUP, title=title)
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    problems = Problems(page)
    page.goto(f"{stack.url}/c/{cast_id}")
    until(page, "window.streamtts?.sentences > 0")
    assert page.evaluate("window.__pwned") is None
    assert page.evaluate("document.getElementById('text').textContent") == MARKUP
    assert page.text_content("h1") == title
    assert page.title().startswith(title)
    assert page.evaluate("document.querySelectorAll('img, [onerror], [onload], #text *').length") == 0
    scripts = page.evaluate("[...document.scripts].map(script => script.src)")
    assert all(script.startswith(f"{stack.url}/static/") for script in scripts)
    assert problems.lines == []
    context.close()


@pytest.mark.browser
def test_a_text_of_windows_or_of_another_direction_is_whole_in_the_page(stack: Stack, browser: Browser) -> None:
    for text, direction in (("שלום.\r\nמה שלומך?", "rtl"), ("One.\r\n\r\nTwo 😀.", "ltr")):
        page = browser.new_page()
        page.goto(f"{stack.url}/c/{stack.submitted(text)}")
        until(page, "window.streamtts?.sentences > 0")
        assert page.evaluate("document.getElementById('text').textContent") == text
        assert page.evaluate("getComputedStyle(document.getElementById('text')).direction") == direction
        page.context.close()
