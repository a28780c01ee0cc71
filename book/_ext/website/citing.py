"""At the end of each chapter, how to cite it: a sentence and an entry for BibTeX, folded until it is wanted."""

from datetime import date

from docutils import nodes
from sphinx.application import Sphinx

from website.edition import address_of, in_words
from website.folding import folded
from website.parts import written


def sentence(author: str, title: str, book: str, version: str, day: date | None, address: str) -> str:
    """Return the chapter as a list of references would name it.

    >>> sentence("A. Author", "LeNet-5", "A book", "0.1.0", date(2026, 11, 5), "")
    'A. Author. “LeNet-5.” In A book, version 0.1.0, November 5, 2026.'
    """
    dated = f", {in_words(day)}" if day else ""
    return f"{author}. “{title}.” In {book}, version {version}{dated}.{f' {address}' * bool(address)}"


def bibtex(key: str, author: str, title: str, book: str, version: str, day: date | None, address: str) -> str:
    """Return the chapter as an entry for BibTeX; double braces hold the capitals, and a group of authors, as they are.

    >>> print(bibtex("lenet", "A. Author", "LeNet-5", "A book", "0.1.0", date(2026, 11, 5), ""))
    @incollection{lenet,
      author    = {{A. Author}},
      title     = {{LeNet-5}},
      booktitle = {{A book}},
      edition   = {version 0.1.0},
      year      = {2026},
      month     = nov
    }
    """
    fields = {
        "author": f"{{{{{author}}}}}",
        "title": f"{{{{{title}}}}}",
        "booktitle": f"{{{{{book}}}}}",
        "edition": f"{{version {version}}}",
    }
    if day:
        fields |= {"year": f"{{{day.year}}}", "month": f"{day:%b}".lower()}
    if address:
        fields["url"] = f"{{{address}}}"
    lines = [f"  {name:9} = {value}" for name, value in fields.items()]
    return "\n".join([f"@incollection{{{key},", ",\n".join(lines), "}"])


def append(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put both at the end of a chapter, but not of the single page, which is one book."""
    titles = written(app)
    if docname not in titles or app.builder.name == "singlehtml":
        return
    config = app.config
    about = (
        config.author, titles[docname], config.html_title, config.release, config.edition_date, address_of(app, docname)
    )  # fmt: skip
    entry = bibtex(f"dle-{docname.rpartition('/')[2]}", *about)
    code = nodes.literal_block(entry, entry, language="bibtex")  # given twice, it is code, with the button that copies
    inside = [nodes.paragraph("", sentence(*about)), code]
    fold = folded("", *inside, classes=["folded", "cite-chapter"], summary="Cite this chapter")
    next(document.findall(nodes.section), document).append(fold)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("doctree-resolved", append)
