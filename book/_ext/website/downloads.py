"""Offer every chapter as a notebook with outputs: a file beside the page and a download entry.

Where the book is published there is a link into Colab, too.
"""

from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx

from dlbook.notebooks.export import published, to_notebook
from website.claim_list import results_of


def colab(docname: str) -> str | None:
    """Return the address that opens a chapter's notebook in Colab, from the branch that the site is published on.

    Without a repository on GitHub there is none.
    """
    host, _, repository = published().repository.partition("github.com/")
    if host != "https://" or not repository:
        return None
    return f"https://colab.research.google.com/github/{repository}/blob/gh-pages/notebooks/{docname}.ipynb"


def _is_chapter(app: Sphinx, docname: str) -> bool:
    """Say whether a page is a chapter of a part; the timeline, too, has cells, but serves the site alone."""
    return docname.count("/") == 2 and docname in getattr(app.env, "dlbook_outputs", {})


def add_buttons(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the notebook first among the downloads, and Colab, if it can be reached, beside it."""
    if not _is_chapter(app, pagename):
        return
    notebook = context["pathto"](f"notebooks/{pagename}.ipynb", 1)
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["buttons"].insert(0, _button(notebook, ".ipynb", "fas fa-download", "Download as a notebook"))
            if address := colab(pagename):
                group["buttons"].insert(1, _button(address, "Colab", "fas fa-rocket", "Open in Colab"))


def _button(url: str, text: str, icon: str, tooltip: str) -> dict[str, str]:
    label = f"{text.strip('.')}-button"
    return {"type": "link", "url": url, "text": text, "icon": icon, "tooltip": tooltip, "label": label}


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Write the executed chapters as notebooks into the site."""
    if error or app.builder.name != "html":
        return
    for docname, result in results_of(app).items():
        if not _is_chapter(app, docname):
            continue
        target = Path(app.outdir) / "notebooks" / f"{docname}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(to_notebook(result.path, result.notebook), target)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("html-page-context", add_buttons, priority=900)  # after the theme has made its buttons
    app.connect("build-finished", write_notebooks)
