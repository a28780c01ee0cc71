"""Bring every chapter's outputs up to date before Sphinx reads a page, whoever started the build.

myst-nb's own cache looks at the cells alone; here a page is executed again when anything it depends on has changed, and
read again by Sphinx when its outputs did.  A failing chapter ends the build, after every other has run.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from dlbook.execution import Result, execute


def pages_with_cells(source: Path, docnames: list[str]) -> dict[str, Path]:
    """Return the pages of the book that have code cells, by docname."""
    paths = {name: source / f"{name}.md" for name in docnames}
    return {name: path for name, path in paths.items() if path.exists() and "{code-cell}" in path.read_text("utf8")}


def cache_folder(app: Sphinx) -> Path:
    """Return the folder of the jupyter-cache that myst-nb will look into."""
    configured = getattr(app.config, "nb_execution_cache_path", "")
    return Path(configured) if configured else Path(app.outdir).parent / ".jupyter_cache"


def bring_up_to_date(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Execute what is stale, and return the pages whose outputs differ from those that Sphinx last read."""
    pages = pages_with_cells(Path(app.srcdir), sorted(env.found_docs))
    # `make book` may not take this site for its own last one
    (Path(app.outdir).parent / "inputs.sha256").unlink(missing_ok=True)
    results = execute(list(pages.values()), cache=cache_folder(app))
    failures = [result.error for result in results if result.error]
    if failures:
        raise ExtensionError(f"{len(failures)} of {len(results)} chapters failed:\n\n" + "\n\n".join(failures))
    outputs = {name: _outputs(result) for name, result in zip(pages, results, strict=True)}
    read_before: dict[str, str] = getattr(env, "dlbook_outputs", {})
    env.dlbook_outputs = outputs  # type: ignore[attr-defined]
    env.dlbook_results = dict(zip(pages, results, strict=True))  # type: ignore[attr-defined]
    return [name for name, digest in outputs.items() if read_before.get(name) not in (None, digest)]


def _outputs(result: Result) -> str:
    import hashlib

    assert result.notebook is not None
    return hashlib.sha256(repr([cell.get("outputs") for cell in result.notebook.cells]).encode()).hexdigest()


def _forget(app: Sphinx, error: Exception | None) -> None:
    """Keep notebooks out of the pickled environment."""
    if hasattr(app, "env") and hasattr(app.env, "dlbook_results"):
        del app.env.dlbook_results


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("env-get-outdated", bring_up_to_date)
    return {"version": "1", "parallel_read_safe": True}
