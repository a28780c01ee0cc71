"""Write what follows from ``book/parts.yml``: ``_toc.yml``, and the pages of the API with their list.

    python book/_ext/contents.py

A chapter is in the table of contents when its page exists, a part when one of its chapters does, a part of the package
in the API when it has a module.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from dlbook._files import write_atomically, write_text  # noqa: E402
from website.parts import Part, read_parts  # noqa: E402

FRONT = ("preface", "map", "notation", "timeline")
REFERENCE = {
    "playground": "",
    "claims": "",
    "errata": "",
    "run-times": "Running times",
    "benchmarks": "Benchmarks",
}  # page: its name in the list
API = """\
(api-{name})=
# {title}: API

The modules of `dlbook.{name}`, in the order in which the chapters meet them.

<!-- modules: {name} -->
"""


def written(part: Part, root: Path = ROOT) -> list[str]:
    """Return the chapters of a part that have a page, in reading order."""
    return [name for name in part.chapters if (root / "book" / part.name / f"{name}.md").exists()]


def with_modules(root: Path = ROOT) -> list[Part]:
    """Return the parts that have a module in the package."""
    folder = root / "dlbook"
    return [p for p in read_parts() if any(m.name != "__init__.py" for m in (folder / p.name).glob("*.py"))]


def table_of_contents(root: Path = ROOT) -> str:
    """Return the text of ``_toc.yml``."""
    rows = ["# Written by book/_ext/contents.py from book/parts.yml: `make contents`.", "format: jb-book"]
    rows += ["root: book/index", "parts:", "- caption: Before you read", "  chapters:"]
    rows += [f"  - file: book/{name}" for name in FRONT]
    for part in read_parts():
        if names := written(part, root):
            rows += [f"- caption: {part.title}", "  numbered: true", "  chapters:"]
            rows += [f"  - file: book/{part.name}/{name}" for name in names]
    rows += ["- caption: Reference", "  chapters:"]
    for name, title in REFERENCE.items():
        rows += [f"  - file: book/{name}", *([f"    title: {title}"] if title else [])]
    rows += ["  - file: book/api", "    sections:", "    - file: book/api/package"]
    rows += [f"    - file: book/api/{part.name}" for part in with_modules(root)]
    return "\n".join(rows) + "\n"


def api_page(part: Part) -> str:
    """Return the page of the API that a part of the package has."""
    return API.format(name=part.name, title=part.title)


def api_list(text: str, root: Path = ROOT) -> str:
    """Return the text of ``book/api.md`` with a line for each page of the API after that of the package."""
    kept = [row for row in text.splitlines() if not (row.startswith("- {doc}") and "api/package" not in row)]
    at = next(n for n, row in enumerate(kept) if "api/package" in row) + 1
    return "\n".join([*kept[:at], *(f"- {{doc}}`api/{p.name}`" for p in with_modules(root)), *kept[at:]]) + "\n"


def files(root: Path = ROOT) -> dict[Path, str]:
    """Return the files that follow from the list, with their texts."""
    listed = root / "book" / "api.md"
    found = {root / "_toc.yml": table_of_contents(root), listed: api_list(listed.read_text("utf8"), root)}
    return found | {root / "book" / "api" / f"{part.name}.md": api_page(part) for part in with_modules(root)}


def write(root: Path = ROOT) -> None:
    """Bring the files up to date and say which changed."""
    for path, text in files(root).items():
        if not path.exists() or path.read_text("utf8") != text:
            write_atomically(path, lambda part, text=text: write_text(part, text))  # type: ignore[misc]
            print(f"wrote {path.relative_to(root)}")


if __name__ == "__main__":
    write()
