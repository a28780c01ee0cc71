"""Live figures in a browser: what their modules compute, and figures that have come to life."""

import json
from typing import Any

from browsing import SITE


def modules() -> str:
    """Return where the site has its modules: "_static/live-0123456789ab/", with another number after each change."""
    (folder,) = (SITE / "_static").glob("live-*/")
    return f"_static/{folder.name}/"


def compute(page: Any, address: str, module: str, function: str, *arguments: Any) -> Any:
    """Call what ``book/_assets/live/MODULE.js`` exports, in a page of the site, and return what it returns.

    Arrays go as nested lists and come as lists, those with a type and those in objects too; infinite and missing
    numbers come as floats.

    >>> compute(page, address, "losses", "hinge", -1.0)  # doctest: +SKIP
    2.0
    """
    if not page.url.startswith(address):
        page.goto(f"{address}book/index.html", wait_until="domcontentloaded")
    code = """async ([file, name, given]) => {
      const answer = (await import(file))[name](...JSON.parse(given));
      const plain = (_, value) => ArrayBuffer.isView(value) ? [...value]
        : typeof value === "number" && !Number.isFinite(value) ? { number: String(value) } : value;
      return JSON.stringify(answer === undefined ? null : answer, plain);
    }"""
    answer = page.evaluate(code, [f"{address}{modules()}{module}.js", function, json.dumps(arguments)])
    return json.loads(answer, object_hook=lambda found: float(found["number"]) if set(found) == {"number"} else found)


def come_alive(page: Any, address: str, path: str, name: str) -> Any:
    """Open a page, scroll to its live figure, wait until it answers, and return the place of the drawing."""
    page.goto(address + path, wait_until="load")
    place = page.locator(f'.live[data-live="{name}"]')
    place.scroll_into_view_if_needed()
    page.wait_for_function(
        "name => ['ready', 'failed'].some(key => key in document.querySelector(`[data-live=\"${name}\"]`).dataset)",
        arg=name,
    )
    assert place.get_attribute("data-failed") is None
    return place.locator(".live-drawing")
