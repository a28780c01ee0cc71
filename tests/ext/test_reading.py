"""What helps a reader on the way, as the build writes it: needs, the map, how to cite, where to report, editions."""

import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import networkx as nx
import pytest

from website import book_map, edition, not_found, parts, prerequisites
from website.book_map import COLUMNS, HEIGHT, WIDTH, Box, drawn, drawn_box, implied, layout, route, rules
from website.parts import read_parts
from website.prerequisites import Needs

ROOT = Path(__file__).parent.parent.parent
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "sphinx_exercise", "sphinx_book_theme", "website.at_a_glance", "website.folding", "website.parts",
              "website.release", "website.descriptions", "website.prerequisites", "website.book_map", "website.edition",
              "website.citing", "website.reports", "website.not_found"]
root_doc = "index"
project, author, html_title = "A book", "A. Author", "A book"
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
html_theme_options = {{"footer_content_items": "extra-footer.html", "extra_footer": "CC BY."}}
"""


def chapter(title: str, label: str, needs: str, *sections: str) -> str:
    will = "classify as {ref}`linear classifiers <ch-linear>` do"  # no need
    glance = f"```{{at-a-glance}}\n:will: '{will}'\n:needs: '{needs}'\n```\n"
    body = "\n".join(f"## {section}\n\nWords.\n" for section in sections)
    return f"(ch-{label})=\n# {title}\n\nIt begins.\n\n{glance}\n{body}"


PAGES = {
    "index": "# Index\n\n```{toctree}\n:numbered:\nbook/perceptron/perceptron\n```\n\n{count}`exercises`, {count}`hours`, {count}`running`.\n\n```{parts}\n```\n",
    "book/perceptron/perceptron": chapter(
        "The perceptron",
        "perceptron",
        "vectors, and {ref}`itself <ch-perceptron>`",
        "One",
        "What we know now",
        "References",
    ),
    "book/perceptron/separability": chapter(
        "Separability", "separability", "{ref}`the perceptron <ch-perceptron>`, {ref}`ch-perceptron`", "References"
    ),
    "book/perceptron/linear-classifiers": chapter(
        "Linear classifiers", "linear", "[hulls](separability.md), {ref}`ch-perceptron`", "One"
    )
    + "\n:::{exercise}\n:label: ex-a\nTask.\n:::\n\n:::{solution} ex-a\nAnswer.\n:::\n\n:::{exercise}\n:label: ex-b\nTask.\n:::\n",
    "book/map": "# Map\n\n```{book-map}\n```\n\n```{book-list}\n```\n",
}


@pytest.fixture(scope="session")
def made(build: Callable) -> Callable[..., Callable[[str], str]]:
    """Return a function that builds the pages with some settings, and returns one that gives a page."""

    def run(settings: str = "", **options: object) -> Callable[[str], str]:
        conf = f'{CONF}myst_enable_extensions = ["colon_fence"]\n{settings}'
        built = build(PAGES, files={"conf.py": conf.encode()}, **options)
        assert built.status == 0, built.log
        return built.page

    return run


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the date of the edition."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")  # 2001-09-09T01:46:40Z, the billionth second
    return "2001-09-09"


def test_a_chapter_says_what_it_leads_to_by_the_needs_of_others(made: Callable):
    page = made()
    line = re.compile(r'<p class="leads-to"><strong>Leads to: </strong>(.*?)</p>')
    links = re.findall(r'href="([^"]+)">([^<]+)<', line.search(page("book/perceptron/perceptron"))[1])  # type: ignore[index]
    assert links == [("separability.html", "Separability"), ("linear-classifiers.html", "Linear classifiers")]
    first = page("book/perceptron/perceptron")
    assert first.index('id="what-we-know-now"') < first.index("Leads to") < first.index('id="references"')
    second = page("book/perceptron/separability")
    assert second.index("Leads to") < second.index('id="references"'), "before the references where nothing else is"
    assert re.findall(r'href="([^"]+)"', line.search(second)[1]) == ["linear-classifiers.html"]  # type: ignore[index]
    assert not line.search(page("book/perceptron/linear-classifiers")), "the last leads nowhere"
    assert re.sub(r"<[^>]+>", "", line.search(first)[0]) == "Leads to: Separability, Linear classifiers"  # type: ignore[index]


def test_only_chapters_with_other_followers_are_written_again(monkeypatch: pytest.MonkeyPatch):
    env = SimpleNamespace()
    for now, again in [
        ({"a": ["b"], "b": []}, ["a", "b"]),
        ({"a": ["b"], "b": []}, []),
        ({"a": ["b", "c"], "b": [], "c": []}, ["a", "c"]),
    ]:
        monkeypatch.setattr(prerequisites, "followers", lambda app, now=now: now)
        assert prerequisites.write_again(None, env) == again  # type: ignore[arg-type]


def test_the_single_page_says_once_each_what_chapters_lead_to_and_nothing_of_pages(made: Callable):
    page = made('report_address = "mailto:errors@example.org"\n', builder="singlehtml")("index")
    lines = [re.sub(r"<[^>]+>", "", line) for line in re.findall(r'<p class="leads-to">(.*?)</p>', page)]
    assert lines == ["Leads to: Separability, Linear classifiers", "Leads to: Linear classifiers"]
    assert "Report an error" not in page
    assert "Cite this chapter" not in page


def test_a_page_that_is_gone_is_forgotten_and_what_others_read_is_merged():
    from website.prerequisites import forget, links_of, merge

    one, two = SimpleNamespace(), SimpleNamespace()
    links_of(one).update(a=["x"], b=["y"])
    links_of(two).update(c=["z"], d=["left out"])
    merge(None, one, ["c"], two)  # type: ignore[arg-type]
    forget(None, one, "a")  # type: ignore[arg-type]
    expected: Needs = {"b": ["y"], "c": ["z"]}
    assert links_of(one) == expected


def test_the_map_links_what_is_written_in_reading_order_and_draws_each_need(made: Callable):
    html = made()("book/map")
    svg = re.search(r"<svg.*?</svg>", html, flags=re.S)[0]  # type: ignore[index]
    assert re.findall(r'<a id="map-[\w-]+" href="([^"]+)"', svg) == [
        "perceptron/perceptron.html", "perceptron/separability.html", "perceptron/linear-classifiers.html",
    ]  # fmt: skip
    arrows = re.findall(r'class="arrow from-([\w-]+) to-([\w-]+?)( implied)?"', svg)
    assert arrows == [
        ("perceptron", "separability", ""),
        ("perceptron", "linear-classifiers", " implied"),
        ("separability", "linear-classifiers", ""),
    ]
    listed = sum(len(part.chapters) for part in read_parts())
    assert svg.count("<rect") == listed
    assert svg.count('class="map-planned"') == listed - 3
    words = re.sub(r"<[^>]+>", "", html[html.index("book-list") :])
    assert "Linear classifiers needs The perceptron, Separability" in " ".join(words.split())
    assert "The perceptron leads to Separability, Linear classifiers" in " ".join(words.split())
    assert "Separability needs The perceptron; leads to Linear classifiers" in " ".join(words.split())
    assert "LeNet-5 (planned)" in words


def test_one_chapter_lets_its_needs_and_its_followers_stand_out():
    needed, led = {"p/a": [], "p/b": ["p/a"]}, {"p/a": ["p/b"], "p/b": []}
    assert list(rules(needed, led)) == [
        ".book-map:has(#map-a:is(:hover,:focus-visible)) :is(#map-b rect,.from-a){stroke:var(--negative);stroke-width:2;opacity:1}",
        ".book-map:has(#map-b:is(:hover,:focus-visible)) :is(#map-a rect,.to-b){stroke:var(--positive);stroke-width:2;opacity:1}",
    ]


def test_a_title_stands_in_the_middle_of_its_box_in_lines_that_fit():
    place = Box(0, 0, 0, 100, 200)
    box = drawn_box("a", "Generalization & memorization", place, "a.html?x&y")
    lines = re.findall(r'<tspan x="([\d.]+)" y="([\d.]+)">(.*?)</tspan>', box)
    assert [text for _, _, text in lines] == ["Generalization &amp; ", "memorization"]
    assert {float(x) for x, _, _ in lines} == {100 + WIDTH / 2}
    assert sum(float(y) - 5 for _, y, _ in lines) / 2 == 200 + HEIGHT / 2, "5: half of a letter"
    assert 'href="a.html?x&amp;y"' in box
    assert drawn_box("a", "A", place, "").startswith('<g class="map-planned">')


def test_boxes_of_the_map_do_not_touch_and_lie_in_reading_order():
    boxes, titles, height = layout(read_parts())
    places = list(boxes.values())
    assert [box.number for box in places] == list(range(len(places)))
    assert all((a.row, a.column) < (b.row, b.column) for a, b in pairwise(places))
    for a in places:
        assert 0 <= a.column < COLUMNS
        assert a.y + HEIGHT <= height
        for b in places[a.number + 1 :]:
            assert b.x >= a.x + WIDTH + 10 or a.x >= b.x + WIDTH + 10 or b.y >= a.y + HEIGHT + 10
    assert sorted(titles.values()) == list(titles.values())


def test_arrows_run_along_the_gutters_from_box_to_box():
    boxes = list(layout(read_parts())[0].values())
    for start in boxes:
        for end in boxes[start.number + 1 :]:
            corners = route(start, end)
            for (x0, y0), (x1, y1) in pairwise(corners):
                assert x0 == x1 or y0 == y1, "each piece is level or upright"
                for box in boxes:
                    inside = (
                        min(x0, x1) < box.x + WIDTH and max(x0, x1) > box.x
                        and min(y0, y1) < box.y + HEIGHT and max(y0, y1) > box.y
                    )  # fmt: skip
                    assert not inside, f"an arrow from {start.number} to {end.number} crosses {box.number}"
            assert corners[-1] in {
                (end.middle, end.y),
                (end.x, end.y + HEIGHT / 2),
                (end.x + WIDTH, end.y + HEIGHT / 2),
            }
            numbers = [float(n) for n in re.findall(r"-?[\d.]+", drawn(corners))]
            assert min(numbers) >= 0


def test_implied_arrows_are_those_that_networkx_reduces():
    needed = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a", "c"], "e": ["d", "b"], "f": []}
    graph = nx.DiGraph([(one, page) for page, direct in needed.items() for one in direct])
    assert implied(needed) == set(graph.edges) - set(nx.transitive_reduction(graph).edges)


def test_the_map_of_this_book_points_forward_only():
    order = [name for part in read_parts() for name in part.chapters]
    for part in read_parts():
        for name in part.chapters:
            path = ROOT / "book" / part.name / f"{name}.md"
            if path.exists():
                needs = re.search(r"^:needs:(.*)$", path.read_text("utf8"), flags=re.M)
                for label in re.findall(r"ch-([\w-]+)", needs[1] if needs else ""):
                    assert order.index(label) < order.index(name), f"{name} needs {label}, which comes later"


def test_without_an_address_nothing_is_canonical_and_with_one_it_is(made: Callable):
    page = made()
    assert "canonical" not in page("book/map") + page("404")
    assert "og:" not in page("book/perceptron/perceptron")
    page = made('html_baseurl = "https://example.org/dl/"\n')
    html = page("book/perceptron/perceptron")
    address = "https://example.org/dl/book/perceptron/perceptron.html"
    assert f'<link rel="canonical" href="{address}" />' in html
    tags = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)" />', html))
    assert tags == {
        "type": "article", "site_name": "A book", "title": "The perceptron", "url": address, "description": "It begins.",
    }  # fmt: skip
    assert f"url       = {{{address}}}" in re.sub(r"<[^>]+>", "", html)
    assert "canonical" not in page("404")
    assert "og:" not in page("404") + page("search"), "what is no page of the book"


@pytest.mark.parametrize(("settings", "base"), [("", "/"), ('html_baseurl = "https://example.org/dl"\n', "/dl/")])
def test_the_page_for_what_is_not_there_works_at_any_depth(made: Callable, settings: str, base: str):
    html = made(settings)("404")
    addresses = re.findall(r'(?<= )(?:href|src|action|data-content_root)="([^"]*)"', html)
    assert len(addresses) > 10
    assert [a for a in addresses if not a.startswith((base, "#", "https://", "mailto:"))] == []
    assert f'action="{base}search.html"' in html
    assert f'href="{base}index.html#the-parts"' in html
    assert '<meta name="robots" content="noindex" />' in html


def test_addresses_that_hold_anywhere_are_left_alone():
    text = '<a href="https://example.org/x">, <a href="/x">, <a href="#x">, <img src="data:x">, <a data-href="x">'
    assert not_found.from_root(text, "/") == text


def test_each_page_says_its_version_and_date(made: Callable, dated: str):
    page = made(again=True)
    for name in ("index", "book/map", "404"):
        assert (
            f'CC BY. Version {edition.dlbook.__version__} of <time datetime="{dated}">September 9, 2001</time>.'
            in page(name)
        )


def test_the_date_is_that_of_the_last_commit_that_changed_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert edition.edition_date(tmp_path) is None, "no repository, no date"

    def commit(name: str, seconds: int) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        when = {"GIT_AUTHOR_DATE": f"{seconds} +0000", "GIT_COMMITTER_DATE": f"{seconds} +0000"}
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, "add", "."], cwd=tmp_path, check=True)
        subprocess.run(["git", *who, "commit", "-qm", name], cwd=tmp_path, check=True, env={**os.environ, **when})

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    commit("book/a.md", 1_000_000_000)
    commit("tests/a.py", 1_700_000_000)
    assert edition.edition_date(tmp_path) == datetime.fromtimestamp(1_000_000_000, UTC).date()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert edition.edition_date(tmp_path) == date(1970, 1, 1)


def test_a_chapter_is_cited_with_what_is_configured(made: Callable, dated: str):
    page = made(again=True)
    html = page("book/perceptron/linear-classifiers")
    fold = re.search(r'<details class="folded cite-chapter">.*?</details>', html, flags=re.S)[0]  # type: ignore[index]
    text = re.sub(r"<[^>]+>", "", fold)
    assert "A. Author. “Linear classifiers.” In A book, version 0.1.0, September 9, 2001." in text
    entry = dict(re.findall(r"(\w+) +=\s*\{*(.*?)\}*,?\n", text))
    assert entry == {
        "author": "A. Author", "title": "Linear classifiers", "booktitle": "A book", "edition": "version 0.1.0",
        "year": "2001", "month": "sep",
    }  # fmt: skip
    assert 'class="highlight-bibtex' in fold, "code, which the button copies"
    assert "@incollection{dle-linear-classifiers," in text
    assert "cite-chapter" not in page("book/map") + page("index")


def test_bibtex_is_what_pybtex_reads():
    from pybtex.database import parse_string

    from website.citing import bibtex

    text = bibtex(
        "dle-lenet", "The authors of A, B and C", "LeNet-5", "A book", "0.1", date(2026, 3, 1), "https://example.org"
    )
    entry = parse_string(text, "bibtex").entries["dle-lenet"]
    assert entry.fields["title"].strip("{}") == "LeNet-5"
    assert entry.fields["month"] == "March"
    assert [str(person).strip("{}") for person in entry.persons["author"]] == ["The authors of A, B and C"]


def test_errors_are_reported_with_page_section_and_version_if_somebody_reads_them(made: Callable):
    from html import unescape
    from urllib.parse import parse_qs, urlsplit

    assert "Report an error" not in made()("book/perceptron/perceptron")
    page = made('report_address = "https://example.org/new?title={title}&body={body}"\n')
    html = page("book/perceptron/perceptron")
    links = [unescape(link) for link in re.findall(r'<p class="report"><a [^>]*href="([^"]+)"', html)]
    assert len(links) == 3, "one a section"
    asked = parse_qs(urlsplit(links[1]).query)
    assert asked["title"] == ["Error in The perceptron, 1.2 What we know now"]
    assert asked["body"][0].splitlines()[:3] == [
        "Page: book/perceptron/perceptron.html#what-we-know-now", "Section: 1.2 What we know now", "Version: 0.1.0",
    ]  # fmt: skip
    assert "Report an error" not in page("book/map") + page("index")
    assert html.index("Leads to") < html.index('class="report"', html.index('id="what-we-know-now"')), "last of all"


def test_the_landing_page_adds_up_exercises_and_hours(made: Callable):
    html = made()("index")
    assert "2 exercises, 1 of them solved, ½ hour, a time that was not measured." in html
    assert re.search(r'The perceptron<span class="part-hours"[^>]*> ½ hour</span>', html)
    assert html.count("part-hours") == 1, "no other part has a chapter"


def test_running_time_is_that_of_the_chapters(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "written", lambda app: ["book/a/one", "book/a/two", "book/a/failed"])
    results = {
        name: SimpleNamespace(cpu_seconds=s) for name, s in [("book/a/one", 61.0), ("book/a/two", 60), ("book/x", 600)]
    }
    assert parts.count_running(SimpleNamespace(dlbook_results=results), "index").astext() == "3 minutes of one core"


def test_the_map_names_every_chapter_once():
    assert len({book_map.name_of(page) for page in layout(read_parts())[0]}) == len(layout(read_parts())[0])


WRITTEN = sorted(path for part in read_parts() for path in (ROOT / "book" / part.name).glob("*.md"))
SOLUTION = re.compile(r"\{solution(?:-start)?\} [\w-]+.*?(?=^[:`]{3,}\{exercise|^## |\Z)", flags=re.S | re.M)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_a_chapter_keeps_what_the_first_pages_promise_of_each(path: Path):
    text = path.read_text("utf8")
    solutions = SOLUTION.findall(text)
    assert len(solutions) == len(re.findall(r"\{exercise(?:-start)?\}", text)), "each exercise has a solution"
    assert [s for s in solutions if re.search(r"^```(?:python|py)\b", s, flags=re.M)] == [], (
        "its code is a cell, and runs"
    )
    assert all("★" in title for title in re.findall(r"\{exercise(?:-start)?\}(.*)", text)), "stars tell the effort"
    assert text.index("{quiz}") < text.index("{exercise"), "a quiz opens it"
    imports = re.findall(r"^from (dlbook\.\w+)\.", text, flags=re.M)
    assert f"dlbook.{path.parent.name}" in imports, "it is written on a module of the package"
