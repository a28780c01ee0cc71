"""The command, called as a reader calls it."""

import json
import sys

import pytest

from dlbook import _files as files
from dlbook import cli
from dlbook.notebooks.chapters import Chapter


def test_list_names_chapters_and_data_sets(capsys):
    assert cli.main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "perceptron" in shown
    assert "lenet" in shown
    assert "king_james" in shown


def test_every_listed_data_set_is_a_function():
    import dlbook.data

    names = [name for row in cli.DATASETS for name in row.split(", ")]
    assert all(callable(getattr(dlbook.data, name)) for name in names)
    loaders = {n for n in dlbook.data.__all__ if n.islower()}
    assert loaders == set(names)


def test_doctor_is_content_here_and_names_a_damaged_file(capsys, own_cache, tmp_path, monkeypatch):
    assert cli.main(["doctor"]) == 0
    assert "FAIL" not in capsys.readouterr().out
    (tmp_path / "toy.npz").write_bytes(b"not what was shipped")
    monkeypatch.setattr(files, "HERE", tmp_path)
    monkeypatch.setattr(files, "SHA256", {"toy.npz": "0" * 64})
    assert cli.main(["doctor"]) == 1
    assert "FAIL data" in (shown := capsys.readouterr().out)
    assert "toy.npz is damaged" in shown


def test_an_unknown_chapter_is_an_error_with_the_nearest_name(capsys):
    assert cli.main(["run", "perceptrom"]) == 1
    assert "did you mean perceptron" in capsys.readouterr().err


def test_a_missing_extra_is_named_with_the_line_that_installs_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbclient", None)
    assert cli.main(["run", "perceptron"]) == 1
    assert 'pip install ".[notebook]"' in capsys.readouterr().err


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Put one small chapter in the place of the book's."""
    path = tmp_path / "small.md"
    path.write_text(
        "---\njupytext: {text_representation: {extension: .md, format_name: myst}}\n"
        "kernelspec: {display_name: Python 3, language: python, name: python3}\n---\n(ch-small)=\n# Small\n"
        "```{code-cell} ipython3\nx = 2\nprint(x)\n```\n"
        "```{code-cell} ipython3\n:tags: [remove-cell]\nfrom dlbook.glue import glue\n"
        'assert x == 2\nglue("small-x", str(x))\n```\n'
        "It is {glue:text}`small-x`.\n"
    )
    monkeypatch.setattr(cli, "chapter", lambda name: Chapter("small", "part", "Small", path))
    monkeypatch.setattr(cli, "chapters", lambda: {"small": cli.chapter("small")})
    monkeypatch.chdir(tmp_path)
    return path


def test_run_says_how_many_claims_hold(small, capsys):
    small.write_text(
        small.read_text()
        .replace("import glue", "import claim, glue")
        .replace("assert x == 2", 'claim(x == 2, "x is two")')
    )
    assert cli.main(["run", "all"]) == 0
    assert "small: 1 of 1 claims hold (" in capsys.readouterr().out


def test_a_claim_that_does_not_hold_is_listed_and_fails_only_when_strict(small, capsys, monkeypatch):
    monkeypatch.delenv("STRICT", raising=False)
    small.write_text(
        small.read_text()
        .replace("import glue", "import claim, glue")
        .replace("assert x == 2", 'claim(x == 3, "x is three")')
    )
    assert cli.main(["run", "small"]) == 0
    shown = capsys.readouterr().out
    assert "small: 0 of 1 claims hold (" in shown
    assert ": x is three\n      measured: x = 2" in shown
    monkeypatch.setenv("STRICT", "1")
    assert cli.main(["run", "small"]) == 1


def test_run_shows_a_cell_that_fails_and_what_is_printed_on_stderr(small, capsys):
    text = small.read_text()
    small.write_text(text.replace("x == 2", "x == 3"))
    assert cli.main(["run", "small"]) == 1
    shown = capsys.readouterr().err
    assert "AssertionError" in shown
    assert "1 of 1 failed: small" in shown
    small.write_text(text.replace("print(x)", "import sys; print('look here', file=sys.stderr)"))
    assert cli.main(["run", "small"]) == 1
    assert "a cell printed on stderr\nlook here" in capsys.readouterr().err


def test_notebook_without_outputs_and_with(small, tmp_path, capsys):
    assert cli.main(["notebook", "small"]) == 0
    plain = json.loads((tmp_path / "small.ipynb").read_text())
    assert all(not cell.get("outputs") for cell in plain["cells"])
    assert cli.main(["notebook", "small"]) == 1
    assert "add --force" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    assert cli.main(["notebook", "small", "-o", "folder"]) == 0
    assert (tmp_path / "folder" / "small.ipynb").exists()
    assert cli.main(["notebook", "small", "--execute", "--force"]) == 0
    executed = json.loads((tmp_path / "small.ipynb").read_text())
    text = json.dumps(executed)
    assert '"2\\n"' in text
    assert "It is 2." in text
    assert "glue" not in text


def test_gpu_without_a_gpu_is_refused_before_a_kernel_starts(small, capsys, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("DLBOOK_DEVICE", "cpu")  # so that the test's own change of it is undone
    assert cli.main(["run", "--gpu", "small"]) == 1
    assert "no device of this machine" in capsys.readouterr().err
