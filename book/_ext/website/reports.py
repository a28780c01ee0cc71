"""Below each section of a chapter, a link that reports an error in it, with page, section and version filled in.

Where it leads is ``report_address`` in ``_config.yml``: ``mailto:errors@example.org``, or the address of a form, such
as ``https://example.org/issues/new?title={title}&body={body}``.  While it is empty nothing is shown.
"""

from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

from website.parts import written


def filled(pattern: str, title: str, body: str) -> str:
    """Return the address of a report.

    >>> filled("mailto:errors@example.org", "Error in 2.1", "Version 1")
    'mailto:errors@example.org?subject=Error%20in%202.1&body=Version%201'
    >>> filled("mailto:errors@example.org?cc=a@example.org", "Error", "")
    'mailto:errors@example.org?cc=a@example.org&subject=Error&body='
    >>> filled("https://example.org/new?title={title}&body={body}", "a & b", "")
    'https://example.org/new?title=a%20%26%20b&body='
    """
    if "{" not in pattern:
        pattern += ("&" if "?" in pattern else "?") + "subject={title}&body={body}"
    return pattern.replace("{title}", quote(title, safe="")).replace("{body}", quote(body, safe=""))


def append(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put the link below each section of a chapter."""
    pattern = app.config.report_address
    if not pattern or docname not in written(app) or app.builder.name == "singlehtml":
        return
    top = next(document.findall(nodes.section), document)
    numbers = app.env.toc_secnumbers.get(docname, {})
    for section in [node for node in top.children if isinstance(node, nodes.section)]:
        number = ".".join(map(str, numbers.get(f"#{section['ids'][0]}", ())))
        name = f"{number} {section.next_node(nodes.title).astext()}".strip()
        where = f"{written(app)[docname]}, {name}"
        body = f"Page: {docname}.html#{section['ids'][0]}\nSection: {name}\nVersion: {app.config.release}\n\n"
        link = nodes.reference("", "Report an error in this section", refuri=filled(pattern, f"Error in {where}", body))
        section += nodes.paragraph("", "", link, classes=["report"])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_config_value("report_address", "", "html", [str])
    app.connect("doctree-resolved", append, priority=600)  # below what others put at the end of a section
