"""Weigh the pages of the built site in a browser, as a slow machine would load them, and print what is too heavy.

    python book/_ext/weigh.py [--site FOLDER] [--check] [PAGE ...]

Each page is loaded once with an empty cache, in a window of 1440 x 900 whose processor is made four times slower, from
a server that compresses as web servers do. The columns:

    kB raw, kB sent   all that the page asked for before anyone touched it, and what of it went over the wire
    photos            the kB sent that are pictures stored with loss, which photographs are; not counted in the limit
    requests          how many files that were
    elements          in the document
    paint             milliseconds to the largest paint
    blocked           milliseconds by which tasks were longer than 50, the time in which a click waits for an answer
    shift             by how much of the window the page moved while it loaded (cumulative layout shift)

``--check`` exits with 1 if the worst page is over a limit that does not depend on the machine.
"""

import argparse
import contextlib
import functools
import gzip
import http.server
import os
import shutil
import statistics
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
SLOWER = 4
AGAIN = 3  # times that a page which moved is loaded once more, before it is said to move
WORST = {"sent": 700.0, "requests": 30, "elements": 15_000, "shift": 0.02}  # of every page
MEDIAN = {"blocked": 600.0}  # of all pages; told, not judged: it is twice as much beside another process
TEXT = {".html", ".css", ".js", ".svg", ".json", ".mjs", ".txt", ".inv"}

WATCH = """() => {
  window.weighed = {paint: 0, blocked: 0, shift: 0};
  const watch = (type, read) => new PerformanceObserver((list) => list.getEntries().forEach(read))
    .observe({type, buffered: true});
  watch("largest-contentful-paint", (entry) => weighed.paint = entry.startTime);
  watch("longtask", (entry) => weighed.blocked += entry.duration - 50);
  watch("layout-shift", (entry) => { if (!entry.hadRecentInput) weighed.shift += entry.value; });
}"""


class Weight(NamedTuple):
    """What one page weighs; kilobytes are of 1000."""

    page: str
    raw: float
    sent: float
    photos: float
    requests: int
    elements: int
    paint: float
    blocked: float
    shift: float


class Compressing(http.server.SimpleHTTPRequestHandler):
    """Serve files, text compressed by gzip, and say nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in TEXT:
            content = squeezed(path)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@functools.lru_cache(maxsize=64)
def squeezed(path: Path) -> bytes:
    """Return a file as a web server sends it."""
    return gzip.compress(path.read_bytes(), 6)


def is_photograph(path: Path) -> bool:
    """Tell whether a picture is stored with loss: a JPEG, or a WebP whose first chunk says so."""
    with path.open("rb") as file:
        head = file.read(16)
    return head[:3] == b"\xff\xd8\xff" or (head[:4] == b"RIFF" and head[12:16] == b"VP8 ")


def chromium() -> str | None:
    """Return the browser of this machine, best the shell without windows; the variable CHROMIUM names another."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Compressing, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def weigh(browser: Any, address: str, site: Path, page: str) -> Weight:
    """Load one page with nothing in the cache and see what it took."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    asked: set[Path] = set()
    tab.on("response", lambda answer: asked.add(site / answer.url.removeprefix(address).partition("?")[0]))
    protocol = context.new_cdp_session(tab)
    protocol.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    tab.add_init_script(f"({WATCH})()")
    tab.goto(address + page, wait_until="networkidle")
    tab.evaluate("document.fonts.ready.then(() => true)")
    tab.wait_for_timeout(300)
    facts = tab.evaluate("({...weighed, elements: document.querySelectorAll('*').length})")
    context.close()
    files = [path for path in asked if path.is_file()]
    sent = {path: len(squeezed(path)) if path.suffix in TEXT else path.stat().st_size for path in files}
    return Weight(
        page,
        raw=sum(path.stat().st_size for path in files) / 1000,
        sent=sum(sent.values()) / 1000,
        photos=sum(size for path, size in sent.items() if is_photograph(path)) / 1000,
        requests=len(files),
        elements=facts["elements"],
        paint=facts["paint"],
        blocked=facts["blocked"],
        shift=facts["shift"],
    )


def at_rest(weight: Weight, again: Callable[[], Weight]) -> Weight:
    """Return the weight of a page, which is loaded again if it moved: a busy machine may bring a font late.

    >>> moved = Weight("a.html", 900, 300, 0, 20, 5000, 900, 100, 0.03)
    >>> later = iter([moved._replace(shift=0.05), moved._replace(shift=0.01), moved._replace(shift=0.0)])
    >>> at_rest(moved, lambda: next(later)).shift
    0.01
    >>> at_rest(moved, lambda: moved._replace(shift=0.04)).shift
    0.03
    """
    for _ in range(AGAIN):
        if weight.shift <= WORST["shift"]:
            break
        weight = min(weight, again(), key=lambda found: found.shift)
    return weight


def over(weights: list[Weight]) -> list[str]:
    """Say which limits are not kept, and by which page.

    >>> light = Weight("a.html", 900, 300, 0, 20, 5000, 900, 100, 0.0)
    >>> over([light, light._replace(page="b.html", sent=1500.0, photos=750.0)])
    ['b.html: sent 750, limit 700']
    """
    found = []
    for name, limit in WORST.items():
        values = {w.page: getattr(w, name) - (w.photos if name == "sent" else 0) for w in weights}
        found += [f"{page}: {name} {value:g}, limit {limit:g}" for page, value in values.items() if value > limit]
    for name, limit in MEDIAN.items():
        value = statistics.median(getattr(w, name) for w in weights)
        found += [f"median: {name} {value:g}, limit {limit:g}"] if value > limit else []
    return found


def table(weights: list[Weight]) -> str:
    """Return the weights as lines, the heaviest first, the medians last."""
    head = f"{'page':46}{'kB raw':>8}{'sent':>7}{'photos':>8}"
    head += f"{'requests':>10}{'elements':>10}{'paint':>7}{'blocked':>9}{'shift':>7}"
    medians = (statistics.median(column) for column in list(zip(*weights, strict=True))[1:])
    rows = [*sorted(weights, key=lambda w: -w.sent), Weight("median", *medians)]
    lines = [
        f"{w.page.removeprefix('book/').removesuffix('.html'):46}{w.raw:8.0f}{w.sent:7.0f}{w.photos:8.0f}"
        f"{w.requests:10.0f}{w.elements:10.0f}{w.paint:7.0f}{w.blocked:9.0f}{w.shift:7.3f}"
        for w in rows
    ]
    return "\n".join([head, *lines])


def main() -> int:
    """Weigh the pages that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="as in book/convolution/lenet.html")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    options = parser.parse_args()
    site = options.site.resolve()
    pages = options.pages or sorted(str(path.relative_to(site)) for path in (site / "book").rglob("*.html"))
    if not chromium() or not pages:
        print("weighing needs Chromium and a built site: run `make book` first", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with served(site) as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic"]
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        weights = [weigh(browser, address, site, page) for page in pages]
        weights = [at_rest(weight, partial(weigh, browser, address, site, weight.page)) for weight in weights]
        browser.close()
    print(table(weights))
    heavy = over(weights)
    print("\n".join(heavy) if heavy else "every limit is kept")
    judged = [line for line in heavy if not line.startswith("median")]
    return 1 if judged and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
