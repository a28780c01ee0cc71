"""Glue speaks myst-nb's format, says nothing outside a notebook, and refuses raw numbers."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from dlbook import glue as module
from dlbook.glue import glue


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
