"""A result says on which line of the source something happened."""

from dlbook.notebooks.chapters import CHECKOUT
from dlbook.notebooks.results import Result, line_of, shown
from pages import page, run


def test_seconds_are_the_sum_over_the_cells(tmp_path):
    assert Result(tmp_path, executed=True, cells=[(3, 1.5), (9, 0.25)]).cpu_seconds == 1.75
    assert Result(tmp_path, executed=True).claims == []


def test_paths_are_shown_from_the_checkout(tmp_path):
    assert str(shown(CHECKOUT / "book" / "index.md")) == "book/index.md"
    assert shown(tmp_path) == tmp_path


def test_options_lie_between_a_fence_and_its_code(tmp_path):
    path = page(
        tmp_path, "a", "x = 1", ":tags: [remove-cell]\nx = 2", "---\ntags: [a]\nmystnb:\n  image: {alt: x}\n---\nx = 3"
    )
    rows = path.read_text().splitlines()
    fences = [n for n, row in enumerate(rows, 1) if row.startswith("```{")]
    assert [rows[line_of(path, fence, 1) - 1] for fence in fences] == ["x = 1", "x = 2", "x = 3"]


def test_options_in_yaml_do_not_shift_the_line(tmp_path):
    bad = page(tmp_path, "bad", "---\ntags: [hide-input]\nmystnb:\n  image: {alt: x}\n---\ny = 1\n1 / 0")
    line = bad.read_text().splitlines().index("1 / 0") + 1
    assert f"bad.md:{line}:" in run(bad, None).error
