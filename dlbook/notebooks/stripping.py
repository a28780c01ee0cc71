"""Code cells without what only serves the page: lines that glue, and folds for what the page leaves out."""

import ast
from collections.abc import Iterator
from typing import Any

_FOR_THE_PAGE = {"glue": "dlbook.glue", "live": "dlbook.live"}  # and where each comes from


def without_glue(code: str) -> str:
    r"""Drop the statements that put numbers and arrays on the page, and the import that brings what does.

    Examples
    --------
    >>> print(without_glue("from dlbook.glue import claim, glue\nglue('small-x', 'x')\nclaim(1 < 2, 'one is less')"))
    from dlbook.glue import claim
    claim(1 < 2, 'one is less')
    """
    lines = code.splitlines()
    tree = ast.parse(code)
    for node in sorted(_statements_of_glue(tree.body), key=lambda node: -node.lineno):
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if alias.name not in _FOR_THE_PAGE]
        kept = [ast.unparse(node)] if isinstance(node, ast.ImportFrom) and node.names else []
        lines[node.lineno - 1 : node.end_lineno] = kept
    return "\n".join(lines).strip("\n")


def _statements_of_glue(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what :func:`without_glue` drops or rewrites, in loops and branches too."""
    for node in body:
        if _imports(node) or _glues(node):
            yield node
        else:
            for inner in ("body", "orelse"):
                yield from _statements_of_glue(getattr(node, inner, []))


def _imports(statement: ast.stmt) -> bool:
    """Tell whether a statement imports what puts something on the page."""
    if not isinstance(statement, ast.ImportFrom):
        return False
    return any(_FOR_THE_PAGE.get(alias.name) == statement.module for alias in statement.names)


def _glues(statement: ast.stmt) -> bool:
    """Tell whether a statement does nothing but call ``glue`` or ``live``, in a loop perhaps."""
    if isinstance(statement, (ast.For, ast.If, ast.With)):
        return all(map(_glues, [*statement.body, *getattr(statement, "orelse", [])]))
    return any(_calls(statement, name) for name in _FOR_THE_PAGE)


def _claims(statement: ast.stmt) -> bool:
    """Tell whether a statement does nothing but state claims and assertions, in a loop perhaps."""
    if isinstance(statement, (ast.For, ast.If)):
        return all(map(_claims, [*statement.body, *statement.orelse]))
    return isinstance(statement, ast.Assert) or _calls(statement, "claim")


def _calls(statement: ast.stmt, name: str) -> bool:
    """Tell whether a statement is a call of the function ``name``."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Call) and ast.unparse(value.func) == name


def folding(tags: list[str], code: str, in_solution: bool) -> dict[str, Any]:
    """Return the metadata of a code cell: its tags, and what Jupyter collapses as the page folds or leaves it out."""
    if in_solution:
        tags = [*tags, *(tag for tag in ("hide-input", "hide-output") if tag not in tags)]
    source = bool({"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(tags)) or _only_claims(code)
    outputs = bool({"hide-output", "hide-cell", "remove-output"} & set(tags))
    hidden = {name: True for name, folded in (("source_hidden", source), ("outputs_hidden", outputs)) if folded}
    return {"tags": tags} | ({"jupyter": hidden} if hidden else {})


def _only_claims(code: str) -> bool:
    try:
        body = ast.parse(code).body
    except SyntaxError:  # a magic
        return False
    return any(_calls(node, "claim") for node in body) and all(map(_claims, body))
