"""Turn a chapter into a notebook that reads cleanly in Jupyter: what only the site understands becomes plain Markdown.

Glued numbers are filled in, references and citations become words and links, exercises, theorems and quizzes become
headings and paragraphs, captions stand under their figures, and cells that only serve the page lose the lines that do.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlbook.chapters import CHECKOUT, PACKAGE, answer_order, chapters, pages, read

if TYPE_CHECKING:
    from nbformat import NotebookNode

_FENCE = re.compile(r"^(?P<ticks>`{3,}|:{3,})(?:\{(?P<name>[\w:-]+)\})?[ ]?(?P<rest>.*)$")
_ROLE = re.compile(r"\{(?P<role>[\w:]+)\}`(?P<text>[^`]+)`")
_LABEL = re.compile(r"^\((?P<label>[\w:.-]+)\)=\s*$", flags=re.M)
_COUNTED = {"exercise": "Exercise", "exercise-start": "Exercise"}
_COUNTED |= {
    f"prf:{kind}": kind.capitalize()
    for kind in "theorem lemma definition proposition corollary algorithm example remark".split()
}
_COUNTED_WITH_LABEL = {"figure": "Figure", "math": "Equation", "table": "Table", "list-table": "Table"}


def to_notebook(path: Path, executed: "NotebookNode | None" = None, *, site: str = "") -> "NotebookNode":
    """Return the chapter at ``path`` as a notebook.

    Parameters
    ----------
    path : Path
        Its Markdown source.
    executed : NotebookNode, optional
        The same chapter with outputs, as :func:`dlbook.execution.execute` returns it; without it there are no outputs,
        and a glued number reads "(computed when the cells run)".
    site : str
        Address of the published book, for links to other pages.

    Raises
    ------
    MissingExtraError
        If the extra ``notebook`` is not installed.
    ValueError
        If the source holds a role or directive that this module does not know: it would stand raw in the notebook.
    """
    import nbformat

    source = read(path)
    context = _Context(path, source, executed, site)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": dict(source.metadata["kernelspec"])})
    notebook.metadata["language_info"] = {"name": "python"}
    cells = [
        nbformat.v4.new_markdown_cell("*A chapter of Deep Learning, Executed, as a notebook.*"),
        nbformat.v4.new_code_cell(
            "# brings the book's package where it is missing (on Colab, say)\n"
            "import importlib.util\n\nif importlib.util.find_spec('dlbook') is None:\n    %pip install -q dlbook"
        ),
    ]
    for i, cell in enumerate(source.cells):
        if cell.cell_type == "markdown":
            text = context.plain(cell.source).strip()
            if text:
                cells.append(nbformat.v4.new_markdown_cell(text))
            continue
        done = executed.cells[i] if executed is not None else None
        code = _without_glue(cell.source) if "glue" in cell.source else cell.source
        if code.strip():
            new = nbformat.v4.new_code_cell(code, metadata={"tags": list(cell.metadata.get("tags", []))})
            if done is not None:
                new.execution_count = done.execution_count
                new.outputs = [output for output in done.outputs if "scrapbook" not in output.get("metadata", {})]
            cells.append(new)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if figure.get("caption"):
            number = context.numbers.get(figure.get("name", ""), "")
            cells.append(
                nbformat.v4.new_markdown_cell(f"**{number}.** {context.plain(str(figure['caption'])).strip()}")
            )
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"  # nbformat's own ids are random, and two builds of one commit are equal
    notebook.cells = cells
    return notebook


def _without_glue(code: str) -> str:
    """Drop the statements that put numbers on the page, and the import that they need."""
    body = ast.parse(code).body
    lines = code.splitlines()
    for node in reversed(body):
        call = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "glue"
        )
        imported = isinstance(node, ast.ImportFrom) and any(alias.name == "glue" for alias in node.names)
        if (
            call
            or imported
            or (isinstance(node, ast.For) and all("glue(" in ast.unparse(inner) for inner in node.body))
        ):
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip("\n")


class _Context:
    """What the references of one page mean: numbers, titles, glued values, papers."""

    def __init__(self, path: Path, source: "NotebookNode", executed: "NotebookNode | None", site: str) -> None:
        self.site, self.path = site.rstrip("/"), path
        self.glued = _glued(executed)
        self.numbers = _numbers(source)
        self.titles = _titles()
        text = "\n".join(cell.source for cell in source.cells if cell.cell_type == "markdown")
        lists = re.findall(r"\{cite:?\w*\}`([^`]+)`", text)
        self.cited = {key.strip() for keys in lists for key in keys.split(",")}
        self.papers = _papers(self.cited)

    def plain(self, text: str) -> str:
        """Return ``text`` in plain Markdown."""
        text = _LABEL.sub("", text)
        out = []
        for block in _blocks(text.splitlines()):
            out.append(block if isinstance(block, str) else self.directive(*block))
        text = self.inline("\n".join(out))
        return re.sub(r"\n{3,}", "\n\n", text)

    def inline(self, text: str) -> str:
        """Replace roles, internal links and equation labels."""
        text = re.sub(r"^(\$\$)[ ]*\((eq-[\w-]+)\)[ ]*$", lambda m: self._tag(m[2]) + "$$", text, flags=re.M)
        text = re.sub(r"(\$\$)[ ]*\((eq-[\w-]+)\)", lambda m: self._tag(m[2]) + "$$", text)
        text = _ROLE.sub(lambda m: self.role(m["role"], m["text"]), text)
        text = re.sub(r"\[([^\]]*)\]\(#([\w:.-]+)\)", lambda m: self.link(m[1], m[2]), text)
        return re.sub(r"(?<=\])\{[.#][^}]*\}", "", text)

    def _tag(self, label: str) -> str:
        return rf"\tag{{{self.numbers[label].removeprefix('Equation ')}}} "

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
            return self.numbers.get(target, "the equation").replace("Equation ", "(") + ")"
        if role in ("numref", "prf:ref"):
            return words if words and "%s" not in words else self.numbers.get(target) or self.link("", target)
        if role in ("ref", "doc"):
            return self.numbers.get(target) or self.link(words, target.rsplit("/", 1)[-1] if role == "doc" else target)
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
        inner = lambda: self.plain("\n".join(body)).strip()  # noqa: E731
        label = options.get("label", options.get("name", ""))
        if name in _COUNTED:
            kind = self.numbers.get(label) or _COUNTED[name]
            return f"**{kind}{f' ({self.inline(rest)})' if rest else ''}.**\n\n{inner()}"
        if name == "prf:proof":
            return f"**Proof.** {inner()} ∎"
        if name in ("solution", "solution-start"):
            head = f"**Solution of {self.numbers.get(rest.strip(), 'the exercise').lower()}.**"
            return f"{head}\n\n{inner()}"
        if name in ("solution-end", "exercise-end"):
            return ""
        if name == "quiz":
            return _quiz("\n".join(body), self.inline)
        if name == "at-a-glance":
            rows = [f"- *{key.capitalize()}:* {value}" for key, value in options.items()]
            return self.inline("\n".join(rows))
        if name == "bibliography":
            return "\n".join(f"- {self.papers[key][2]}" for key in sorted(self.cited))
        if name == "math":
            tag = self._tag(label) if label in self.numbers else ""
            return "$$\n" + "\n".join(body) + f"\n{tag}$$"
        if name == "raw":
            return "*(A drawing or an interactive figure stands here on the site.)*" if "<svg" in "".join(body) else ""
        if name == "figure":
            text = f"**{self.numbers.get(label, 'Figure')}.** {inner()}"
            return (
                text
                if rest.startswith("#") or not rest
                else f"![{options.get('alt', '')}]({self.site}/{rest})\n\n{text}"
            )
        if name in ("glue:figure", "image", "tableofcontents", "toctree", "contents"):
            return ""
        if name in ("table", "list-table", "csv-table"):
            caption = f"**{self.numbers.get(label, 'Table')}.** {self.inline(rest)}\n\n" if rest else ""
            return caption + inner()
        if name in ("margin", "admonition", "note", "tip", "warning", "important", "seealso", "dropdown", "hint",
                    "caution", "sidebar", "epigraph", "attention", "topic"):  # fmt: skip
            title = rest or ("" if name in ("margin", "epigraph", "sidebar") else name.capitalize())
            text = (f"**{self.inline(title)}** " if title else "") + inner()
            return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
        if name in ("div", "container", "tab-set", "tab-item", "grid", "grid-item", "card"):
            return (f"**{rest}**\n\n" if name == "tab-item" else "") + inner()
        if name in ("code-block", "code", "literalinclude"):
            return f"```{rest}\n" + "\n".join(body) + "\n```"
        raise ValueError(f"{self.path}: the notebook export does not know the directive {{{name}}}")


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
    return options, body[n:]


def _numbers(source: "NotebookNode") -> dict[str, str]:
    """Return the numbers of figures, equations, exercises and theorems, counted as they stand on the page."""
    numbers: dict[str, str] = {}
    counts: dict[str, int] = {}

    def count(kind: str, label: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        numbers[label] = f"{kind} {counts[kind]}"

    def walk(lines: list[str]) -> None:
        for block in _blocks(lines):
            if isinstance(block, str):
                for label in re.findall(r"\$\$[ ]*\((eq-[\w-]+)\)", block):
                    count("Equation", label)
                continue
            name, _, options, body = block
            label = options.get("label", options.get("name", ""))
            kind = _COUNTED.get(name) or _COUNTED_WITH_LABEL.get(name)
            if kind and (label or kind != "Equation"):
                count(kind, label or f"unlabelled-{len(numbers)}")
            if name not in ("quiz", "raw", "code-block"):
                walk(body)

    for cell in source.cells:
        if cell.cell_type == "markdown":
            walk(cell.source.splitlines())
        elif name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
            count("Figure", name)
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
        out.append(f"**Question {n}.** {inline(str(item['question'])).strip()}\n")
        order = answer_order(str(item["question"]), [str(answer["text"]) for answer in item["answers"]])
        shown = [(letter, item["answers"][i]) for letter, i in zip("ABCDEFGH", order, strict=False)]
        out += [f"{letter}. {inline(str(answer['text'])).strip()}" for letter, answer in shown]
        answers = [
            f"- {letter}: {'right' if answer.get('right') else 'wrong'}. {inline(str(answer['why'])).strip()}"
            for letter, answer in shown
        ]
        out.append("\n<details><summary>Answers</summary>\n\n" + "\n".join(answers) + "\n\n</details>\n")
    return "\n".join(out)
