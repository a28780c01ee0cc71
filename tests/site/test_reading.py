"""What helps a reader on the way, in a browser: previews, prerequisites, the map, the page that is not there, memory."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import CHAPTERS, DESKTOP, PHONE, SITE, Seen, listen, violations

CHAPTER = next((name for name in CHAPTERS if "momentum" in name), "")
INTERNAL = "article a.reference.internal"
INSIDE = """() => {
  const box = document.getElementById("preview").getBoundingClientRect();
  return [box.left, box.top, innerWidth - box.right, innerHeight - box.bottom];
}"""


def link(tab: Any, target: str) -> Any:
    """Return the first link in the running text to a kind of target on the same page."""
    return tab.locator(f"{INTERNAL}[href^='#{target}']:visible").first


@pytest.fixture
def tab(page: Any, address: str) -> Any:
    """Open the chapter."""
    page.set_viewport_size(DESKTOP)
    page.goto(address + CHAPTER, wait_until="domcontentloaded")
    return page


@pytest.mark.parametrize(
    ("target", "inside"),
    [("equation-", ".katex-display"), ("fig-", "figure img"), ("thm-", ".admonition.theorem"), ("ex-", ".exercise")],
)
def test_the_mouse_sees_what_a_link_leads_to_and_may_enter_it(tab: Any, target: str, inside: str):
    here, box = link(tab, target), tab.locator("#preview")
    here.scroll_into_view_if_needed()
    here.hover()
    box.locator(inside).first.wait_for()
    tab.wait_for_selector("[aria-describedby=preview]")
    assert box.get_attribute("role") == "tooltip"
    assert here.get_attribute("aria-describedby") == "preview"
    assert min(tab.evaluate(INSIDE)) >= 0
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids)), "a copy has no ids"
    box.hover()
    tab.wait_for_timeout(400)
    assert box.is_visible(), "the pointer is in it"
    tab.mouse.move(2, 2)
    box.wait_for(state="hidden")
    assert here.get_attribute("aria-describedby") is None
    assert violations(tab, {}) == []


def test_a_citation_shows_the_whole_entry(tab: Any):
    here = link(tab, "id")
    entry = tab.locator(f"[id='{here.get_attribute('href')[1:]}'] p").inner_text()
    here.focus()
    tab.keyboard.press("Shift+Tab")  # to come to it as the keyboard does
    tab.keyboard.press("Tab")
    tab.wait_for_selector("[aria-describedby=preview]")
    assert tab.locator("#preview").inner_text().strip() == entry.strip()
    assert len(entry) > 60
    tab.keyboard.press("Escape")
    tab.locator("#preview").wait_for(state="hidden")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == here.get_attribute("href"), "the focus stays"


def test_what_stands_on_another_page_is_fetched_once_and_its_addresses_hold(tab: Any, address: str):
    far = tab.locator(f"{INTERNAL}:is([href*='html#equation-'], [href*='html#fig-'], [href*='html#errata-'])").first
    other = far.evaluate("link => link.href.split('#')[0]")
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    for _ in range(2):
        far.hover()
        tab.wait_for_selector("[aria-describedby=preview]")
        assert len(tab.locator("#preview").inner_text()) > 5
        tab.keyboard.press("Escape")
        tab.mouse.move(2, 2)
    assert asked.count(other) == 1
    assert tab.url.split("#")[0] == address + CHAPTER


def test_a_chapter_shows_its_symbols_and_a_link_to_a_chapter_what_one_will_do_there(tab: Any, address: str):
    tab.locator(".at-a-glance a[href*='#symbols-']").hover()
    tab.wait_for_selector("[aria-describedby=preview]")
    box = tab.locator("#preview")
    rows = [row.inner_text() for row in box.locator("tbody tr:not(.chapter)").all()]
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    assert violations(tab, {}) == []
    tab.goto(f"{address}book/notation.html")
    own = tab.locator("tbody:has(tr.chapter a[href*='momentum'])")
    assert rows == [row.inner_text() for row in own.locator("tr:not(.chapter)").all()] != []
    own.locator("tr.chapter a").hover()
    tab.wait_for_selector("[aria-describedby=preview]")
    shown, title = box.inner_text(), own.locator("tr.chapter a").inner_text()
    tab.goto(address + CHAPTER)
    assert title in shown
    assert tab.locator(".at-a-glance dd").first.inner_text() in shown
    assert "#" not in shown, "the sign that links a heading stays there"


def test_a_finger_goes_to_a_chapter_at_once(browser: Any, address: str):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{address}book/notation.html", wait_until="domcontentloaded")
    tab.locator("tr.chapter a").nth(1).tap()
    tab.wait_for_url("**#ch-*")
    context.close()


def test_a_mouse_that_passes_and_a_click_show_nothing(tab: Any):
    here = link(tab, "equation-")
    here.hover()
    tab.mouse.move(2, 2)
    tab.wait_for_timeout(500)
    assert not tab.locator("#preview").is_visible()
    here.click()
    tab.wait_for_timeout(400)
    assert "#equation-" in tab.url


def test_no_preview_leaves_a_phone_and_the_first_tap_shows(browser: Any, address: str):
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(address + CHAPTER, wait_until="domcontentloaded")
    for target in ("equation-", "fig-", "thm-", "id"):
        for here in tab.locator(f"{INTERNAL}[href^='#{target}']:visible").all()[:5]:
            here.scroll_into_view_if_needed()
            here.tap()
            tab.wait_for_selector("[aria-describedby=preview]")
            assert min(tab.evaluate(INSIDE)) >= 0
            assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert "#" not in tab.url, "it stays where it is"
            tab.keyboard.press("Escape")
    here.tap()
    tab.wait_for_selector("[aria-describedby=preview]")
    assert tab.locator("#preview").get_attribute("role") == "group"
    assert violations(tab, {"runOnly": ["wcag2a", "wcag2aa"]}) == []
    tab.locator("#preview .preview-go a").tap()
    tab.wait_for_url("**#id*")
    here = link(tab, "equation-")
    here.scroll_into_view_if_needed()
    here.tap()
    tab.wait_for_selector("[aria-describedby=preview]")
    here.tap()
    tab.wait_for_url("**#equation-*")
    context.close()


def test_previews_do_not_print(tab: Any):
    link(tab, "equation-").scroll_into_view_if_needed()
    link(tab, "equation-").hover()
    tab.wait_for_selector("[aria-describedby=preview]")
    tab.emulate_media(media="print")
    assert not tab.locator("#preview").is_visible()
    tab.emulate_media(media="screen")


def test_a_book_opened_as_a_file_previews_its_own_page_only(browser: Any):
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto((SITE / CHAPTER).as_uri(), wait_until="domcontentloaded")
    link(tab, "equation-").scroll_into_view_if_needed()
    link(tab, "equation-").hover()
    tab.wait_for_selector("[aria-describedby=preview]")
    tab.keyboard.press("Escape")
    far = tab.locator(f"{INTERNAL}:is([href*='html#equation-'], [href*='html#errata-'])").first
    far.scroll_into_view_if_needed()
    errors: list[str] = []
    tab.on("console", lambda message: errors.append(message.text))
    far.hover()
    tab.wait_for_timeout(600)
    assert not tab.locator("#preview").is_visible()
    assert errors == []
    context.close()


def test_a_failed_opening_quiz_names_what_to_read_first(tab: Any):
    opening, closing = tab.locator(".quiz").first, tab.locator(".quiz").last
    needs = tab.locator(".at-a-glance dd.needs a.reference.internal")
    wanted = needs.evaluate_all("links => links.map((link) => [link.href, link.textContent])")
    assert wanted, "this chapter needs another"
    opening.locator(".quiz-right summary").first.click()
    closing.locator(".quiz-wrong summary").first.click()
    assert not opening.locator(".quiz-before").is_visible(), "nothing went wrong in this one"
    assert closing.locator(".quiz-before").count() == 0
    opening.locator(".quiz-question").nth(1).locator(".quiz-wrong summary").first.click()
    line = opening.locator(".quiz-before")
    line.filter(has_text="Before you go on: ").wait_for()
    assert line.locator("a").evaluate_all("links => links.map((link) => [link.href, link.textContent])") == wanted
    opening.locator(".quiz-question").nth(2).locator(".quiz-wrong summary").first.click()
    assert line.locator("a").count() == len(wanted), "once"


def test_the_map_is_walked_in_reading_order_and_shows_arrows(page: Any, address: str):
    page.set_viewport_size(DESKTOP)
    page.goto(f"{address}book/map.html")
    links = page.eval_on_selector_all(
        "svg.book-map a", "links => links.map((a) => a.href.baseVal.replace('.html', ''))"
    )
    assert [f"book/{name}.html" for name in links] != []
    in_contents = page.eval_on_selector_all(
        ".bd-sidebar-primary a.internal", "links => links.map((a) => new URL(a.href).pathname.slice(1))"
    )
    assert [f"book/{name}.html" for name in links] == [name for name in in_contents if name in CHAPTERS]
    assert len(links) == len(CHAPTERS)
    assert page.locator(".leads-to").count() == 0
    visible = "path => Number(getComputedStyle(path).opacity)"
    arrow = page.locator("svg.book-map .to-lenet:not(.implied)").first
    before = arrow.evaluate(visible)
    page.locator("#map-lenet").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "map-lenet"
    assert arrow.evaluate(visible) == 1 > before
    assert page.locator("svg.book-map .arrow:not(.to-lenet, .from-lenet)").first.evaluate(visible) < before
    page.locator("#map-resnet").hover()
    assert page.locator("svg.book-map .to-resnet").first.evaluate(visible) == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/lenet.html")


def test_what_the_map_draws_is_what_chapters_lead_to(page: Any, address: str):
    page.goto(f"{address}book/map.html")
    arrows = page.eval_on_selector_all(
        "svg.book-map .arrow",
        "paths => paths.map((p) => [...p.classList].slice(1, 3).map((c) => c.replace(/^(from|to)-/, '')))",
    )
    assert len(arrows) > 20
    start = arrows[0][0]
    chapter = next(name for name in CHAPTERS if name.endswith(f"/{start}.html"))
    page.goto(address + chapter)
    led = page.eval_on_selector_all(".leads-to a", "links => links.map((a) => new URL(a.href).pathname)")
    assert [Path(path).stem for path in led] == [end for begin, end in arrows if begin == start]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """Serve the site as hosts do that send 404.html for what is not there."""

    class Host(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if Path(self.translate_path(self.path)).exists():
                super().do_GET()
                return
            content = (SITE / "404.html").read_bytes()
            self.send_response(404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Host, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("lost", ["nothing.html", "book/convolution/deeper/and/deeper.html"])
def test_a_wrong_address_leads_back_into_the_book(page: Any, host: str, lost: str):
    seen = Seen(lost)
    listen(page, seen, host)
    page.goto(host + lost)
    assert page.locator("article h1").inner_text() == "There is no such page"
    assert seen.failed == [host + lost], "its styles, scripts and fonts are found"
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Book Serif"')
    assert violations(page, {}) == []
    page.locator(".not-found-search input").fill("dropout")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=dropout")
    page.goto(host + lost)
    page.get_by_role("link", name="the parts of the book").click()
    page.wait_for_url("**/book/index.html#the-parts")


def test_every_page_says_of_which_edition_it_is(page: Any, address: str):
    import dlbook

    for name in ("book/index.html", CHAPTER, "404.html", "search.html"):
        page.goto(address + name, wait_until="domcontentloaded")
        words = page.locator(".extra_footer").inner_text()
        assert f"Version {dlbook.__version__} of " in words
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", page.locator(".extra_footer time").get_attribute("datetime"))
        assert page.locator("link[rel=canonical]").count() == 0, "no address is configured"
        assert page.locator(".report").count() == 0


def test_a_chapter_is_cited_by_one_click(tab: Any):
    fold = tab.locator("details.cite-chapter")
    assert not fold.locator("p").first.is_visible()
    fold.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert "Deep Learning, Executed, version" in fold.locator("p").first.inner_text()
    assert fold.locator("pre").inner_text().startswith("@incollection{dle-momentum")
    fold.locator("pre").hover()
    fold.locator("button.copybtn").wait_for()
    assert violations(tab, {}) == []


def test_memory_knows_opened_solutions_and_where_one_was_and_forgets_both(browser: Any, address: str):
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    tab.goto(address + CHAPTER, wait_until="domcontentloaded")
    solutions = tab.locator("details.folded.solution")
    solutions.nth(1).locator("summary").first.click()
    solutions.nth(1).locator(".opened").wait_for()
    tab.reload(wait_until="domcontentloaded")
    solutions.nth(1).locator(".opened").wait_for()
    assert tab.locator(".opened").count() == 1
    assert solutions.nth(1).get_attribute("open") is None, "it is marked, not opened"
    heading = tab.locator("article section > h2").nth(2)
    heading.evaluate("heading => heading.scrollIntoView({block: 'end'})")
    tab.wait_for_timeout(300)
    tab.goto(f"{address}book/index.html")
    words = tab.locator(".continue a").inner_text()
    assert re.fullmatch(r"Continue: \d+\.\d+ \w.+", words), words
    tab.locator(".continue button").click()
    tab.goto(address + CHAPTER, wait_until="domcontentloaded")
    assert tab.locator(".opened").count() == 0
    context.close()


def test_the_landing_page_adds_up_what_the_chapters_say(page: Any, address: str):
    totals = [0, 0, 0]  # minutes, exercises, claims
    for name in CHAPTERS:
        times = re.search(r'class="at-a-glance-times">(.*?)</p>', (SITE / name).read_text("utf8"), flags=re.S)
        for n, noun in enumerate(("min to read", "exercises?, solved", "claims?,")):
            found = re.search(rf"(\d+) {noun}", times[1])  # type: ignore[index]
            totals[n] += int(found[1]) if found else 0
    minutes, exercises, claims = totals
    page.goto(f"{address}book/index.html")
    words = page.locator("article").inner_text()
    assert f"{len(CHAPTERS)} chapters are written" in words
    assert f"{exercises} exercises, all of them solved" in words
    counted = re.search(r"([\d,]+) claims, and", words)
    assert counted
    assert claims <= int(counted[1].replace(",", "")) < claims + 40, "with those of the Playground, which is no chapter"
    hours = re.search(r"What is written takes (\d+)(½?) hours to read", words)
    assert hours
    assert 0 <= 2 * int(hours[1]) + bool(hours[2]) - minutes / 30 < 1, "rounded up to half an hour"
    assert page.locator(".part-written").count() == page.locator(".part-written .part-hours").count() > 5


def test_no_chapter_takes_much_more_than_the_minute_that_the_landing_page_promises(page: Any, address: str):
    page.goto(f"{address}book/run-times.html")
    rows = page.eval_on_selector_all(".run-times tbody tr", "rows => rows.map((r) => Number(r.cells[1].textContent))")
    assert len(rows) > len(CHAPTERS)
    assert sorted(rows)[-2] <= 90, "the last is the sum"
