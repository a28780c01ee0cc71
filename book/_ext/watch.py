"""What `make watch` does: serve the site, and when a source is saved rebuild what it changed and reload the page.

    python book/_ext/watch.py [--port PORT]

The build is incremental, in place, and never judged: the next `make book` renders everything anew.  It starts in a
process that has imported the tool chain already, and leaves out what costs seconds and nobody looks at while writing.
"""

import argparse
import importlib
import multiprocessing
import sys
import warnings
from pathlib import Path

from livereload import Server

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "_build" / "html"
BOOK = ("book/*.md", "book/*/*.md", "book/*.bib", "book/_assets/*", "book/_assets/live/*")
SOURCES = (*BOOK, "dlbook/*.py", "dlbook/*/*.py", "_*.yml")
# Links in code, notebooks to download, the index of the search, lighter pages.  What `make book` has made light keeps
# its stylesheet and its scripts until the page itself is saved.
LEFT_OUT = ("sphinx_codeautolink", "website.downloads", "website.searching", "website.lightening")

# Not dlbook, nor what imports it: each build reads those anew.
TOOLS = ["jupyter_book.cli.main", "myst_nb.sphinx_ext", "sphinx.builders.html", "sphinx_book_theme", "torch"]
FRESH = multiprocessing.get_context("forkserver")


def build() -> None:
    """Bring the site up to date, executing the chapters that are stale."""
    (ROOT / "_build" / "inputs.sha256").unlink(missing_ok=True)
    child = FRESH.Process(target=_build)
    child.start()
    child.join()


def _build() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    for name in LEFT_OUT:
        importlib.import_module(name).setup = lambda app: {"parallel_read_safe": True}  # type: ignore[attr-defined]
    # sphinx-external-toc asks every object in memory for its class, and torch has one that answers with a warning
    warnings.filterwarnings("ignore", category=FutureWarning, module="sphinx_external_toc")
    from jupyter_book.cli.main import main as jupyter_book

    jupyter_book(["build", str(ROOT), "-q"])


def main() -> None:
    """Build once, then serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    FRESH.set_forkserver_preload(TOOLS)
    build()
    server = Server()
    for pattern in SOURCES:
        server.watch(str(ROOT / pattern), build)
    server.serve(root=str(SITE), host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()
