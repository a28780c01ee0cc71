"""Tell those who find a page elsewhere what it is about: its first paragraph, as the description in its head."""

import html
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 200  # characters; searching machines cut what is longer


def shortened(text: str) -> str:
    r"""Return a text without line breaks, cut after a word.

    >>> shortened("A line.\nAnother.")
    'A line. Another.'
    >>> len(shortened("word " * 100)) <= LONGEST + 2
    True
    """
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0] + " …"


def first_paragraph(document: nodes.document | None) -> str:
    """Return the text of a page's first paragraph, "" where it has none."""
    paragraphs = document.findall(nodes.paragraph) if document is not None else iter(())
    first = next((node for node in paragraphs if isinstance(node.parent, nodes.section | nodes.container)), None)
    return first.astext() if first is not None else ""


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None) -> None:
    """Add the description to the head of a page that has a paragraph."""
    first = first_paragraph(document)
    if first:
        text = html.escape(shortened(first), quote=True)
        context["metatags"] = context.get("metatags", "") + f'\n<meta name="description" content="{text}" />'


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("html-page-context", describe)
