import re
from collections.abc import Callable

from website.folding import short

PAGE = """# Page

:::{exercise} ★ Predict, then run
:label: ex-page-one
Does $x$ change?
:::
:::{solution} ex-page-one
:class: dropdown
No, as in {ref}`ex-page-one`.
:::
:::{note}
:class: dropdown
Folded too.
:::
:::{note}
Open.
:::
"""


def test_solutions_are_folded_without_a_script_and_boxes_keep_theirs(build: Callable):
    built = build({"page": PAGE})
    assert built.status == 0, built.log
    html = built.page("page")
    assert re.findall(r"<summary>(.*?)</summary>", html) == ["Solution to Exercise 1", "Note"]
    assert not re.search(r"<details[^>]* open", html)
    assert re.search(r'<details class="folded solution[^"]*" id="[^"]+">', html)
    assert html.count("admonition note") == 1
    assert html.index("<details") < html.index("No, as in") < html.index("</details>")


def test_the_exercise_wears_its_title_without_parentheses(build: Callable):
    html = build({"page": PAGE}).page("page")
    title = re.search(r'<p class="admonition-title">(.*?)</p>', html, flags=re.S)
    assert title
    assert re.sub(r"<[^>]*>", "", title[1]).split() == ["Exercise", "1", "★", "Predict,", "then", "run"]


def test_all_is_open_on_the_single_page(build: Callable):
    html = build({"page": PAGE}, builder="singlehtml").page("index")
    assert len(re.findall(r"<details[^>]* open", html)) == html.count("<details") == 2


def test_short_keeps_number_and_drops_title():
    assert short("Solution to Exercise 12.3 (★★ Prove (a) and (b))") == "Solution to Exercise 12.3"
    assert short("Note") == "Note"


def test_stars_are_explained_before_the_first_exercise_that_has_them(build: Callable):
    exercise = "::::{{exercise}} {}\n:label: {}\nDo.\n::::\n\n"
    starred = exercise.format("★ One", "ex-one") + exercise.format("★★★★ Four", "ex-four")
    page = build({"page": f"# Page\n\n{starred}", "plain": "# Plain\n\n" + exercise.format("None", "ex-none")})
    assert page.page("page").count("stars-key") == 1
    assert '<p class="stars-key">★ minutes · ★★★★ a project of days</p>' in page.page("page")
    assert page.page("page").index("stars-key") < page.page("page").index("★ One")
    assert "stars-key" not in page.page("plain")
