"""Print the built site: each page as a PDF, and the book as one, with contents, outline and links that work.

    python book/_ext/paper.py [--site FOLDER] [PAGE ...]

Chromium prints what the build rendered; nothing is executed.  `paper.js` joins the pages in the browser.  The browser
is given no network: every address is answered from the site's folder.  When a PDF is there, the page's menu of
downloads links to it, and the landing page to the book; without Chromium neither is written, and no link is dead.
"""

import argparse
import io
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape, unescape
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from PIL import Image

from weigh import ROOT, chromium, is_photograph

sys.path.insert(0, str(ROOT))

from dlbook._files import write_atomically, write_text
from dlbook.notebooks.export import published

HERE = Path(__file__).parent
ADDRESS = "http://book.invalid/"
BOOK = "deep-learning-executed.pdf"
BEGIN = 4  # the page on which the first chapter begins, if a title and two pages of contents stand before it
# On paper: what is read. The claims, running times, benchmarks and the API are looked up, on the site.
LEFT_OUT = ("book/claims", "book/run-times", "book/benchmarks", "book/api")
WIDTH = 597  # CSS pixels between the margins of print.css on A4: 210 - 2 * 26 mm
PRINT_BUTTON = re.compile(
    r'<button onclick="window\.print\(\)"\s*class="([^"]*)"\s*title="Print to PDF"(.*?)</button>', re.S
)
BOOK_LINK = re.compile(r'\n?<p class="book-pdf">.*?</p>')
START = '<div class="start docutils container">'
SHELL = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>
{styles}<style>{paper}</style></head><body><div class="bd-main"><div class="bd-content">
<main class="bd-article-container paper"></main></div></div></body></html>"""


class Leaf(NamedTuple):
    """A page of the site, as it stands in the contents."""

    name: str  # "book/convolution/lenet"
    title: str  # "15. LeNet-5"
    part: str


class Printed(NamedTuple):
    """What came out of the printer."""

    pdf: bytes
    links: int  # between places of the document
    dead: list[str]  # targets of such links that are not in it
    wide: list[str]  # what is wider than the paper


def leaves(site: Path) -> list[Leaf]:
    """Return the pages that are printed, in the order of the table of contents."""
    found = []
    for part in yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"]:
        for chapter in part["chapters"]:
            page = site / f"{chapter['file']}.html"
            if page.exists() and not chapter["file"].startswith(LEFT_OUT):
                try:
                    title = title_of(page.read_text("utf8"))
                except ValueError as error:
                    raise ValueError(f"{page}: {error}") from error
                found.append(Leaf(chapter["file"], title, part["caption"]))
    return found


def title_of(page: str) -> str:
    """Return the title of a page without that of the book.

    >>> title_of("<title>15. LeNet-5 &#8212; Deep Learning, Executed</title>")
    '15. LeNet-5'
    """
    found = re.search(r"<title>(.*?) (?:&#8212;|—) ", page, re.S)
    if found is None:
        raise ValueError("no title and name of the book in its head")
    return unescape(found[1])


def objects(pdf: bytes) -> dict[bytes, bytes]:
    """Return the objects of a PDF as Chromium writes it, those that are streams cut at the stream."""
    return dict(re.findall(rb"(?<=\n)(\d+) 0 obj\n(.*?)(?=\nendobj|>> ?stream|\nstream)", pdf, re.S))


def page_count(pdf: bytes) -> int:
    """Return how many pages a PDF of Chromium has."""
    return len(re.findall(rb"/Type /Page\b", pdf))


def places(pdf: bytes) -> dict[str, int]:
    """Return the page, from 1, of every place to which a link of the PDF leads."""
    known = objects(pdf)
    root = next(body for body in known.values() if b"/Type /Catalog" in body)

    def numbers(pages: bytes) -> Iterator[bytes]:
        if b"/Type /Pages" not in known[pages]:
            yield pages
            return
        kids = re.search(rb"/Kids \[(.*?)\]", known[pages], re.S)
        for kid in re.findall(rb"(\d+) 0 R", kids[1] if kids else b""):
            yield from numbers(kid)

    tree, named = re.search(rb"/Pages (\d+) 0 R", root), re.search(rb"/Dests (\d+) 0 R", root)
    if tree is None or named is None:
        return {}
    order = {page: n for n, page in enumerate(numbers(tree[1]), 1)}
    found = re.findall(rb"/(\S+) \[(\d+) 0 R", known[named[1]])
    return {decoded(name): order[page] for name, page in found}


def decoded(name: bytes) -> str:
    """Return a name of a PDF, in which #2D is a hyphen.

    >>> decoded(b"a#2Db")
    'a-b'
    """
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda code: bytes([int(code[1], 16)]), name).decode("utf8", "replace")


class Printer:
    """Chromium, which sees nothing but the site's folder."""

    def __init__(self, browser: Any, site: Path, published: str = "") -> None:
        self.site, self.published = site.resolve(), published
        self.tab = browser.new_page(viewport={"width": WIDTH, "height": 900})
        self.tab.set_default_timeout(900_000)
        self.tab.emulate_media(media="print", reduced_motion="reduce")
        self.tab.route("**/*", self.answer)
        self.shell = ""

    def answer(self, route: Any) -> None:
        """Answer from the folder; a photograph as JPEG, which a PDF holds as it is where it unpacks a WebP."""
        name = route.request.url.removeprefix(ADDRESS).partition("?")[0].partition("#")[0]
        path = (self.site / name).resolve()
        if name == "":
            route.fulfill(body=self.shell, content_type="text/html")
        elif not path.is_file() or self.site not in path.parents:
            route.fulfill(status=404)
        elif path.suffix == ".webp" and is_photograph(path):
            route.fulfill(body=as_jpeg(path), content_type="image/jpeg")
        else:
            route.fulfill(path=str(path))

    def print(self, pages: list[Leaf], title: str, numbers: list[int] | None = None) -> Printed:
        """Print pages as one document; with their page numbers, behind a title and a table of contents."""
        first = (self.site / f"{pages[0].name}.html").read_text("utf8")
        styles = re.findall(r'<link rel="stylesheet"[^>]*href="(?:\.\./)*(_static/[^"]+)"', first)
        links = "".join(f'<link rel="stylesheet" href="{ADDRESS}{style}">' for style in styles)
        self.shell = SHELL.format(title=escape(title), styles=links, paper=(HERE / "paper.css").read_text("utf8"))
        self.tab.goto(ADDRESS)
        listed = [
            {"name": f"{page.name}.html", "title": page.title, "part": page.part, "number": number}
            for page, number in zip(pages, numbers or [0] * len(pages), strict=True)
        ]
        facts = self.tab.evaluate(
            (HERE / "paper.js").read_text("utf8"),
            {"pages": listed, "title": title if numbers else None, "published": self.published},
        )
        if facts["broken"]:
            raise ValueError(f"pictures are missing: {', '.join(facts['broken'])}")
        pdf = self.tab.pdf(prefer_css_page_size=True, print_background=True, tagged=True, outline=True)
        return Printed(pdf, facts["inner"], facts["dead"], facts["wide"])

    def print_book(self, pages: list[Leaf], title: str, counts: list[int]) -> Printed:
        """Print the book, whose contents give the pages on which chapters begin.

        A chapter begins on a new page and has as many as its own PDF, so the numbers are known if the contents
        are as long as they were; the destinations in the PDF say so, and if not, the book is printed again.
        """
        numbers = [BEGIN + sum(counts[:n]) for n in range(len(counts))]
        for _ in range(3):
            book = self.print(pages, title, numbers)
            begin = places(book.pdf)
            found = [begin[key_of(page.name)] for page in pages]
            if found == numbers:
                return book
            numbers = found
        raise ValueError("the contents of the book change its length whenever they are printed")


def key_of(name: str) -> str:
    """Return the id of a page in the document, as `paper.js` makes it.

    >>> key_of("book/convolution/lenet")
    'convolution-lenet'
    """
    return name.removeprefix("book/").replace("/", "-")


def as_jpeg(path: Path) -> bytes:
    """Return a picture as a JPEG."""
    with Image.open(path) as picture, io.BytesIO() as file:
        picture.convert("RGB").save(file, "JPEG", quality=85)
        return file.getvalue()


def link_chapter(page: str, address: str) -> str:
    """Let the entry .pdf of a page's downloads, which prints, lead to the file.

    >>> link_chapter('<button onclick="window.print()" class="a" title="Print to PDF" x>.pdf</button>', "lenet.pdf")
    '<a href="lenet.pdf" class="a" title="Download as PDF" x>.pdf</a>'
    """
    return PRINT_BUTTON.sub(rf'<a href="{address}" class="\1" title="Download as PDF"\2</a>', page)


def link_book(page: str, address: str, size: int, pages: int) -> str:
    """Put a link to the book on the landing page, under the one that starts it."""
    page = BOOK_LINK.sub("", page)
    start = page.index("</div>", page.index(START)) + len("</div>")
    words = f'Or read it on paper: <a href="{address}">the book as one PDF</a>, {pages:,} pages, {size / 1e6:.0f} MB.'
    return f'{page[:start]}\n<p class="book-pdf">{words}</p>{page[start:]}'


def rewrite(path: Path, page: str) -> None:
    """Write a page if it changed."""
    if page != path.read_text("utf8"):
        write_atomically(path, lambda part: write_text(part, page))


def write_pdf(path: Path, pdf: bytes) -> None:
    """Write a PDF, to which a page may link already."""

    def write(part: Path) -> None:
        part.write_bytes(pdf)

    write_atomically(path, write)


@contextmanager
def started(site: Path, published: str) -> Iterator[Printer]:
    """Start the browser."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--font-render-hinting=none"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield Printer(browser, site, published)
        browser.close()


def report(name: str, printed: Printed) -> str:
    """Say in a line what was printed."""
    size = f"{len(printed.pdf) / 1e6:5.2f} MB{page_count(printed.pdf):6} pages{printed.links:6} inner links"
    flaws = f"; dead: {', '.join(printed.dead)}" if printed.dead else ""
    flaws += f"; too wide: {', '.join(printed.wide)}" if printed.wide else ""
    return f"{name:45}{size}{flaws}"


def main() -> int:
    """Print the pages that are named, or all and the book; put the links in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="as in book/convolution/lenet; the book is then not printed")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    options = parser.parse_args()
    site = options.site.resolve()
    if chromium() is None:
        print("no Chromium on this machine: the PDFs are left out, and the pages do not mention them")
        return 0
    if not (site / "book" / "index.html").exists():
        print(f"there is no site in {site}: run `make book` first", file=sys.stderr)
        return 1
    began, flaws, counts = time.monotonic(), 0, []
    known = leaves(site)
    if unknown := set(options.pages) - {page.name for page in known}:
        parser.error(f"the book prints no page {', '.join(sorted(unknown))}: {', '.join(page.name for page in known)}")
    pages = [page for page in known if not options.pages or page.name in options.pages]
    title = title_of_book()
    with started(site, published().site + "/" if published().site else "") as printer:
        for page in pages:
            printed = printer.print([page], f"{page.title} — {title}")
            file = site / "pdf" / f"{page.name.removeprefix('book/')}.pdf"
            write_pdf(file, printed.pdf)
            html = site / f"{page.name}.html"
            up = "../" * page.name.count("/")
            rewrite(html, link_chapter(html.read_text("utf8"), f"{up}{file.relative_to(site).as_posix()}"))
            counts.append(page_count(printed.pdf))
            flaws += len(printed.dead)
            print(report(page.name, printed), flush=True)
        if not options.pages:
            printed = printer.print_book(pages, title, counts)
            write_pdf(site / "pdf" / BOOK, printed.pdf)
            landing = site / "book" / "index.html"
            linked = link_book(landing.read_text("utf8"), f"../pdf/{BOOK}", len(printed.pdf), page_count(printed.pdf))
            rewrite(landing, linked)
            flaws += len(printed.dead)
            print(report("the book", printed))
    print(f"printed in {time.monotonic() - began:.0f} s")
    return 1 if flaws else 0


def title_of_book() -> str:
    """Return the title that the configuration gives."""
    return str(yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["title"])


if __name__ == "__main__":
    sys.exit(main())
