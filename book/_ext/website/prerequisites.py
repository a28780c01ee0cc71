"""What a chapter needs and what it leads to, as data: the links in the option ``needs`` of ``{at-a-glance}``.

From them the build makes the line "Leads to" at the end of a chapter and the map of the book (``book_map``), so that
nobody keeps a second list.  A link may name a chapter, one of its sections, or its page.
"""

from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from website.parts import link, written

Needs = dict[str, list[str]]  # page to what its links name: a label or a page


class leads_to(nodes.General, nodes.Element):  # noqa: N801
    """A place that is filled when all pages have been read; ``docname``, for the single page has many of them."""


def links_of(env: BuildEnvironment) -> Needs:
    """Return what was collected, which is kept with the environment."""
    if not hasattr(env, "dlbook_needs"):
        env.dlbook_needs = {}  # type: ignore[attr-defined]
    found: Needs = env.dlbook_needs  # type: ignore[attr-defined]
    return found


def collect(app: Sphinx, document: nodes.document) -> None:
    """Note the links of a page's ``needs``, and leave a place for what it leads to."""
    rows = [row for row in document.findall(nodes.definition) if "needs" in row["classes"]]
    if not rows:
        return
    links = [target["reftarget"] for row in rows for target in row.findall(addnodes.pending_xref)]
    links_of(app.env)[app.env.docname] = links
    place_in(document, leads_to(docname=app.env.docname))


def place_in(document: nodes.document, node: nodes.Node) -> None:
    """Put a node behind what we know now; else before the references; else at the end of the page."""
    top = next(document.findall(nodes.section), document)
    sections = {part.next_node(nodes.title).astext().lower(): part for part in top.children if is_section(part)}
    if "what we know now" in sections:
        sections["what we know now"].append(node)
    elif "references" in sections:
        top.insert(top.index(sections["references"]), node)
    else:
        top.append(node)


def is_section(node: nodes.Node) -> bool:
    """Tell whether a node is a section with a title."""
    return isinstance(node, nodes.section) and node.next_node(nodes.title) is not None


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Drop what a page said that is read anew or is gone."""
    links_of(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: BuildEnvironment) -> None:
    """Take over what another process read."""
    links_of(env).update({name: links for name, links in links_of(other).items() if name in docnames})


def needs(app: Sphinx) -> dict[str, list[str]]:
    """Return for each chapter that exists the chapters that it needs, each once, in reading order."""
    chapters = list(written(app))
    labels = app.env.get_domain("std").data["anonlabels"]
    found = {}
    for page in chapters:
        named = {labels.get(name.lower(), (name.lstrip("/"),))[0] for name in links_of(app.env).get(page, [])}
        found[page] = [chapter for chapter in chapters if chapter in named - {page}]
    return found


def followers(app: Sphinx) -> dict[str, list[str]]:
    """Return for each chapter those that need it, in reading order."""
    needed = needs(app)
    return {page: [other for other in needed if page in needed[other]] for page in needed}


def write_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Name the pages whose followers are not those that the last build wrote."""
    now: dict[str, list[str]] = followers(app)
    before: dict[str, Any] = getattr(env, "dlbook_followers", {})
    env.dlbook_followers = now  # type: ignore[attr-defined]
    return [page for page in now if now[page] != before.get(page)]


def fill_in(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Write the line."""
    titles = written(app)
    for place in list(document.findall(leads_to)):
        line = nodes.paragraph("", "", nodes.strong("", "Leads to: "), classes=["leads-to"])
        for number, page in enumerate(followers(app).get(place["docname"], [])):
            line += [nodes.Text(", ")] * (number > 0) + [link(app, docname, page, titles[page])]
        place.replace_self([line] if len(line.children) > 1 else [])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_node(leads_to)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", write_again)
    app.connect("doctree-resolved", fill_in)
