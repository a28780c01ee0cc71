"""The three trees have one shape, and every chapter has its sections."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from dlbook.notebooks.chapters import chapters, pages
from website.parts import read_parts

ROOT = Path(__file__).parent.parent
PARTS = [part.name for part in read_parts()]
CHAPTERS = {name: chapter for name, chapter in chapters().items() if chapter.part in PARTS}
MODULES = sorted(path for path in (ROOT / "dlbook").rglob("*.py") if path.name != "__init__.py")


def is_public(path: Path) -> bool:
    return not path.name.startswith("_") and path.parent.name != "notebooks"


def text(name: str) -> str:
    return CHAPTERS[name].path.read_text(encoding="utf8")


def test_every_page_is_in_the_table_of_contents_and_every_entry_exists():
    written = {path for path in (ROOT / "book").rglob("*.md") if not {"_ext", "_assets", "_inv"} & set(path.parts)}
    assert written == set(pages())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_its_test(path):
    place = path.relative_to(ROOT / "dlbook")
    assert (ROOT / "tests" / place.parent / f"test_{place.name}").exists()


@pytest.mark.parametrize("path", [p for p in MODULES if is_public(p)], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_is_public(path):
    body = ast.parse(path.read_text(encoding="utf8")).body
    lists = [
        ast.literal_eval(n.value) for n in body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
    ]
    assert len(lists) == 1
    functions = {n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")}
    constants = {
        name.id for n in body if isinstance(n, ast.Assign) for name in ast.walk(n) if isinstance(name, ast.Name)
    }
    passed_on = {
        alias.name for n in body if isinstance(n, ast.ImportFrom) for alias in n.names if n.module.startswith("dlbook")
    }
    assert functions <= set(lists[0]) <= functions | constants | passed_on
    assert len(lists[0]) == len(set(lists[0]))


def test_what_chapters_import_is_public():
    pattern = r"^from dlbook\.([\w.]+) import (\([^)]*\)|[^\n]*)"
    imports = [found for name in CHAPTERS for found in re.findall(pattern, text(name), flags=re.M)]
    assert imports
    hidden = set()
    for module, names in imports:
        path = ROOT / "dlbook" / (module.replace(".", "/") + ".py")
        if path.exists():  # from dlbook.data, which is a package, and the names of modules
            listed = importlib.import_module(f"dlbook.{module}").__all__
            wanted = {name.split(" as ")[0].strip() for name in names.strip("()").split(",") if name.strip()}
            hidden |= {f"{module}.{name}" for name in wanted - set(listed)}
    assert hidden == set()


@pytest.mark.parametrize("folder", sorted({p.parent for p in MODULES if p.parent.name in PARTS}), ids=lambda p: p.name)
def test_packages_of_parts_re_export_nothing(folder):
    body = ast.parse((folder / "__init__.py").read_text()).body
    assert all(isinstance(node, ast.Expr) for node in body)


def test_every_part_with_modules_has_its_page_of_the_api():
    parts = {path.parent.name for path in MODULES if path.parent.name in PARTS}
    assert parts <= {path.stem for path in pages() if path.parent.name == "api"}


def test_every_module_of_a_part_is_imported_by_a_chapter():
    taught = "\n".join(text(name) for name in CHAPTERS)
    public = [path.stem for path in MODULES if path.parent.name in PARTS and is_public(path)]
    orphans = [name for name in public if f".{name} import" not in taught]
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


LABEL = r"(?:ex|eq|fig|thm|def|lem|prop|cor|alg|tab)-[a-z][\w-]*"
DEFINED = rf"(?:^\s*:(?:label|name): |\bname: |\bname=|\$\$\s*\(|^\()({LABEL})"


@pytest.mark.parametrize("name", CHAPTERS)
def test_labels_that_a_chapter_defines_carry_its_own_name(name):
    found = re.findall(DEFINED, text(name), flags=re.M)
    assert found
    assert [label for label in found if label.split("-")[1] != name.split("-")[0]] == []
    assert len(found) == len(set(found))


def test_labels_that_are_referred_to_are_defined():
    defined = {label for name in CHAPTERS for label in re.findall(DEFINED, text(name), flags=re.M)}
    referred = {label for name in CHAPTERS for label in re.findall(rf"\}}`(?:[^`<]*<)?({LABEL})>?`", text(name))}
    assert referred
    assert referred - defined == set()


def test_no_two_chapters_define_the_same_label():
    labels = [label for name in CHAPTERS for label in re.findall(DEFINED, text(name), flags=re.M)]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("name", CHAPTERS)
def test_glued_numbers_have_different_names(name):
    keys = re.findall(r"\bglue\(\s*f?\"([^\"]+)\"", text(name))
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_figure_has_caption_and_alt(name):
    source = text(name)
    assert "<figure" not in source, "what is written as HTML has its number by {drawing}"
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
