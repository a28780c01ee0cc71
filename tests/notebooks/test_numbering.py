"""Numbers are those of the page; tests/ext/test_downloads.py compares them with a page that Sphinx numbered."""

from dlbook.notebooks.chapters import read
from dlbook.notebooks.numbering import chapter_numbers, numbers_of


def test_chapters_count_on_over_the_numbered_parts():
    numbers = {path.stem: number for path, number in chapter_numbers().items()}
    assert numbers["hand-made-features"] == "1"
    assert numbers["perceptron"] == "5"  # after four foundations
    assert numbers["lenet"] == "15"  # and three and five more, and two of its own part
    assert not {"preface", "timeline", "errata", "index"} & set(numbers)


def test_each_kind_counts_on_its_own_and_only_what_the_page_numbers(tmp_path):
    path = tmp_path / "toy.md"
    path.write_text(
        "# Toy\n\n$$ a $$ (eq-toy-a)\n\n$$ b $$\n\n$$ c $$ (eq-toy-c)\n\n:::{exercise}\n:label: ex-toy-one\nDo.\n:::\n"
        "\n:::{prf:theorem} Named\n:label: thm-toy-x\nTrue.\n:::\n\n```{figure} a.png\n:name: fig-toy-a\nWords.\n```\n"
        "\n:::{drawing}\n:name: fig-toy-b\n\n```{raw} html\n<svg></svg>\n```\n\nWords.\n:::\n"
    )
    assert numbers_of(read(path), "7") == {
        "eq-toy-a": "(7.1)",
        "eq-toy-c": "(7.2)",
        "ex-toy-one": "Exercise 7.1",
        "thm-toy-x": "Theorem 7.1",
        "fig-toy-a": "Fig. 7.1",
        "fig-toy-b": "Fig. 7.2",
    }
    assert numbers_of(read(path), "")["eq-toy-c"] == "(2)"
