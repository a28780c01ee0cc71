"""Claims are read back from a notebook that was executed."""

from pathlib import Path

import pytest

from dlbook.notebooks.claims import Claim, claims_of, failed, listing, strict
from dlbook.notebooks.execution import execute

PAGE = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A page
```{code-cell} ipython3
from dlbook.glue import claim, glue
x = 3
```
```{code-cell} ipython3
:tags: [remove-input]
glue("page-x", str(x))
claim(x > 2, "x is more than two")
claim(
    x > 5,
    "x is more than five",
)
```
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "page.md"
    path.write_text(PAGE)
    (found,) = execute([path], progress=False)
    return found


def test_claims_come_in_order_with_outcome_and_place(result):
    assert result.error is None
    assert result.claims == claims_of(result.notebook)
    assert result.claims == [
        Claim("x is more than two", True, "", 2, 2),
        Claim("x is more than five", False, "x = 3", 2, 3),
    ]
    assert failed(result.claims) == result.claims[1:]


def test_the_list_names_page_line_sentence_and_measurement(result):
    ((path, line, claim),) = result.failed_claims
    assert PAGE.splitlines()[line - 1] == "claim("
    assert listing([(path, line, claim)]) == f"  {path}:{line}: x is more than five\n      measured: x = 3"
    assert listing([(Path("a.md"), 1, claim._replace(measured=""))]) == "  a.md:1: x is more than five"
    assert listing([]) == ""


@pytest.mark.parametrize(("value", "meant"), [("1", True), ("yes", True), ("0", False), ("", False), (None, False)])
def test_strict_is_what_the_environment_says(monkeypatch, value, meant):
    monkeypatch.delenv("STRICT", raising=False)
    if value is not None:
        monkeypatch.setenv("STRICT", value)
    assert strict() is meant
