"""The Markdown of a page, taken apart: directives with their options, and what lies between them."""

import re
from collections.abc import Iterator

FENCE = re.compile(r"^(?P<ticks>`{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\})?[ ]?(?P<rest>.*)$")
EXERCISES = ("exercise", "exercise-start")
THEOREMS = {
    f"prf:{kind}": kind.capitalize()
    for kind in "theorem lemma definition proposition corollary algorithm example remark".split()
}
TABLES = ("table", "list-table")
# the book's macros: the site's KaTeX knows them, Jupyter's MathJax gets them written out
MACROS = {r"\E": r"\mathbb{E}", r"\R": r"\mathbb{R}"}


def blocks(lines: list[str]) -> Iterator[str | tuple[str, str, dict[str, str], list[str]]]:
    """Yield plain lines, and (name, rest, options, body) for each directive; plain code fences pass as lines."""
    i = 0
    while i < len(lines):
        fence = FENCE.match(lines[i])
        if not fence:
            yield lines[i]
            i += 1
            continue
        ticks = fence["ticks"]
        close = re.compile(rf"^{ticks[0]}{{{len(ticks)},}}\s*$")
        # colon fences of equal length nest by count: an opening line has a name, a closing one has none
        depth, end = 1, i + 1
        while end < len(lines):
            if close.match(lines[end]):
                depth -= 1
            elif ticks[0] == ":" and lines[end].startswith(f"{ticks}{{"):
                depth += 1
            if depth == 0:
                break
            end += 1
        body = lines[i + 1 : end]
        if fence["name"]:
            yield fence["name"], fence["rest"].strip(), *_split_options(body)
        else:
            yield "\n".join(lines[i : end + 1])
        i = end + 1


def _split_options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    last = ""
    n = 0
    while n < len(body):
        match = re.match(r"^:([\w-]+):\s*(.*)$", body[n])
        if match:
            last = match[1]
            options[last] = match[2]
        elif last and body[n].startswith(" ") and body[n].strip():
            options[last] += " " + body[n].strip()
        else:
            break
        n += 1
    return {name: _unquoted(text) for name, text in options.items()}, body[n:]


def _unquoted(text: str) -> str:
    """Return the text of an option, which may be quoted as in YAML."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
