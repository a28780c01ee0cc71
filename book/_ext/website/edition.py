"""Which edition a page belongs to, in its footer; and where the site has an address, how others link to it.

The date is that of the last commit that changed what the site is made from, or ``SOURCE_DATE_EPOCH``: a build repeated
from the same files says the same.  The address is ``html_baseurl`` in ``_config.yml``; while it is empty no page
writes a canonical link (Sphinx does, from the address) or the tags by which other sites show a link (Open Graph).
"""

import html
import os
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

import dlbook
from website.descriptions import first_paragraph, shortened

ROOT = Path(__file__).parents[3]
MADE_FROM = ("book", "dlbook", "_config.yml", "_toc.yml", "CHANGELOG.md")


def edition_date(root: Path = ROOT) -> date | None:
    """Return the date of the edition, in UTC; None where there is neither a repository nor ``SOURCE_DATE_EPOCH``."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not seconds:
        command = ["git", "-C", str(root), "log", "-1", "--format=%ct", "--", *MADE_FROM]
        try:
            seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None
    return datetime.fromtimestamp(int(seconds), UTC).date() if seconds else None


def in_words(day: date) -> str:
    """Return a date as it is read.

    >>> in_words(date(2026, 11, 5))
    'November 5, 2026'
    """
    return f"{day:%B} {day.day}, {day.year}"


def edition(day: date | None) -> str:
    """Return version and date as HTML.

    >>> edition(date(2026, 11, 5))
    'Version 0.1.0 of <time datetime="2026-11-05">November 5, 2026</time>.'
    """
    dated = f' of <time datetime="{day.isoformat()}">{in_words(day)}</time>' if day else ""
    return f"Version {dlbook.__version__}{dated}."


def write_in_footer(app: Sphinx, config: Config) -> None:
    """Append it to what the footer of every page says."""
    config.edition_date = edition_date()
    options = dict(config.html_theme_options)
    options["extra_footer"] = f"{options.get('extra_footer', '')} {edition(config.edition_date)}".strip()
    config.html_theme_options = options


def address_of(app: Sphinx, page: str) -> str:
    """Return where a page is published; "" while the site has no address."""
    base = app.config.html_baseurl
    return f"{base.rstrip('/')}/{app.builder.get_target_uri(page)}" if base else ""


def for_other_sites(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Tell other sites how to show a link to a page, if its address is known."""
    address = address_of(app, page)
    if not address or document is None:
        return
    tags = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": app.env.titles[page].astext(),
        "og:url": address,
        "og:description": shortened(first_paragraph(document)),
    }
    lines = [f'<meta property="{k}" content="{html.escape(v, quote=True)}" />' for k, v in tags.items() if v]
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_config_value("edition_date", None, "", [date, type(None)])
    app.connect("config-inited", write_in_footer)
    app.connect("html-page-context", for_other_sites)
