"""A server, a browser, a window and an empty page, for all tests that look at the built site."""

import functools
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from browsing import ARGUMENTS, CHROMIUM, DESKTOP, SITE, Quiet, missing


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the site on this machine."""
    if not (SITE / "book" / "index.html").exists():
        missing(f"there is no site in {SITE}: run `make book` first")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Any]:
    """Start one browser for all tests."""
    if CHROMIUM is None:
        missing("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    """Open one window whose memory of scripts and fonts all pages share."""
    context = browser.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    """Open an empty page of a reader who has not been here before."""
    tab = window.new_page()
    tab.add_init_script("localStorage.clear()")
    yield tab
    tab.close()
