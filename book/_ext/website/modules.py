"""The pages of the API: a heading and what autodoc says for each module of a part, so that no module can be forgotten.

A page holds ``<!-- modules: convolution -->`` where they go.  They come in the order in which the chapters meet them.
"""

import re

from sphinx.application import Sphinx

from dlbook.notebooks.chapters import CHECKOUT, chapters, source

PLACE = re.compile(r"^<!-- modules: (\w+) -->$", flags=re.M)
READERS = {
    "training",
    "checkpoint",
    "device",
    "glue",
    "playground",
    "plotting",
    "timeline",
}  # of the top level; the rest is machinery
DATA = "\n   :imported-members:"  # `dlbook.data` passes on the functions of its modules


def modules(part: str) -> list[str]:
    """Return the public modules of a part, ``dlbook.convolution.lenet``; those of the top level for ``dlbook``."""
    folder = CHECKOUT / "dlbook" / ("" if part == "dlbook" else part)
    names = [path.stem for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]
    prefix = "dlbook" if part == "dlbook" else f"dlbook.{part}"
    own = [chapter for chapter in chapters().values() if part in ("dlbook", chapter.part)]
    taught = "\n".join(source(chapter.path) for chapter in own)
    met = {name: taught.find(f"{prefix}.{name} import") for name in names}
    return [f"{prefix}.{name}" for name in sorted(names, key=lambda name: (met[name] < 0, met[name], name))]


def section(module: str) -> str:
    """Return the Markdown of one module.

    >>> print(section("dlbook.foundations.losses"))
    ## `losses`
    <BLANKLINE>
    ```{eval-rst}
    .. automodule:: dlbook.foundations.losses
       :members:
    ```
    """
    options = DATA if module == "dlbook.data" else ""
    return f"## `{module.rpartition('.')[2]}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:{options}\n```"


def fill_in(app: Sphinx, docname: str, content: list[str]) -> None:
    """Write the modules of a part where a page asks for them."""
    content[0] = PLACE.sub(lambda found: "\n\n".join(section(name) for name in listed(found[1])), content[0])


def listed(part: str) -> list[str]:
    """Return the modules that the page of a part shows: at the top level, what readers call, and the data first."""
    if part != "dlbook":
        return modules(part)
    return ["dlbook.data", *(name for name in modules(part) if name.rpartition(".")[2] in READERS)]


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("source-read", fill_in)
