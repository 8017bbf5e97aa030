"""The documents say what the code does: settings, error codes, commands, links, examples, licences."""

import argparse
import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from casts.frames import FrameDecoder
from casts.settings import PREFIX, settings_table
from cli.__main__ import _parser

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL, OPERATIONS = ROOT / "docs/protocol.md", ROOT / "docs/operations.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
README_LINES = 150


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def example(mark: str) -> str:
    """The fenced block that follows `<!-- mark -->` in the protocol's document."""
    found = re.search(
        rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)^```$", PROTOCOL.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"no example {mark!r}"
    return found[1]


def anchor(heading: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#{1,6} (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {anchor(heading) for heading in headings}


def raised_codes(source: Path, *calls: str) -> Iterator[str]:
    """The literal codes that a file gives to ApiError(status, code, …) or InvalidText(code, …)."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
            place = 1 if node.func.id == "ApiError" else 0
            code = node.args[place] if len(node.args) > place else None
            if isinstance(code, ast.Constant):
                yield str(code.value)


def commands() -> list[str]:
    (group,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return sorted(group.choices)


@pytest.mark.parametrize(("name", "default", "about"), settings_table())
def test_operations_has_each_setting_with_its_default_and_meaning(name: str, default: str, about: str) -> None:
    shown = f"`{default}`" if default else "empty"
    assert f"| `{name}` | {shown} | {about} |" in OPERATIONS.read_text()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_names_no_setting_that_does_not_exist(page: Path) -> None:
    known = {name for name, _, _ in settings_table()}
    assert set(re.findall(rf"{PREFIX}[A-Z0-9_]*[A-Z0-9]", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_links_only_to_what_exists(page: Path) -> None:
    for target in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} does not exist"
        if fragment:
            assert fragment in anchors_of(linked), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_names_only_files_that_exist(page: Path) -> None:
    paths = re.findall(r"`((?:casts|streams|proxy|worker|cli|frontend|tests|docs)/[\w./-]*)[:`]", page.read_text())
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_protocol_has_each_error_code_that_the_proxy_raises() -> None:
    proxy = {code for source in sorted((ROOT / "proxy").glob("*.py")) for code in raised_codes(source, "ApiError")}
    codes = proxy | set(raised_codes(ROOT / "casts/text.py", "InvalidText"))
    assert {"cast_not_found", "no_worker", "text_empty", "title_too_long"} <= codes
    table = set(re.findall(r"^\| (?:\d{3}|other) \| `(\w+)` \|", PROTOCOL.read_text(), re.MULTILINE))
    assert table == codes


def test_protocol_has_each_route() -> None:
    source = (ROOT / "proxy/app.py").read_text()
    routes = re.findall(r'web\.(get|post|put|delete|route)\("([^"]+)"', source)
    assert ("post", "/api/casts") in routes
    text = PROTOCOL.read_text().replace("{name}", "{name:.+}")
    assert not [f"{method} {path}" for method, path in routes if f"`{method.upper()} {path}`" not in text]


def test_protocol_frame_example_is_a_frame() -> None:
    rows = [re.match(r"(?:[0-9a-f]{2} )*[0-9a-f]{2}(?=  |$)", row) for row in example("frame example").splitlines()]
    raw = bytes.fromhex(" ".join(row[0] for row in rows if row))
    (frame,) = FrameDecoder().feed(raw)
    assert frame.header == {"seq": 2, "e": "start", "n": 1, "i": 0}
    assert frame.body == b"[[0,12,250],[13,56,300]]"
    assert f"these {len(raw)} bytes" in PROTOCOL.read_text()


def test_protocol_python_client_compiles() -> None:
    compile(example("client: python"), "client.py", "exec")


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on PATH, which only the frontend's checks need")
def test_protocol_javascript_client_parses(tmp_path: Path) -> None:
    client = tmp_path / "client.mjs"
    client.write_text(example("client: javascript"))
    checked = subprocess.run(["node", "--check", client], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("command", commands())
def test_operations_has_each_command(command: str) -> None:
    assert re.search(rf"^\| `streamtts {re.escape(command)}[ `]", OPERATIONS.read_text(), re.MULTILINE)


def test_notice_has_each_locked_package_with_its_version() -> None:
    locked = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert ("s2-sdk", "0.13.0") in locked
    notice = (ROOT / "NOTICE").read_text()
    names = set(re.findall(r"^([a-z0-9-]+) {2,}\S", notice, re.MULTILINE))
    assert names == {name for name, _ in locked}
    assert not [f"{name} {version}" for name, version in locked if not re.search(rf"\b{re.escape(version)}\b", notice)]
