"""Execute chapters once more, from nothing, and compare every output with the one in the cache, bit for bit.

    python book/_ext/reproduce.py [CHAPTER ...]

Run after `make book`; without names all chapters are compared.
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from dlbook.notebooks.chapters import chapter, chapters  # noqa: E402
from dlbook.notebooks.execution import execute  # noqa: E402


def joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the pieces of one stream: where the kernel cuts what is printed depends on the clock."""
    whole: list[dict[str, Any]] = []
    for output in outputs:
        last = whole[-1] if whole else {}
        if output["output_type"] == "stream" and (last.get("output_type"), last.get("name")) == (
            "stream",
            output["name"],
        ):
            whole[-1] = {**last, "text": last["text"] + output["text"]}
        else:
            whole.append(output)
    return whole


def main(names: list[str]) -> int:
    """Return 0 if all outputs agree, 1 after naming the cells that do not."""
    paths = [chapter(name).path for name in names or chapters()]
    kept = execute(paths, cache=ROOT / "_build" / ".jupyter_cache", progress=False)
    again = execute(paths)
    different = []
    for first, second in zip(kept, again, strict=True):
        if first.error or second.error or first.notebook is None or second.notebook is None:
            print(first.error or second.error, file=sys.stderr)
            return 1
        for a, b in zip(first.notebook.cells, second.notebook.cells, strict=True):
            if joined(a.get("outputs", [])) != joined(b.get("outputs", [])):
                different.append(f"{first.path.relative_to(ROOT)}: the outputs of this cell differ\n{a.source}\n")
    print("\n".join(different) or f"{len(paths)} chapters gave the same outputs twice, bit for bit")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
