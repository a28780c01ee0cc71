"""Chapters are found in the order of the table of contents, by name, part/name or path."""

import sys

import pytest

from dlbook._extras import MissingExtraError
from dlbook.notebooks import chapters as module
from dlbook.notebooks.chapters import chapter, chapters, pages, read, toc


def test_the_order_is_that_of_the_table_of_contents():
    import yaml

    contents = yaml.safe_load(toc().read_text())
    paths = {found.path for found in chapters().values()}
    entries = [entry for part in contents["parts"] for entry in part["chapters"]]
    within = [[entry["file"], *(section["file"] for section in entry.get("sections", []))] for entry in entries]
    files = [contents["root"], *(file for files in within for file in files)]
    assert [str(page.relative_to(module.CHECKOUT).with_suffix("")) for page in pages()] == files
    assert [found.path for found in chapters().values()] == [page for page in pages() if page in paths]


@pytest.mark.parametrize("name", ["lenet", "convolution/lenet", "book/convolution/lenet.md"])
def test_a_chapter_is_found_by_name_part_and_path(name):
    found = chapter(name)
    assert (found.name, found.part) == ("lenet", "convolution")
    assert "LeNet" in found.title
    assert found.path.exists()


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="no chapter 'lenett': did you mean lenet"):
        chapter("lenett")
    with pytest.raises(ValueError, match="dlbook list"):
        chapter("zzzzzz")


def test_reading_gives_cells_and_the_lines_of_their_fences():
    path = chapter("perceptron").path
    notebook = read(path)
    lines = path.read_text().splitlines()
    code = [
        line
        for cell, line in zip(notebook.cells, notebook.metadata.source_map, strict=True)
        if cell.cell_type == "code"
    ]
    assert len(code) > 10
    assert all(lines[line - 1].startswith("```{code-cell}") for line in code)


def test_without_the_extra_the_error_is_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "myst_nb.core.read", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[notebook\]"'):
        read(chapter("perceptron").path)
