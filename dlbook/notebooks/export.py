"""Turn a chapter into a notebook that reads cleanly in Jupyter: what only the site understands becomes plain Markdown.

Glued numbers are filled in, references and citations become words and links, exercises, theorems and quizzes become
headings and paragraphs, captions stand under their figures, and cells that only serve the page lose the lines that do.
Figures, equations, exercises and theorems have the numbers of the page.  Solutions and answers are folded.
"""

import ast
import re
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dlbook.notebooks.chapters import CHECKOUT, PACKAGE, chapters, pages, read
from dlbook.notebooks.markup import EXERCISES, MACROS, TABLES, THEOREMS, blocks
from dlbook.notebooks.numbering import chapter_numbers, numbers_of, numbers_of_the_book
from dlbook.notebooks.stripping import folding, without_glue

if TYPE_CHECKING:
    from nbformat import NotebookNode

_ROLE = re.compile(r"\{(?P<role>[\w:]+)\}`(?P<text>[^`]+)`")
_LABEL = re.compile(r"^\((?P<label>[\w:.-]+)\)=\s*$", flags=re.M)
_BOXES = {"admonition", "note", "tip", "warning", "important", "seealso", "dropdown", "hint", "caution", "attention"}
_UNTITLED_BOXES = {"margin", "sidebar", "epigraph", "topic"}
_AT_A_GLANCE = {"will": "You will", "needs": "Needs", "code": "Code"}
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
        code = without_glue(cell.source) if re.search(r"\b(?:glue|live)\b", cell.source) else cell.source
        if code.strip():
            tags = list(cell.metadata.get("tags", []))
            new = nbformat.v4.new_code_cell(code, metadata=folding(tags, code, context.solution is not None))
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


class _Context:
    """What the references of one page mean: numbers, titles, glued values, papers; and how far it has been read."""

    def __init__(self, path: Path, source: "NotebookNode", executed: "NotebookNode | None", site: str) -> None:
        self.site, self.path = site.rstrip("/"), path
        self.glued = _glued(executed)
        self.chapter = chapter_numbers().get(path, "")
        self.numbers = numbers_of(source, self.chapter)
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

        for block in blocks(_LABEL.sub("", text).splitlines()):
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
        found = blocks(_LABEL.sub("", text).splitlines())
        return self.tidy([block if isinstance(block, str) else self.directive(*block) for block in found])

    def tidy(self, lines: list[str]) -> str:
        """Return lines as a text without roles and without rows of empty lines."""
        return re.sub(r"\n{3,}", "\n\n", self.inline("\n".join(lines))).strip()

    def solution_of(self, label: str) -> str:
        return f"Solution to {self.number(label.strip()) or 'the exercise'}"

    def number(self, label: str) -> str:
        """Return "Fig. 15.1" for its label, of this page or another, or nothing."""
        return self.numbers.get(label) or (numbers_of_the_book().get(label, "") if label not in self.titles else "")

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
        return re.sub(r"\\[A-Za-z]+", lambda m: MACROS.get(m[0], m[0]), text)

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
        if name in EXERCISES:
            return f"**{self.number_here('Exercise', label)}**{f' {self.inline(rest)}' if rest else ''}\n\n{inner()}"
        if name in THEOREMS:
            number = self.number_here(THEOREMS[name], label)
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
        if name == "live":  # over a figure, which the notebook has; or with a still, which stands here
            return self.plain("\n".join(body))
        if name == "raw":
            return "*(A drawing or an interactive figure stands here on the site.)*" if "<svg" in "".join(body) else ""
        if name == "drawing":
            caption = "\n".join(body).rstrip().rpartition("\n\n")[2]
            return f"*(A drawing stands here on the site.)*\n\n{self.caption('Fig.', label, caption)}"
        if name == "figure":
            text = self.caption("Fig.", label, "\n".join(body))
            return text if rest.startswith("#") or not rest else f"*({options.get('alt', 'A picture')})*\n\n{text}"
        if name in ("glue:figure", "image", "tableofcontents", "toctree", "contents"):
            return ""
        if name in TABLES:
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
    from dlbook.notebooks.quiz import read_quiz

    out = []
    for n, question in enumerate(read_quiz(body), 1):
        options = [f"- **{letter}.** {inline(answer.text).strip()}" for letter, answer in question.shown()]
        answers = [
            f"- **{letter}** is {'right' if answer.right else 'wrong'}. {inline(answer.why).strip()}"
            for letter, answer in question.shown()
        ]
        out += [f"**Question {n}.** {inline(question.text).strip()}", "\n".join(options)]
        out.append(_details("Answer", "\n".join(answers)).strip())
    return "\n\n".join(out) + "\n"
