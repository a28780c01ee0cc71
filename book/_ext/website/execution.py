"""Bring every chapter's outputs up to date before Sphinx reads a page, whoever started the build.

myst-nb's own cache looks at the cells alone; here a page is executed again when anything it depends on has changed, and
read again by Sphinx when its outputs did.  Whatever happens to one page, all others are rendered: a page with a cell
that failed is replaced by one that says so, and the build ends with an error.  A claim that does not hold is no error:
the page says so at its place, and the build ends with the list (``STRICT=1`` makes an error of it).
"""

import hashlib
import json
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from dlbook._extras import MissingExtraError
from dlbook._files import write_atomically, write_text
from dlbook.notebooks.chapters import pages as in_order
from dlbook.notebooks.chapters import source
from dlbook.notebooks.claims import listing, strict
from dlbook.notebooks.execution import execute
from dlbook.notebooks.locks import only_build_in
from dlbook.notebooks.results import Result
from website.claim_list import results_of

OUTCOME = "outcome.json"  # in _build: what the last build executed and found


def pages_with_cells(folder: Path, docnames: list[str]) -> dict[str, Path]:
    """Return the pages of the book that have code cells, by docname, in the order of the book."""
    order = {path: place for place, path in enumerate(in_order())}
    paths = {name: folder / f"{name}.md" for name in docnames}
    paths = dict(sorted(paths.items(), key=lambda item: order.get(item[1], len(order))))
    return {name: path for name, path in paths.items() if path.exists() and "{code-cell}" in source(path)}


def cache_folder(app: Sphinx) -> Path:
    """Return the folder of the jupyter-cache that myst-nb will look into."""
    configured = getattr(app.config, "nb_execution_cache_path", "")
    return Path(configured) if configured else Path(app.outdir).parent / ".jupyter_cache"


def bring_up_to_date(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Execute what is stale, and return the pages whose outputs differ from those that Sphinx last read."""
    build = Path(app.outdir).parent
    # `make book` may not take this site for its own last one
    (build / "inputs.sha256").unlink(missing_ok=True)
    try:
        lock = only_build_in(build)
        app.connect("build-finished", lambda app, error: lock.release(), priority=1000)
        pages = pages_with_cells(Path(app.srcdir), sorted(env.found_docs))
        ran = execute(list(pages.values()), cache=cache_folder(app))
    except (ValueError, OSError, MissingExtraError) as error:  # said in one line, not with Sphinx's own stack
        raise ExtensionError(str(error)) from error
    results = dict(zip(pages, ran, strict=True))
    app.dlbook_failures = {name: result.error for name, result in results.items() if result.error}  # type: ignore[attr-defined]
    # not in the environment, which is pickled
    app.dlbook_results = {name: result for name, result in results.items() if not result.error}  # type: ignore[attr-defined]
    write_outcome(build / OUTCOME, results)
    outputs = {name: _digest(result) for name, result in results.items()}
    read_before: dict[str, str] = getattr(env, "dlbook_outputs", {})
    env.dlbook_outputs = outputs  # type: ignore[attr-defined]
    return [name for name, digest in outputs.items() if read_before.get(name) not in (None, digest)]


def write_outcome(path: Path, results: dict[str, Result]) -> None:
    """Write what was executed and found, for the program that started the build."""
    pages = {
        name: {
            "executed": result.executed,
            "cells": result.cells,
            "peak_mb": result.peak_mb,
            "error": result.error,
            "noise": result.noise,
            "claims": len(result.claims),
            "failed": [(str(page), line, claim.sentence) for page, line, claim in result.failed_claims],
        }
        for name, result in results.items()
    }
    write_atomically(path, lambda part: write_text(part, json.dumps(pages, indent=1)))


def _digest(result: Result) -> str:
    assert result.notebook is not None
    outputs = result.error or repr([cell.get("outputs") for cell in result.notebook.cells])
    return hashlib.sha256(outputs.encode()).hexdigest()


def replace_failed(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put a page that says what happened in the place of one with a cell that failed."""
    report = getattr(app, "dlbook_failures", {}).get(docname)
    if report:
        content[0] = stub(content[0], report)


def stub(text: str, report: str) -> str:
    """Return the page that stands for one whose cells failed: its name, so that links find it, and the report."""
    title = re.search(r"^# (.+)$", text, flags=re.M)
    label = re.search(r"^\(([\w-]+)\)=$", text, flags=re.M)
    fence = "`" * (3 + max((len(run) for run in re.findall(r"`{3,}", report)), default=0))
    return "\n".join(
        [
            *([f"({label[1]})="] if label else []),
            f"# {title[1] if title else 'A page'}",
            "",
            "This page is missing: one of its cells failed on the machine that built this site. Every number on a page",
            "is computed by the build, so without the cell there is no page. The cell and what it said:",
            "",
            f"{fence}text",
            report,
            fence,
            "",
        ]
    )


def conclude(app: Sphinx, error: Exception | None) -> None:
    """Say last what did not go as the pages say, and let the build's status tell it."""
    results = results_of(app)
    if app.builder.name != "html":
        return
    wrong = [*getattr(app, "dlbook_failures", {}).values(), *(r.noise for r in results.values() if r.noise)]
    rows = [row for result in results.values() for row in result.failed_claims]
    claims = sum(len(result.claims) for result in results.values())
    if rows:
        ending = (
            "STRICT makes an error of it" if strict() else "each page says so at its place, and the book is complete"
        )
        head = f"{len(rows)} of {claims} claims did not hold on this machine; {ending}:"
        print(f"\n{head}\n{listing(rows)}", file=sys.stderr)
    if wrong:
        print("\n" + "\n\n".join(wrong), file=sys.stderr)
    if wrong or (strict() and rows):
        app.statuscode = 1


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("env-get-outdated", bring_up_to_date)
    app.connect("source-read", replace_failed)
    app.connect("build-finished", conclude, priority=900)
