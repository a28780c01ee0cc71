"""Formulas break where a reader would break them, and their picture stays."""

import re
from collections.abc import Callable

import lxml.html
import pytest

from website.formulas import DRAWN, mend, read

PAGE = """# Page

Short $a + b = c$, long $f(x + y) = \\alpha + \\beta + \\gamma + \\delta + \\epsilon + (\\zeta + \\eta) + \\theta + \\iota$.

$$f(x + y) = z^2$$ (eq-f)
"""


def held(page: str) -> list[str]:
    """Return the letters of each group that does not break."""
    found, start = [], 0
    while (start := page.find('<span class="hold"><span class="base"', start)) >= 0:
        span, start = read(page, start)
        found.append(span.text())
    return found


def test_short_formulas_and_brackets_keep_together_and_displays_are_left_alone(build: Callable):
    page = mend(build({"page": PAGE}).page("page"))
    assert held(page) == ["a+b=c", "f(x+y)=", "+(ζ+η)+"] or held(page) == ["a+b=c", "f(x+y)=", "(ζ+η)+"]


def test_what_is_heard_stays_and_so_does_every_letter_that_is_seen(build: Callable):
    before = build({"page": PAGE}).page("page")
    after = mend(before)
    letters, source = re.compile(r"<[^>]*>"), re.compile(r"<annotation[^>]*>(.*?)</annotation>", re.S)
    assert letters.sub("", after) == letters.sub("", source.sub("", before))
    assert re.findall(r'<math[^>]* alttext="([^"]*)"', after) == [tex.strip() for tex in source.findall(before)] != []
    whole = r"<math[^>]*>(?:<semantics>)?(?:<mrow>)?(.*?)(?:</mrow>)?(?:<annotation[^>]*>[^<]*</annotation></semantics>)?</math>"
    assert re.findall(whole, after) == re.findall(whole, before)
    assert after.count("<span") < 0.97 * before.count("<span")
    assert after.count('<span class="math katex">') == before.count('<span class="math">') > 0
    assert after.count("<span") == after.count("</span>")
    assert mend("no formula") == "no formula"


@pytest.mark.parametrize("tex", [r"\lambda_{\min}", r"\lambda^{\max}", r"\max_x \sin x"])
def test_scripts_have_a_base_and_no_sign_too_many(build: Callable, tex: str):
    page = lxml.html.fromstring(mend(build({"page": f"# Page\n\n${tex}$\n"}).page("page")))
    wanted = {"msub": 2, "msup": 2, "munder": 2}  # MathML 3, 3.1.3.2: required arguments
    found = list(page.iter(*wanted))
    assert found
    assert [len(part) for part in found] == [wanted[part.tag] for part in found]
    assert ("\u2061" in page.text_content()) == (r"\sin" in tex), "sin is applied to x"


def test_only_plain_elements_go_and_no_two_texts_meet():
    base = '<span class="base"><span class="strut" style="height:1em;"></span>{}</span>'
    inside = (
        '<span class="mopen">(</span><span class="mord">2</span><span class="mord mathnormal">x</span>'
        '<span class="mclose">)</span><span class="vlist"><span style="top:1em;"><span class="mord">3</span></span></span>'
    )
    start = '<span class="katex-display"><span class="katex"><span class="katex-mathml"></span>'
    page = f"{start}{DRAWN}{base.format(inside)}</span></span></span>"
    base = '<span class="base" style="--strut:1em;">{}</span>'
    wanted = inside.replace('<span class="mopen">(</span>', "(").replace('<span class="mclose">)</span>', ")")
    assert mend(page) == f"{start}{DRAWN}{base.format(wanted)}</span></span></span>"
