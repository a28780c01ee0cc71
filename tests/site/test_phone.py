"""The narrowest phones, browsers that run no scripts, and paper."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

import paper
from browsing import SITE

LEAVES = paper.leaves(SITE)
LENET = "book/convolution/lenet.html"
pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(
        (not LEAVES or paper.chromium() is None) and os.environ.get("CI") != "true",
        reason="there is no site, or no Chromium: run `make book` first",
    ),
]


@pytest.fixture(scope="module")
def printer() -> Iterator[paper.Printer]:
    """Start the browser that prints, which sees the site's folder and nothing else."""
    with paper.started(SITE, "") as started:
        yield started


def opened(printer: paper.Printer, page: str, width: int, **options: Any) -> Any:
    """Open a page of the site in a window of a width."""
    context = printer.tab.context.browser.new_context(viewport={"width": width, "height": 800}, **options)
    tab = context.new_page()
    tab.route("**/*", printer.answer)
    tab.goto(paper.ADDRESS + page)
    return tab


@pytest.mark.parametrize("window", [320, 1100])  # a tablet has a list of pages and no margin
def test_no_page_is_wider_than_the_narrowest_phone_or_than_a_tablet(printer: paper.Printer, window: int):
    tab = opened(printer, LENET, window)
    wide = {}
    for leaf in LEAVES:
        tab.goto(f"{paper.ADDRESS}{leaf.name}.html")
        tab.evaluate("document.querySelectorAll('details').forEach((fold) => fold.open = true)")
        tab.evaluate("document.fonts.ready.then(() => true)")
        if (width := tab.evaluate("document.documentElement.scrollWidth")) > window:
            wide[leaf.name] = width
    tab.context.close()
    assert wide == {}


def test_brackets_in_the_line_do_not_break_on_a_phone(printer: paper.Printer):
    tab = opened(printer, "book/optimization/gradient-descent.html", 390)
    held = tab.eval_on_selector_all(
        ".katex-html > .hold",
        "groups => groups.filter((group) => group.offsetParent).map((group) => new Set([...group.children].map((base) => base.getBoundingClientRect().bottom > group.children[0].getBoundingClientRect().bottom + 12)).size)",
    )
    tab.context.close()
    assert len(held) > 20
    assert set(held) == {1}


def test_without_scripts_code_has_colors_and_nothing_floats_over_the_text(printer: paper.Printer):
    tab = opened(printer, LENET, 1440, java_script_enabled=False)
    colors = tab.eval_on_selector_all(
        ".cell_input pre, .cell_input pre .k", "parts => parts.slice(0, 40).map((part) => getComputedStyle(part).color)"
    )
    assert len(set(colors)) >= 2
    assert tab.evaluate("getComputedStyle(document.querySelector('.bd-header-article')).position") == "static"
    boxes = tab.evaluate(
        "[document.querySelector('aside.margin'), document.querySelector('.bd-sidebar-secondary')]"
        ".map((box) => box.getBoundingClientRect()).map(({left, right}) => [left, right])"
    )
    assert boxes[0][1] <= boxes[1][0], "notes stand in the text, for the list of sections does not make way"
    tab.locator(".dropdown-download-buttons button").first.focus()  # the second prints, where there is no PDF
    assert tab.locator(".dropdown-download-buttons .dropdown-menu").is_visible()
    tab.context.close()


def test_without_scripts_a_phone_has_the_list_of_pages_below_the_text(printer: paper.Printer):
    tab = opened(printer, LENET, 390, java_script_enabled=False)
    text, pages = (tab.locator(name).bounding_box() for name in ("article.bd-article", "nav.bd-links"))
    assert pages["y"] >= text["y"] + text["height"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.context.close()


def test_who_reads_in_the_dark_prints_on_white(printer: paper.Printer):
    tab = opened(printer, LENET, 1280, color_scheme="dark")
    theme = "document.documentElement.dataset.theme"
    assert tab.evaluate(theme) == "dark"
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(theme) == "light"
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(theme) == "dark"
    tab.context.close()
