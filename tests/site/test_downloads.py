"""The notebooks of the built site against its pages: what both number has one number."""

import os
import re
from html import unescape
from pathlib import Path

import nbformat
import pytest

SITE = Path(os.environ.get("DLBOOK_SITE", Path(__file__).parent.parent.parent / "_build" / "html"))
NOTEBOOKS = sorted((SITE / "notebooks").rglob("*.ipynb"))
pytestmark = pytest.mark.site

KINDS = "Fig\\.|Table|Exercise|Theorem|Lemma|Definition|Proposition|Corollary|Algorithm|Example|Remark"


def numbers_of_page(html: str) -> list[str]:
    """Return what the captions and titles of a page say, as "Fig. 15.1", in order."""
    captions = re.findall(r'<span class="caption-number">(.*?)</span>', html, flags=re.S)
    words = [" ".join(unescape(re.sub(r"<[^>]*>", "", caption)).split()) for caption in captions]
    return [word for word in words if re.fullmatch(rf"(?:{KINDS}) [\d.]+", word)]


def numbers_of_notebook(text: str) -> list[str]:
    found = re.findall(rf"^[> ]*\*\*((?:{KINDS}) \d[\d.]*\d|(?:{KINDS}) \d)", text, flags=re.M)
    return list(map(str, found))


def test_every_chapter_has_a_notebook():
    if not SITE.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("there is no built site, and this is CI")
        pytest.skip("there is no built site")
    chapters = {
        str(path.relative_to(SITE).with_suffix(""))
        for path in (SITE / "book").glob("*/*.html")
        if '<div class="cell ' in path.read_text("utf8")
    }
    assert chapters == {str(path.relative_to(SITE / "notebooks").with_suffix("")) for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_figures_tables_exercises_and_theorems_have_one_number(path):
    html = (SITE / path.relative_to(SITE / "notebooks").with_suffix(".html")).read_text("utf8")
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    on_page = numbers_of_page(html)
    assert any(number.startswith("Fig. ") for number in on_page)
    assert any(number.startswith("Exercise ") for number in on_page)
    assert sorted(numbers_of_notebook(text)) == sorted(on_page)
    equations = re.findall(r'<span class="eqno">\(([\d.]+)\)', html)
    assert re.findall(r"\\tag\{([\d.]+)\}", text) == equations
