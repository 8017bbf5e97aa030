"""A cast's page as a listener has it open, with what goes wrong in it."""

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, ViewportSize

from tests.stack import Stack, eventually

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}


class Problems:
    """What a page complains about: errors, warnings and whatever the policy forbids."""

    def __init__(self, page: Page) -> None:
        self.lines: list[str] = []
        page.on("console", self._message)
        page.on("pageerror", lambda error: self.lines.append(str(error)))
        page.on("dialog", self._dialog)

    def _message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.lines.append(message.text)

    def _dialog(self, dialog: Dialog) -> None:
        self.lines.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def open_cast(browser: Browser, stack: Stack, cast_id: str) -> Page:
    page = browser.new_page()
    page.goto(f"{stack.url}/c/{cast_id}")
    return page


def until(page: Page, expression: str, deadline_s: float = 20.0) -> None:
    """Wait until an expression holds in the page. Playwright's own wait needs `eval`, which the policy forbids."""
    eventually(expression, lambda: page.evaluate(expression), deadline_s)
