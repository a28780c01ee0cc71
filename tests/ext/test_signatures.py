import ast
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from website.signatures import FullNames, as_written, describe, fields, without_fields

Floats = NDArray[np.float64]


class Pair(NamedTuple):
    """Two things."""

    weight: Floats  # (d,), in pixels
    bias: float = 0.0


def sample(
    x: ArrayLike, *rest: "Tensor", size: int | None = None, coding: Literal["01", "x"] = "01"
) -> tuple[Floats, list[Pair]]:
    raise NotImplementedError


class Model:
    def __init__(self, width: int, *, rng: np.random.Generator | None = None) -> None: ...

    def fit(self, x: Tensor) -> "Model":
        return self


def written(obj: object) -> tuple[str, str | None] | None:
    return as_written(None, "function", "name", obj, None, "(...)", None)  # type: ignore[arg-type]


def test_types_are_those_of_the_source_with_full_names():
    assert written(sample) == (
        "(x: numpy.typing.ArrayLike, *rest: torch.Tensor, size: int | None=None, "
        "coding: typing.Literal['01', 'x']='01')",
        f"tuple[numpy.typing.NDArray[numpy.float64], list[{__name__}.Pair]]",
    )


def test_a_class_shows_its_constructor_and_a_method_no_self():
    assert written(Model) == ("(width: int, *, rng: numpy.random.Generator | None=None)", None)
    assert written(Model.fit) == ("(x: torch.Tensor)", f"{__name__}.Model")


def test_a_named_tuple_shows_its_fields_with_their_comments():
    assert written(Pair) == ("(weight: numpy.typing.NDArray[numpy.float64], bias: float)", None)
    assert [(field.name, field.comment) for field in fields(Pair)] == [("weight", "(d,), in pixels"), ("bias", "")]
    lines = ["Two things."]
    describe(None, "class", "Pair", Pair, None, lines)  # type: ignore[arg-type]
    assert lines[2:4] == ["* **weight** -- (d,), in pixels", "* **bias**"]
    assert without_fields(None, "class", "weight", Pair.weight, False, None) is True  # type: ignore[arg-type]
    assert without_fields(None, "class", "fit", Model.fit, False, None) is None  # type: ignore[arg-type]


def test_a_shape_stands_in_one_pair_of_parentheses():
    lines = ["* **x** (*(n, d)*) -- rows", "* **y** (*(n,) of int*)", "* **bias** (*float*)"]
    describe(None, "function", "f", sample, None, lines)  # type: ignore[arg-type]
    assert lines == ["* **x** *(n, d)* -- rows", "* **y** *(n,) of int*", "* **bias** (*float*)"]


class Inherited(nn.Conv2d):
    """Takes the constructor of another project."""


def test_a_constructor_of_another_project_is_left_to_autodoc():
    assert written(Inherited) is None


def test_what_has_no_source_is_left_to_autodoc():
    assert written(len) is None
    assert written(3) is None
    assert isinstance(FullNames({}), FullNames)


def test_an_abbreviation_that_another_module_defines_is_spelled_out():
    from dlbook.convolution import pooling

    scope = FullNames(vars(pooling))
    assert ast.unparse(scope.visit(ast.parse("Pair | None", mode="eval").body)) == "int | tuple[int, int] | None"
    assert ast.unparse(scope.visit(ast.parse("Tensor", mode="eval").body)) == "torch.Tensor"
