"""Print signatures on the API page with the types that the source writes.

autodoc evaluates annotations; NumPy's ``ArrayLike`` then fills eight lines with the private classes that it stands for, none
of which has a page.  Here an annotation stays what its author wrote, with each name spelled out so that it becomes a link.
"""

import ast
import inspect
import textwrap
from typing import Any

from sphinx.application import Sphinx

PUBLIC = {"ArrayLike": "numpy.typing.ArrayLike", "NDArray": "numpy.typing.NDArray", "Tensor": "torch.Tensor"}


class FullNames(ast.NodeTransformer):
    """Replace the names in an annotation by those under which the Sphinx inventories know them."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802
        """Spell out a name."""
        return ast.Name(self.full(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # noqa: N802
        """Spell out the module before the dot: ``np.float64`` is ``numpy.float64``."""
        return ast.Attribute(self.visit(node.value), node.attr)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:  # noqa: N802
        """Read an annotation in quotes as what it quotes."""
        return self.visit(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node  # type: ignore[no-any-return]

    def full(self, name: str) -> str:
        """Return the full name of what ``name`` means in the module."""
        if name in PUBLIC:
            return PUBLIC[name]
        meaning = self.scope.get(name)
        if inspect.ismodule(meaning):
            return meaning.__name__
        home = getattr(meaning, "__module__", None)
        return f"{home}.{name}" if home and home not in {"builtins"} and getattr(meaning, "__name__", name) == name else name


def definition(function: Any) -> ast.FunctionDef | None:
    """Return the source of a function as a tree, or None if there is none to be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree.body[0] if isinstance(tree.body[0], ast.FunctionDef) else None


def as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Return signature and returned type of a function, method or class, from their source."""
    function = inspect.unwrap(obj.__init__ if inspect.isclass(obj) else obj) if callable(obj) else None
    if signature is None or not inspect.isfunction(function):
        return None
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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-process-signature", as_written)
    return {"version": "1", "parallel_read_safe": True}
