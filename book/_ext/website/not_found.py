"""The page ``404.html``, which hosts of static sites send for an address that leads nowhere.

The address may lie at any depth, so nothing on this page is addressed from where it stands: addresses begin with the
configured one (``html_baseurl``), else with the root of the host.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx

NAME = "404"
BODY = """\
<section id="not-here">
<h1>There is no such page</h1>
<p>Nothing is at the address that you followed. A chapter may have moved, or have been planned and not yet written.</p>
<form class="not-found-search" role="search" action="search.html" method="get">
<label for="not-found-query">Look for it in the book</label>
<input type="search" id="not-found-query" name="q" autocomplete="off"> <button type="submit">Search</button>
</form>
<p>Or start from <a href="{home}#the-parts">the parts of the book</a>.</p>
</section>
"""
RELATIVE = re.compile(r'(?<= )(href|src|action|data-content_root)="(?![a-z]+:|/|#)(?:\./)?([^"]*)"')


def page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page for Sphinx to write."""
    home = app.builder.get_target_uri(app.config.root_doc)
    yield NAME, {"title": "There is no such page", "body": BODY.format(home=home)}, "page.html"


def hide(app: Sphinx, name: str, template: str, context: dict[str, Any], document: object) -> None:
    """Tell searching machines that this is no page of the book."""
    if name == NAME:
        context["pageurl"] = None
        context["metatags"] = context.get("metatags", "") + '\n<meta name="robots" content="noindex" />'


def from_root(text: str, base: str) -> str:
    """Let the addresses of a page begin with one that holds wherever the page is shown.

    >>> from_root('<a href="book/map.html">, <a href="#here">, <html data-content_root="./">', "/")
    '<a href="/book/map.html">, <a href="#here">, <html data-content_root="/">'
    """
    return RELATIVE.sub(lambda found: f'{found[1]}="{base}{found[2]}"', text)


def base_of(address: str) -> str:
    """Return how the addresses of a site begin, without the host: a copy that lies elsewhere works at the same path.

    >>> base_of(""), base_of("https://example.org/book"), base_of("https://example.org/book/")
    ('/', '/book/', '/book/')
    """
    return f"{urlsplit(address).path.rstrip('/')}/"


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Rewrite the page when all else has been done to it."""
    path = Path(app.outdir, f"{NAME}.html")
    if exception is None and app.builder.name == "html" and path.exists():
        path.write_text(from_root(path.read_text("utf8"), base_of(app.config.html_baseurl)), "utf8")


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("html-collect-pages", page)
    app.connect("html-page-context", hide)
    app.connect("build-finished", finish, priority=950)  # after the pages have been made light
