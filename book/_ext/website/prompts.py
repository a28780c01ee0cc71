"""Say on every folded cell what is in it: "Imports", "Code of Fig. 21.1", "Code: learn, bits".

myst-nb writes "Show the source" on all of them, and a reader has to open one to learn that it was not worth it.
"""

import ast
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

MOST = 3  # names that are told


def what_it_does(code: str) -> str:
    r"""Name the content of a cell that draws no numbered figure.

    >>> what_it_does("import torch\nfrom dlbook.device import threads\nthreads(1)")
    'Imports'
    >>> what_it_does("def bits(x):\n    return x\n\nclass Reader:\n    pass")
    'Code: bits, Reader'
    >>> what_it_does("print(1)")
    'Code'
    """
    try:
        body = ast.parse(code).body
    except SyntaxError:  # a magic of IPython
        return "Code"
    imports = sum(isinstance(node, ast.Import | ast.ImportFrom) for node in body)
    if imports > len(body) / 2:
        return "Imports"
    made = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names = ", ".join(made[:MOST]) + (", …" if len(made) > MOST else "")
    return f"Code: {names}" if names else "Code"


class NamePrompts(SphinxPostTransform):
    """Write what a folded cell holds on it."""

    default_priority = 200  # after myst-nb has folded the cells
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Name each cell whose code is folded; folded outputs keep what myst-nb says."""
        numbers = self.env.toc_fignumbers.get(self.env.docname, {}).get("figure", {})
        for fold in self.document.findall(HideCodeCellNode):
            blocks = list(fold.findall(nodes.literal_block))
            if not blocks or "above-input" not in fold["classes"]:
                continue
            name = what_it_does(blocks[0].astext())
            figures = fold.parent.findall(nodes.figure)
            number = next((numbers[id_] for figure in figures for id_ in figure["ids"] if id_ in numbers), None)
            if number:
                name = "Code of " + self.config.numfig_format["figure"] % ".".join(map(str, number))
            fold["prompt_show"] = fold["prompt_hide"] = name


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_post_transform(NamePrompts)
