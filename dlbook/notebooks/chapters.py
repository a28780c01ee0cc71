"""Where the chapters are, in which order, and what they hold."""

import difflib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dlbook._extras import MissingExtraError

if TYPE_CHECKING:
    from nbformat import NotebookNode

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent


class Chapter(NamedTuple):
    """A page of a part that has cells."""

    name: str  # "lenet"
    part: str  # "convolution"
    title: str
    path: Path  # of its Markdown source


def toc() -> Path:
    """Return the table of contents: of the checkout that this package lies in, else of the installed wheel."""
    checkout = CHECKOUT / "_toc.yml"
    return checkout if checkout.exists() else PACKAGE / "_book" / "_toc.yml"


def pages() -> list[Path]:
    """Return the Markdown source of every page, in the order of the table of contents."""
    # one regular expression instead of a YAML parser, so that a plain installation can list its chapters
    names = re.findall(r"^\s*-?\s*(?:root|file):\s*(\S+)\s*$", toc().read_text(encoding="utf8"), flags=re.M)
    root = toc().parent if toc().parent == CHECKOUT else toc().parent.parent / "_book"
    strip = "" if root == CHECKOUT else "book/"
    return [root / f"{name.removeprefix(strip)}.md" for name in names]


def with_cells() -> list[Path]:
    """Return the sources of the pages that are executed: the chapters, and front pages that draw something."""
    return [path for path in pages() if "{code-cell}" in source(path)]


@cache
def chapters() -> dict[str, Chapter]:
    """Return the chapters by name, in the order of the book.

    Examples
    --------
    >>> chapters()["lenet"].part
    'convolution'
    """
    found = {}
    for path in with_cells():
        if path.parent.name not in ("book", "_book"):
            text = source(path)
            title = re.search(r"^# (.+)$", text, flags=re.M)
            found[path.stem] = Chapter(path.stem, path.parent.name, title[1] if title else path.stem, path)
    return found


def chapter(name: str) -> Chapter:
    """Return the chapter called ``name``; ``part/name`` and the path of its source are understood too.

    Raises
    ------
    ValueError
        If there is none; the message gives the nearest names.
    """
    key = Path(name).stem
    if key not in chapters():
        near = difflib.get_close_matches(key, chapters(), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "`dlbook list` names them all"
        raise ValueError(f"there is no chapter {name!r}: {hint}")
    return chapters()[key]


def read(path: Path) -> "NotebookNode":
    """Return the notebook that a page is, as the site's build reads it; ``metadata.source_map`` has each cell's line.

    Raises
    ------
    MissingExtraError
        If the extra ``notebook`` is not installed.
    ValueError
        If the file is not UTF-8.
    """
    try:
        from myst_nb.core.read import read_myst_markdown_notebook
    except ImportError as error:
        raise MissingExtraError("reading chapters", "notebook") from error
    return read_myst_markdown_notebook(source(path), add_source_map=True, path=path)


def source(path: Path) -> str:
    """Return the text of a page, or raise a ValueError that names the file and the place where it is not UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode("utf8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}:{line}: not UTF-8 (byte {content[error.start]:#04x}): save it as UTF-8") from error
