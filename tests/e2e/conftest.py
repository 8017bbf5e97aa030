"""One running service a module, and one Chromium a module for the tests that need a page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.chromium import FLAGS, find_chromium
from tests.stack import Stack

COMFORT_S = "3"
"""The worker rests three seconds ahead of a listener: a cast of ten sentences is made at about the speed of speech."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack") / "data", comfort_s=COMFORT_S) as running:
        yield running


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    assert path, "no Chromium: `python -m tests.chromium` gets one"
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """A browser that plays nothing before a gesture, as those of listeners."""
    with sync_playwright() as playwright:
        args = [*FLAGS, "--autoplay-policy=document-user-activation-required"]
        running = playwright.chromium.launch(executable_path=chromium_path, args=args)
        yield running
        running.close()
