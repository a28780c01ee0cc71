"""Fold solutions, and boxes of class ``dropdown``, with HTML's own ``<details>``.

sphinx-togglebutton folds with a script: without it nothing is folded, on paper nothing is opened, and a link into a
folded box leads nowhere.  ``<details>`` needs no script and opens by keyboard.  On the single page, which is printed,
all is open.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform


class folded(nodes.General, nodes.Element):  # noqa: N801
    """Its children appear when the reader opens it; ``summary`` is the line that is seen before."""


class Fold(SphinxPostTransform):
    """Turn every box of class ``dropdown`` into a folded one."""

    default_priority = 30  # after sphinx-exercise has resolved the titles
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Replace them."""
        for box in list(self.document.findall(nodes.Admonition)):
            if isinstance(box, nodes.Element) and "dropdown" in box["classes"]:
                titled = isinstance(box.children[0], nodes.title)
                title = box.children[0].astext() if titled else box.tagname.capitalize()
                content = box.children[1:] if titled else box.children
                classes = [name for name in box["classes"] if name != "dropdown"]
                fold = folded("", *content, ids=box["ids"], classes=["folded", *classes], summary=short(title))
                box.replace_self(fold)


STARS = {1: "minutes", 2: "an hour", 3: "an evening", 4: "a project of days"}  # as the preface says


class NameExercises(SphinxPostTransform):
    """Write "Exercise 3 ★ Predict" and not "Exercise 3 (★ Predict)"; say before the first what the stars mean."""

    default_priority = 30
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Take the parentheses away, and explain those stars that the page has."""
        first, efforts = None, set()
        for title in self.document.findall(nodes.title):
            parts = title.children
            if (
                "exercise" in title.parent.get("classes", [])
                and len(parts) > 2
                and (parts[0], parts[-1]) == (" (", ")")
            ):
                title.children = parts[1:-1]
            if "exercise" in title.parent.get("classes", []) and "★" in title.astext():
                first = title.parent if first is None else first
                efforts.add(title.astext().count("★"))
        if first is not None:
            shown = [f"{'★' * count} {effort}" for count, effort in STARS.items() if count in efforts]
            key = nodes.paragraph("", " · ".join(shown), classes=["stars-key"])
            first.parent.insert(first.parent.index(first), key)


def short(title: str) -> str:
    """Leave the exercise's own title out of that of its solution, which follows on it.

    >>> short("Solution to Exercise 3.1 (★ Predict, then run)")
    'Solution to Exercise 3.1'
    """
    return re.sub(r"^(Solution to +\S+ +[\d.]+) .*$", r"\1", " ".join(title.split()))


def visit_folded(self: Any, node: folded) -> None:
    """Open it."""
    shown = {"open": "open"} if self.builder.name == "singlehtml" else {}
    self.body.append(self.starttag(node, "details", **shown) + f"<summary>{self.encode(node['summary'])}</summary>\n")


def depart_folded(self: Any, node: folded) -> None:
    """Close it."""
    self.body.append("</details>\n")


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_node(folded, html=(visit_folded, depart_folded))
    app.add_post_transform(Fold)
    app.add_post_transform(NameExercises)
