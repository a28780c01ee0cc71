"""Pages with cells, for tests of what executes and keeps them."""

import textwrap
from pathlib import Path

from dlbook.notebooks.execution import execute
from dlbook.notebooks.results import Result

FRONT = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A page
"""


def page(folder: Path, name: str, *cells: str, prose: str = "Some prose.") -> Path:
    path = folder / f"{name}.md"
    body = "\n".join(f"{prose}\n```{{code-cell}} ipython3\n{textwrap.dedent(cell).strip()}\n```" for cell in cells)
    path.write_text(FRONT + body + "\n")
    return path


def output(result: Result) -> str:
    return "".join(
        o.text for cell in result.notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream"
    )


def run(path: Path, cache: Path | None, **options) -> Result:
    (result,) = execute([path], cache=cache, progress=False, **options)
    return result
