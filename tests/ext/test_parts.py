import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from website.parts import COUNTS as WORDS
from website.parts import count_claims, read_parts

ROOT = Path(__file__).parent.parent.parent


def test_every_chapter_of_the_table_of_contents_is_in_the_list_with_its_own_title():
    listed = {f"book/{part.name}/{file}": title for part in read_parts() for file, title in part.chapters.items()}
    pages = re.findall(r"file: (book/(?!api/)\w+/\S+)", (ROOT / "_toc.yml").read_text())
    assert pages, "the table of contents has chapters"
    for page in pages:
        assert page in listed, f"{page} is not in book/parts.yml"
        title = re.search(r"^# (.+)$", (ROOT / f"{page}.md").read_text("utf8"), flags=re.M)
        assert title
        assert title[1] == listed[page]


def test_names_are_those_of_files_and_unique():
    names = [part.name for part in read_parts()]
    assert len(set(names)) == len(names) == 13
    files = [file for part in read_parts() for file in part.chapters]
    assert len(set(files)) == len(files)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", file) for file in files)


def test_what_exists_is_linked_and_the_rest_named_as_planned(build: Callable):
    words = "word " * 1000
    chapter = f"# The perceptron\n```{{at-a-glance}}\n:will: a\n:needs: b\n```\n{words}"
    built = build({"index": "# Index\n\n```{parts}\n```\n", "book/perceptron/perceptron": chapter})
    assert built.status == 0, built.log
    html = built.page("index")
    assert re.search(r'<a [^>]*href="book/perceptron/perceptron.html">The perceptron</a><span[^>]*> 5 min</span>', html)
    assert "Planned: </strong>Separability, Linear classifiers." in html
    assert html.count("part-written") == 1
    assert html.count("part-not-yet") == 12
    assert "convolution/lenet.html" not in html


COUNTS = (
    "# Index\n\n{count}`chapters` written, {count}`planned` planned, {count}`minutes` minutes, begin with {count}`first`; "
    "{count}`claims`.\n"
)


def glance(words: int) -> str:
    return "```{at-a-glance}\n:will: a\n:needs: b\n```\n" + "word " * words


def test_the_landing_page_counts_what_is_there(build: Callable):
    pages = {
        "index": COUNTS,
        "book/perceptron/perceptron": f"# The perceptron\n{glance(1000)}",
        "book/foundations/losses": f"# Losses\n{glance(3000)}",
        "book/backprop/backpropagation": f"# Back-propagation\n{glance(2000)}",
        "book/preface": f"# Preface\n{glance(9000)}",  # is no chapter
    }
    built = build(pages)
    assert built.status == 0, built.log
    html = built.page("index")
    listed = sum(len(part.chapters) for part in read_parts())
    assert f"<p>3 written, {listed - 3} planned, 5 to 15 minutes, begin with " in html
    assert re.search(r'begin with <a [^>]*href="book/foundations/losses.html">Losses</a>; 0 claims', html)


def test_one_chapter_has_one_reading_time_and_none_is_no_range(build: Callable):
    one = build({"index": COUNTS, "book/perceptron/perceptron": f"# The perceptron\n{glance(1000)}"}).page("index")
    assert "1 written" in one
    assert "planned, 5 minutes, begin with <a " in one
    assert "0 written" in build({"index": COUNTS}).page("index")


def test_an_unknown_count_is_named_with_those_there_are(build: Callable):
    built = build({"index": "# Index\n\n{count}`chapers`\n"})
    assert "{count}`chapers` is unknown: there are chapters, planned, minutes, first, claims" in built.log


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        ([True] * 3, "3 claims, and none of them failed"),
        ([True, False, False], "3 claims, and 2 of them did not hold"),
        ([True], "1 claim, and none of them failed"),
        ([True] * 1200, "1,200 claims, and none of them failed"),
    ],
)
def test_claims_of_all_pages_are_added_up(holds, words):
    pages = [SimpleNamespace(claims=[SimpleNamespace(holds=one)]) for one in holds]
    app = SimpleNamespace(dlbook_results=dict(enumerate(pages)))
    assert count_claims(app, "index").astext() == words


def test_the_landing_page_promises_nothing_that_is_not_counted():
    text = (ROOT / "book" / "index.md").read_text("utf8")
    assert set(re.findall(r"{count}`(\w+)`", text)) == set(WORDS)
    title = re.compile("|".join(re.escape(title) for part in read_parts() for title in part.chapters.values()))
    assert not title.findall(re.sub(r"(?s)(`{3,}).*?\1", "", text)), "the list names the chapters"
    assert not re.search(r"\d+ (?:chapters|minutes|claims)", text)
