"""Notebooks against the page that Sphinx renders of the same source, and the buttons that offer them."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dlbook.notebooks import export
from dlbook.notebooks.export import Addresses, to_notebook
from website import downloads

TOY = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A toy

See {eq}`eq-toy-b`, {numref}`fig-toy`, {ref}`ex-toy-second`, {prf:ref}`lem-toy`, {prf:ref}`thm-toy-b` and {numref}`tab-toy`.

$$ a $$ (eq-toy-a)

$$ unlabelled $$

:::{prf:theorem}
:label: thm-toy-a
A.
:::

## A section

$$
b
$$ (eq-toy-b)

:::{note}
$$ c $$ (eq-toy-c)
:::

:::{prf:lemma} Named
:label: lem-toy
B.
:::

:::{prf:theorem}
:label: thm-toy-b
C.
:::

:::{figure} picture.gif
:alt: a picture
Without a name.
:::

:::{figure} picture.gif
:name: fig-toy
:alt: a picture
With one.
:::

:::{list-table} Numbers
:name: tab-toy
* - 1
  - 2
:::

:::{exercise} First
Solve.
:::

:::{exercise} Second
:label: ex-toy-second
Solve.
:::

:::{solution-start} ex-toy-second
:class: dropdown
:::
$$ d $$ (eq-toy-d)
:::{solution-end}
:::
"""
IMAGE = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


@pytest.mark.parametrize("numbered", [True, False])
def test_a_notebook_has_the_numbers_of_its_page(build: Callable, tmp_path, monkeypatch, numbered):
    index = "# Index\n\n```{toctree}\n:numbered:\n\ntoy\n```\n" if numbered else "# Index\n"
    built = build({"index": index, "toy": TOY}, files={"picture.gif": IMAGE})
    html = re.sub(r"<[^>]*>", "", re.sub(r"(?s)<annotation.*?</annotation>", "", built.page("toy")))
    (tmp_path / "toy.md").write_text(TOY)
    monkeypatch.setattr(export, "chapter_numbers", lambda: {tmp_path / "toy.md": "1"} if numbered else {})
    notebook = to_notebook(tmp_path / "toy.md", addresses=Addresses())
    text = "\n".join(cell.source for cell in notebook.cells)

    n = "1." if numbered else ""
    sentence = f"See ({n}2), Fig. {n}2, Exercise {n}2, Lemma {n}1, Theorem {n}2 and Table {n}1."
    assert sentence in html
    assert sentence in text
    for number, word in (("Theorem {}1", ""), ("Lemma {}1 ", "(Named)"), ("Theorem {}2", ""), ("Exercise {}1 ", "First"),
                         ("Exercise {}2 ", "Second")):  # fmt: skip
        title = number.format(n) + word
        assert " ".join(title.split()) in " ".join(html.split())
        assert title in text.replace("**", "")
    for k, words in ((1, "Without a name."), (2, "With one.")):
        assert f"Fig. {n}{k} {words}" in " ".join(html.split())
        assert f"**Fig. {n}{k}.** {words}" in text
    assert f"Table {n}1 Numbers" in " ".join(html.split())
    assert f"**Table {n}1.** Numbers" in text
    assert f"Solution to Exercise {n}2" in html
    assert f"<summary>Solution to Exercise {n}2</summary>" in text
    for k in (1, 2, 3, 4):
        assert f"({n}{k})" in html
        assert rf"\tag{{{n}{k}}}" in text
    assert f"({n}5)" not in html
    assert rf"\tag{{{n}5}}" not in text


def buttons(monkeypatch, addresses: Addresses) -> list[dict[str, str]]:
    """Return the download buttons of a chapter."""
    monkeypatch.setattr(downloads, "published", lambda: addresses)
    app = SimpleNamespace(env=SimpleNamespace(dlbook_outputs={"book/toy/toy": "digest"}))
    context = {
        "pathto": lambda target, _: f"../../{target}",
        "header_buttons": [{"label": "download-buttons", "buttons": [{"text": ".md"}]}],
    }
    downloads.add_buttons(app, "book/toy/toy", "page.html", context, None)
    return context["header_buttons"][0]["buttons"]


def test_without_a_repository_there_is_no_button_for_colab(monkeypatch):
    for addresses in (Addresses(), Addresses("https://a.b"), Addresses("https://a.b", "https://git.a.b/x/y")):
        found = buttons(monkeypatch, addresses)
        assert [button["text"] for button in found] == [".ipynb", ".md"]
        assert found[0]["url"] == "../../notebooks/book/toy/toy.ipynb"


def test_with_a_repository_on_github_colab_opens_the_notebook(monkeypatch):
    found = buttons(monkeypatch, Addresses("https://a.b", "https://github.com/one/two"))
    assert [button["text"] for button in found] == [".ipynb", "Colab", ".md"]
    address = "https://colab.research.google.com/github/one/two/blob/gh-pages/notebooks/book/toy/toy.ipynb"
    assert found[1]["url"] == address
