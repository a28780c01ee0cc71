"""Addresses in the notation: one for each row, and one for all rows of a chapter, to which its ``{at-a-glance}`` leads.

A row of a table whose last column is headed "first in" is named after the link there: what is first in
``{eq}`eq-losses-margin``` has the address ``symbol-eq-losses-margin``, to which ``{ref}`the margin
<symbol-eq-losses-margin>``` leads from any page.  Rows of a chapter come to stand together, under its title and in
reading order; one without a link belongs where the row above it does.
"""

from collections.abc import Iterable, Iterator
from itertools import count

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from website.parts import link, written

HEAD = "first in"


def tables(document: nodes.document) -> Iterator[tuple[nodes.Element, list[nodes.row]]]:
    """Yield the body and the rows of each table whose last column says where a symbol is first."""
    for group in document.findall(nodes.tgroup):
        heads, bodies = list(group.findall(nodes.thead)), list(group.findall(nodes.tbody))
        if heads and heads[0].children[0].children[-1].astext() == HEAD:
            yield group, [row for body in bodies for row in body.findall(nodes.row)]


def found_in(env: BuildEnvironment) -> dict[str, list[str]]:
    """Return for each page with such a table what the rows' links name."""
    if not hasattr(env, "dlbook_symbols"):
        env.dlbook_symbols = {}  # type: ignore[attr-defined]
    found: dict[str, list[str]] = env.dlbook_symbols  # type: ignore[attr-defined]
    return found


def collect(app: Sphinx, document: nodes.document) -> None:
    """Give each row its address."""
    env = app.env
    targets: list[str] = []
    labels = env.get_domain("std").data["anonlabels"]
    for _, rows in tables(document):
        for row in rows:
            links = [link["reftarget"] for link in row.children[-1].findall(addnodes.pending_xref)]
            targets.append(links[0] if links else targets[-1] if targets else "")
            base = f"symbol-{targets[-1]}"
            name = next(name for number in count(1) if (name := base + f"-{number}" * (number > 1)) not in document.ids)
            row["ids"].append(name)
            document.ids[name] = row
            labels[name] = env.docname, name
    if targets:
        found_in(env)[env.docname] = targets


def home(env: BuildEnvironment, target: str) -> str:
    """Return the page on which a label stands, of a section, a figure, an equation or a theorem; else nothing."""
    named = env.get_domain("std").data["anonlabels"].get(target.lower())
    equation = env.get_domain("math").data["objects"].get(target)
    proof = getattr(env, "proof_list", {}).get(target)
    return named[0] if named else equation[0] if equation else proof["docname"] if proof else ""


def address(docname: str) -> str:
    """Return what the rows of a page are called together.

    >>> address("book/convolution/lenet")
    'symbols-lenet'
    """
    return f"symbols-{docname.rpartition('/')[2]}"


def title(app: Sphinx, docname: str, page: str, columns: int) -> nodes.row:
    """Return a row across the table that names a chapter and leads to its label."""
    labels = app.env.get_domain("std").data["anonlabels"]
    there = link(app, docname, page, written(app)[page])
    there["refuri"] += next((f"#{at}" for name, (its, at) in labels.items() if its == page and name[:3] == "ch-"), "")
    return nodes.row("", nodes.entry("", nodes.paragraph("", "", there), morecols=columns - 1), classes=["chapter"])


def group(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put the rows of a chapter into one body of the table; a table may have several."""
    homes = [home(app.env, target) for target in found_in(app.env).get(docname, [])]
    for table, rows in tables(document):
        here, homes = homes[: len(rows)], homes[len(rows) :]
        for body in list(table.findall(nodes.tbody)):
            table.remove(body)
        chapters = [page for page in written(app) if page in here]
        for page in [*chapters, *dict.fromkeys(other for other in here if other not in chapters)]:
            those = [row for row, its in zip(rows, here, strict=True) if its == page]
            if page in chapters:
                those.insert(0, title(app, docname, page, len(those[0].children)))
            table.append(nodes.tbody("", *those, ids=[address(page)] if page else []))


def lead(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Let a chapter's list lead to the symbols that are first in it."""
    for glance in document.findall(lambda node: "at-a-glance" in getattr(node, "attributes", {}).get("classes", [])):
        for page, targets in found_in(app.env).items():
            if docname in (home(app.env, target) for target in targets):
                there = link(app, docname, page, "what its symbols mean")
                there["refuri"] += f"#{address(docname)}"
                entry = nodes.definition("", nodes.paragraph("", "", there))
                glance.insert(-1, nodes.definition_list_item("", nodes.term("", "Notation"), entry))


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Drop what a page said that is read anew or is gone."""
    found_in(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: BuildEnvironment) -> None:
    """Take over what another process read."""
    found_in(env).update({name: rows for name, rows in found_in(other).items() if name in docnames})


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", group)
    app.connect("doctree-resolved", lead)
