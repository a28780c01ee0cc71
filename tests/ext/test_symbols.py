"""Rows of the notation have addresses, stand with their chapter, and are led to from there."""

import re
from collections.abc import Callable
from pathlib import Path

import lxml.html
import pytest

ROOT = Path(__file__).parent.parent.parent
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "sphinx_exercise", "sphinx_proof", "sphinxcontrib.katex", "sphinx_book_theme", "website.fixes",
              "website.at_a_glance", "website.parts", "website.symbols"]
root_doc = "index"
numfig = True
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
"""
GLANCE = "```{at-a-glance}\n:will: 'see {ref}`the margin <symbol-eq-losses-margin>`'\n:needs: 'nothing'\n```\n"
PAGES = {
    "book/notation": """# Notation

| symbol | meaning | shape | first in |
|---|---|---|---|
| $w$ | weights | $d$ | {ref}`ch-perceptron` |
| $m$ | margin | | {eq}`eq-losses-margin` |
| $R$ | radius | | {prf:ref}`thm-perceptron-radius` |
| $y m$ | its product | | {eq}`eq-losses-margin` |
| $q$ | by the way | | |
| $x$ | a point | | {numref}`fig-losses-point` |

| sign | meaning |
|---|---|
| $+$ | plus |
""",
    "book/perceptron/perceptron": f"(ch-perceptron)=\n# The perceptron\n\n{GLANCE}\n"
    ":::{prf:theorem} Radius\n:label: thm-perceptron-radius\nIt is finite.\n:::\n",
    "book/foundations/losses": f"(ch-losses)=\n# Losses\n\n{GLANCE}\n$$m = y$$ (eq-losses-margin)\n\n"
    "```{figure} point.ppm\n:name: fig-losses-point\nA point.\n```\n",
    "book/foundations/learning": f"(ch-learning)=\n# Learning\n\n{GLANCE}\n",
}
PIXEL = b"P6 1 1 255 \0\0\0"


@pytest.fixture(scope="module")
def page(build: Callable) -> Callable[[str], lxml.html.HtmlElement]:
    """Build the pages and return a function that reads one."""
    built = build(PAGES, files={"conf.py": CONF.encode(), "book/foundations/point.ppm": PIXEL})
    assert built.status == 0, built.log
    return lambda name: lxml.html.fromstring(built.page(name))


def test_each_row_has_an_address_and_stands_with_its_chapter_in_reading_order(page: Callable):
    table, signs = page("book/notation").findall(".//table")
    assert [body.get("id") for body in table.iter("tbody")] == ["symbols-losses", "symbols-perceptron"]
    rows = [[(row.get("id"), row[1].text_content().strip()) for row in body[1:]] for body in table.iter("tbody")]
    assert rows == [
        [
            ("symbol-eq-losses-margin", "margin"),
            ("symbol-eq-losses-margin-2", "its product"),
            ("symbol-eq-losses-margin-3", "by the way"),
            ("symbol-fig-losses-point", "a point"),
        ],
        [("symbol-ch-perceptron", "weights"), ("symbol-thm-perceptron-radius", "radius")],
    ]
    heads = [body[0].find(".//a") for body in table.iter("tbody")]
    assert [(head.text_content(), head.get("href")) for head in heads] == [
        ("Losses", "foundations/losses.html#ch-losses"),
        ("The perceptron", "perceptron/perceptron.html#ch-perceptron"),
    ]
    assert not signs.xpath(".//*[@id]"), "a table without chapters is left alone"


def test_a_chapter_leads_to_its_symbols_and_any_page_to_a_row(page: Callable):
    def notation(name: str) -> list[tuple[str, str]]:
        links = page(name).xpath("//dl[contains(@class, 'at-a-glance')]//a")
        return [(link.text_content(), link.get("href")) for link in links]

    row = ("the margin", "../notation.html#symbol-eq-losses-margin")
    assert notation("book/foundations/losses") == [row, ("what its symbols mean", "../notation.html#symbols-losses")]
    assert notation("book/perceptron/perceptron") == [
        row,
        ("what its symbols mean", "../notation.html#symbols-perceptron"),
    ]
    assert notation("book/foundations/learning") == [row], "no word about none"
    terms = page("book/foundations/losses").xpath("//dl[contains(@class, 'at-a-glance')]/dt")
    assert [re.sub(r"\W", "", term.text_content()) for term in terms] == ["Youwill", "Needs", "Notation", "Time"]
