"""The built site as the tests see it: where it lies, which pages it has, and what a page did while it was looked at.

The tests look at what ``make book`` built, or at the site in the folder that ``DLBOOK_SITE`` names.  Without a site or
without Chromium they are skipped, but not in CI.
"""

import http.server
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from weigh import chromium

SITE = Path(os.environ.get("DLBOOK_SITE", Path(__file__).parent.parent / "_build" / "html"))
# The shell is the same engine without the browser around it: half the time.
CHROMIUM = chromium()
PAGES = sorted(
    str(path.relative_to(SITE))
    for path in SITE.rglob("*.html")
    if path != SITE / "index.html"
    and path.relative_to(SITE).parts[0] not in {"_static", "_modules", "_sources", "reports"}
)
CHAPTERS = [page for page in PAGES if re.fullmatch(r"book/(?!api/)\w+/[\w-]+\.html", page)]
SOME = CHAPTERS[::7]  # what every chapter does by the same scripts is tried on these
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-gpu",
    "--font-render-hinting=none",  # letters as wide as in a window
    "--disable-software-rasterizer",  # layout is looked at, not shading: a quarter of the time
]
DESKTOP, PHONE, WIDE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}, {"width": 1920, "height": 1080}


def missing(what: str) -> None:
    """Skip; in CI, where everything has to be there, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and this is CI")
    pytest.skip(what)


@dataclass
class Seen:
    """What a page did while it was looked at."""

    name: str
    console: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    axe: dict[str, list[str]] = field(default_factory=dict)
    theme: dict[str, str] = field(default_factory=dict)
    covered: list[str] = field(default_factory=list)
    width: dict[int, int] = field(default_factory=dict)  # of the window: of what is in it


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve files and say nothing."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def listen(tab: Any, record: Seen, address: str) -> None:
    """Write down what a page logs and asks for."""

    def on_console(message: Any) -> None:
        if message.type in {"error", "warning"}:
            record.console.append(message.text)

    def on_request(asked: Any) -> None:
        if not asked.url.startswith((address, "data:", "blob:")):
            record.external.append(asked.url)

    def on_response(answer: Any) -> None:
        if answer.status >= 400:
            record.failed.append(answer.url)

    tab.on("console", on_console)
    tab.on("pageerror", lambda error: record.console.append(str(error)))
    tab.on("request", on_request)
    tab.on("response", on_response)


def violations(tab: Any, rules: dict[str, Any]) -> list[str]:
    """Return what axe calls serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    answer = Axe().run(tab, options={"resultTypes": ["violations"], "preload": False, **rules}).response
    grave = [rule for rule in answer["violations"] if rule["impact"] in {"serious", "critical"}]
    return [f"{rule['impact']} {rule['id']}: {node['html'][:150]}" for rule in grave for node in rule["nodes"]]
