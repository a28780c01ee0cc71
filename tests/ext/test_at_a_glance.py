import re
from collections.abc import Callable

import pytest

from dlbook.notebooks.claims import Claim
from website.at_a_glance import claims_in_words, in_words

BLOCK = """
```{at-a-glance}
:will: prove $x = 1$, and *more*
:needs: little
```
"""
WORDS = "word " * 400
EXTRAS = (
    """
$$x = 1$$

:::{exercise} ★
:label: ex-page-one
"""
    + "task " * 100
    + """
:::

:::{solution} ex-page-one
:class: dropdown
"""
    + "hidden " * 1000
    + """

$$y = 2$$
:::

:::{exercise} ★★
:label: ex-page-two
"""
    + "task " * 96
    + """
:::

```python
code = "is not read " * 1000
```
"""
)


PAGES = {
    "page": f"# Page\n{BLOCK}\n{WORDS}\n{EXTRAS}",
    "short": f"# Short\n{BLOCK}\nTen words.\n",
    "nowhere": "# Page\n```{at-a-glance}\n:will: a\n:needs: b\n:code: dlbook.nowhere\n```\n",
    "lacks": "# Page\n```{at-a-glance}\n:will: a\n```\n",
}


def times(html: str) -> str:
    (found,) = re.findall(r'class="at-a-glance-times">(.*?)</span>', html)
    return found


def test_reading_time_counts_words_and_equations_but_no_solution_and_no_code(build: Callable):
    # 600 words at 200 a minute are 3 min, an equation 1 min; a few words of titles do not reach the next half minute
    built = build(PAGES)
    assert built.status == 0, built.log
    assert times(built.page("page")) == "4 min to read · 2 exercises, 1 solved"
    assert times(built.page("short")) == "1 min to read"


def test_options_are_markdown(build: Callable):
    html = build(PAGES).page("page")
    assert "<dt>You will" in html
    assert "katex" in html
    assert "<em>more</em>" in html


def test_a_module_without_a_place_on_the_api_page_is_a_warning(build: Callable):
    assert "nowhere.md:2: WARNING: py:mod reference target not found: dlbook.nowhere" in build(PAGES).log


def test_a_missing_option_is_named(build: Callable):
    assert "lacks.md:2: " in build(PAGES).log
    assert "at-a-glance needs the option :needs:" in build(PAGES).log


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "5 s"), (5, "5 s"), (31.2, "35 s"), (90, "90 s"), (91, "2 min"), (130, "3 min")]
)
def test_times_are_rounded_up(seconds: float, text: str):
    assert in_words(seconds) == text


def test_claims_are_counted_and_the_lost_ones_told():
    held, lost = Claim("a", True, "", 0, 1), Claim("b", False, "b = 2", 0, 2)
    assert claims_in_words([held]) == "1 claim, all held in this build"
    assert claims_in_words([held, held]) == "2 claims, all held in this build"
    assert claims_in_words([held, lost]) == "2 claims, 1 did not hold in this build"
