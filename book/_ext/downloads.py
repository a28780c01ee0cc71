"""Offer every chapter as a notebook with outputs: a file beside the page, a download entry, and a link into Colab."""

import tomllib
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx

from dlbook.chapters import CHECKOUT
from dlbook.export import to_notebook


def published() -> tuple[str, str]:
    """Return the addresses of the site and of the repository, as pyproject.toml says them."""
    urls = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf8"))["project"]["urls"]
    return urls["Homepage"].rstrip("/"), urls["Repository"].rstrip("/")


def colab(docname: str) -> str:
    """Return the address that opens a chapter's notebook in Colab, from the branch that the site is published on."""
    repository = published()[1].removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{repository}/blob/gh-pages/notebooks/{docname}.ipynb"


def _is_chapter(app: Sphinx, docname: str) -> bool:
    """Say whether a page is a chapter of a part; the timeline, too, has cells, but serves the site alone."""
    return docname.count("/") == 2 and docname in getattr(app.env, "dlbook_outputs", {})


def add_buttons(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the notebook first among the downloads, and Colab beside it."""
    if not _is_chapter(app, pagename):
        return
    notebook = context["pathto"](f"notebooks/{pagename}.ipynb", 1)
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["buttons"].insert(0, _button(notebook, ".ipynb", "fas fa-download", "Download as a notebook"))
            group["buttons"].insert(1, _button(colab(pagename), "Colab", "fas fa-rocket", "Open in Colab"))


def _button(url: str, text: str, icon: str, tooltip: str) -> dict[str, str]:
    label = f"{text.strip('.')}-button"
    return {"type": "link", "url": url, "text": text, "icon": icon, "tooltip": tooltip, "label": label}


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Write the executed chapters as notebooks into the site."""
    results = getattr(app.env, "dlbook_results", {})
    if error or app.builder.name != "html":
        return
    for docname, result in results.items():
        if not _is_chapter(app, docname):
            continue
        target = Path(app.outdir) / "notebooks" / f"{docname}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(to_notebook(result.path, result.notebook, site=published()[0]), target)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("html-page-context", add_buttons, priority=900)  # after the theme has made its buttons
    app.connect("build-finished", write_notebooks)
    return {"version": "1", "parallel_read_safe": True}
