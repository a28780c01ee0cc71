"""Notebooks for Jupyter: nothing that only the site understands is left in them."""

import ast
import json
import re
import tomllib
from functools import cache

import nbformat
import pytest

import dlbook.notebooks.export
from dlbook.notebooks.chapters import CHECKOUT, chapters
from dlbook.notebooks.export import Addresses, published, to_notebook
from dlbook.notebooks.store import Store

FRONT = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
(ch-small)=
# Small
"""

# what would stand raw in Jupyter: a role, a directive's fence, a target, an internal link, a row of a list-table, an
# option, the label of an equation
LEFTOVERS = re.compile(
    r"\{[a-z][\w:]*\}`|^\s*[`:]{3,}\{|^:::|^\([\w-]+\)=|\]\(#|^\* -|^:[a-z-]+: |\$\$ *\(eq-", flags=re.M
)
SITE = Addresses("https://example.org", "https://github.com/one/two")


def markdown(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def exported(tmp_path, body: str, **options):
    path = tmp_path / "small.md"
    path.write_text(FRONT + body)
    notebook = to_notebook(path, **{"addresses": Addresses(), **options})
    nbformat.validate(notebook)
    return notebook


def export(tmp_path, body: str, **options) -> str:
    return markdown(exported(tmp_path, body, **options))


@cache
def whole(name: str):
    """Return a chapter as a notebook, with outputs if the book has been built."""
    cache = CHECKOUT / "_build" / ".jupyter_cache"
    result = Store(cache).get(chapters()[name].path) if cache.exists() else None
    return to_notebook(chapters()[name].path, result.notebook if result else None, addresses=Addresses()), result


@pytest.mark.parametrize("name", chapters())
def test_no_role_or_directive_is_left_in_any_chapter(name):
    notebook, result = whole(name)
    nbformat.validate(notebook)
    text = markdown(notebook)
    assert not LEFTOVERS.findall(text)
    assert not re.findall(r"https?://\S*(?:example|dlbook)\S*", text)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)  # also after lines were dropped
            assert not re.search(r"\bglue\b(?!\.| import)|import glue", cell.source.replace("dlbook.glue", ""))
    if result:
        assert "(computed when the cells run)" not in text
        assert "scrapbook" not in json.dumps(notebook)
        assert to_notebook(chapters()[name].path, result.notebook, addresses=Addresses()) == notebook


@pytest.mark.parametrize("name", chapters())
def test_whatever_the_chapter_folds_is_folded(name):
    notebook, _ = whole(name)
    text = markdown(notebook)
    page = chapters()[name].path.read_text("utf8")
    assert text.count("<details>") == text.count("</details>")
    assert text.count("<summary>Answer</summary>") == page.count("- question:")
    for number in re.findall(r"^\*\*(Exercise [\d.]+)\*\*", text, flags=re.M):
        folded = f"<summary>Solution to {number}</summary>" in text
        assert folded or f"**Solution to {number}**: folded, in the next cell" in text
    for cell in notebook.cells:
        if {"hide-input", "remove-cell"} & set(cell.metadata.get("tags", [])):
            assert cell.metadata["jupyter"]["source_hidden"]


@pytest.mark.parametrize("name", chapters())
def test_every_table_of_a_chapter_has_as_many_cells_in_each_row(name):
    text = markdown(whole(name)[0])
    tables = re.findall(r"(?:^[ >]*\|.*\n?)+", text, flags=re.M)
    assert tables
    for table in tables:
        rows = [len(re.split(r"(?<!\\)\|", row.strip())) for row in table.strip().splitlines()]
        assert len(set(rows)) == 1, table


def test_figures_and_exercises_have_the_number_of_their_chapter():
    text = markdown(whole("lenet")[0])
    assert "*Chapter 15 of Deep Learning, Executed, as a notebook.*" in text
    assert "\n**Fig. 15.1.** **" in text
    assert re.search(r"\bFig\. 15\.\d", re.sub(r"\*\*Fig.*", "", text)), "a reference in the prose"
    assert "**Exercise 15.1** ★" in text
    assert r"\tag{15.1}" in text
    assert re.search(r"\(15\.\d\)", text), "a reference to an equation"


def test_a_drawing_has_its_number_and_its_caption(tmp_path):
    text = markdown(whole("lenet")[0])
    assert "*(A drawing stands here on the site.)*\n\n**Fig. 15.2.** **Pixels become fewer" in text


def test_a_live_figure_is_its_still(tmp_path):
    over = "```{live} kit\n:figure: fig-a\n:label: A line\n```\n"
    assert "kit" not in export(tmp_path, f"Before.\n\n{over}\nAfter.\n")
    around = "````{live} kit\n:label: A line\n\n```{raw} html\n<svg></svg>\n```\n````\n"
    assert "Before.\n\n*(A drawing or an interactive figure stands here" in export(tmp_path, f"Before.\n\n{around}")


def test_what_another_chapter_numbers_is_found_there(tmp_path):
    source = chapters()["lenet"].path.read_text("utf8")
    label = re.search(r"\((eq-lenet-[\w-]+)\)", source)[1]
    assert "See (15.1)." in export(tmp_path, f"See {{eq}}`{label}`.\n")


def test_the_books_macros_are_written_out(tmp_path):
    assert r"$\mathbb{E} x \in \mathbb{R}^n$, $\Rightarrow$" in export(tmp_path, r"$\E x \in \R^n$, $\Rightarrow$")


def test_without_an_address_nothing_pretends_one(tmp_path):
    notebook = exported(tmp_path, "See {ref}`ch-perceptron`.\n")
    assert "http" not in json.dumps(notebook)
    assert '`pip install ".[notebook]"`' in notebook.cells[0].source
    assert "pip install dlbook" not in json.dumps(notebook)
    code = notebook.cells[1].source
    exec(code, {})  # the package is here: nothing happens
    with pytest.raises(ModuleNotFoundError, match=r"in a clone of the book, type  pip install '\.\[notebook\]'"):
        exec(code.replace('"dlbook"', '"no_such_package"'), {})


def test_with_addresses_the_package_comes_from_the_repository(tmp_path):
    notebook = exported(tmp_path, "Text.\n", addresses=SITE)
    assert "[Deep Learning, Executed](https://example.org)" in notebook.cells[0].source
    assert '%pip install -q "dlbook[notebook] @ git+https://github.com/one/two"' in notebook.cells[1].source


def test_addresses_are_those_of_the_project(tmp_path, monkeypatch):
    urls = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf8"))["project"].get("urls", {})
    assert published() == (urls.get("Homepage", ""), urls.get("Repository", ""))
    monkeypatch.setattr(dlbook.notebooks.export, "CHECKOUT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n[project.urls]\nHomepage = 'https://a.b/'\n")
    assert published() == ("https://a.b", "")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert published() == ("", "")


def test_a_wheel_knows_the_addresses_too(tmp_path, monkeypatch):
    from email.message import Message

    wheel = Message()
    wheel["Project-URL"] = "Homepage, https://a.b"
    wheel["Project-URL"] = "Repository, https://github.com/one/two"
    monkeypatch.setattr(dlbook.notebooks.export, "CHECKOUT", tmp_path)  # no pyproject.toml
    monkeypatch.setattr(dlbook.notebooks.export.metadata, "metadata", lambda name: wheel)
    assert published() == ("https://a.b", "https://github.com/one/two")
    monkeypatch.setattr(dlbook.notebooks.export.metadata, "metadata", lambda name: Message())
    assert published() == ("", "")


def test_references_become_numbers(tmp_path):
    text = export(
        tmp_path,
        "See {eq}`eq-small-b`, {numref}`fig-small-x` and {prf:ref}`thm-small-t`.\n\n$$ a $$ (eq-small-a)\n\n$$\nb\n$$ (eq-small-b)\n\n"
        ":::{prf:theorem} Pythagoras\n:label: thm-small-t\n$a^2+b^2=c^2$\n:::\n\n"
        "```{code-cell} ipython3\n---\nmystnb:\n  figure: {name: fig-small-x, caption: '**It rises.** Drawn, see {eq}`eq-small-a`.'}\n---\n1\n```\n",
    )
    assert "See (2), Fig. 1 and Theorem 1." in text
    assert "**Fig. 1.** **It rises.** Drawn, see (1)." in text
    assert r"\tag{2}" in text
    assert "**Theorem 1 (Pythagoras).**" in text


EXERCISE = (
    ":::{exercise} ★ Why?\n:label: ex-small-why\nProve it.\n:::\n\n"
    ":::{solution-start} ex-small-why\n:class: dropdown\n:::\n"
)
CELL = "```{code-cell} ipython3\n1\n```\n"


def test_exercises_are_headed_and_solutions_folded_with_their_code(tmp_path):
    body = (
        EXERCISE + "Because of\n\n:::{note}\n$x$\n:::\n\n" + CELL + "So.\n\n:::{solution-end}\n:::\n\nAfter.\n\n" + CELL
    )
    cells = exported(tmp_path, body).cells[2:]
    assert cells[0].source.endswith(
        "**Exercise 1** ★ Why?\n\nProve it.\n\n<details><summary>Solution to Exercise 1</summary>\n\n"
        "Because of\n\n> **Note** $x$\n\n</details>"
    )
    assert cells[1].metadata == {
        "tags": ["hide-input", "hide-output"],
        "jupyter": {"source_hidden": True, "outputs_hidden": True},
    }
    assert (
        cells[2].source
        == "<details><summary>Solution to Exercise 1, continued</summary>\n\nSo.\n\n</details>\n\nAfter."
    )
    assert cells[3].metadata == {"tags": []}


def test_a_solution_that_begins_with_code_is_announced(tmp_path):
    cells = exported(tmp_path, EXERCISE + CELL + ":::{solution-end}\n:::\n").cells[2:]
    assert cells[0].source.endswith("Prove it.\n\n**Solution to Exercise 1**: folded, in the next cell")
    assert cells[1].metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    assert len(cells) == 2


def test_a_quiz_becomes_questions_with_lists_and_folded_answers(tmp_path):
    text = export(
        tmp_path,
        "```{quiz}\n- question: 'What is $1+1$?'\n  answers:\n    - {text: '2', right: true, why: Count.}\n    - {text: '3', why: No.}\n```\n",
    )
    assert text.endswith(
        "**Question 1.** What is $1+1$?\n\n- **A.** 3\n- **B.** 2\n\n"  # the right answer was written first
        "<details><summary>Answer</summary>\n\n- **A** is wrong. No.\n- **B** is right. Count.\n\n</details>"
    )


def test_the_list_at_the_top_is_a_table(tmp_path):
    body = (
        '```{at-a-glance}\n:will: bound $|x|$\n:needs: "{ref}`ch-perceptron`, time"\n:code: dlbook.a.b, dlbook.c\n```\n'
    )
    assert export(tmp_path, body).endswith(
        "|  |  |\n|:--|:--|\n| You will | bound $\\vert x\\vert $ |\n| Needs | The perceptron, time |\n"
        "| Code | `dlbook.a.b`, `dlbook.c` |"
    )


def test_tables_stay_tables(tmp_path):
    body = (
        ":::{list-table} Two, or {math}`2`\n:name: tab-small\n:header-rows: 1\n* -\n  - b\n* - one\n  - two\n    lines\n:::\n\n"
        ":::{list-table}\n* - a|b\n  -\n:::\n\n:::{table} Three\n| x |\n|--|\n| 1 |\n:::\n\nSee {numref}`tab-small`.\n"
    )
    text = export(tmp_path, body)
    assert "**Table 1.** Two, or $2$\n\n|  | b |\n|:--|:--|\n| one | two lines |\n" in text
    assert "\n|  |  |\n|:--|:--|\n| a\\|b |  |\n" in text
    assert "\n**Table 2.** Three\n\n| x |\n|--|\n| 1 |\n" in text
    assert "See Table 1." in text


@pytest.mark.parametrize(
    ("tags", "code", "hidden"),
    [
        ("", "x = 1", False),
        ("", "x = 1\nclaim(x < 2, 'small')", False),
        ("", "claim(1 < 2, 'less')\nfor k in (1, 2):\n    claim(k, 'k')", True),
        ("", "assert 1 < 2", False),  # the equality is the lesson
        ("hide-input", "x = 1", True),
        ("remove-cell", "x = 1", True),
        ("remove-input", "x = 1", True),
    ],
)
def test_what_the_page_hides_is_collapsed(tmp_path, tags, code, hidden):
    cell = exported(tmp_path, f"```{{code-cell}} ipython3\n:tags: [{tags}]\n{code}\n```\n").cells[-1]
    assert cell.source == code
    assert cell.metadata.get("jupyter", {}) == ({"source_hidden": True} if hidden else {})


def test_links_to_other_pages_lead_to_the_site(tmp_path):
    body = "See {ref}`ch-perceptron` and [the note](#ch-perceptron).\n"
    online = export(tmp_path, body, addresses=SITE)
    assert "[The perceptron](https://example.org/book/perceptron/perceptron.html#ch-perceptron)" in online
    assert "[the note](https://example.org/book/perceptron/perceptron.html#ch-perceptron)" in online
    assert export(tmp_path, body).endswith("See The perceptron and the note.")


def test_papers_are_named_and_listed(tmp_path):
    text = export(
        tmp_path, "By {cite:t}`rosenblatt1958`, and others {cite:p}`rosenblatt1958`.\n\n```{bibliography}\n```\n"
    )
    assert "By Rosenblatt (1958), and others (Rosenblatt, 1958)." in text
    assert re.search(r"- Rosenblatt \(1958\)\. .*Psychological Review", text, flags=re.I)


def test_nested_boxes_are_opened(tmp_path):
    text = export(tmp_path, "::::{admonition} Mind\n:::{note}\ninner {math}`x`\n:::\n::::\n")
    assert "> **Mind**" in text
    assert "inner $x$" in text
    folded = export(tmp_path, ":::{admonition} Further\n:class: dropdown\ninner {math}`x`\n:::\n")
    assert folded.endswith("<details><summary>Further</summary>\n\ninner $x$\n\n</details>")


def test_an_unknown_role_is_an_error_and_not_left_raw(tmp_path):
    with pytest.raises(ValueError, match="does not know the role {sparkle}"):
        export(tmp_path, "{sparkle}`x`\n")
    with pytest.raises(ValueError, match="does not know the directive {sparkle}"):
        export(tmp_path, ":::{sparkle}\nx\n:::\n")


def test_code_fences_that_only_show_code_stay(tmp_path):
    assert "```sh\ndlbook list\n```" in export(tmp_path, "```sh\ndlbook list\n```\n")
