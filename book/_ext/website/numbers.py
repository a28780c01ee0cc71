"""Typeset numbers in running text: 3e-17 as a power of ten, and a space that does not break before a percent sign.

Numbers that a chapter computes reach the prose as Python formats them. Code, its output and formulas stay as they are.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

SCIENTIFIC = re.compile(r"(?<![\w.])(?P<digits>[-−]?\d+(?:\.\d+)?)e(?P<exponent>[-+−]?\d+)(?![\w.]*\w)")
PERCENT = re.compile(r"(?<=\d)[ \u00a0\u202f]?%(?!\w)")
NO_BREAK = "\u00a0"
VERBATIM = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.FixedTextElement)


def power_of_ten(digits: str, exponent: str) -> nodes.inline:
    r"""Return a number as it is printed in books; a factor of one is left out.

    >>> power_of_ten("3", "-17").astext(), power_of_ten("1", "+06").astext()
    ('3\xa0×\xa010−17', '106')
    """
    digits = digits.replace("-", "−")
    factor = digits.removesuffix("1") if digits in {"1", "−1"} else f"{digits}{NO_BREAK}×{NO_BREAK}"
    raised = str(int(exponent.replace("−", "-"))).replace("-", "−")
    return nodes.inline("", "", nodes.Text(f"{factor}10"), nodes.superscript("", raised), classes=["hold"])


def typeset(text: str) -> list[nodes.Node]:
    r"""Return a text as nodes.

    >>> [node.astext() for node in typeset("within 2e-16 of it, 5% less")]
    ['within ', '2\xa0×\xa010−16', ' of it, 5\xa0% less']
    """
    text = PERCENT.sub(f"{NO_BREAK}%", text)
    parts: list[nodes.Node] = []
    end = 0
    for found in SCIENTIFIC.finditer(text):
        parts += [nodes.Text(text[end : found.start()]), power_of_ten(found["digits"], found["exponent"])]
        end = found.end()
    parts.append(nodes.Text(text[end:]))
    return [part for part in parts if part.astext()]


def is_prose(text: nodes.Node) -> bool:
    """Tell whether a text stands outside code and formulas."""
    around = text.parent
    while around is not None:
        if isinstance(around, VERBATIM) or "cell_input" in getattr(around, "attributes", {}).get("classes", []):
            return False
        around = around.parent
    return True


def set_numbers(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Typeset all numbers of a page, after what the cells computed has been put in."""
    for text in list(document.findall(nodes.Text)):
        if (SCIENTIFIC.search(text) or PERCENT.search(text)) and is_prose(text):
            text.parent.replace(text, typeset(text.astext()))


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("doctree-resolved", set_numbers)
