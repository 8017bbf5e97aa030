"""`python -m tests.chromium`: have a Chromium for the browser tests, and say which one.

One that is installed is used; else Playwright's own is fetched; where that cannot be had, Debian's package.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
FETCH_DEADLINE_S = 300


def find_chromium() -> str | None:
    """Path of an installed browser, the system's or Playwright's."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def fetch_chromium() -> None:
    """Playwright's browser, else Debian's package; raises RuntimeError with what was tried."""
    tried = []
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        commands.append(["sh", "-c", "apt-get update -qq && apt-get install -y -qq chromium"])
    for command in commands:
        print(f"No Chromium yet: {' '.join(command[-3:])}", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=FETCH_DEADLINE_S, check=False
        )
        if done.returncode == 0 and find_chromium():
            return
        tried.append(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}")
    raise RuntimeError("no Chromium for the browser tests:\n" + "\n".join(tried))


def main() -> None:
    if find_chromium() is None:
        fetch_chromium()
    print(f"Chromium: {find_chromium()}")


if __name__ == "__main__":
    main()
