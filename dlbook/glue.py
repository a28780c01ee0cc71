"""Put what a cell computed into the prose of its page: a number, or the word whether a claim holds.

The format of the record is that of myst-nb (and of papermill's scrapbook before it): a display without any visible
part.  Writing it here, in a few lines, lets a reader run a chapter without the site's tool chain.
"""

import ast
import html
import linecache
import sys
from collections.abc import MappingView
from types import CodeType, FrameType
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

__all__ = ["claim", "glue"]

_PREFIX = "application/papermill.record/"
_LONGEST = 120  # characters of a measured value


def glue(name: str, text: str) -> None:
    """Record ``text`` under ``name``, for ``{glue:text}`name``` in the prose of the same page.

    Outside a notebook there is no page, and the call does nothing.

    Parameters
    ----------
    name : str
        Starts with the chapter: ``"lenet-error"``.
    text : str
        Formatted as the reader will see it: ``"0.95 %"``, not 0.0095.

    Raises
    ------
    ValueError
        If ``text`` is not a string: a raw float would print with its rounding errors.
    """
    if not isinstance(text, str):
        raise ValueError(f"glue({name!r}, ...) takes the text that the reader sees, found {type(text).__name__}")
    _record(name, text)


def claim(condition: Any, sentence: str) -> None:
    """State what an experiment showed, and check it: silent where it holds, a note on the page where it does not.

    Rounding differs between processors and training amplifies it, so what was seen on one machine may fail on another.
    A claim that fails stops nothing: the note says what the page says, and what was measured here.  What is equal by
    construction is an ``assert``.

    Parameters
    ----------
    condition : bool
        A comparison, written in the call: the note shows the two sides.  NumPy's and torch's kinds of bool do as well.
    sentence : str
        The claim in words that a reader of the page understands, no wider than the condition.

    Examples
    --------
    >>> curved, flat = 0.081, 0.080
    >>> claim(curved < 1, "the schedule learns")
    >>> claim(curved < flat, "the schedule beats every constant rate")
    On this machine: the page says that the schedule beats every constant rate. That did not hold here.
    Measured: curved = 0.081, flat = 0.08.
    """
    if not (isinstance(sentence, str) and sentence.strip()):
        raise ValueError(f"claim(condition, sentence) takes words that a reader understands, found {sentence!r}")
    try:
        holds = bool(condition)
    except (ValueError, RuntimeError, TypeError) as error:  # NumPy and torch refuse arrays in their own words
        raise ValueError(f"the condition of a claim is true or false, found {_short(condition)}") from error
    caller = sys._getframe(1)
    measured = "" if holds else _measured(caller)
    found = {"holds": holds, "sentence": sentence, "measured": measured, "line": caller.f_lineno}
    _record(f"claim {sentence}", sentence, claim=found)
    if not holds:
        _show_note(sentence, measured)


def _record(name: str, text: str, **more: Any) -> None:
    """Display what nobody sees and the build finds."""
    if get_ipython() is not None:
        metadata = {"scrapbook": {"name": name, "mime_prefix": _PREFIX, **more}}
        display({_PREFIX + "text/plain": repr(text)}, raw=True, metadata=metadata)


def _show_note(sentence: str, measured: str) -> None:
    said = f"the page says that {sentence}. That did not hold here."
    plain = f"On this machine: {said}" + (f"\nMeasured: {measured}." if measured else "")
    if get_ipython() is None:
        print(plain)
        return
    words = f"<p><strong>On this machine:</strong> {html.escape(said)}</p>"
    found = f"<p>Measured: <code>{html.escape(measured)}</code></p>" if measured else ""
    note = f'<div class="claim-failed admonition warning" role="note">{words}{found}</div>'
    display({"text/html": note, "text/plain": plain}, raw=True)


def _measured(frame: FrameType) -> str:
    """Return both sides of each comparison in the condition of the ``claim`` that ``frame`` is about to leave."""
    call = _call(frame.f_code, frame.f_lineno)
    if call is None or not call.args:
        return ""
    values: dict[str, str] = {}
    for side in _sides(call.args[0]):
        source = ast.unparse(side)
        if isinstance(side, ast.Constant) or source in values:
            continue
        try:
            code = compile(ast.Expression(side), "<claim>", "eval")
            values[source] = _short(eval(code, frame.f_globals, frame.f_locals))
        except Exception:  # a name of a comprehension, say: the note does without it
            continue
    return ", ".join(f"{source} = {value}" for source, value in values.items())


def _call(code: CodeType, line: int) -> ast.Call | None:
    """Return the innermost call of ``claim`` around ``line`` of the cell or file that ``code`` belongs to."""
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:  # a cell with magics
        return None
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "claim"
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return calls[-1] if calls else None


def _sides(condition: ast.expr) -> list[ast.expr]:
    """Return what is compared in ``a < b and not c == d``: a, b, c, d."""
    if isinstance(condition, ast.BoolOp):
        return [side for part in condition.values for side in _sides(part)]
    if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
        return _sides(condition.operand)
    if isinstance(condition, ast.Compare):
        return [condition.left, *condition.comparators]
    if isinstance(condition, ast.Call) and isinstance(condition.func, ast.Attribute):
        return _sides(condition.func.value)  # (a < b).all()
    if isinstance(condition, ast.Call) and ast.unparse(condition.func) in ("all", "any", "bool") and condition.args:
        inner = condition.args[0]
        if isinstance(inner, ast.GeneratorExp):  # the whole list that was looked at, not one element of it
            return [loop.iter for loop in inner.generators]
        return _sides(inner)
    return [condition]


def _short(value: Any) -> str:
    """Return a value as a reader wants it: four digits, and not more than fits a line."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if getattr(value, "ndim", None) == 0 or isinstance(value, float):
        value = value.item() if hasattr(value, "item") else value
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key!r}: {_short(one)}" for key, one in value.items()) + "}"
    elif isinstance(value, (list, tuple, MappingView)) or hasattr(value, "tolist"):
        text = "[" + ", ".join(map(_short, list(value)[:50])) + "]"
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
