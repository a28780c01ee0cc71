"""The PDFs that `make pdf` printed: read as files, by the few rules by which Chromium writes them."""

import os
import re
import sys
import zlib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

import paper
from browsing import SITE

BOOK = SITE / "pdf" / paper.BOOK
LEAVES = paper.leaves(SITE)
pytestmark = pytest.mark.site
printed_site = pytest.mark.skipif(
    not BOOK.exists() and os.environ.get("CI") != "true", reason="there are no PDFs: run `make pdf` first"
)


def file_of(leaf: paper.Leaf) -> Path:
    """Return the PDF of a page."""
    return SITE / "pdf" / f"{leaf.name.removeprefix('book/')}.pdf"


@pytest.fixture(scope="module")
def book() -> bytes:
    """Read the book."""
    return BOOK.read_bytes()


@printed_site
def test_every_page_has_a_pdf_that_its_menu_links_to_and_the_landing_page_has_the_book():
    assert len(LEAVES) > 40
    for leaf in LEAVES:
        html = (SITE / f"{leaf.name}.html").read_text("utf8")
        (href,) = re.findall(r'href="([^"]+\.pdf)"\s*class="[^"]*btn-download-pdf-button', html)
        assert (SITE / f"{leaf.name}.html").parent.joinpath(href).resolve() == file_of(leaf).resolve()
        assert file_of(leaf).read_bytes()[:5] == b"%PDF-"
    landing = (SITE / "book" / "index.html").read_text("utf8")
    assert landing.count(f'href="../pdf/{paper.BOOK}"') == 1


@printed_site
def test_files_stay_small():
    assert max(file_of(leaf).stat().st_size for leaf in LEAVES) < 3e6
    assert BOOK.stat().st_size < 60e6


@printed_site
def test_links_within_the_book_lead_to_places_in_it(book: bytes):
    places = paper.places(book)
    targets = {paper.decoded(name) for name in re.findall(rb"/Dest /(\S+)", book)}
    assert len(targets) > 1500
    assert targets <= set(places)
    assert not re.search(rb"/URI \((?:http://book\.invalid|file:)", book), "no link of the printer's own address"


@printed_site
def test_the_contents_name_the_page_on_which_a_chapter_begins(book: bytes):
    places = paper.places(book)
    begins = [places[paper.key_of(leaf.name)] for leaf in LEAVES]
    lengths = [paper.page_count(file_of(leaf).read_bytes()) for leaf in LEAVES]
    assert [after - before for before, after in pairwise(begins)] == lengths[:-1]
    assert begins[-1] + lengths[-1] - 1 == paper.page_count(book)


@printed_site
def test_the_book_is_tagged_has_an_outline_and_a_language(book: bytes):
    assert b"/MarkInfo" in book
    assert b"/StructTreeRoot" in book
    assert b"/Lang (en)" in book
    outline = re.search(rb"/Type /Outlines|/Outlines (\d+) 0 R", book)
    assert outline is not None
    assert len(re.findall(rb"/Title (?:\(|<)", book)) > 500


PAGE = """<html><head><title>1. One &#8212; The book</title><link rel="stylesheet" href="../../_static/x.css"></head>
<body><article class="bd-article"><section id="one"><h1>One<a class="headerlink" href="#one">#</a></h1>
<p>To <a href="two.html#deep">two</a>, <a href="two.html">its beginning</a>, <a href="../api/x.html">a function</a> and
<a href="https://example.org/">out</a>.</p>
<aside class="margin"><p>Note</p></aside><p id="after">Noted</p>
<div class="cell_input"><div class="highlight"><pre><span class="k">def</span> f():
    return 1
</pre></div></div>
<div class="quiz"><ol class="quiz-questions"><li class="quiz-question"><p>Which?</p>
<details class="quiz-answer quiz-wrong"><summary><span class="quiz-letter">A</span> <span class="quiz-text">this</span></summary>
<div class="quiz-why"><p class="quiz-verdict">Not so.</p><p>For a reason.</p></div></details>
<details class="quiz-answer quiz-right"><summary><span class="quiz-letter">B</span> <span class="quiz-text">that</span></summary>
<div class="quiz-why"><p class="quiz-verdict">Right.</p><p>It is.</p></div></details></li></ol>
<p class="quiz-score"></p></div><details class="folded"><summary>Solution</summary><p>Open.</p></details>
<details class="hide"><summary>Show the code</summary><p>Plot.</p></details><button>Press</button></section></article></body></html>"""
TWO = '<html><head><title>2. Two &#8212; The book</title></head><body><article class="bd-article"><h1 id="deep">Two</h1></article></body></html>'


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory):
    """Print a site of two pages, and hand out what the browser saw and the PDF."""
    if paper.chromium() is None:
        pytest.skip("there is no Chromium on this machine")
    site = tmp_path_factory.mktemp("site").resolve()
    (site / "book" / "a").mkdir(parents=True)
    for name, text in (("one", PAGE), ("two", TWO)):
        (site / "book" / "a" / f"{name}.html").write_text(text, "utf8")
    pages = [paper.Leaf("book/a/one", "1. One", "Part"), paper.Leaf("book/a/two", "2. Two", "Part")]
    with paper.started(site, "") as printer:
        yield printer.print_book(pages, "The book", [1, 1]), printer.tab


def test_a_quiz_on_paper_has_letters_and_its_answers_after_it(printed):
    tab = printed[1]
    assert tab.locator(".paper-choices > li").all_inner_texts() == ["this", "that"]
    assert tab.locator(".paper-answers > li").inner_text().split("\n") == ["A. For a reason.", "", "B, right. It is."]
    assert tab.evaluate("getComputedStyle(document.querySelector('.paper-choices')).listStyleType") == "upper-alpha"


def test_links_between_pages_are_links_within_and_others_are_words_or_lead_out(printed):
    book, tab = printed
    links = tab.eval_on_selector_all("article p a", "links => links.map((a) => a.getAttribute('href'))")
    assert links == ["#a-two--deep", "#a-two", None, "https://example.org/"]
    assert book.dead == []
    assert set(paper.places(book.pdf)) >= {"a-one", "a-two", "a-two--deep"}


def test_contents_give_the_pages_although_they_were_guessed_wrong(printed):
    book, tab = printed
    places = paper.places(book.pdf)
    assert [places["a-one"], places["a-two"]] == [3, 4], "after a title and one page of contents"
    assert tab.locator(".paper-number").all_inner_texts() == ["3", "4"]


def test_what_is_folded_opens_but_for_code_and_controls_go(printed):
    tab = printed[1]
    assert tab.locator("details").evaluate_all("all => all.map((one) => [one.className, one.open])") == [
        ["folded", True]
    ]
    assert tab.locator("button, .headerlink").count() == 0
    assert tab.locator("#a-one--after + aside.margin").count() == 1, "a note after what it annotates"
    lines = tab.locator(".paper-line").evaluate_all(
        "all => all.map((line) => [line.textContent, line.getAttribute('style')])"
    )
    assert lines == [["def f():", "--indent: 2ch"], ["    return 1", "--indent: 6ch"]]


def test_contents_that_never_settle_are_an_error(monkeypatch):
    lengths = iter((5, 6, 7))
    monkeypatch.setattr(paper, "places", lambda pdf: {"a-one": next(lengths)})
    printer = SimpleNamespace(print=lambda *options: paper.Printed(b"", 0, [], []))
    with pytest.raises(ValueError, match="whenever they are printed"):
        paper.Printer.print_book(printer, [paper.Leaf("book/a/one", "1. One", "Part")], "The book", [1])


def test_a_page_that_is_not_printed_is_named_with_those_that_are(monkeypatch, capsys, tmp_path: Path):
    (tmp_path / "book").mkdir()
    for name, text in {"index": "", "map": "<title>Map &#8212; A &amp; B</title>"}.items():
        (tmp_path / "book" / f"{name}.html").write_text(text)
    monkeypatch.setattr(paper, "chromium", lambda: "chromium")
    monkeypatch.setattr(sys, "argv", ["paper.py", "--site", str(tmp_path), "book/mapp"])
    with pytest.raises(SystemExit):
        paper.main()
    assert "the book prints no page book/mapp: book/map" in capsys.readouterr().err


def test_a_damaged_page_is_named(tmp_path: Path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "map.html").write_text("<title>Ma")
    with pytest.raises(ValueError, match=r"map\.html: no title"):
        paper.leaves(tmp_path)


def test_links_are_put_in_once_and_only_where_there_is_a_file():
    button = '<button onclick="window.print()"\n class="b" title="Print to PDF" x>.pdf</button>'
    linked = paper.link_chapter(button, "../pdf/a.pdf")
    assert linked == '<a href="../pdf/a.pdf" class="b" title="Download as PDF" x>.pdf</a>'
    assert paper.link_chapter(linked, "../pdf/a.pdf") == linked
    landing = f"{paper.START}<p>Start</p></div><p>more</p>"
    once = paper.link_book(landing, "b.pdf", 46_000_000, 1139)
    assert '<a href="b.pdf">the book as one PDF</a>, 1,139 pages, 46 MB.' in once
    assert paper.link_book(once, "b.pdf", 46_000_000, 1139) == once


def test_without_chromium_nothing_is_written_and_nothing_is_linked(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(paper, "chromium", lambda: None)
    monkeypatch.setattr(sys, "argv", ["paper.py", "--site", str(tmp_path)])
    assert paper.main() == 0
    assert "PDFs are left out" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_photograph_goes_in_as_jpeg(tmp_path: Path):
    from PIL import Image

    Image.effect_noise((32, 32), 50).convert("RGB").save(tmp_path / "a.webp", quality=80)
    assert paper.as_jpeg(tmp_path / "a.webp")[:3] == b"\xff\xd8\xff"
    assert zlib.crc32(paper.as_jpeg(tmp_path / "a.webp")) == zlib.crc32(paper.as_jpeg(tmp_path / "a.webp"))
