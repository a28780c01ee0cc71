"""Glue speaks myst-nb's format, says nothing outside a notebook, and refuses raw numbers."""

import math

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from dlbook import glue as module
from dlbook.glue import claim, glue


def test_a_raw_number_is_refused():
    with pytest.raises(ValueError, match=r"glue\('x', \.\.\.\) takes the text.*float"):
        glue("x", 0.1)


def test_outside_a_notebook_nothing_happens(capsys):
    glue("x", "1 %")
    assert capsys.readouterr().out == ""


def test_the_record_is_the_one_that_myst_nb_writes(monkeypatch):
    from myst_nb import glue as theirs

    monkeypatch.setattr(module, "get_ipython", lambda: object())
    shell = InteractiveShell.instance()
    try:
        with capture_output() as ours:
            glue("x", "1 %")
        with capture_output() as reference:
            theirs("x", "1 %", display=False)
    finally:
        shell.clear_instance()
    (mine,), (other,) = ours.outputs, reference.outputs
    assert mine.data["application/papermill.record/text/plain"] == other.data["application/papermill.record/text/plain"]
    assert mine.metadata["scrapbook"]["name"] == other.metadata["scrapbook"]["name"]
    assert mine.metadata["scrapbook"]["mime_prefix"] == other.metadata["scrapbook"]["mime_prefix"]


class Notebook:
    """What IPython would be asked to display."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs = []
        monkeypatch.setattr(module, "get_ipython", lambda: self)
        monkeypatch.setattr(module, "display", lambda data, raw, metadata=None: self.outputs.append((data, metadata)))


def test_a_claim_that_holds_shows_nothing_and_is_on_record(monkeypatch):
    notebook = Notebook(monkeypatch)
    claim(np.bool_(True), "all is well")
    ((data, metadata),) = notebook.outputs
    assert list(data) == ["application/papermill.record/text/plain"]
    assert metadata["scrapbook"]["claim"]["sentence"] == "all is well"
    assert metadata["scrapbook"]["claim"]["holds"] is True


def test_a_claim_that_fails_is_noted_with_what_was_measured_and_raises_nothing(monkeypatch):
    notebook = Notebook(monkeypatch)
    a, b = torch.tensor(0.25), 0.125
    claim(a < b, "a is < b")
    (_, metadata), (note, _) = notebook.outputs
    found = metadata["scrapbook"]["claim"]
    assert (found["holds"], found["measured"]) == (False, "a = 0.25, b = 0.125")
    assert "the page says that a is &lt; b. That did not hold here." in note["text/html"]
    assert "Measured: <code>a = 0.25, b = 0.125</code>" in note["text/html"]


CASES = [
    ("x < 1 and not y == 2", "x = 3, y = 2"),
    ("0 <= x <= 1", "x = 3"),
    ("all(value < 2 for value in table.values())", "table.values() = [1, 3]"),
    ("(array < 2).all()", "array = [1, 2.5]"),
    ("max(table) == 'c'", "max(table) = b"),
    ("table == {}", "table = {'a': 1, 'b': 3}, {} = {}"),
    ("long == ''", "long = " + "x" * 119 + "…"),
    ("math.nan < x", "math.nan = nan, x = 3"),
    ("x == 4 if y else True", "x == 4 if y else True = False"),
]


@pytest.mark.parametrize(("condition", "measured"), CASES)
def test_both_sides_of_a_comparison_are_measured(condition, measured, capsys):
    import linecache

    x, y, table, array, long = 3, 2, {"a": 1, "b": 3}, np.array([1, 2.5]), "x" * 200
    names = {"x": x, "y": y, "table": table, "array": array, "long": long, "claim": claim, "math": math}
    source = f"if True:\n    claim(\n        {condition},\n        'so',\n    )\n"
    linecache.cache["<case>"] = (len(source), None, source.splitlines(keepends=True), "<case>")
    exec(compile(source, "<case>", "exec"), names)
    assert capsys.readouterr().out.endswith(f"\nMeasured: {measured}.\n")


def test_without_its_source_a_claim_still_tells_that_it_failed(capsys):
    exec("claim(1 > 2, 'so')", {"claim": claim})
    assert capsys.readouterr().out == "On this machine: the page says that so. That did not hold here.\n"


@pytest.mark.parametrize("condition", [np.ones(2), torch.ones(2)])
def test_a_condition_of_several_numbers_is_refused(condition):
    with pytest.raises(ValueError, match=r"true or false, found \[1, 1\]"):
        claim(condition, "so")


@pytest.mark.parametrize("sentence", ["", " ", None, 3])
def test_a_claim_without_words_is_refused(sentence):
    with pytest.raises(ValueError, match="words that a reader understands, found"):
        claim(True, sentence)
