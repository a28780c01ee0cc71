"""Notebooks for Jupyter: nothing that only the site understands is left in them."""

import json
import re

import nbformat
import pytest

from dlbook.chapters import CHECKOUT, chapters
from dlbook.execution import Store
from dlbook.export import to_notebook

FRONT = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
(ch-small)=
# Small
"""

# what would stand raw in Jupyter: a role, a directive's fence, a target, an internal link
LEFTOVERS = re.compile(r"\{[a-z][\w:]*\}`|^\s*[`:]{3,}\{|^\([\w-]+\)=|\]\(#", flags=re.M)


def markdown(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def export(tmp_path, body: str, **options) -> str:
    path = tmp_path / "small.md"
    path.write_text(FRONT + body)
    notebook = to_notebook(path, **options)
    nbformat.validate(notebook)
    return markdown(notebook)


@pytest.mark.parametrize("name", chapters())
def test_no_role_or_directive_is_left_in_any_chapter(name):
    cache = CHECKOUT / "_build" / ".jupyter_cache"
    result = Store(cache).get(chapters()[name].path) if cache.exists() else None
    notebook = to_notebook(chapters()[name].path, result.notebook if result else None, site="https://example.org")
    nbformat.validate(notebook)
    text = markdown(notebook)
    assert not LEFTOVERS.findall(text)
    assert not [
        key for cell in notebook.cells if cell.cell_type == "code" for key in re.findall(r"\bglue\(", cell.source)
    ]
    if result:
        assert "(computed when the cells run)" not in text
        assert "scrapbook" not in json.dumps(notebook)
    assert (
        to_notebook(chapters()[name].path, result.notebook if result else None, site="https://example.org") == notebook
    )


def test_references_become_numbers(tmp_path):
    text = export(
        tmp_path,
        "See {eq}`eq-small-b`, {numref}`fig-small-x` and {prf:ref}`thm-small-t`.\n\n$$ a $$ (eq-small-a)\n\n$$\nb\n$$ (eq-small-b)\n\n"
        ":::{prf:theorem} Pythagoras\n:label: thm-small-t\n$a^2+b^2=c^2$\n:::\n\n"
        "```{code-cell} ipython3\n---\nmystnb:\n  figure: {name: fig-small-x, caption: '**It rises.** Drawn, see {eq}`eq-small-a`.'}\n---\n1\n```\n",
    )
    assert "See (2), Figure 1 and Theorem 1." in text
    assert "**Figure 1.** **It rises.** Drawn, see (1)." in text
    assert r"\tag{2}" in text
    assert "**Theorem 1 (Pythagoras).**" in text


def test_exercises_and_solutions_become_headed_paragraphs(tmp_path):
    text = export(
        tmp_path,
        ":::{exercise} ★ Why?\n:label: ex-small-why\nProve it.\n:::\n\n:::{solution-start} ex-small-why\n:class: dropdown\n:::\n"
        "Because.\n\n```{code-cell} ipython3\n1\n```\n\n:::{solution-end}\n:::\n",
    )
    assert "**Exercise 1 (★ Why?).**\n\nProve it." in text
    assert "**Solution of exercise 1.**" in text
    assert "Because." in text


def test_a_quiz_becomes_questions_with_folded_answers(tmp_path):
    text = export(
        tmp_path,
        "```{quiz}\n- question: 'What is $1+1$?'\n  answers:\n    - {text: '2', right: true, why: Count.}\n    - {text: '3', why: No.}\n```\n",
    )
    assert "**Question 1.** What is $1+1$?" in text
    assert "A. 3\nB. 2" in text  # the right answer was written first
    assert "<details><summary>Answers</summary>" in text
    assert "- B: right. Count." in text
    assert "- A: wrong. No." in text


def test_links_to_other_pages_lead_to_the_site(tmp_path):
    body = "See {ref}`ch-perceptron` and [the note](#ch-perceptron).\n"
    online = export(tmp_path, body, site="https://example.org/")
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


def test_an_unknown_role_is_an_error_and_not_left_raw(tmp_path):
    with pytest.raises(ValueError, match="does not know the role {sparkle}"):
        export(tmp_path, "{sparkle}`x`\n")
    with pytest.raises(ValueError, match="does not know the directive {sparkle}"):
        export(tmp_path, ":::{sparkle}\nx\n:::\n")


def test_code_fences_that_only_show_code_stay(tmp_path):
    assert "```sh\ndlbook list\n```" in export(tmp_path, "```sh\ndlbook list\n```\n")
