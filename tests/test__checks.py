"""The checks: what passes is unchanged in value, what does not is named."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import dlbook
from dlbook._checks import axes, finite_table, image_batch


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8, bool])
def test_a_table_keeps_its_values_in_float64(dtype):
    values = np.array([[1, 0, 1], [0, 1, 1]], dtype=dtype)
    table = finite_table("x", values.T)
    assert table.dtype == np.float64
    assert table.flags.c_contiguous
    assert np.array_equal(table, values.T)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0], r"found shape \(2,\) of float64: x\[:, None\]"),
        (np.zeros((0, 3)), r"found shape \(0, 3\)"),
        (np.zeros((3, 0)), r"found shape \(3, 0\)"),
        ([[1j]], "complex"),
        ([["a"]], "<U1"),
        ([[0, np.inf], [np.nan, 0]], "found inf in row 0, column 1"),
    ],
)
def test_anything_else_is_named(values, words):
    with pytest.raises(ValueError, match=words):
        finite_table("x", values)


def test_images_of_the_right_kind_pass():
    image_batch(torch.zeros(0, 3, 5, 7, dtype=torch.float16), 3)
    image_batch(torch.zeros(2, 1, 5, 7, dtype=torch.float64), 1, least=5)


@pytest.mark.parametrize(
    ("images", "least", "words"),
    [
        (torch.zeros(3, 5, 5), 1, r"are \(b, 3, h, w\) with h, w >= 1, found shape \(3, 5, 5\)"),
        (torch.zeros(1, 1, 5, 5), 1, r"found shape \(1, 1, 5, 5\)"),
        (torch.zeros(1, 3, 5, 4), 5, r"h, w >= 5, found shape \(1, 3, 5, 4\)"),
        (torch.zeros(1, 3, 0, 4), 1, r"found shape \(1, 3, 0, 4\)"),
        (torch.zeros(1, 3, 5, 5, dtype=torch.uint8), 1, "found torch.uint8: images / 255"),
        (torch.zeros(1, 3, 5, 5, dtype=torch.int64), 1, "found torch.int64$"),
    ],
)
def test_other_images_are_named(images, least, words):
    with pytest.raises(ValueError, match=words):
        image_batch(images, 3, least=least)


@pytest.mark.parametrize("make", [np.zeros, torch.zeros, lambda shape: torch.zeros(shape, device="meta")])
def test_axes_are_read_by_their_letters(make):
    x = make((2, 3, 5, 7))
    assert axes("x", x, "b c h w") == (2, 3, 5, 7)
    assert axes("x", x, "b 3 h w") == (2, 3, 5, 7)
    assert axes("x", x, "b c h w", c=3, w=7) == (2, 3, 5, 7)
    assert axes("x", x, "... h w") == (5, 7)
    assert axes("x", x, "... b c h w", least=2) == (2, 3, 5, 7)
    assert axes("x", make((3, 3)), "k k") == (3, 3)
    assert axes("x", make((3,)), "k") == (3,)
    assert axes("x", make((0, 4)), "n d") == (0, 4)


@pytest.mark.parametrize(
    ("shape", "letters", "options", "message"),
    [
        ((2, 3, 5), "b c h w", {}, r"x is \(b, c, h, w\), found shape \(2, 3, 5\)"),
        ((2, 3, 5, 7), "b c h w", {"c": 4}, r"x is \(b, 4, h, w\), found shape \(2, 3, 5, 7\)"),
        ((2, 3, 5, 7), "b 1 h w", {}, r"x is \(b, 1, h, w\), found"),
        ((2, 3), "k k", {}, r"x is \(k, k\), found"),
        ((3,), "... h w", {}, r"x is \(..., h, w\), found shape \(3,\)"),
        ((3, 2), "n", {}, r"x is \(n,\), found shape \(3, 2\)"),
        ((0, 2), "n d", {"least": 1}, r"x is \(n, d\) with all sizes at least 1, found shape \(0, 2\)"),
        ((), "n", {}, r"x is \(n,\), found shape \(\)"),
    ],
)
def test_another_shape_is_told_with_the_expected_one(shape, letters, options, message):
    with pytest.raises(ValueError, match=message):
        axes("x", np.zeros(shape), letters, **options)


def test_a_hint_ends_the_message():
    with pytest.raises(ValueError, match=r"^x is \(n,\), found shape \(\): pad it$"):
        axes("x", np.zeros(()), "n", hint="pad it")


def test_every_size_that_the_package_gives_belongs_to_a_letter():
    # axes(..., "b c h w", C=3) would check nothing, and say nothing
    calls = 0
    for path in Path(dlbook.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "axes" and len(node.args) == 3:
                sizes = {keyword.arg for keyword in node.keywords} - {"hint", "least", None}
                assert sizes <= set(re.findall(r"[a-z]\w*", ast.unparse(node.args[2]))), f"{path}, line {node.lineno}"
                calls += 1
    assert calls > 30


def test_axes_can_be_compiled_and_mapped():
    def half(x):
        _, c, _ = axes("x", x, "... c h w", h=5)
        return x.sum() / c

    x = torch.arange(210.0).reshape(2, 3, 5, 7)
    assert torch.compile(half, fullgraph=True, backend="eager")(x) == half(x)
    assert torch.equal(torch.func.vmap(half)(x), torch.stack([half(one) for one in x]))
