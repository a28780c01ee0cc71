"""Chapters as other machines would execute them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import claims
from claims import added, main, moved, numpy_features, profiles


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("torch.manual_seed(0)", "torch.manual_seed((0) + 1000)"),
        ("torch.Generator().manual_seed(seed)", "torch.Generator().manual_seed((seed) + 1000)"),
        ("rng = np.random.default_rng(3 * f(seed, 2) + 1)", "rng = np.random.default_rng((3 * f(seed, 2) + 1) + 1000)"),
        ("SVC(random_state=0, C=1)", "SVC(random_state=(0) + 1000, C=1)"),
        ("np.random.default_rng()", "np.random.default_rng()"),
        ("nothing(here)", "nothing(here)"),
    ],
)
def test_every_kind_of_seed_is_moved(code, expected):
    assert moved(code, 1000) == expected


def test_the_far_profile_computes_without_the_vector_instructions_of_this_machine():
    far, near = profiles()["far"].kernels, profiles()["avx2"].kernels
    assert far["ATEN_CPU_CAPABILITY"] == "default"
    assert set(near["NPY_DISABLE_CPU_FEATURES"].split()) <= set(far["NPY_DISABLE_CPU_FEATURES"].split())
    assert set(numpy_features("").split()) == set(far["NPY_DISABLE_CPU_FEATURES"].split())


PAGE = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A page
```{code-cell} ipython3
import os, numpy as np
from dlbook.glue import claim
x, kernels = np.random.default_rng(0).normal(), os.environ.get("ATEN_CPU_CAPABILITY", "its own")
1 / 0
```
```{code-cell} ipython3
claim(0.1257 < x < 0.1258, "the first draw of seed 0 is 0.1257")
claim(kernels == "its own", "torch chooses its kernels")
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE.replace("1 / 0\n", ""))
    monkeypatch.setattr(claims, "with_cells", lambda: [path])
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["claims.py", *arguments])
    return main()


def test_other_kernels_alone_change_the_capability(page, monkeypatch, capsys):
    assert run(monkeypatch, "far") == 1
    said = capsys.readouterr().out
    assert "far: 1 of 2 claims held, on 1 pages" in said
    assert "torch chooses its kernels\n      measured: kernels = default" in said
    assert "first draw" not in said


def test_moved_seeds_alone_change_the_draw(page, monkeypatch, capsys):
    assert run(monkeypatch, "seeds2") == 1
    said = capsys.readouterr().out
    assert "the first draw of seed 0 is 0.1257" in said
    assert "torch chooses its kernels" not in said


def test_a_sum_of_profiles_is_both_in_one_execution_and_says_how_to_tell_them_apart(page, monkeypatch, capsys):
    assert run(monkeypatch, "far+seeds2") == 1
    said = capsys.readouterr().out
    assert "far+seeds2: 0 of 2 claims held, on 1 pages" in said
    assert "first draw of seed 0 is 0.1257\n      measured: x = " in said
    assert "torch chooses its kernels\n      measured: kernels = default" in said
    assert said.count("claims held") == 1
    assert said.endswith('which of far+seeds2 it was, says make claims PROFILES="far seeds2" ONLY="page"\n')
    page.write_text(PAGE.replace("1 / 0\n", "").replace("claim(", "print("))
    assert run(monkeypatch, "far+seeds2") == 0
    assert "which of" not in capsys.readouterr().out


def test_a_sum_takes_each_of_both_from_its_part_in_any_order():
    known = profiles()
    assert added("far", known) == known["far"]
    assert added("far+seeds2", known) == added("seeds2+far", known) == (2000, known["far"].kernels)


def test_ci_executes_with_other_kernels_and_with_moved_seeds():
    (names,) = re.findall(
        r"^make claims PROFILES=\"?([^\"#\n]*)", (claims.ROOT / ".ci" / "run").read_text(), flags=re.M
    )
    chosen = [added(name, profiles()) for name in names.split()]
    assert any(profile.shift for profile in chosen)
    assert any(profile.kernels == profiles()["far"].kernels for profile in chosen)


@pytest.mark.parametrize("name", ["far+avx2", "seeds1+seeds2", "far+seeds1+seeds1"])
def test_a_sum_that_contradicts_itself_is_refused(page, monkeypatch, capsys, name):
    with pytest.raises(SystemExit):
        run(monkeypatch, name)
    assert f"{name} says twice how seeds move or which kernels compute" in capsys.readouterr().err


def test_a_cell_that_fails_does_not_hide_the_claims_behind_it(page, monkeypatch, capsys):
    page.write_text(PAGE)
    assert run(monkeypatch, "seeds1") == 1
    said = capsys.readouterr().out
    assert "1 pages with cells that failed" in said
    assert "ZeroDivisionError" in said
    assert "the first draw of seed 0 is 0.1257" in said


def test_an_unknown_profile_is_named_with_those_that_there_are(page, monkeypatch, capsys):
    for name in ("near", "far+near"):
        with pytest.raises(SystemExit):
            run(monkeypatch, name)
        assert "there is no profile near: choose from far, avx2, seeds1" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["page", "a-part/page", "book/a-part/page.md"])
def test_a_page_is_asked_for_by_its_name(page, monkeypatch, name):
    other = page.with_name("other.md")
    monkeypatch.setattr(claims, "with_cells", lambda: [other, page])
    asked: list[list[Path]] = []
    monkeypatch.setattr(claims, "execute", lambda paths, **options: asked.append(paths) or [])
    assert run(monkeypatch, "far", "--", name) == 0
    assert run(monkeypatch, "far") == 0
    assert asked == [[page], [other, page]]


def test_an_unknown_page_is_named_with_those_that_there_are(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "far", "--", "playgrund", "lenet")
    said = capsys.readouterr().err
    assert "no page with cells is called playgrund: choose from" in said
    known = said.partition("choose from ")[2].strip().split(", ")
    assert {"lenet", "timeline", "playground"} <= set(known), "pages that are no chapters, too"


def test_a_shell_can_take_over_a_profile(monkeypatch, capsys):
    assert run(monkeypatch, "--export", "far") == 0
    exports = capsys.readouterr().out
    shell = ["sh", "-c", f'{exports}\nprintf %s "$ATEN_CPU_CAPABILITY/$NPY_DISABLE_CPU_FEATURES"']
    told = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert told == f"default/{numpy_features('')}"
