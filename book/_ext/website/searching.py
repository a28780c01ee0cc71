"""The index of the search: written by Pagefind from the pages as they are read, asked for in small pieces.

Sphinx's own index is one file of half a megabyte, whose answers are ordered by how often a word stands on a page: an
entry of the API came before the chapter that explains it.  Pagefind (MIT) fetches what a query needs, and the script
``search.js`` orders its answers; from a file, where a page may not fetch, Sphinx's search still serves.
"""

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

from website.parts import read_parts

LEFT_OUT = ".headerlink, .at-a-glance, .quiz, .quiz-printed, details.hide, .katex-mathml, .live, script"
LEFT_OUT += ", .leads-to, .cite-chapter, .report"  # what stands on every page finds none
SECTION = re.compile(r'<section id="(?P<id>[^"]+)">\s*(?:<span id="[^"]*"></span>\s*)*<(?P<h>h[2-4])>')
PLANNED = (
    '<html lang="en"><body><article class="bd-article"><span data-pagefind-meta="url:/book/index.html"></span>'
    "<h1>{title} (planned)</h1><p>{title} is planned, in the part {part}.</p></article></body></html>"
)


def with_anchors(page: str) -> str:
    """Give headings the ids of their sections, for the index takes a heading with an id for an answer of its own.

    >>> with_anchors('<section id="why"><h2>Why?</h2></section>')
    '<section><h2 id="why">Why?</h2></section>'
    """
    return SECTION.sub(lambda found: f'<section><{found["h"]} id="{found["id"]}">', page)


def write_index(site: Path, planned: dict[str, str]) -> None:
    """Write the index of all pages, and of chapters that are planned: their titles, and the part they belong to.

    Pagefind 1.5 runs as a program: the interface that it has for Python hung on a book of this size.
    """
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((site / "book").rglob("*.html")):
            target = folder / path.relative_to(site)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(with_anchors(path.read_text("utf8")), "utf8")
        for number, (title, part) in enumerate(planned.items()):
            page = PLANNED.format(title=html.escape(title), part=html.escape(part))
            Path(folder, f"planned-{number}.html").write_text(page, "utf8")
        command = [sys.executable, "-m", "pagefind", "--site", folder, "--output-path", str(site / "pagefind")]
        command += ["--root-selector", "article.bd-article", "--exclude-selectors", LEFT_OUT]
        command += ["--force-language", "en", "--include-characters", "_", "--quiet"]
        subprocess.run(command, check=True)
    for file in (site / "pagefind").glob("pagefind-*"):
        if file.name not in {"pagefind-entry.json", "pagefind-worker.js"}:
            file.unlink()  # Pagefind's own interface; ours is search.js


def search_with_pagefind(app: Sphinx, exception: Exception | None) -> None:
    """Write the index of the pages, and of the chapters that are not among them."""
    if exception is not None or app.builder.name != "html":
        return
    planned = {
        title: part.title
        for part in read_parts()
        for file, title in part.chapters.items()
        if f"book/{part.name}/{file}" not in app.env.found_docs
    }
    write_index(Path(app.outdir), planned)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("build-finished", search_with_pagefind, priority=850)  # before the pages are made light
