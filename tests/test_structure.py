"""The three trees have one shape, and every chapter has its sections."""

import ast
import re
from pathlib import Path

import pytest

from dlbook.notebooks.chapters import chapters, pages
from website.parts import read_parts

ROOT = Path(__file__).parent.parent
PARTS = [part.name for part in read_parts()]
CHAPTERS = {name: chapter for name, chapter in chapters().items() if chapter.part in PARTS}
MODULES = sorted(path for path in (ROOT / "dlbook").rglob("*.py") if path.name != "__init__.py")


def text(name: str) -> str:
    return CHAPTERS[name].path.read_text(encoding="utf8")


def test_every_page_is_in_the_table_of_contents_and_every_entry_exists():
    written = {path for path in (ROOT / "book").rglob("*.md") if not {"_ext", "_assets", "_inv"} & set(path.parts)}
    assert written == set(pages())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_its_test(path):
    place = path.relative_to(ROOT / "dlbook")
    assert (ROOT / "tests" / place.parent / f"test_{place.name}").exists()


@pytest.mark.parametrize("folder", sorted({p.parent for p in MODULES if p.parent.name in PARTS}), ids=lambda p: p.name)
def test_packages_of_parts_re_export_nothing(folder):
    body = ast.parse((folder / "__init__.py").read_text()).body
    assert all(isinstance(node, ast.Expr) for node in body)


def test_every_part_with_modules_has_its_page_of_the_api():
    parts = {path.parent.name for path in MODULES if path.parent.name in PARTS}
    assert parts <= {path.stem for path in pages() if path.parent.name == "api"}


def test_every_module_of_a_part_is_imported_by_a_chapter():
    taught = "\n".join(text(name) for name in CHAPTERS)
    orphans = [path.stem for path in MODULES if path.parent.name in PARTS and f".{path.stem} import" not in taught]
    assert orphans == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_its_sections(name):
    source = text(name)
    prose = re.sub(r"```\{code-cell\}.*?```", "", source, flags=re.S)
    assert f"(ch-{name})=" in source
    assert "{at-a-glance}" in source
    assert source.count("```{quiz}") >= 2, "a quiz before and one after"
    assert len(re.findall(r"^\s*- question:", source, flags=re.M)) >= 10
    exercises = re.findall(r"\{exercise(?:-start)?\}", source)
    solutions = re.findall(r"\{solution(?:-start)?\}", source)
    assert len(exercises) >= 5
    assert len(solutions) == len(exercises)
    assert re.search(r"^## .*differ", source, flags=re.M | re.I), "a section that says where we differ"
    assert "{bibliography}" in source
    assert "{cite" in prose
    assert f"from dlbook.{CHAPTERS[name].part}." in source, "a chapter imports from its own part"
    assert re.search(r"^threads\(1\)|; threads\(1\)", source, flags=re.M)
    assert source.count("\nclaim(") >= 3, "what an experiment showed is a claim"


@pytest.mark.parametrize("name", CHAPTERS)
def test_claims_can_be_seen_when_they_fail_and_numbers_come_first(name):
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text(name), flags=re.S | re.M)
    for cell in (cell for cell in cells if re.search(r"^\s*claim\(", cell, flags=re.M)):
        assert "remove-cell" not in cell, "its note could not be seen"
        assert cell.rfind("glue(") < cell.find("claim(") or "\nglue(" not in cell[cell.find("claim(") :]


@pytest.mark.parametrize("name", CHAPTERS)
def test_labels_carry_the_chapter(name):
    source = text(name)
    labels = re.findall(r"\b(?:ex|eq|fig|thm|def|lem)-[a-z][\w-]*", source)
    foreign = {label for label in labels if label.split("-", 1)[1].split("-")[0] not in chapters_words()}
    assert not foreign
    keys = re.findall(r"\bglue\(\s*f?\"([^\"]+)\"", source)
    assert len(keys) == len(set(keys))


def chapters_words() -> set[str]:
    """Return the first words that labels may carry: those of the chapters' names."""
    return {name.split("-")[0] for name in CHAPTERS}


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_figure_has_caption_and_alt(name):
    source = text(name)
    figures = len(re.findall(r"^\s+figure:", source, flags=re.M))
    assert figures >= 3
    assert len(re.findall(r"^\s+image:\s*\{?\s*.*alt", source, flags=re.M)) >= figures


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapters_print_no_times(name):
    assert not re.search(r"time\.(time|perf_counter|process_time|monotonic)\(|%time", text(name))


def test_every_erratum_is_shown_by_a_cell_and_every_note_has_its_erratum():
    everything = "\n".join(path.read_text(encoding="utf8") for path in pages())
    errata = (ROOT / "book" / "errata.md").read_text(encoding="utf8")
    entries = set(re.findall(r"^\(errata-(e\d+)\)=", errata, flags=re.M))
    notes = set(re.findall(r"\(#errata-(e\d+)\)", everything))
    shown = set(re.findall(r"^\(show-(e\d+)\)=", everything, flags=re.M))
    assert notes <= entries
    assert entries == shown
