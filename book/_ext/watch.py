"""What `make watch` does: serve the site, and when a source is saved rebuild what it changed and reload the page.

The build is incremental, in place, and never judged: the next `make book` renders everything anew.
"""

import subprocess
import sys
from pathlib import Path

from livereload import Server

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "_build" / "html"


def build() -> None:
    """Bring the site up to date, executing the chapters that are stale."""
    (ROOT / "_build" / "inputs.sha256").unlink(missing_ok=True)
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(ROOT), "-q"]
    subprocess.run(command, cwd=ROOT, check=False)


def main() -> None:
    """Build once, then serve until Ctrl-C."""
    build()
    server = Server()
    sources = ("book/*.md", "book/*/*.md", "book/*.bib", "book/_assets/*", "dlbook/*.py", "dlbook/*/*.py", "_*.yml")
    for pattern in sources:
        server.watch(str(ROOT / pattern), build)
    server.serve(root=str(SITE), host="127.0.0.1", port=8000)


if __name__ == "__main__":
    main()
