"""Show what the book claims: an anchor at the place of each claim, and ``{claims}``, the list with their outcomes.

A cell that holds claims shows nothing while they hold; then only the anchor remains of it.
"""

import platform

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dlbook.notebooks.claims import Claim, failed
from dlbook.notebooks.results import Result


def results_of(app: Sphinx) -> dict[str, Result]:
    """Return what the pages of this build gave, by docname; nothing in a build that executes nothing."""
    return getattr(app, "dlbook_results", {})


def anchor(number: int) -> str:
    """Return the id of a page's claim, counted from 0."""
    return f"claim-{number + 1}"


def set_anchors(app: Sphinx, document: nodes.document) -> None:
    """Put an anchor before each cell with claims for each of them, and drop the cells that show nothing."""
    result = results_of(app).get(app.env.docname)
    claims = result.claims if result else []
    by_cell: dict[int, list[str]] = {}
    for number, claim in enumerate(claims):
        by_cell.setdefault(claim.cell, []).append(anchor(number))
    for cell in list(document.findall(nodes.container)):
        ids = by_cell.get(cell.get("cell_index", -1))
        if not ids:
            continue
        parent, place = cell.parent, nodes.container(ids=ids, classes=["claims-here"])
        parent.insert(parent.index(cell), place)
        if not cell.children:
            parent.remove(cell)


class ClaimList(SphinxDirective):
    """Every claim of every chapter, with its outcome in this build."""

    def run(self) -> list[nodes.Node]:
        """Return a sentence that counts them, and a section for each chapter that claims something."""
        self.env.note_reread()  # the outcomes are not in the page's source
        pages = {name: result.claims for name, result in results_of(self.env.app).items() if result.claims}
        claims = [claim for page in pages.values() for claim in page]
        count = f"{len(claims) - len(failed(claims))} of {len(claims)}"
        machine = f"{platform.machine()}, Python {platform.python_version()}"
        words = f" claims held on the machine that built this site ({machine})."
        return [
            nodes.paragraph("", "", nodes.strong("", count), nodes.Text(words)),
            *(self.section(name, claims) for name, claims in pages.items()),
        ]

    def section(self, docname: str, claims: list[Claim]) -> nodes.Node:
        """Return the claims of one chapter."""
        entries = nodes.bullet_list(classes=["claims"])
        for number, claim in enumerate(claims):
            entries += self.entry(docname, number, claim)
        link = addnodes.pending_xref(
            "", nodes.inline("", ""), refdomain="std", reftype="doc", refexplicit=False, reftarget=f"/{docname}"
        )
        link["refdoc"] = self.env.docname
        lost = len(failed(claims))
        words = f": {len(claims)}" + (f", of which {lost} did not hold" if lost else "")
        title = nodes.paragraph("", "", link, nodes.Text(words), classes=["claims-of"])
        return nodes.container("", title, entries)

    def entry(self, docname: str, number: int, claim: Claim) -> nodes.Node:
        """Return one line: the outcome, the sentence, and what was measured where it did not hold."""
        mark = nodes.inline("", "held" if claim.holds else "did not hold", classes=["outcome"])
        uri = f"{self.env.app.builder.get_relative_uri(self.env.docname, docname)}#{anchor(number)}"
        sentence = nodes.reference("", "", nodes.Text(capitalized(claim.sentence)), internal=True, refuri=uri)
        children: list[nodes.Node] = [mark, nodes.Text(" "), sentence]
        if claim.measured:
            children += [nodes.Text(" Measured: "), nodes.literal("", claim.measured)]
        state = "claim-held" if claim.holds else "claim-lost"
        return nodes.list_item("", nodes.paragraph("", "", *children), classes=[state])


def capitalized(sentence: str) -> str:
    """Return a sentence with a capital and a full stop.

    >>> capitalized("at its best rate the schedule wins"), capitalized("p4m costs nine points")
    ('At its best rate the schedule wins.', 'p4m costs nine points.')
    """
    first = sentence.split()[0]
    begun = sentence[0].upper() + sentence[1:] if first.isalpha() and first.islower() else sentence
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("claims", ClaimList)
    app.connect("doctree-read", set_anchors)
