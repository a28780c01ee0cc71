"""Look at the built site in a browser, as a reader does: every page in light and dark, wide and on a phone."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from browsing import CHAPTERS, DESKTOP, NARROW, PAGES, PHONE, SOME, WIDE, Seen, listen, violations
from live import come_alive

pytestmark = pytest.mark.site


# Numbered formulas that reach below their number.
COVERED = """() => [...document.querySelectorAll("div.math:has(.eqno)")].filter((math) => math.offsetParent &&
  math.querySelector(".katex-display").getBoundingClientRect().right >
  math.querySelector(".eqno").getBoundingClientRect().left).map((math) => math.id)"""

# Pictures that wait until they come near the window.
LOADED = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => {});  // a broken one is among the facts
}))"""

FACTS = """() => {
  const text = document.createTreeWalker(document.querySelector("article") ?? document.body, NodeFilter.SHOW_TEXT);
  const dollars = [];
  while (text.nextNode()) {
    const at = text.currentNode.parentElement;
    const prose = !at.closest("pre, code, .katex, script");
    if (prose && text.currentNode.data.includes("$")) dollars.push(text.currentNode.data.trim());
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  return {
    maths: document.querySelectorAll("span.math, div.math").length,
    katex: document.querySelectorAll(".math .katex, .math.katex").length,
    katexErrors: document.querySelectorAll(".katex-error").length,
    dollars,
    unsound: [...document.querySelectorAll("msub, msup, mfrac, mover, munder, mroot, msubsup, munderover")]
      .filter((part) => part.children.length !== (/^msubsup|munderover$/.test(part.localName) ? 3 : 2))
      .map((part) => part.closest("math").getAttribute("alttext")),
    clipped: [...document.querySelectorAll(".katex-display")]
      .filter((box) => box.querySelector(".base")?.getBoundingClientRect().left < box.getBoundingClientRect().left - 1)
      .map((box) => box.querySelector("math").getAttribute("alttext")),
    broken: [...document.images].filter((i) => !i.complete || i.naturalWidth === 0).map((i) => i.src),
    unnamed: [...document.querySelectorAll("article img:not([aria-hidden])")]
      .filter((i) => !i.alt.trim() || i.src.endsWith(i.alt))
      .map((i) => i.src),
    unsized: [...document.querySelectorAll(".cell_output img")]
      .filter((i) => !i.style.width && !i.hasAttribute("width"))
      .map((i) => i.src),
    twice: ids.filter((id, n) => ids.indexOf(id) !== n),
    dead: [...document.querySelectorAll("a[href^='#']")].map((a) => decodeURIComponent(a.hash.slice(1)))
      .filter((id) => id && !document.getElementById(id)),
    language: document.documentElement.lang,
    title: document.title,
    font: document.fonts.check("18px 'Book Serif'"),
  };
}"""


# What stands in the file, before any script has changed it.
FILE = """async () => {
  const page = new DOMParser().parseFromString(await (await fetch(location)).text(), "text/html");
  return {
    right: [...page.querySelectorAll(".quiz-question")].map((q) => q.querySelectorAll(".quiz-right").length),
    solutions: [...page.querySelectorAll(".solution")].map((s) =>
      s.matches("details.folded:not([open])") && s.querySelector("summary") !== null),
  };
}"""


# Of elements with the same path of tags and classes, axe judges the third as it judged the two before: two are enough,
# on whichever pages of a process.  What differs from one to the next, ids and texts for images, is among the FACTS of
# the whole page.
FEW_OF_A_KIND = """(known) => {
  const walk = (element, path, seen) => {  // whether nothing in it is new
    let spent = true;
    for (const child of [...element.children]) {
      const colors = /color|background/.test(child.getAttribute("style")) ? child.getAttribute("style") : "";
      const name = `${path}>${child.localName}.${child.getAttribute("class") ?? ""}.${colors}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      const whole = child.matches("a, button, summary, .katex");  // half a link would be a link without a name
      const old = (whole || walk(child, name, seen)) && seen.get(name) > 2;
      if (old && !child.matches("dt, dd")) child.remove();  // a list of definitions goes as a whole
      spent &&= old;
    }
    return spent;
  };
  const article = new Map(known);
  document.querySelectorAll(".katex-html").forEach((drawn) => drawn.remove());  // not for those who hear the page
  walk(document.querySelector("article") ?? document.body, "", article);
  document.querySelectorAll("nav").forEach((nav) => walk(nav, "", new Map()));
  return [...article];
}"""


@pytest.fixture(scope="session")
def known() -> list[Any]:
    """Hold the kinds of elements that this process has shown to axe, each with its number."""
    return []


@pytest.fixture(scope="module", params=PAGES or ["(no site)"])
def seen(request: pytest.FixtureRequest, window: Any, address: str, known: list[Any]) -> Iterator[Seen]:
    """Look at one page in every way, once, and hand out the record."""
    record = Seen(request.param)
    tab = window.new_page()
    listen(tab, record, address)
    tab.goto(address + request.param, wait_until="load")
    tab.evaluate("document.fonts.ready.then(() => true)")
    tab.evaluate(LOADED)
    record.facts = tab.evaluate(FACTS) | tab.evaluate(FILE)
    tab.keyboard.press("Shift")  # what scrolls is then made reachable
    tab.evaluate("document.querySelectorAll('details').forEach((folded) => folded.open = true)")
    for size in (DESKTOP, NARROW, PHONE, WIDE):
        tab.set_viewport_size(size)
        tab.evaluate("document.fonts.ready.then(() => true)")
        record.covered += tab.evaluate(COVERED) if size != NARROW else []
        record.width[size["width"]] = tab.evaluate("document.documentElement.scrollWidth")
    known[:] = tab.evaluate(FEW_OF_A_KIND, known)
    for theme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        tab.emulate_media(color_scheme=theme, reduced_motion="reduce")
        tab.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
        record.theme[theme] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        record.axe[theme] = violations(tab, rules)
    yield record
    tab.close()


def test_no_error_and_no_request_leaves_the_site(seen: Seen):
    assert seen.console == []
    assert seen.external == []
    assert seen.failed == []


def test_mathematics_is_typeset(seen: Seen):
    assert seen.facts["katex"] == seen.facts["maths"]
    assert seen.facts["katexErrors"] == 0
    assert seen.facts["dollars"] == []
    assert seen.facts["unsound"] == [], "Firefox says 'invalid markup' to those who hear the page"
    assert seen.facts["clipped"] == [], "a wide display begins at its beginning"
    assert seen.covered == [], "no formula lies under its number"


def test_images_are_there_and_say_what_is_seen(seen: Seen):
    assert seen.facts["broken"] == []
    assert seen.facts["unnamed"] == []
    assert seen.facts["unsized"] == []


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(seen: Seen):
    assert seen.facts["twice"] == []
    assert seen.facts["dead"] == []


def test_the_page_has_a_language_a_title_and_its_fonts(seen: Seen):
    assert seen.facts["language"] == "en"
    assert "Deep Learning, Executed" in seen.facts["title"]
    assert seen.facts["font"]


def test_nobody_is_kept_out(seen: Seen):
    assert seen.axe["light"] == []


def test_words_stand_out_in_the_dark(seen: Seen):
    assert seen.axe["dark"] == []


def test_dark_is_dark(seen: Seen):
    light, dark = (sum(map(int, re.findall(r"\d+", seen.theme[theme])[:3])) for theme in ("light", "dark"))
    assert light > 3 * 240
    assert dark < 3 * 40


def test_nothing_overflows_on_a_phone_or_a_wide_screen(seen: Seen):
    assert set(seen.width) == {320, 390, 1280, 1920}
    assert {width: needed for width, needed in seen.width.items() if needed > width} == {}


def test_each_question_has_one_right_answer_and_solutions_are_folded(seen: Seen):
    assert set(seen.facts["right"]) <= {1}
    assert all(seen.facts["solutions"])
    if seen.name in CHAPTERS:
        assert len(seen.facts["right"]) >= 10, "five questions before and five after"
        assert len(seen.facts["solutions"]) >= 5


def test_the_root_leads_to_the_book(page: Any, address: str):
    page.goto(address)
    page.wait_for_url("**/book/index.html")


def test_search_finds_lenet(page: Any, address: str):
    page.goto(f"{address}book/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("LeNet")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    targets = page.eval_on_selector_all("#search-results li a", "links => links.map(a => a.href)")
    assert any("lenet" in target or "timeline" in target for target in targets)
    page.wait_for_selector("#search-results p.context")
    assert not any("On this page" in text for text in page.locator("#search-results p.context").all_inner_texts())


ASKED = {  # what a student types, and the page that should come first
    "perceptron": "perceptron/perceptron",
    "linear separability": "perceptron/separability",
    "softmax regression": "perceptron/linear-classifiers",
    "backpropagation": "backprop/backpropagation",
    "automatic differentiation": "backprop/automatic-differentiation",
    "universal approximation": "backprop/approximation",
    "stride and padding": "convolution/convolution",
    "LeNet": "convolution/lenet",
    "AlexNet": "convolution/alexnet",
    "residual connection": "convolution/resnet",
    "equivariance": "convolution/group-equivariance",
    "learning rate": "optimization/gradient-descent",
    "Adam": "optimization/momentum-and-adaptive-rates",
    "batch normalization": "optimization/initialization-and-normalization",
    "dropout": "regularization/dropout",
    "weight decay": "regularization/norm-penalties",
    "data augmentation": "regularization/data-augmentation",
    "vanishing gradient": "sequences/recurrent-networks",
    "LSTM": "sequences/gated-units",
    "attention": "sequences/attention",
    "beam search": "sequences/sequence-to-sequence",
    "CTC": "sequences/speech",
    "WaveNet": "generative/wavenet",
    "variational autoencoder": "generative/variational-autoencoders",
    "hinge loss": "foundations/losses",
    "support vector machine": "foundations/classical-learners",
    "MultiHeadAttention": "api/sequences",
    "ctc_loss": "api/sequences",
}


def test_words_find_the_chapter_and_names_of_code_the_api(page: Any, address: str):
    first = {}
    for query in ASKED:
        page.goto(f"{address}search.html?q={quote(query)}")
        page.wait_for_selector("#search-results li a")
        first[query] = page.locator("#search-results li a").first.get_attribute("href")
    missed = {query: first[query] for query, wanted in ASKED.items() if f"book/{wanted}.html" not in first[query]}
    assert len(missed) <= 6, missed


def test_boxes_that_scroll_are_reachable_once_a_key_was_pressed(page: Any, address: str):
    boxes = "[...document.querySelectorAll('pre')].filter((box) => box.scrollWidth > box.clientWidth + 1)"
    page.set_viewport_size(PHONE)
    page.goto(f"{address}{next(name for name in CHAPTERS if 'gated-units' in name)}")
    page.evaluate("document.fonts.ready.then(() => true)")
    assert page.evaluate(f"{boxes}.length") > 3
    assert page.evaluate(f"{boxes}.every((box) => box.tabIndex < 0)"), "each was laid out before anybody saw it"
    page.keyboard.press("Tab")
    page.wait_for_function(f"{boxes}.every((box) => box.tabIndex === 0)")


def test_colors_are_chosen_before_the_page_is_drawn(browser: Any, address: str):
    context = browser.new_context(color_scheme="dark", java_script_enabled=True)
    tab = context.new_page()
    tab.route("**/*.js", lambda route: route.abort())  # what the page itself says is enough
    tab.goto(f"{address}{SOME[0]}")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    context.close()


def test_notes_come_after_what_they_annotate_where_there_is_no_margin(page: Any, address: str):
    order = """() => [...document.querySelectorAll("article section > :is(p, aside.margin)")]
      .map((block) => block.matches("aside") ? "note" : block.textContent.slice(0, 20))"""
    page.goto(f"{address}{next(name for name in CHAPTERS if 'gated-units' in name)}")
    wide = page.evaluate(order)
    first = wide.index("note")
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(200)
    assert page.evaluate(order)[first : first + 2] == [wide[first + 1], "note"]
    page.set_viewport_size(DESKTOP)
    page.wait_for_timeout(200)
    assert page.evaluate(order) == wide


def test_the_browser_remembers_and_forgets(browser: Any, address: str):
    context = browser.new_context(viewport=DESKTOP)  # its own, for it remembers
    tab = context.new_page()
    tab.goto(f"{address}book/index.html")
    assert tab.locator(".continue").count() == 0
    chapter = f"{address}{SOME[0]}"
    tab.goto(chapter)
    tab.locator(".quiz-question .quiz-right summary").first.click()
    for heading in tab.locator("article section > h2").all():
        heading.scroll_into_view_if_needed()
        tab.wait_for_timeout(100)
    tab.reload()
    assert tab.locator(".quiz-score").first.inner_text().startswith("1 right at the first try, 1 of")
    tab.wait_for_selector(".bd-sidebar-primary .current .read")
    tab.goto(f"{address}book/index.html")
    tab.locator(".continue a").click()
    tab.wait_for_url(re.compile(re.escape(chapter) + "#"))
    tab.goto(f"{address}book/index.html")
    tab.locator(".continue button").click()
    assert tab.locator(".continue").count() == tab.locator(".bd-sidebar-primary .read").count() == 0
    assert tab.evaluate("localStorage.getItem('deep-learning-executed')") is None
    tab.evaluate("localStorage.setItem('deep-learning-executed', '{damaged')")
    tab.goto(chapter)
    assert tab.locator(".quiz-score").first.inner_text() == ""
    context.close()


def test_the_button_switches_to_dark_and_the_next_page_remembers(browser: Any, address: str):
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")  # its own, for it remembers
    tab = context.new_page()
    tab.goto(f"{address}book/notation.html")
    theme = "document.documentElement.dataset.theme"
    assert tab.evaluate(theme) == "light"
    for _ in range(3):  # auto, light, dark in some order
        tab.locator("button.theme-switch-button").first.click()
        if tab.evaluate(theme) == "dark":
            break
    assert tab.evaluate(theme) == "dark"
    tab.goto(f"{address}book/preface.html")
    assert tab.evaluate(theme) == "dark"
    context.close()


@pytest.fixture(scope="module", params=SOME or ["(no chapter)"])
def chapter(request: pytest.FixtureRequest, window: Any, address: str) -> Iterator[Any]:
    """Open a chapter once; what one test opens in it does not disturb the next."""
    tab = window.new_page()
    tab.add_init_script("localStorage.clear()")  # of a reader who has not been here before
    tab.goto(address + request.param, wait_until="domcontentloaded")
    yield tab
    tab.close()


def test_a_quiz_is_answered_by_keyboard_and_counts_first_tries(chapter: Any):
    quiz = chapter.locator(".quiz").last
    question = quiz.locator(".quiz-question").first
    wrong, right = question.locator(".quiz-wrong").first, question.locator(".quiz-right")
    wrong.locator("summary").focus()
    chapter.keyboard.press("Enter")
    assert wrong.get_attribute("open") is not None
    assert wrong.locator(".quiz-why").is_visible()
    assert wrong.locator(".quiz-verdict").inner_text() == "Not so."
    right.locator("summary").focus()
    chapter.keyboard.press("Space")
    assert right.locator(".quiz-verdict").inner_text() == "Right."
    score = quiz.locator(".quiz-score")
    score.filter(has_text="answered").wait_for()
    total = quiz.locator(".quiz-question").count()
    assert score.inner_text() == f"0 right at the first try, 1 of {total} answered"


def test_a_solution_opens_by_keyboard_and_by_a_link_into_it(chapter: Any):
    solution = chapter.locator("details.folded.solution").first
    assert solution.get_attribute("open") is None
    solution.locator("summary").first.focus()
    chapter.keyboard.press("Enter")
    assert solution.get_attribute("open") is not None
    chapter.keyboard.press("Enter")
    assert solution.get_attribute("open") is None
    name = chapter.locator("details.folded.solution").nth(1).get_attribute("id")
    chapter.evaluate(f"location.hash = {name!r}")
    chapter.wait_for_selector(f"details[id='{name}'][open]")


def test_paper_shows_folded_answers(chapter: Any):
    folded = chapter.locator("details.folded.solution:not([open])").count()
    chapter.emulate_media(media="print")
    chapter.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert chapter.locator("details.folded.solution:not([open])").count() == 0
    assert chapter.locator(".quiz-why").first.is_visible()
    chapter.evaluate("window.dispatchEvent(new Event('afterprint'))")
    chapter.emulate_media(media="screen")
    assert chapter.locator("details.folded.solution:not([open])").count() == folded


@pytest.mark.parametrize("path", SOME)
def test_without_scripts_answers_open_and_mathematics_is_there(browser: Any, address: str, path: str):
    context = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    tab = context.new_page()
    tab.goto(address + path, wait_until="domcontentloaded")
    answer = tab.locator(".quiz-right").first
    answer.locator("summary").click()
    assert answer.locator(".quiz-why").is_visible()
    assert tab.locator("article .katex:visible").count() > 0
    assert tab.locator("details.folded.solution").first.is_visible()
    assert not tab.locator("details.folded.solution p").first.is_visible(), "folded without a script too"
    context.close()


def test_the_perceptron_of_the_landing_page_learns(page: Any, address: str):
    figure = come_alive(page, address, "book/index.html", "landing-perceptron")
    still = page.locator(".live-still").first
    promised = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"].index(
        re.search(r"after (\w+) corrections", still.locator("p").text_content())[1]  # type: ignore[index]
    )
    learned = still.locator(".boundary").get_attribute("d")
    boundary, said = figure.locator(".boundary"), figure.locator("[aria-live]")
    assert numbers(boundary.get_attribute("d")) == numbers(learned), "nothing is seen of the change to the live one"
    button = figure.locator("button").first
    button.click()
    assert boundary.get_attribute("d") == ""
    for n in range(1, promised + 1):
        button.click()
        assert said.inner_text().startswith(f"Correction {n}:")
    assert numbers(boundary.get_attribute("d")) == numbers(learned), "the still is what the rule arrives at"
    button.click()
    assert f"after {promised} corrections the machine has stopped" in said.inner_text()
    assert button.is_disabled()


def numbers(path: str) -> list[int]:
    """Return the coordinates in an SVG path."""
    return [int(number) for number in re.findall(r"-?\d+", path)]


def test_the_landing_page_links_the_chapters_that_exist(page: Any, address: str):
    page.goto(f"{address}book/index.html")
    links = page.eval_on_selector_all(".parts a", "links => links.map(a => new URL(a.href).pathname.slice(1))")
    assert sorted(links) == CHAPTERS


def test_the_timeline_page_lists_every_step(page: Any, address: str):
    from dlbook.timeline import EVENTS

    page.goto(f"{address}book/timeline.html")
    years = page.eval_on_selector_all("table tbody tr td:first-child", "cells => cells.map(c => Number(c.textContent))")
    assert years == [event.year for event in EVENTS]
