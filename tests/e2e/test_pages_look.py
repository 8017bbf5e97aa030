"""The pages on a phone and on a desk: everything fits, everything has a name, nothing complains."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.e2e.pages import DESK, PHONE, Problems, until
from tests.e2e.reading import check_complete
from tests.stack import Stack

pytestmark = pytest.mark.browser

NARROWEST: ViewportSize = {"width": 320, "height": 568}
SIZES = pytest.mark.parametrize("size", [NARROWEST, PHONE, DESK], ids=lambda size: f"{size['width']} wide")

TEXT = (
    "A heading of the text\n\n" + "It has a " + "very" * 60 + " long word, and https://example.org/" + "x" * 200 + "."
)

UNNAMED = """
[...document.querySelectorAll('button, a, input, select, textarea')].filter((element) => {
  if (!element.checkVisibility({ visibilityProperty: true })) return false;
  const label = [...(element.labels ?? [])].map((one) => one.textContent).join('');
  return !(element.ariaLabel ?? element.title ?? '').trim() && !element.textContent.trim() && !label.trim();
}).map((element) => element.outerHTML.slice(0, 120))
"""
"""What can be used but has no name that a screen reader could say."""

TOO_SMALL = """
[...document.querySelectorAll('button, a, select')].filter((element) => {
  const { width, height } = element.getBoundingClientRect();
  return element.checkVisibility({ visibilityProperty: true }) && width > 0 && (width < 24 || height < 24);
}).map((element) => element.outerHTML.slice(0, 120))
"""
"""Below 24 by 24 CSS pixels a finger misses it (WCAG 2.2, 2.5.8)."""


@pytest.fixture
def page(browser: Browser, size: ViewportSize) -> Iterator[Page]:
    page = browser.new_page(viewport=size)
    yield page
    page.context.close()


def check_page(page: Page, problems: Problems) -> None:
    width, scroll = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    assert scroll <= width, f"it scrolls sideways: {scroll} of {width}"
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(TOO_SMALL) == []
    assert page.evaluate("document.querySelectorAll('main, h1').length") == 2, "one main and one heading"
    assert page.evaluate("document.documentElement.lang")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    assert problems.lines == []


@SIZES
def test_the_home_page_takes_a_text_to_its_link(stack: Stack, page: Page, size: ViewportSize) -> None:
    problems = Problems(page)
    page.goto(stack.url)
    expect(page.locator("#send")).to_be_enabled()
    check_page(page, problems)
    expect(page.locator("#text")).to_be_focused()
    text = f"Typed into a page {size['width']} wide."
    page.keyboard.type(text)
    page.click("#send")
    page.wait_for_url("**/c/*")
    check_complete(stack.finished(page.url.rpartition("/")[2]), text)
    assert problems.lines == []


@SIZES
def test_the_cast_page_fits_and_has_the_play_button_in_sight(stack: Stack, page: Page, size: ViewportSize) -> None:
    problems = Problems(page)
    page.goto(f"{stack.url}/c/{stack.submitted(TEXT)}")
    until(page, "window.streamtts?.sentences > 0")
    expect(page.locator("#play")).to_be_in_viewport(ratio=1)
    check_page(page, problems)
    page.click("#play")
    until(page, "streamtts.position_s > 0.5")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    check_page(page, problems)
    page.click("#play")
    until(page, "streamtts.state === 'paused'")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    at = page.evaluate("streamtts.position_s")
    page.click("#play")
    until(page, f"streamtts.position_s > {at} + 0.2")


@SIZES
def test_a_page_that_is_missing_fits_and_leads_home(stack: Stack, page: Page, size: ViewportSize) -> None:
    page.goto(f"{stack.url}/c/AAAAAAAAAAAA")
    check_page(page, Problems(page))
    page.click("main a")
    assert page.url == f"{stack.url}/"


@pytest.mark.parametrize("size", [DESK], ids=["desk"])
def test_keys_play_pause_and_step(stack: Stack, page: Page, size: ViewportSize) -> None:
    cast_id = stack.submitted("One sentence is here. And here is the second one. The third comes last.")
    page.goto(f"{stack.url}/c/{cast_id}")
    until(page, "window.streamtts?.sentences > 1")
    page.keyboard.press("k")
    until(page, "streamtts.state === 'playing' && streamtts.position_s > 0.3")
    page.keyboard.press("]")
    until(page, "streamtts.position_s > 1.5", 1.0)
    page.keyboard.press("k")
    until(page, "streamtts.state === 'paused'")


@pytest.mark.parametrize("size", [DESK], ids=["desk"])
def test_a_click_on_a_sentence_reads_from_there(stack: Stack, page: Page, size: ViewportSize) -> None:
    cast_id = stack.submitted("This is read first of all.\n\nThis comes second in the text.")
    stack.finished(cast_id)
    page.goto(f"{stack.url}/c/{cast_id}")
    until(page, "streamtts.ended === 'eos'")
    begin_s = page.evaluate("streamtts.samples / 24000 / 3")
    box = page.locator("#text").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 60, box["y"] + box["height"] - 12)
    until(page, f"streamtts.state === 'playing' && streamtts.position_s > {begin_s}", 2.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(stack: Stack, browser: Browser, scheme: str) -> None:
    """Contrast of running text as it is painted, at least 4.5 to 1 (WCAG 1.4.3)."""
    cast_id = stack.submitted("Seen in light and in darkness.")
    for path in ("/", f"/c/{cast_id}"):
        page = browser.new_page(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(stack.url + path)
        assert page.evaluate(LOW_CONTRAST) == []
        page.context.close()


LOW_CONTRAST = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const over = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const grounds = (element) =>
    element ? [...grounds(element.parentElement), getComputedStyle(element).backgroundColor] : [];
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const { width } = element.getBoundingClientRect();
    if (!own || width < 2 || element.closest('option, .unseen')) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const ground = grounds(element);
    const [below, above] = [light(over(ground)), light(over([...ground, getComputedStyle(element).color]))];
    const ratio = (Math.max(below, above) + 0.05) / (Math.min(below, above) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
  }
  return found;
})()
"""
