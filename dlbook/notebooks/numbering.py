"""The numbers that the site gives to chapters, figures, tables, equations, exercises and theorems."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dlbook.notebooks.chapters import chapters, pages, read, toc
from dlbook.notebooks.markup import EXERCISES, TABLES, THEOREMS, blocks

if TYPE_CHECKING:
    from nbformat import NotebookNode


@cache
def chapter_numbers() -> dict[Path, str]:
    """Return the numbers that the site gives to chapters: those of the parts that are numbered count on."""
    import yaml

    contents = yaml.safe_load(toc().read_text(encoding="utf8"))
    numbered = [
        bool(part.get("numbered"))
        for part in contents["parts"]
        for entry in part["chapters"]
        for _ in [entry, *entry.get("sections", [])]
    ]
    found: dict[Path, str] = {}
    for path, counts in zip(pages()[1:], numbered, strict=True):  # the first is the landing page
        if counts:
            found[path] = str(len(found) + 1)
    return found


@cache
def numbers_of_the_book() -> dict[str, str]:
    """Return the numbers of all labels of the book."""
    known = chapter_numbers()
    return {
        label: number
        for found in chapters().values()
        for label, number in numbers_of(read(found.path), known.get(found.path, "")).items()
    }


def numbers_of(source: "NotebookNode", chapter: str) -> dict[str, str]:
    """Return by label how the page calls its figures, tables, equations, exercises and theorems.

    As on the page, each kind counts on its own, with or without a label; but an equation needs a label, and a figure or
    table a caption.
    """
    numbers: dict[str, str] = {}
    counts: dict[str, int] = {}
    unlabelled: dict[str, int] = {}

    def count(kind: str, label: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        number = f"{chapter}.{counts[kind]}" if chapter else str(counts[kind])
        if not label:
            unlabelled[kind] = unlabelled.get(kind, 0) + 1
            label = f"{kind} without a label {unlabelled[kind]}"
        numbers[label] = f"({number})" if kind == "Equation" else f"{kind} {number}"

    def walk(lines: list[str]) -> None:
        for block in blocks(lines):
            if isinstance(block, str):
                for label in re.findall(r"\$\$[ ]*\((eq-[\w-]+)\)", block):
                    count("Equation", label)
                continue
            name, rest, options, body = block
            label = options.get("label", options.get("name", ""))
            if name in EXERCISES or name in THEOREMS:
                count(THEOREMS.get(name, "Exercise"), label)
            elif name in ("figure", "drawing"):
                count("Fig.", label)
            elif label and name == "math":
                count("Equation", label)
            elif rest and name in TABLES:
                count("Table", label)
            if name not in ("quiz", "raw", "code-block", "code"):
                walk(body)

    for cell in source.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if cell.cell_type == "markdown":
            walk(cell.source.splitlines())
        elif figure.get("caption"):
            count("Fig.", figure.get("name", ""))
    return numbers
