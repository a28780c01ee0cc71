"""Print on the API page what the source says: types as written, and the fields of named tuples with their comments.

autodoc evaluates annotations; NumPy's ``ArrayLike`` then fills eight lines with the private classes that it stands for,
none of which has a page. Here an annotation stays what its author wrote, with each name spelled out so that it becomes
a link. A field of a named tuple would be described as "Alias for field number 0".
"""

import ast
import copy
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from sphinx.application import Sphinx

PUBLIC = {"ArrayLike": "numpy.typing.ArrayLike", "NDArray": "numpy.typing.NDArray", "Tensor": "torch.Tensor"}


class Field(NamedTuple):
    """One field of a named tuple."""

    name: str
    annotation: ast.expr
    default: ast.expr | None
    comment: str


class FullNames(ast.NodeTransformer):
    """Replace the names in an annotation by those under which the Sphinx inventories know them."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Spell out a name, or what it abbreviates: ``Floats = NDArray[np.float64]`` at the top of the module."""
        module = home(self.scope["__name__"], node.id)
        alias = aliases(module).get(node.id)
        if alias is None:
            return ast.Name(self.full(node.id))
        return FullNames(vars(importlib.import_module(module))).visit(copy.deepcopy(alias))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Spell out the module before the dot: ``np.float64`` is ``numpy.float64``."""
        return ast.Attribute(self.visit(node.value), node.attr)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Spell out both sides of the bracket, but leave the strings of a ``Literal`` what they are."""
        outside = self.visit(node.value)
        literal = ast.unparse(outside) == "typing.Literal"
        return ast.Subscript(outside, node.slice if literal else self.visit(node.slice))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Read an annotation in quotes as what it quotes."""
        return self.visit(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node

    def full(self, name: str) -> str:
        """Return the full name of what ``name`` means in the module."""
        if name in PUBLIC:
            return PUBLIC[name]
        meaning = self.scope.get(name)
        if inspect.ismodule(meaning):
            return meaning.__name__
        home = getattr(meaning, "__module__", None)
        return (
            f"{home}.{name}"
            if home and home not in {"builtins"} and getattr(meaning, "__name__", name) == name
            else name
        )


@cache
def home(module: str, name: str) -> str:
    """Return the module of the package from which ``module`` imports ``name``; itself if it does not."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for node in (node for node in tree.body if isinstance(node, ast.ImportFrom)):
        ours = (node.module or "").split(".")[0] == module.split(".")[0]
        if ours and any((alias.asname or alias.name) == name for alias in node.names):
            return str(node.module)
    return module


@cache
def aliases(module: str) -> dict[str, ast.expr]:
    """Return the abbreviations of types that a module defines, such as ``Points = tuple[Tensor, Tensor]``."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    plain = [node for node in tree.body if isinstance(node, ast.Assign) and len(node.targets) == 1]
    named = [(node.targets[0], node.value) for node in plain]
    return {
        name.id: value
        for name, value in named
        if isinstance(name, ast.Name) and isinstance(value, ast.Subscript | ast.BinOp)
    }


def definition(function: Any) -> ast.FunctionDef | None:
    """Return the source of a function as a tree, or None if there is none to be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree.body[0] if isinstance(tree.body[0], ast.FunctionDef) else None


def fields(cls: type) -> Iterator[Field]:
    """Yield the fields of a named tuple as its source has them."""
    source = textwrap.dedent(inspect.getsource(cls))
    (tree,) = ast.parse(source).body
    lines = source.splitlines()
    assert isinstance(tree, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = lines[(node.end_lineno or node.lineno) - 1]
            yield Field(node.target.id, node.annotation, node.value, last[node.end_col_offset :].strip(" #"))


def is_named_tuple(obj: Any) -> bool:
    """Tell whether an object is a class of named tuples."""
    return inspect.isclass(obj) and issubclass(obj, tuple) and hasattr(obj, "_fields")


def as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Return signature and returned type of a function, method or class, from their source."""
    if is_named_tuple(obj):
        names = FullNames(vars(importlib.import_module(obj.__module__)))
        parts = [f"{field.name}: {ast.unparse(names.visit(field.annotation))}" for field in fields(obj)]
        return f"({', '.join(parts)})", None
    function = inspect.unwrap(obj.__init__ if inspect.isclass(obj) else obj) if callable(obj) else None
    if signature is None or not inspect.isfunction(function):
        return None
    if function.__module__.split(".")[0] != getattr(obj, "__module__", "").split(".")[0]:
        return None  # inherited from another project, whose private names have no page
    tree = definition(function)
    if tree is None:  # what a decorator made, such as the constructor of a dataclass
        return None
    names = FullNames(function.__globals__)
    arguments = tree.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if argument is not None and argument.annotation is not None:
            argument.annotation = names.visit(argument.annotation)
    positional = arguments.posonlyargs or arguments.args
    if positional and positional[0].arg in {"self", "cls"}:
        del positional[0]
    returned = None if tree.returns is None or inspect.isclass(obj) else ast.unparse(names.visit(tree.returns))
    return f"({ast.unparse(arguments)})", returned


def describe(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """List the fields of a named tuple with their comments; write a shape once in parentheses, not twice."""
    if is_named_tuple(obj):
        lines += [
            "",
            *(f"* **{field.name}**{f' -- {field.comment}' * bool(field.comment)}" for field in fields(obj)),
            "",
        ]
    for i, line in enumerate(lines):
        lines[i] = re.sub(r"(\*\*\w+\*\*) \(\*(\(.*\)[^()]*)\*\)", r"\1 *\2*", line)


def without_fields(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave the fields of named tuples out of the members."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-process-docstring", describe, priority=900)  # after napoleon
    app.connect("autodoc-skip-member", without_fields)
