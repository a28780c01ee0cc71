import re
from collections.abc import Callable

GOOD = r"""
- question: 'Which is *linear* in $x$?'
  answers:
    - {text: '$a^\top x$', right: true, why: 'Sums go to sums, see {eq}`eq-page-one`.'}
    - {text: '$a^\top x + b$', why: 'It is $b$ at zero.'}
- question: How many?
  answers:
    - {text: 3, why: One too many.}
    - {text: 2, right: true, why: 'Yes.'}
    - {text: 1, why: One too few.}
"""
PAGE = f"""# Page

$$x$$ (eq-page-one)

```{{quiz}}{GOOD.rstrip()}
```
"""
FAULTS = {  # what the reader finds, and what only parsing finds: (body, line at fault, words of the message)
    "two_right": (
        "- question: q\n  answers:\n    - {text: a, right: true, why: w}\n    - {text: b, right: true, why: w}",
        3,
        "2 answers are right",
    ),
    "no_yaml": ("- question: q: r\n  answers: []", 0, "not YAML"),
    "display_in_answer": (
        '- question: q\n  answers:\n    - {text: "$$x$$", right: true, why: w}\n    - {text: b, why: w}',
        2,
        "one paragraph",
    ),
}


def test_a_page_holds_folded_answers_that_need_no_script(build: Callable):
    built = build({"page": PAGE})
    assert built.status == 0, built.log
    html = built.page("page")
    assert "WARNING" not in built.log
    assert html.count("<details") == 5
    assert " open" not in "".join(re.findall(r"<details[^>]*>", html))
    assert html.count("quiz-right") == html.count("Right.") == 2
    assert html.count("quiz-wrong") == html.count("Not so.") == 3
    summaries = re.findall(r"<summary>(.*?)</summary>", html, flags=re.S)
    assert "katex" in summaries[0]
    assert "<p>" not in "".join(summaries)
    assert "<em>linear</em>" in html
    assert re.search(r'href="#equation-eq-page-one"', html), "a reference in an explanation is resolved"
    assert [re.sub(r"<[^>]*>", "", text).split() for text in summaries[2:]] == [["A", "1"], ["B", "3"], ["C", "2"]]


def test_on_paper_the_answers_follow_the_last_question(build: Callable):
    built = build({"page": PAGE}, builder="singlehtml")
    html = built.page("index")
    assert "<details" not in html
    assert (
        html.index("How many?")
        < html.index("<strong>Answers</strong>")
        < html.index(", right.")
        < html.index("One too few.")
    )
    assert html.count(", right. ") == 2


def test_faults_are_errors_of_the_build_with_page_and_line(build: Callable):
    header = "# A page\n\nWords.\n\n"
    built = build({name: f"{header}```{{quiz}}\n{body}\n```\n" for name, (body, _, _) in FAULTS.items()})
    assert built.status == 1, "without -W too"
    for name, (_, line, words) in FAULTS.items():
        expected = 6 + line
        found = [row for row in built.log.splitlines() if f"{name}.md:" in row]
        assert len(found) == 1, built.log
        assert words in found[0]
        assert f"{name}.md:{expected}: ERROR" in found[0]


def test_lines_are_those_of_the_file_behind_code_cells(build: Callable):
    kernel = "kernelspec: {display_name: Python 3, language: python, name: python3}"
    front = f"---\njupytext: {{text_representation: {{extension: .md, format_name: myst}}}}\n{kernel}\n---\n"
    cells = "# A page\n\n```{code-cell} ipython3\n1\n```\n\nWords.\n\n"
    body, line, words = FAULTS["two_right"]
    built = build({"page": f"{front}{cells}```{{quiz}}\n{body}\n```\n"})
    assert f"page.md:{len((front + cells).splitlines()) + 2 + line}: ERROR" in built.log, built.log
    assert words in built.log
