"""`python -m tests.e2e.screenshots FOLDER`: the pages as pictures, from a running service with a realistic text.

`home-390-light.png`, `cast-1280-dark.png` and so on; the cast is being spoken and listened to.
"""

import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import FLAGS, find_chromium
from tests.e2e.pages import DESK, PHONE, until
from tests.stack import Stack

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

TEXT = """The lighthouse keeper’s almanac

Every evening, a quarter of an hour before sunset, Marit climbed the hundred and twelve steps to the lamp. She had \
counted them so often that her feet knew the number without her. Halfway up there was a window no wider than a book, \
and through it she could see the harbour, the two red boats, and the road on which nobody came.

“You will be lonely there,” they had told her in the town. She was not. There was the almanac to be kept: wind, \
weather, birds, ships. On the first page the keeper before her had written a single sentence, in ink that had turned \
brown. It said: the light is for those who do not know that you are here.

She thought about it every night while the lamp grew warm. Far out, a ship that had been invisible a moment ago \
turned slowly towards the coast. Marit wrote down the time, the bearing and the colour of its lights. Then she sat \
back and listened to the sea, which was reading to itself as it always did, one long sentence after another.
"""


def take_screenshots(browser: Browser, stack: Stack, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    cast_id = stack.submitted(TEXT)
    taken = []
    for scheme in SCHEMES:
        for size in (PHONE, DESK):
            page = browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=2)
            for name, show in (("home", show_home), ("cast", show_cast)):
                show(page, stack, cast_id)
                path = folder / f"{name}-{size['width']}-{scheme}.png"
                page.screenshot(path=path)
                taken.append(path)
            page.context.close()
    return taken


def show_home(page: Page, stack: Stack, _: str) -> None:
    page.goto(stack.url)
    page.fill("#text", TEXT.split("\n\n")[1])
    page.evaluate("document.activeElement.blur()")


def show_cast(page: Page, stack: Stack, cast_id: str) -> None:
    page.goto(f"{stack.url}/c/{cast_id}")
    until(page, "window.streamtts?.sentences > 4")
    page.click("#play")
    until(page, "streamtts.position_s > 7")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
    path = find_chromium() or sys.exit("no Chromium: `python -m tests.chromium` gets one")
    with (
        tempfile.TemporaryDirectory() as data,
        Stack(Path(data), comfort_s="20") as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for taken in take_screenshots(browser, stack, folder):
            print(taken)
        browser.close()


if __name__ == "__main__":
    main()
