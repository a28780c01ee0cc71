"""Figures on a dark page, as Chromium shows them, against the map and the boxes that the page was built from."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browsing import CHAPTERS, DESKTOP, SITE, missing
from website.darkening import on_dark_paper

pytestmark = pytest.mark.site
MARKED = {name: text for name in CHAPTERS if 'class="darkens"' in (text := (SITE / name).read_text("utf8"))}
STILL = "header, .bd-header-article { display: none !important } * { content-visibility: visible !important }"
LOADED = """() => Promise.all([...document.querySelectorAll("img.darkens, img.keeps")].map((image) => {
  image.loading = "eager";
  return image.checkVisibility() && image.decode();
}))"""
PAPER = (18, 18, 18)


@pytest.fixture(scope="module")
def mixed() -> str:
    """Return the page with the most figures of which some are pictures, all of them or none."""
    if not MARKED:
        missing("no page of the site has a figure that follows the theme")
    return max(MARKED, key=lambda name: MARKED[name].count('class="keeps"') * MARKED[name].count('class="darkens"'))


@pytest.fixture
def fine(browser: Any) -> Iterator[Any]:
    """Open a page on a screen with as many pixels as figures have."""
    context = browser.new_context(viewport=DESKTOP, device_scale_factor=2, reduced_motion="reduce")
    context.route("**/_static/live-*/**", lambda route: route.abort())  # pictures stay pictures
    yield context.new_page()
    context.close()


def show(tab: Any, address: str, theme: str) -> None:
    tab.emulate_media(color_scheme=theme)
    tab.goto(address, wait_until="load")
    tab.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    tab.add_style_tag(content=STILL)
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => fold.open = true)")
    tab.evaluate(LOADED)
    tab.evaluate("document.fonts.ready.then(() => true)")


def pixels(image: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("RGB")).astype(float)


def kept(image: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels the image's overlay shows, from its outline as the browser computes it."""
    outline = image.evaluate("i => i.nextElementSibling ? getComputedStyle(i.nextElementSibling).clipPath : ''")
    numbers = np.array([float(n) for n in re.findall(r"([\d.]+)(?:%|px)", outline)]) / 100
    mask = np.zeros(shape[:2], bool)
    height, width = shape[:2]
    if outline.startswith("inset"):
        top, right, bottom, left = np.resize(numbers, 4) if len(numbers) != 3 else [*numbers, numbers[1]]
        boxes = [(left, top, 1 - right, 1 - bottom)]
    else:  # the corner, then five points and the corner for each box
        boxes = [(*points[0], *points[2]) for points in numbers.reshape(-1, 2)[1:].reshape(-1, 6, 2)]
    for left, top, right, bottom in boxes if outline else []:
        mask[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True
    return mask


def test_pictures_keep_their_colors_and_all_else_is_mapped(fine: Any, address: str, mixed: str):
    show(fine, address + mixed, "light")
    images = fine.locator("img.darkens")
    light = [pixels(images.nth(i)) for i in range(images.count())]
    show(fine, address + mixed, "dark")
    pictures = 0
    for i, before in enumerate(light):
        after = pixels(images.nth(i))
        assert after.shape == before.shape
        inside = kept(images.nth(i), before.shape)
        expected = np.where(inside[..., None], before, 255 * on_dark_paper(before / 255))
        wrong = np.abs(after - expected).max(axis=2) > 6
        assert wrong.mean() < 0.02, f"figure {i} of {mixed}"  # the edges of boxes
        pictures += inside.any()
    assert pictures > 0


def test_white_is_the_paper_of_the_page(fine: Any, address: str, mixed: str):
    show(fine, address + mixed, "dark")
    seen = pixels(fine.locator("img.darkens:only-child").first)
    common = Counter(map(tuple, seen.reshape(-1, 3).tolist())).most_common(1)[0][0]
    assert common == PAPER
    assert fine.evaluate("getComputedStyle(document.body).backgroundColor") == f"rgb{PAPER}"


def test_a_picture_is_asked_for_once_and_said_once(page: Any, address: str, mixed: str):
    asked: Counter[str] = Counter()
    page.on("request", lambda request: asked.update([request.url]))
    show(page, address + mixed, "dark")
    assert {url: n for url, n in asked.items() if "_images" in url and n > 1} == {}
    over = page.locator("img.keeps").first
    name = over.evaluate("i => i.previousElementSibling.alt")
    assert page.get_by_role("img", name=name, exact=True).count() == 1


def test_figures_follow_the_switch_and_print_light(page: Any, address: str, mixed: str):
    def look() -> tuple[str, str]:
        filtered = page.locator("img.darkens").first.evaluate("i => getComputedStyle(i).filter")
        return filtered, page.locator("img.keeps").first.evaluate("i => getComputedStyle(i).display")

    show(page, address + mixed, "dark")
    assert look() == ('url("#dark-paper")', "block")
    page.emulate_media(media="print", color_scheme="dark")
    assert look() == ("none", "none")
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert look() == ("none", "none")


def test_without_scripts_figures_are_as_the_page_is(browser: Any, address: str, mixed: str):
    context = browser.new_context(color_scheme="dark", java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address + mixed)
    dark = tab.locator("body").evaluate("b => getComputedStyle(b).backgroundColor") == f"rgb{PAPER}"
    ink = tab.locator("article p").first.evaluate("p => getComputedStyle(p).color")
    filtered = tab.locator("img.darkens").first.evaluate("i => getComputedStyle(i).filter")
    context.close()
    assert (max(map(int, re.findall(r"\d+", ink)[:3])) > 127) == dark, "words stand out from the page"
    assert (filtered != "none") == dark


@pytest.mark.parametrize("width", [390, 1280])
def test_a_picture_lies_exactly_on_its_figure(page: Any, address: str, mixed: str, width: int):
    page.set_viewport_size({"width": width, "height": 844})
    show(page, address + mixed, "dark")
    boxes = page.evaluate(
        """() => [...document.querySelectorAll(".with-pictures")].map((span) => [...span.children].map((image) => {
          const box = image.getBoundingClientRect();
          return [box.x, box.y, box.width, box.height, box.right - span.closest("figure, .cell_output").getBoundingClientRect().right];
        }))"""
    )
    assert boxes
    for under, over in boxes:
        assert under == over
        assert under[4] < 1, "no wider than its place"


def test_what_is_scrolled_has_bars_of_the_page_s_colors(fine: Any, address: str):
    show(fine, address + CHAPTERS[0], "dark")
    bars = fine.eval_on_selector_all(
        ".bd-sidebar-primary, article pre", "parts => parts.map((part) => getComputedStyle(part).scrollbarColor)"
    )
    assert len(bars) > 1
    assert "auto" not in bars, "Firefox draws these white"
