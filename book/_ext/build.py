"""What `make book` does: execute what changed and render the site from nothing, or neither when nothing changed.

    python book/_ext/build.py [--force] [--budget SECONDS] [--output FOLDER] [--record]

Judged builds start without doctrees, for Sphinx drops the warnings of pages that it does not read again.  The extension
`execution` runs the chapters; what it found, it leaves in a file that this program tells from.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
INPUTS = ("book", "dlbook", "_config.yml", "_toc.yml", "pyproject.toml", "requirements.lock", "CHANGELOG.md")
OUTCOME = "outcome.json"  # the extension `execution` writes it

sys.path.insert(0, str(ROOT))

from dlbook._files import write_atomically, write_text  # noqa: E402
from dlbook.notebooks.execution import RECORDED, execute  # noqa: E402
from dlbook.notebooks.locks import HELD, only_build_in  # noqa: E402
from dlbook.notebooks.store import Store  # noqa: E402

Page = dict[str, Any]  # what the extension says of one page


def inputs_digest() -> str:
    """Return a hash of every file that the site is made from, of the version of Python, and of how it is judged."""
    settings = [platform.python_version(), *(os.environ.get(name, "") for name in ("DLBOOK_DEVICE", "STRICT"))]
    digest = hashlib.sha256(" ".join(settings).encode())
    for name in INPUTS:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def files_of(site: Path) -> list[str]:
    """Return the names of all files of the rendered site."""
    return sorted(str(path.relative_to(site)) for path in site.rglob("*") if path.is_file())


def is_whole(stamp: Path, site: Path, digest: str) -> bool:
    """Tell whether the site is that of the last build, of these inputs, with none of its files missing."""
    try:
        last = json.loads(stamp.read_text())
        return last["inputs"] == digest and set(last["files"]) <= set(files_of(site))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def summary(pages: dict[str, Page]) -> str:
    """Say in one line what ran and why."""
    ran = [name.rpartition("/")[2] for name, page in pages.items() if page["executed"]]
    if not ran:
        return f"executed nothing: the outputs of all {len(pages)} pages still hold"
    why = "new, or changed in their cells, imports, data or versions"
    return f"executed {len(ran)} of {len(pages)} pages ({why}): {', '.join(ran)}"


def claims_line(pages: dict[str, Page]) -> str:
    """Say in one line how many claims held."""
    claims = sum(page["claims"] for page in pages.values())
    return f"{claims - sum(len(page['failed']) for page in pages.values())} of {claims} claims held"


def cpu_seconds(page: Page) -> float:
    """Return the CPU seconds of a page."""
    return float(sum(seconds for _, seconds in page["cells"]))


def over_budget(pages: dict[str, Page], budget: float) -> list[str]:
    """Name each chapter that took more CPU seconds than ``budget``, with its three slowest cells."""
    reports = []
    for name, page in pages.items():
        if cpu_seconds(page) > budget:
            slowest = sorted(page["cells"], key=lambda cell: -cell[1])[:3]
            cells = ", ".join(f"line {line}: {seconds:.1f} s" for line, seconds in slowest)
            took = f"{cpu_seconds(page):.1f} s of CPU"
            reports.append(f"{name}.md: {took}, budget {budget:.0f} s; slowest cells: {cells}")
    return reports


def alone(name: str, page: Page, budget: float, cache: Path) -> Page:
    """Measure a chapter that seems over its budget once more, by itself: kernels side by side slow each other down."""
    if page["error"] or cpu_seconds(page) <= budget:
        return page
    print(f"{name} took {cpu_seconds(page):.1f} s of CPU beside another chapter; measuring it alone", flush=True)
    (again,) = execute([ROOT / f"{name}.md"])
    if again.error:
        return page
    Store(cache).put(again)
    return {**page, "cells": again.cells}


def render(build: Path) -> int:
    """Execute and render from no doctrees; return the status of `jupyter-book`."""
    for leftover in (".doctrees", "html"):
        shutil.rmtree(build / leftover, ignore_errors=True)
    jupyter_book = str(Path(sys.executable).parent / "jupyter-book")
    judged = ["-W", "--keep-going", "-n", "-q"]
    command = [jupyter_book, "build", str(ROOT), "--path-output", str(build.parent), *judged]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, HELD: str(build.resolve())}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def make(options: argparse.Namespace) -> int:
    """Build the site; return 0, or 1 after saying what is wrong."""
    build = options.output.resolve() / "_build"
    site, stamp, outcome = build / "html", build / "inputs.sha256", build / OUTCOME
    digest = inputs_digest()
    if not options.force and options.budget is None and is_whole(stamp, site, digest):
        print(f"nothing changed since the last build\n{site / 'index.html'}")
        return 0
    stamp.unlink(missing_ok=True)
    outcome.unlink(missing_ok=True)
    status = render(build)
    pages: dict[str, Page] = json.loads(outcome.read_text()) if outcome.exists() else {}
    if not pages or not (site / "index.html").exists():
        print("the site was not built: see above", file=sys.stderr)
        return 1
    print(f"{summary(pages)}\n{claims_line(pages)}", flush=True)
    if options.record:
        record = {"/".join(name.split("/")[-2:]): round(cpu_seconds(page)) for name, page in pages.items()}
        write_atomically(RECORDED, lambda part: write_text(part, json.dumps(record, indent=1) + "\n"))
    slow = []
    if options.budget:
        pages = {name: alone(name, page, options.budget, build / ".jupyter_cache") for name, page in pages.items()}
        slow = over_budget(pages, options.budget)
        print("\n".join(slow), file=sys.stderr)
    if status == 0 and not slow:
        write_atomically(stamp, lambda part: write_text(part, json.dumps({"inputs": digest, "files": files_of(site)})))
    print(f"the book is at\n{site / 'index.html'}")
    if status != 0:
        print("it is not as it should be: see the messages above", file=sys.stderr)
    return 1 if status != 0 or slow else 0


def main() -> int:
    """Read the options, build, and say in one line what the machine does not let us do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="render even if nothing changed")
    parser.add_argument("--budget", type=float, help="fail if a chapter took more CPU seconds")
    parser.add_argument("--output", type=Path, default=ROOT, help="folder that gets _build (default: the checkout)")
    parser.add_argument("--record", action="store_true", help="write the seconds of each page, for the order of builds")
    options = parser.parse_args()
    try:
        with only_build_in(options.output.resolve() / "_build"):
            return make(options)
    except (OSError, ValueError) as error:  # a full disk, a folder that cannot be written
        print(f"the book was not built: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what had ended is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
