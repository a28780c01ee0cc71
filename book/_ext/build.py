"""What `make book` does: execute what changed, render the site from nothing, and do neither when nothing changed.

    python book/_ext/build.py [--force] [--budget SECONDS] [--output FOLDER]

Judged builds start without doctrees, for Sphinx drops the warnings of pages that it does not read again.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
INPUTS = ("book", "dlbook", "_config.yml", "_toc.yml", "pyproject.toml", "requirements.lock", "CHANGELOG.md")

sys.path.insert(0, str(ROOT))

from dlbook.chapters import with_cells  # noqa: E402
from dlbook.execution import Result, Store, execute  # noqa: E402
from dlbook.files import write_atomically, write_text  # noqa: E402


def inputs_digest() -> str:
    """Return a hash of every file that the site is made from, and of the version of Python."""
    digest = hashlib.sha256(f"{platform.python_version()} {os.environ.get('DLBOOK_DEVICE', '')}".encode())
    for name in INPUTS:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def summary(results: list[Result]) -> str:
    """Say in one line what ran and why."""
    ran = [result.path.stem for result in results if result.executed]
    if not ran:
        return f"executed nothing: the outputs of all {len(results)} pages still hold"
    why = "new, or changed in their cells, imports, data or versions"
    return f"executed {len(ran)} of {len(results)} pages ({why}): {', '.join(ran)}"


def over_budget(results: list[Result], budget: float) -> list[str]:
    """Name each chapter that took more CPU seconds than ``budget``, with its three slowest cells."""
    reports = []
    for result in results:
        if result.cpu_seconds > budget:
            slowest = sorted(result.cells, key=lambda cell: -cell[1])[:3]
            cells = ", ".join(f"line {line}: {seconds:.1f} s" for line, seconds in slowest)
            name, took = result.path.relative_to(ROOT), f"{result.cpu_seconds:.1f} s of CPU"
            reports.append(f"{name}: {took}, budget {budget:.0f} s; slowest cells: {cells}")
    return reports


def alone(result: Result, budget: float, cache: Path) -> Result:
    """Measure a chapter that seems over its budget once more, by itself: kernels side by side slow each other down."""
    if result.error or result.cpu_seconds <= budget:
        return result
    print(
        f"{result.path.stem} took {result.cpu_seconds:.1f} s of CPU beside another chapter; measuring it alone",
        flush=True,
    )
    (again,) = execute([result.path])
    if again.error is None:
        Store(cache).put(again)
    return again


def main() -> int:
    """Build the site; return 0, or 1 after saying what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="render even if nothing changed")
    parser.add_argument("--budget", type=float, help="fail if a chapter took more CPU seconds")
    parser.add_argument("--output", type=Path, default=ROOT, help="folder that gets _build (default: the checkout)")
    options = parser.parse_args()
    build = options.output.resolve() / "_build"
    page, stamp = build / "html" / "index.html", build / "inputs.sha256"
    digest = inputs_digest()
    if (
        not options.force
        and page.exists()
        and stamp.exists()
        and stamp.read_text() == digest
        and options.budget is None
    ):
        print(f"nothing changed since the last build\n{page}")
        return 0
    try:
        results = execute(with_cells(), cache=build / ".jupyter_cache")
    except ValueError as error:  # of DLBOOK_JOBS, before anything ran
        print(error, file=sys.stderr)
        return 1
    print(summary(results), flush=True)
    if options.budget:
        results = [alone(result, options.budget, build / ".jupyter_cache") for result in results]
    problems = [result.error for result in results if result.error]
    problems += over_budget(results, options.budget) if options.budget else []
    if problems:
        print("\n\n".join(["", *problems]), file=sys.stderr)
        return 1
    stamp.unlink(missing_ok=True)
    for leftover in (".doctrees", "html"):
        shutil.rmtree(build / leftover, ignore_errors=True)
    jupyter_book = Path(sys.executable).parent / "jupyter-book"
    command = [
        str(jupyter_book),
        "build",
        str(ROOT),
        "--path-output",
        str(options.output),
        "-W",
        "--keep-going",
        "-n",
        "-q",
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if status != 0 or not page.exists():
        print("the site was not built: see the warnings above", file=sys.stderr)
        return 1
    write_atomically(stamp, lambda part: write_text(part, digest))
    print(f"the book is at\n{page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
