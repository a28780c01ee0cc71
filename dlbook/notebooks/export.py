"""Turn a chapter into a notebook that reads cleanly in Jupyter: what only the site understands becomes plain Markdown.

Glued numbers are filled in, references and citations become words and links, exercises, theorems and quizzes become
headings and paragraphs, captions stand under their figures, and cells that only serve the page lose the lines that do.
Figures, equations, exercises and theorems have the numbers of the page.  Solutions and answers are folded.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlbook.notebooks.chapters import CHECKOUT, PACKAGE, answer_order, chapters, pages, read, toc

if TYPE_CHECKING:
    from nbformat import NotebookNode

_FENCE = re.compile(r"^(?P<ticks>`{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\})?[ ]?(?P<rest>.*)$")
_ROLE = re.compile(r"\{(?P<role>[\w:]+)\}`(?P<text>[^`]+)`")
_LABEL = re.compile(r"^\((?P<label>[\w:.-]+)\)=\s*$", flags=re.M)
_EXERCISES = ("exercise", "exercise-start")
_THEOREMS = {
    f"prf:{kind}": kind.capitalize()
    for kind in "theorem lemma definition proposition corollary algorithm example remark".split()
}
_TABLES = ("table", "list-table")
_BOXES = {"admonition", "note", "tip", "warning", "important", "seealso", "dropdown", "hint", "caution", "attention"}
_UNTITLED_BOXES = {"margin", "sidebar", "epigraph", "topic"}
_AT_A_GLANCE = {"will": "You will", "needs": "Needs", "code": "Code"}
# what the site's KaTeX knows and Jupyter's MathJax does not; the book's own macros are in book/_ext/fixes.py
_MACROS = {r"\E": r"\mathbb{E}", r"\R": r"\mathbb{R}"}
_REFUSE = """\
    raise ModuleNotFoundError(
        "the cells below need the package dlbook: in a clone of the book, type  pip install '.[notebook]'  "
        "(or install its wheel, with that extra), then restart this kernel"
    )"""


class Addresses(NamedTuple):
    """Where the book is published; empty where it is not."""

    site: str = ""
    repository: str = ""


def published() -> Addresses:
    """Return the addresses in ``[project.urls]`` of pyproject.toml: Homepage is the site, Repository the source."""
    file = CHECKOUT / "pyproject.toml"
    if file.exists():
        urls = tomllib.loads(file.read_text(encoding="utf8"))["project"].get("urls", {})
    else:  # installed from a wheel, which carries them as "Homepage, https://..."
        lines = metadata.metadata("dlbook").get_all("Project-URL") or []
        urls = dict(line.split(", ", 1) for line in lines)
    return Addresses(urls.get("Homepage", "").rstrip("/"), urls.get("Repository", "").rstrip("/"))


def to_notebook(
    path: Path, executed: "NotebookNode | None" = None, *, addresses: Addresses | None = None
) -> "NotebookNode":
    """Return the chapter at ``path`` as a notebook.

    Parameters
    ----------
    path : Path
        Its Markdown source.
    executed : NotebookNode, optional
        The same chapter with outputs, as :func:`~dlbook.notebooks.execution.execute` returns it; without it
        there are no outputs,
        and a glued number reads "(computed when the cells run)".
    addresses : Addresses, optional
        Where the book is published, for links to other pages and for the installation: by default what
        :func:`published` finds.  Without a site a link becomes its words.

    Raises
    ------
    MissingExtraError
        If the extra ``notebook`` is not installed.
    ValueError
        If the source holds a role or directive that this module does not know: it would stand raw in the notebook.
    """
    import nbformat

    source = read(path)
    addresses = published() if addresses is None else addresses
    context = _Context(path, source, executed, addresses.site)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": dict(source.metadata["kernelspec"])})
    notebook.metadata["language_info"] = {"name": "python"}
    cells = _first_cells(context.chapter, addresses)
    for i, cell in enumerate(source.cells):
        if cell.cell_type == "markdown":
            text = context.cell(cell.source)
            if text:
                cells.append(nbformat.v4.new_markdown_cell(text))
            continue
        done = executed.cells[i] if executed is not None else None
        code = without_glue(cell.source) if "glue" in cell.source else cell.source
        if code.strip():
            tags = list(cell.metadata.get("tags", []))
            new = nbformat.v4.new_code_cell(code, metadata=_folding(tags, code, context.solution is not None))
            if done is not None:
                new.execution_count = done.execution_count
                new.outputs = [output for output in done.outputs if "scrapbook" not in output.get("metadata", {})]
            cells.append(new)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("caption"):
            cells.append(
                nbformat.v4.new_markdown_cell(context.caption("Fig.", figure.get("name", ""), str(figure["caption"])))
            )
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"  # nbformat's own ids are random, and two builds of one commit are equal
    notebook.cells = cells
    return notebook


def _first_cells(chapter: str, addresses: Addresses) -> list["NotebookNode"]:
    """Return what a notebook begins with: where it comes from, and the package that its cells need."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    book = f"[Deep Learning, Executed]({addresses.site})" if addresses.site else "Deep Learning, Executed"
    words = f"*{f'Chapter {chapter}' if chapter else 'A page'} of {book}, as a notebook.*"
    if addresses.repository:
        missing = f'    %pip install -q "dlbook[notebook] @ git+{addresses.repository}"'
        words += " Its cells use the book's package, `dlbook`; the next cell brings it where it is missing."
    else:
        missing = _REFUSE
        words += (
            " Its cells use the book's package, `dlbook`, which no package index has: install it from a clone of the "
            'book, by `pip install ".[notebook]"` in its folder, or from its wheel, by '
            '`pip install "FILE.whl[notebook]"`. The next cell says whether it is there.'
        )
    code = f'import importlib.util\n\nif importlib.util.find_spec("dlbook") is None:\n{missing}'
    return [new_markdown_cell(words), new_code_cell(code)]


def without_glue(code: str) -> str:
    r"""Drop the statements that put numbers on the page, and ``glue`` from the import that brings it.

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
            node.names = [alias for alias in node.names if alias.name != "glue"]
        kept = [ast.unparse(node)] if isinstance(node, ast.ImportFrom) and node.names else []
        lines[node.lineno - 1 : node.end_lineno] = kept
    return "\n".join(lines).strip("\n")


def _statements_of_glue(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what :func:`without_glue` drops or rewrites, in loops and branches too."""
    for node in body:
        imported = isinstance(node, ast.ImportFrom) and any(alias.name == "glue" for alias in node.names)
        if imported or _glues(node):
            yield node
        else:
            for inner in ("body", "orelse"):
                yield from _statements_of_glue(getattr(node, inner, []))


def _glues(statement: ast.stmt) -> bool:
    """Tell whether a statement does nothing but call ``glue``, in a loop perhaps."""
    if isinstance(statement, (ast.For, ast.If, ast.With)):
        return all(map(_glues, [*statement.body, *getattr(statement, "orelse", [])]))
    return _calls(statement, "glue")


def _claims(statement: ast.stmt) -> bool:
    """Tell whether a statement does nothing but state claims and assertions, in a loop perhaps."""
    if isinstance(statement, (ast.For, ast.If)):
        return all(map(_claims, [*statement.body, *statement.orelse]))
    return isinstance(statement, ast.Assert) or _calls(statement, "claim")


def _calls(statement: ast.stmt, name: str) -> bool:
    """Tell whether a statement is a call of the function ``name``."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Call) and ast.unparse(value.func) == name


def _folding(tags: list[str], code: str, in_solution: bool) -> dict[str, Any]:
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


class _Context:
    """What the references of one page mean: numbers, titles, glued values, papers; and how far it has been read."""

    def __init__(self, path: Path, source: "NotebookNode", executed: "NotebookNode | None", site: str) -> None:
        self.site, self.path = site.rstrip("/"), path
        self.glued = _glued(executed)
        self.chapter = chapter_numbers().get(path, "")
        self.numbers = _numbers(source, self.chapter)
        self.unlabelled: dict[str, int] = {}  # how many of a kind have been written
        self.titles = _titles()
        self.solution: str | None = None  # summary line of the solution that is open here, over several cells
        text = "\n".join(cell.source for cell in source.cells if cell.cell_type == "markdown")
        lists = re.findall(r"\{cite:?\w*\}`([^`]+)`", text)
        self.cited = {key.strip() for keys in lists for key in keys.split(",")}
        self.papers = _papers(self.cited)

    def cell(self, text: str) -> str:
        """Return the text of a cell in plain Markdown; a solution, which may go on over several cells, is folded."""
        out: list[str] = []
        folded: list[str] = []
        begins = False

        def fold() -> None:
            text = self.tidy(folded)
            if text:
                out.append(_details(str(self.solution), text))
            elif begins:
                out.append(f"**{self.solution}**: folded, in the next cell")
            folded.clear()

        for block in _blocks(_LABEL.sub("", text).splitlines()):
            name = block[0] if isinstance(block, tuple) else ""
            if name == "solution-start":
                self.solution, begins = self.solution_of(block[1]), True
            elif name == "solution-end":
                fold()
                self.solution, begins = None, False
            else:
                lines = out if self.solution is None else folded
                lines.append(block if isinstance(block, str) else self.directive(*block))
        if self.solution is not None:
            fold()
            self.solution = self.solution.removesuffix(", continued") + ", continued"
        return self.tidy(out)

    def plain(self, text: str) -> str:
        """Return ``text`` in plain Markdown."""
        blocks = _blocks(_LABEL.sub("", text).splitlines())
        return self.tidy([block if isinstance(block, str) else self.directive(*block) for block in blocks])

    def tidy(self, lines: list[str]) -> str:
        """Return lines as a text without roles and without rows of empty lines."""
        return re.sub(r"\n{3,}", "\n\n", self.inline("\n".join(lines))).strip()

    def solution_of(self, label: str) -> str:
        return f"Solution to {self.number(label.strip()) or 'the exercise'}"

    def number(self, label: str) -> str:
        """Return "Fig. 15.1" for its label, of this page or another, or nothing."""
        return self.numbers.get(label) or (_other_numbers().get(label, "") if label not in self.titles else "")

    def number_here(self, kind: str, label: str) -> str:
        """Return the number of what is being written; without a label it is the next of its kind that has none."""
        if not label:
            self.unlabelled[kind] = self.unlabelled.get(kind, 0) + 1
            label = f"{kind} without a label {self.unlabelled[kind]}"
        return self.numbers[label]

    def caption(self, kind: str, label: str, text: str) -> str:
        """Return the caption of a figure or table."""
        return f"**{self.number_here(kind, label)}.** {self.plain(text)}"

    def inline(self, text: str) -> str:
        """Replace roles, internal links, equation labels and macros."""
        text = re.sub(r"^(\$\$)[ ]*\((eq-[\w-]+)\)[ ]*$", lambda m: self._tag(m[2]) + "$$", text, flags=re.M)
        text = re.sub(r"(\$\$)[ ]*\((eq-[\w-]+)\)", lambda m: self._tag(m[2]) + "$$", text)
        text = _ROLE.sub(lambda m: self.role(m["role"], m["text"]), text)
        text = re.sub(r"\[([^\]]*)\]\(#([\w:.-]+)\)", lambda m: self.link(m[1], m[2]), text)
        text = re.sub(r"(?<=\])\{[.#][^}]*\}", "", text)
        return re.sub(r"\\[A-Za-z]+", lambda m: _MACROS.get(m[0], m[0]), text)

    def _tag(self, label: str) -> str:
        return rf"\tag{{{self.numbers[label].strip('()')}}} "

    def link(self, text: str, label: str) -> str:
        page, title = self.titles.get(label, ("", ""))
        words = text or title
        return f"[{words}]({self.site}/{page}.html#{label})" if self.site and page else words

    def role(self, role: str, text: str) -> str:
        match = re.fullmatch(r"(.*?)\s*<([^>]+)>", text)
        words, target = (match[1], match[2]) if match else ("", text)
        if role in ("glue:text", "glue"):
            return self.glued.get(target.split(":")[0], "(computed when the cells run)")
        if role == "eq":
            return self.number(target) or "the equation"
        if role in ("numref", "prf:ref"):
            return words if words and "%s" not in words else self.number(target) or self.link("", target)
        if role in ("ref", "doc"):
            page = target.rsplit("/", 1)[-1] if role == "doc" else target
            return self.link(words, page) if words else self.number(target) or self.link("", page)
        if role.startswith("cite"):
            return self.cite(role, target.split(","))
        if role in ("math",):
            return f"${text}$"
        if role in ("py:func", "py:class", "py:mod", "py:meth", "func", "class", "mod", "meth", "py:obj", "py:data"):
            return f"`{words or target.lstrip('~!').removeprefix('dlbook.')}`"
        if role in ("sub", "sup", "abbr", "kbd", "term", "download"):
            return words or target
        raise ValueError(f"{self.path}: the notebook export does not know the role {{{role}}}`{text}`")

    def cite(self, role: str, keys: list[str]) -> str:
        keys = [key.strip() for key in keys]
        if unknown := set(keys) - set(self.papers):
            raise ValueError(f"{self.path}: references.bib has no {', '.join(sorted(unknown))}")
        if role in ("cite:t", "cite:ts"):
            return " and ".join("{} ({})".format(*self.papers[key][:2]) for key in keys)
        if role == "cite:author":
            return " and ".join(self.papers[key][0] for key in keys)
        if role == "cite:year":
            return ", ".join(self.papers[key][1] for key in keys)
        return "(" + "; ".join("{}, {}".format(*self.papers[key][:2]) for key in keys) + ")"

    def directive(self, name: str, rest: str, options: dict[str, str], body: list[str]) -> str:
        """Return a directive as Markdown paragraphs."""
        inner = lambda: self.plain("\n".join(body))  # noqa: E731
        label = options.get("label", options.get("name", ""))
        if name in _EXERCISES:
            return f"**{self.number_here('Exercise', label)}**{f' {self.inline(rest)}' if rest else ''}\n\n{inner()}"
        if name in _THEOREMS:
            number = self.number_here(_THEOREMS[name], label)
            return f"**{number}{f' ({self.inline(rest)})' if rest else ''}.**\n\n{inner()}"
        if name == "prf:proof":
            return f"**Proof.** {inner()} ∎"
        if name == "solution":
            return _details(self.solution_of(rest), inner())
        if name == "exercise-end":
            return ""
        if name == "quiz":
            return _quiz("\n".join(body), self.inline)
        if name == "at-a-glance":
            return _table(
                [
                    ["", ""],
                    *(
                        [word, self.at_a_glance(key, options[key])]
                        for key, word in _AT_A_GLANCE.items()
                        if key in options
                    ),
                ]
            )
        if name == "bibliography":
            return "\n".join(f"- {self.papers[key][2]}" for key in sorted(self.cited))
        if name == "math":
            tag = self._tag(label) if label in self.numbers else ""
            return "$$\n" + "\n".join(body) + f"\n{tag}$$"
        if name == "raw":
            return "*(A drawing or an interactive figure stands here on the site.)*" if "<svg" in "".join(body) else ""
        if name == "figure":
            text = self.caption("Fig.", label, "\n".join(body))
            return text if rest.startswith("#") or not rest else f"*({options.get('alt', 'A picture')})*\n\n{text}"
        if name in ("glue:figure", "image", "tableofcontents", "toctree", "contents"):
            return ""
        if name in _TABLES:
            table = inner() if name == "table" else self.list_table(options, body)
            return (self.caption("Table", label, rest) + "\n\n" if rest else "") + table
        if "dropdown" in options.get("class", "").split() or name == "dropdown":
            return _details(self.inline(rest) or name.capitalize(), inner())
        if name in _BOXES or name in _UNTITLED_BOXES:
            title = rest or ("" if name in _UNTITLED_BOXES else name.capitalize())
            text = (f"**{self.inline(title)}** " if title else "") + inner()
            return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
        if name in ("div", "container", "tab-set", "tab-item", "grid", "grid-item", "card"):
            return (f"**{rest}**\n\n" if name == "tab-item" else "") + inner()
        if name in ("code-block", "code", "literalinclude"):
            return f"```{rest}\n" + "\n".join(body) + "\n```"
        raise ValueError(f"{self.path}: the notebook export does not know the directive {{{name}}}")

    def at_a_glance(self, key: str, text: str) -> str:
        """Return an entry of the list at the top; modules are code."""
        return re.sub(r"`?\b(dlbook(?:\.\w+)+)`?", r"`\1`", text) if key == "code" else self.inline(text)

    def list_table(self, options: dict[str, str], body: list[str]) -> str:
        """Return the table that a list of lists is."""
        rows: list[list[str]] = []
        for line in body:
            row, cell = re.match(r"^\* -(.*)$", line), re.match(r"^  -(.*)$", line)
            if row:
                rows.append([row[1].strip()])
            elif cell:
                rows[-1].append(cell[1].strip())
            elif line.strip() and rows:
                rows[-1][-1] += " " + line.strip()
        rows = [[self.inline(text) for text in row] for row in rows]
        return _table(rows if options.get("header-rows") else [[""] * len(rows[0]), *rows])


def _table(rows: list[list[str]]) -> str:
    """Return a Markdown table whose first row is its head."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(map(_without_bars, cells)) + " |"

    return "\n".join([line(rows[0]), "|" + ":--|" * len(rows[0]), *map(line, rows[1:])])


def _without_bars(text: str) -> str:
    r"""Replace what would end the cell of a table, in formulas by the command that looks the same.

    Examples
    --------
    >>> print(_without_bars(r"a|b and $|x| \le \|y\|$"))
    a\|b and $\vert x\vert  \le \Vert y\Vert $
    """
    parts = re.split(r"(\$[^$]*\$)", text)
    parts[1::2] = [formula.replace(r"\|", r"\Vert ").replace("|", r"\vert ") for formula in parts[1::2]]
    parts[::2] = [re.sub(r"(?<!\\)\|", r"\\|", words) for words in parts[::2]]
    return "".join(parts)


def _details(summary: str, text: str) -> str:
    """Return a text that the reader opens."""
    return f"\n<details><summary>{summary}</summary>\n\n{text}\n\n</details>\n"


def _blocks(lines: list[str]) -> Iterator[str | tuple[str, str, dict[str, str], list[str]]]:
    """Yield plain lines, and (name, rest, options, body) for each directive; plain code fences pass as lines."""
    i = 0
    while i < len(lines):
        fence = _FENCE.match(lines[i])
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


@cache
def chapter_numbers() -> dict[Path, str]:
    """Return the numbers that the site gives to chapters: those of the parts that are numbered count on."""
    import yaml

    contents = yaml.safe_load(toc().read_text(encoding="utf8"))
    numbered = [
        bool(part.get("numbered"))
        for part in contents["parts"]
        for entry in part["chapters"]
        for _ in [entry, *entry.get("sections", [])]
    ]
    found: dict[Path, str] = {}
    for path, counts in zip(pages()[1:], numbered, strict=True):  # the first is the landing page
        if counts:
            found[path] = str(len(found) + 1)
    return found


@cache
def _other_numbers() -> dict[str, str]:
    """Return the numbers of all labels of the book."""
    known = chapter_numbers()
    return {
        label: number
        for found in chapters().values()
        for label, number in _numbers(read(found.path), known.get(found.path, "")).items()
    }


def _numbers(source: "NotebookNode", chapter: str) -> dict[str, str]:
    """Return by label how the page calls its figures, tables, equations, exercises and theorems.

    As on the page, each kind counts on its own, with or without a label; but an equation needs a label, and a figure or
    table a caption.
    """
    numbers: dict[str, str] = {}
    counts: dict[str, int] = {}
    unlabelled: dict[str, int] = {}

    def count(kind: str, label: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        number = f"{chapter}.{counts[kind]}" if chapter else str(counts[kind])
        if not label:
            unlabelled[kind] = unlabelled.get(kind, 0) + 1
            label = f"{kind} without a label {unlabelled[kind]}"
        numbers[label] = f"({number})" if kind == "Equation" else f"{kind} {number}"

    def walk(lines: list[str]) -> None:
        for block in _blocks(lines):
            if isinstance(block, str):
                for label in re.findall(r"\$\$[ ]*\((eq-[\w-]+)\)", block):
                    count("Equation", label)
                continue
            name, rest, options, body = block
            label = options.get("label", options.get("name", ""))
            if name in _EXERCISES or name in _THEOREMS:
                count(_THEOREMS.get(name, "Exercise"), label)
            elif name == "figure":
                count("Fig.", label)
            elif label and name == "math":
                count("Equation", label)
            elif rest and name in _TABLES:
                count("Table", label)
            if name not in ("quiz", "raw", "code-block", "code"):
                walk(body)

    for cell in source.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if cell.cell_type == "markdown":
            walk(cell.source.splitlines())
        elif figure.get("caption"):
            count("Fig.", figure.get("name", ""))
    return numbers


def _glued(executed: "NotebookNode | None") -> dict[str, str]:
    if executed is None:
        return {}
    outputs = (output for cell in executed.cells for output in cell.get("outputs", []))
    records = (output for output in outputs if "scrapbook" in output.get("metadata", {}))
    return {r.metadata["scrapbook"]["name"]: ast.literal_eval(next(iter(r.data.values()))) for r in records}


def _titles() -> dict[str, tuple[str, str]]:
    """Return, for every label of the book that stands before a heading or a paragraph, its page and the heading."""
    found = {}
    for path in pages():
        text = path.read_text(encoding="utf8") if path.exists() else ""
        page = f"book/{path.stem}" if path.parent.name in ("book", "_book") else f"book/{path.parent.name}/{path.stem}"
        for match in re.finditer(r"^\(([\w:.-]+)\)=\s*\n+(?:#+ (.+))?", text, flags=re.M):
            found[match[1]] = (
                page,
                match[2] or chapters()[path.stem].title if path.stem in chapters() else match[2] or path.stem,
            )
    return found


def _papers(keys: set[str]) -> dict[str, tuple[str, str, str]]:
    """Return (authors, year, reference) of these entries of the bibliography; one that is not there is left out."""
    from pybtex.database import parse_file

    bib = CHECKOUT / "book" / "references.bib"
    path = bib if bib.exists() else PACKAGE / "_book" / "references.bib"
    papers = {}
    for key, entry in parse_file(str(path), wanted_entries=keys).entries.items():
        names = [
            _clean(" ".join([*person.prelast_names, *person.last_names])) for person in entry.persons.get("author", [])
        ]
        who = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}" if len(names) == 2 else f"{names[0]} et al."
        fields = entry.fields
        where = next(
            (fields[f] for f in ("journal", "booktitle", "publisher", "institution", "howpublished") if f in fields), ""
        )
        reference = (
            f"{', '.join(names)} ({fields.get('year', 'n.d.')}). {_clean(fields['title'])}. {_clean(where)}".strip()
            + "."
        )
        papers[key] = (who, fields.get("year", "n.d."), reference)
    return papers


def _clean(tex: str) -> str:
    from pybtex.richtext import Text

    return str(Text.from_latex(tex)).replace("\xa0", " ")


def _quiz(body: str, inline: Callable[[str], str]) -> str:
    import yaml

    out = []
    questions: list[dict[str, Any]] = yaml.safe_load(body)
    for n, item in enumerate(questions, 1):
        order = answer_order(str(item["question"]), [str(answer["text"]) for answer in item["answers"]])
        shown = [(letter, item["answers"][i]) for letter, i in zip("ABCDEFGH", order, strict=False)]
        options = [f"- **{letter}.** {inline(str(answer['text'])).strip()}" for letter, answer in shown]
        answers = [
            f"- **{letter}** is {'right' if answer.get('right') else 'wrong'}. {inline(str(answer['why'])).strip()}"
            for letter, answer in shown
        ]
        question = f"**Question {n}.** {inline(str(item['question'])).strip()}"
        out += [question, "\n".join(options), _details("Answer", "\n".join(answers)).strip()]
    return "\n\n".join(out) + "\n"
