"""Make the formulas that KaTeX typeset break where a reader would break them, out of fewer elements.

KaTeX lets a line end after every relation and every sign, in brackets as well.  Here a short formula keeps to one line,
and a longer one is not broken within brackets that fit on a phone.  Elements that change no pixel of what is
seen, such as many a ``<span class="mord">2</span>``, become what is in them, and struts, which hold a line apart, are
drawn by the stylesheet (``book.css``) from the height that stands at what they stood in.  Of the MathML, which those
hear who do not see, only what wraps the whole goes: its source in TeX becomes an attribute; and the two elements
around a formula in the line become one.
"""

import re
from dataclasses import dataclass, field

DRAWN = '<span class="katex-html" aria-hidden="true">'
IN_TEXT, TYPESET = '<span class="math">', '<span class="katex">'
TOKEN = re.compile(r"<span(?P<attributes>[^>]*)>|(?P<end></span>)|[^<]+|<[^>]*>")
CLASSES = re.compile(r'class="([^"]*)"')
HEIGHT = re.compile(r"height:(?P<height>[^;]+);(?:vertical-align:(?P<shift>[^;]+);)?")
WHOLE = re.compile(
    r'<span class="katex-mathml"><math(?P<attributes>[^>]*)><semantics>(?P<inner>.*?)'
    r'<annotation encoding="application/x-tex">(?P<tex>.*?)</annotation></semantics></math></span>',
    re.S,
)
APPLIED = re.compile(r"<mo>\u2061</mo>(?=</m(?:sub|sup|subsup)>)")
LONGEST = 16  # letters of a formula that stays on one line
LONGEST_IN_BRACKETS = 24
PLAIN = {
    "mord",
    "mbin",
    "mrel",
    "mopen",
    "mclose",
    "mpunct",
    "mop",
    "mtight",
}  # no rule of katex.css speaks of them alone
AROUND = re.compile(r"(?:mord|mbin|mrel|mopen|mclose|mpunct|mop|mtight|base|minner|sizing|(?:reset-)?size\d+)$")


@dataclass
class Span:
    """An element of a formula; its children are elements or text."""

    attributes: str
    children: list["Span | str"] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        found = CLASSES.search(self.attributes)
        return found[1].split() if found else []

    def html(self) -> str:
        """Return it as it was written."""
        return f"<span{self.attributes}>{self.inner()}</span>"

    def inner(self) -> str:
        """Return what stands in it."""
        return "".join(child if isinstance(child, str) else child.html() for child in self.children)

    def text(self) -> str:
        """Return the letters in it."""
        return re.sub(r"<[^>]*>|​", "", self.inner())

    def count(self, name: str) -> int:
        """Return how many elements in it have a class."""
        inner = sum(child.count(name) for child in self.children if isinstance(child, Span))
        return inner + (name in self.classes)


def read(page: str, start: int) -> tuple[Span, int]:
    """Return the element that begins at ``start`` of a page, and where it ends.

    >>> read('<span class="a">b<span>c</span></span>d', 0)[1]
    38
    """
    stack: list[Span] = []
    for token in TOKEN.finditer(page, start):
        if token["attributes"] is not None:
            span = Span(token["attributes"])
            if stack:
                stack[-1].children.append(span)
            stack.append(span)
        elif token["end"]:
            span = stack.pop()
            if not stack:
                return span, token.end()
        else:
            stack[-1].children.append(token[0])
    raise ValueError("a formula does not end")


def is_plain(span: Span, around: Span) -> bool:
    """Tell whether an element looks like its content alone."""
    bare = set(span.classes) <= PLAIN and "style" not in span.attributes
    return bare and bool(span.classes) and bool(around.classes) and all(map(AROUND.match, around.classes))


def unwrap(span: Span) -> None:
    """Put what is in plain elements in their place."""
    children: list[Span | str] = []
    for child in span.children:
        if isinstance(child, Span):
            unwrap(child)
            # texts that meet would be one run, whose letters lie a 64th of a pixel off
            apart = not children or isinstance(children[-1], Span)
            if apart and is_plain(child, span) and all(isinstance(part, str) for part in child.children):
                children += child.children
                continue
        children.append(child)
    span.children = children


def without_struts(span: Span) -> None:
    """Leave the heights of struts to those in which they stand first, and the narrow cells of tables to the style.

    >>> base, _ = read('<span class="base"><span class="strut" style="height:1em;"></span>x</span>', 0)
    >>> without_struts(base)
    >>> base.html()
    '<span class="base" style="--strut:1em;">x</span>'
    """
    match span.children:
        case [Span() as first, *rest] if first.classes in (["strut"], ["pstrut"]):
            found = HEIGHT.search(first.attributes)
            if found is not None:
                said = f"--strut:{found['height']};" + (f"--shift:{found['shift']};" if found["shift"] else "")
                styled = (
                    span.attributes.removesuffix('"') if "style=" in span.attributes else f'{span.attributes} style="'
                )
                span.attributes, span.children = f'{styled}{said}"', rest
        case [*rest, Span() as last] if last.classes == ["vlist-s"]:
            span.children = rest
    for child in span.children:
        if isinstance(child, Span):
            without_struts(child)


def hold(drawn: Span) -> None:
    """Keep a short formula, or brackets in a longer one, together."""
    bases = [child for child in drawn.children if isinstance(child, Span)]
    if len(bases) < 2 or len(bases) != len(drawn.children):
        return
    groups: list[list[Span]] = []
    depth = 0
    for base in bases:
        if depth > 0:
            groups[-1].append(base)
        else:
            groups.append([base])
        depth = max(0, depth + base.count("mopen") - base.count("mclose"))
    if len(drawn.text()) <= LONGEST:
        groups = [bases]
    drawn.children = []
    for group in groups:
        together = len(group) > 1 and sum(len(base.text()) for base in group) <= LONGEST_IN_BRACKETS
        drawn.children += [Span(' class="hold"', list(group))] if together else group


def plainer(found: re.Match[str]) -> str:
    """Return a formula in MathML without the elements around the whole, and its source as an attribute.

    >>> annotation = '<annotation encoding="application/x-tex">x</annotation>'
    >>> math = f"<math><semantics><mrow><mi>x</mi></mrow>{annotation}</semantics></math>"
    >>> WHOLE.sub(plainer, f'<span class="katex-mathml">{math}</span>')
    '<math class="katex-mathml" alttext="x"><mi>x</mi></math>'
    """
    inner, tex = found["inner"], found["tex"].strip().replace('"', "&quot;")
    inner = APPLIED.sub("", inner)  # KaTeX applies the minimum of an index to nothing: Firefox drew "invalid markup"
    if inner.startswith("<mrow>"):  # KaTeX has one element there, and math is a row itself
        inner = inner.removeprefix("<mrow>").removesuffix("</mrow>")
    return f'<math class="katex-mathml"{found["attributes"]} alttext="{tex}">{inner}</math>'


def mend(page: str) -> str:
    """Rewrite all formulas of a page."""
    page = WHOLE.sub(plainer, page)
    parts, end = [], 0
    while (start := page.find(DRAWN, end)) >= 0:
        drawn, after = read(page, start)
        begin = page.rfind(TYPESET, 0, start)
        if not page.endswith('<span class="katex-display">', 0, begin):
            hold(drawn)
        without_struts(drawn)
        unwrap(drawn)
        before = page[end:start]
        if page.endswith(IN_TEXT, 0, begin) and page.startswith("</span></span>", after):  # two elements around one
            text, _, rest = before.rpartition(IN_TEXT + TYPESET)
            before = f'{text}<span class="math katex">{rest}'
            after += len("</span>")
        parts += [before, drawn.html()]
        end = after
    return "".join([*parts, page[end:]])
