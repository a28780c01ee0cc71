import re
from collections.abc import Callable
from pathlib import Path

from parts import read_parts

ROOT = Path(__file__).parent.parent.parent


def test_every_chapter_of_the_table_of_contents_is_in_the_list_with_its_own_title():
    listed = {f"book/{part.name}/{file}": title for part in read_parts() for file, title in part.chapters.items()}
    pages = re.findall(r"file: (book/\w+/\S+)", (ROOT / "_toc.yml").read_text())
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
