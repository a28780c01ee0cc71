"""Write the lock files: requirements.lock builds the book, requirements-dev.lock also tests and develops it.

uv resolves ``pyproject.toml`` once for every platform and every Python that it names. What stands in the files stays as
it is as long as it fits (``--upgrade`` asks for the newest), and what both files hold is the same in both. torch's CUDA
libraries are left out: the CUDA build of torch asks for them itself, and the CPU build wants none.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BOOK, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
CUDA = re.compile(r"^((?:nvidia|cuda|triton)[a-z0-9-]*)==", flags=re.M)


def resolve(extra: str, file: Path, *options: str) -> None:
    """Let uv write the lock file of an extra of the package."""
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "compile", "--quiet", "pyproject.toml", "--extra", extra, "--universal", *options]
    command += ["--fork-strategy", "fewest", "--no-annotate", "--custom-compile-command", "make lock"]
    subprocess.run([*command, "--output-file", file.name], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    file.write_text(without_cuda(file.read_text("utf8")), "utf8")


def without_cuda(lock: str) -> str:
    """Return the text of a lock file without the lines of CUDA's libraries."""
    return "".join(line for line in lock.splitlines(keepends=True) if not CUDA.match(line))


def main() -> None:
    """Write both files at the root of the checkout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not those in the files")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    resolve("book", BOOK, *upgrade)
    resolve("dev", DEVELOPMENT, "--constraints", BOOK.name, *upgrade)


if __name__ == "__main__":
    main()
