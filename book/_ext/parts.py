"""The directive ``{parts}``: a card for each part of the book, made from ``book/parts.yml``.

A chapter that exists is a link with its reading time; the others are named as planned, so that the landing page
promises nothing that is not there and needs no hand when a chapter arrives.
"""

from pathlib import Path
from typing import Any, NamedTuple

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LIST = Path(__file__).parent.parent / "parts.yml"


class Part(NamedTuple):
    """A part with its chapters."""

    name: str  # of its folder
    title: str
    about: str
    chapters: dict[str, str]  # file name to title


class parts(nodes.General, nodes.Element):  # noqa: N801
    """A place that is filled when all pages have been read."""


def read_parts(path: Path = LIST) -> list[Part]:
    """Return the parts of the book in reading order."""
    return [
        Part(entry["part"], entry["title"], entry["about"], entry["chapters"])
        for entry in yaml.safe_load(path.read_text("utf8"))
    ]


class PartsDirective(SphinxDirective):
    """Leave a place for the cards."""

    def run(self) -> list[nodes.Node]:
        """Return the place."""
        self.env.note_dependency(str(LIST))
        return [parts()]


def fill_in(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put the cards where the directive stands."""
    for place in list(document.findall(parts)):
        cards = [card(app, part, docname) for part in read_parts()]
        place.replace_self(nodes.container("", *cards, classes=["parts"]))


def card(app: Sphinx, part: Part, docname: str) -> nodes.Node:
    """Return the card of one part."""
    written, planned = nodes.bullet_list(), []
    for file, title in part.chapters.items():
        target = f"book/{part.name}/{file}"
        if target in app.env.found_docs:
            link = nodes.reference("", title, internal=True, refuri=app.builder.get_relative_uri(docname, target))
            item = nodes.paragraph("", "", link)
            minutes = app.env.metadata[target].get("reading_minutes")
            if minutes:
                item += nodes.inline("", f" {minutes} min", classes=["part-minutes"])
            written += nodes.list_item("", item)
        else:
            planned.append(title)
    children: list[nodes.Node] = [
        nodes.paragraph("", part.title, classes=["part-title"]),
        nodes.paragraph("", part.about),
    ]
    if written.children:
        children.append(written)
    if planned:
        label = nodes.strong("", "Planned: ")
        children.append(nodes.paragraph("", "", label, nodes.Text(", ".join(planned) + "."), classes=["part-planned"]))
    state = "written" if written.children else "not-yet"
    return nodes.container("", *children, classes=["part", f"part-{state}"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("parts", PartsDirective)
    app.add_node(parts)
    app.connect("doctree-resolved", fill_in)
    return {"version": "1", "parallel_read_safe": True}
