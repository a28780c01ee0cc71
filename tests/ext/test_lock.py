"""What builds the book is locked for all platforms, without what only develops it."""

import re
import tomllib
from pathlib import Path

from lock import without_cuda

ROOT = Path(__file__).parent.parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def pins(name: str) -> dict[str, str]:
    rows = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+(post\d+)?( ; .+)?", row) for row in rows), (
        "no local versions, no paths"
    )
    return dict(row.split(" ;")[0].split("==") for row in rows)


def named(extra: str) -> set[str]:
    return {re.match(r"[\w-]+", line)[0].lower() for line in EXTRAS[extra]} - {"dlbook"}


def test_the_book_is_built_without_the_tools_and_both_files_agree():
    book, development = pins("requirements.lock"), pins("requirements-dev.lock")
    assert named("book") | named("notebook") <= set(book)
    assert named("test") | named("dev") <= set(development)
    assert not (named("test") | named("dev")) & set(book)
    assert book.items() <= development.items()


def test_cuda_is_left_to_torch():
    lock = "numpy==2.4.6\nnvidia-cublas==13.1.1.3 ; sys_platform == 'linux'\ntriton==3.5\ntorch==2.13.0\n"
    assert without_cuda(lock) == "numpy==2.4.6\ntorch==2.13.0\n"
    assert "torch" in pins("requirements.lock")
    assert not [name for name in pins("requirements-dev.lock") if re.match("nvidia|cuda|triton", name)]
