"""Live figures in the browser: they compute what the package computes, and all of them come to life and behave."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch.nn import functional as F

from browsing import CHAPTERS, DESKTOP, PHONE, SITE
from dlbook.backprop.mlp import xor_network
from dlbook.foundations.losses import binary_nll, hinge, squared_error
from dlbook.optimization.descent import gradient_descent
from dlbook.perceptron.perceptron import Perceptron, one_pass
from dlbook.sequences.attention import MultiplicativeAttention
from dlbook.sequences.attentive import AttentiveDecoder, AttentiveSeq2Seq
from dlbook.sequences.beam_search import greedy
from dlbook.sequences.seq2seq import Encoder, shift_right
from dlbook.sequences.vocabulary import tokenize
from live import come_alive, compute, modules

pytestmark = pytest.mark.site
FIGURES = [
    (path, name)
    for path in ["book/index.html", "book/playground.html", *CHAPTERS]
    for name in re.findall(r'data-live="([\w-]+)"', (SITE / path).read_text("utf8") if (SITE / path).exists() else "")
]
RNG = np.random.default_rng(0)
NARROW = {"width": 320, "height": 800}


# what they compute


@pytest.mark.parametrize("rate", [0.03, 2 / 7, 0.34])
def test_gradient_descent_is_the_package_s(page: Any, address: str, rate: float):
    matrix, start = torch.tensor([[5.0, 2.0], [2.0, 2.0]]).double(), torch.tensor([2.0, -1.5]).double()
    expected = gradient_descent(lambda t: t @ matrix @ t / 2, start, lr=rate, steps=20)
    found = compute(page, address, "gradient-descent", "descend", matrix.tolist(), start.tolist(), rate, 20)
    np.testing.assert_allclose(found["path"], expected.path, rtol=1e-9)
    np.testing.assert_allclose(found["values"], expected.values, rtol=1e-9)


def test_the_factors_are_what_a_step_multiplies_the_errors_by(page: Any, address: str):
    curvatures, directions = torch.linalg.eigh(torch.tensor([[5.0, 2.0], [2.0, 2.0]]).double())
    matrix = directions @ torch.diag(curvatures) @ directions.T
    found = compute(page, address, "gradient-descent", "factors", 0.3)
    for factor, direction in zip(found, directions.T, strict=True):
        path = gradient_descent(lambda t: t @ matrix @ t / 2, direction, lr=0.3, steps=1).path
        torch.testing.assert_close(path[1], factor * direction)


LOSSES = {
    "hinge": lambda m: hinge(m, torch.ones(len(m)), reduction="none"),
    "log": lambda m: binary_nll(m, torch.ones(len(m)), reduction="none") / math.log(2),
    "squared": lambda m: squared_error(m, torch.ones(len(m)), reduction="none"),
    "bounded": lambda m: torch.sigmoid(-m),
    "perceptron": lambda m: F.relu(-m),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_slopes_are_the_package_s(page: Any, address: str, name: str):
    margins = torch.cat([torch.linspace(-3, 4, 57), torch.tensor([-800.0, 800.0])]).double()
    margins = margins[(margins != 0) & (margins != 1)].requires_grad_()  # at a kink either side's slope will do
    expected = LOSSES[name](margins)
    (slopes,) = torch.autograd.grad(expected.sum(), margins)
    found = compute(page, address, "losses", "values", name, margins.tolist())
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected.detach(), rtol=1e-9, atol=1e-12)
    found = compute(page, address, "losses", "slopes", name, margins.tolist())
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), slopes, rtol=1e-9, atol=1e-12)


def test_a_mistake_costs_one_and_zero_is_a_mistake(page: Any, address: str):
    assert compute(page, address, "losses", "values", "mistake", [-2, 0, 0.1]) == [1, 1, 0]


def test_a_pass_of_the_perceptron_is_the_package_s(page: Any, address: str):
    x, y = RNG.integers(-8, 9, (40, 3)) / 4, RNG.choice([-1, 1], 40)  # sums of these are exact
    expected = one_pass(x, y, [1.0, -0.5, 0.0], 1.0)
    found = compute(page, address, "perceptron", "onePass", x.tolist(), y.tolist(), [1.0, -0.5, 0.0], 1.0)
    assert found["mistakes"] == expected.mistakes.tolist()
    assert found["weight"] == expected.weight.tolist()
    assert found["bias"] == expected.bias


@pytest.mark.parametrize("separable", [True, False])
def test_the_perceptron_stops_where_the_package_s_does(page: Any, address: str, separable: bool):
    x = RNG.integers(-8, 9, (30, 2)) / 4
    y = np.where(x @ [2, -1] + 0.3 > 0, 1, -1) if separable else RNG.choice([-1, 1], 30)
    expected = Perceptron(max_epochs=50).fit(x, y)
    found = compute(page, address, "perceptron", "fit", x.tolist(), y.tolist(), 50)
    assert expected.converged == separable
    assert found == {
        "weight": expected.weight.tolist(),
        "bias": expected.bias,
        "mistakes": expected.mistakes,
        "converged": separable,
    }


def test_the_sides_of_the_boundary_have_its_scores(page: Any, address: str):
    weight, bias = np.array([0.6, -1.2]), 0.7
    found = compute(page, address, "perceptron", "sides", weight.tolist(), bias)
    np.testing.assert_allclose(np.array(found["line"]) @ weight + bias, 0, atol=1e-9)
    np.testing.assert_allclose(np.array(found["positive"])[2:] @ weight + bias > 1, True)


def test_the_fold_ends_in_the_hidden_layer_of_the_package_s_network(page: Any, address: str):
    points = RNG.uniform(-1, 2, (20, 2))
    expected = xor_network().requires_grad_(False).states(torch.tensor(points))[1]
    found = [compute(page, address, "fold", "hidden", point) for point in points.tolist()]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    folded = [compute(page, address, "fold", "fold", point, 1) for point in points.tolist()]
    np.testing.assert_allclose(folded, 1.6 * expected, atol=1e-12)


def test_a_line_appears_when_the_fold_has_gone_far_enough(page: Any, address: str):
    assert compute(page, address, "fold", "border", 0.5) is None
    sums = {-1: (0, 2 - 2 * 0.7), 1: (1 - 0.2 * 0.7,)}  # of coordinates at 0.7, worked out by hand
    found = compute(page, address, "fold", "border", 0.7)
    assert max(sums[-1]) < found < min(sums[1])


@pytest.fixture(scope="module")
def translator() -> AttentiveSeq2Seq:
    """Return a translator with weights that half precision holds exactly, as those of a page are."""
    generator = torch.Generator().manual_seed(7)  # it ends one of the sentences below
    look = MultiplicativeAttention(8, 8, generator=generator)
    encoder = Encoder(11, 6, 8, generator=generator)
    model = AttentiveSeq2Seq(encoder, AttentiveDecoder(13, 6, 8, look, generator=generator)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(3).copy_(parameter.half())  # larger ones, or all weights would be nearly alike
    return model


def as_decoded(model: torch.nn.Module) -> dict[str, Any]:
    """Return weights as ``decode`` of the kit gives them."""
    return {name: {"shape": list(w.shape), "values": w.flatten().tolist()} for name, w in model.state_dict().items()}


def test_the_translator_s_scores_and_looks_are_the_package_s(page: Any, address: str, translator: AttentiveSeq2Seq):
    source, target = [7, 4, 9, 2], [5, 12, 3, 8, 2]
    found = compute(page, address, "attention", "translate", as_decoded(translator), source, target)
    scores = translator(torch.tensor([source]), shift_right(torch.tensor([target])))[0]
    looks = translator.align(torch.tensor([source]), torch.tensor([target]))[0]
    assert looks.max(dim=1).values.std() > 0.01, "the looks differ"
    np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
    np.testing.assert_allclose(found["looks"], looks, atol=1e-5)


@pytest.mark.parametrize("source", [[7, 4, 9, 2], [3, 2], [10, 10, 5, 6, 8, 2]])
def test_the_translator_writes_what_the_package_s_writes(
    page: Any, address: str, translator: AttentiveSeq2Seq, source: list
):
    expected = greedy(translator, torch.tensor([source]), max_length=12)[0]
    assert compute(page, address, "attention", "translate", as_decoded(translator), source)["words"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "L’homme n'est-il pas là aujourd'hui ?",
        "jusqu'ici: 3 fois, d'abord lorsqu'il",
        "  ",
        "Œuvre_2 (été)!",
    ],
)
def test_sentences_are_cut_as_the_package_cuts_them(page: Any, address: str, text: str):
    assert compute(page, address, "attention", "tokenize", text) == tokenize(text)


# how they behave, every one on the site


@pytest.fixture(params=FIGURES or [("(no site)", "")], ids=lambda figure: figure[1])
def figure(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.mark.parametrize("size", [DESKTOP, PHONE, NARROW], ids=["desktop", "phone", "narrow"])
def test_nothing_moves_when_a_figure_comes_to_life(page: Any, address: str, figure: tuple[str, str], size: dict):
    path, name = figure
    page.set_viewport_size(size)
    page.goto(address + path, wait_until="load")
    place = page.locator(f'.live[data-live="{name}"]')
    kept = place.bounding_box()["height"]
    drawing = come_alive(page, address, path, name)
    assert place.bounding_box()["height"] == pytest.approx(kept, abs=1)
    if size != NARROW:  # whose figures are those of phones, smaller
        assert kept - drawing.bounding_box()["height"] < 7 * 16, "no gap is left below it"
    for number in range(drawing.locator("button:visible:enabled").count()):
        found = drawing.locator("button:visible:enabled")
        if number < found.count():
            found.nth(number).click()
    assert place.bounding_box()["height"] == pytest.approx(kept, abs=1), "after every button"
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_nobody_is_kept_out_of_a_live_figure(page: Any, address: str, figure: tuple[str, str]):
    path, name = figure
    come_alive(page, address, path, name)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
        answer = Axe().run(page, context=f'.live[data-live="{name}"]', options={"resultTypes": ["violations"]}).response
        assert [rule["id"] for rule in answer["violations"]] == [], theme


def test_every_control_has_the_focus_in_turn_and_a_name(page: Any, address: str, figure: tuple[str, str]):
    path, name = figure
    drawing = come_alive(page, address, path, name)
    controls = drawing.locator(
        "button:visible:enabled, input:visible, select:visible, summary:visible, [tabindex='0']:visible"
    )
    assert controls.count() >= 1
    controls.first.focus()
    for number in range(controls.count()):
        assert controls.nth(number).evaluate("(it) => it === document.activeElement"), number
        page.keyboard.press("Tab")
    assert drawing.get_attribute("aria-label")
    assert drawing.locator("[aria-live]").count() >= 1


def test_without_scripts_the_still_stands_and_no_room_is_kept(browser: Any, address: str, figure: tuple[str, str]):
    path, name = figure
    context = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    tab = context.new_page()
    tab.goto(address + path, wait_until="domcontentloaded")
    place = tab.locator(f'.live[data-live="{name}"]')
    still = place.locator(".live-still")
    assert still.is_visible()
    assert place.bounding_box()["height"] == pytest.approx(still.bounding_box()["height"], abs=30)  # its margins
    context.close()


def test_a_module_that_does_not_come_leaves_the_still(page: Any, address: str, figure: tuple[str, str]):
    path, name = figure
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.route(f"**/{modules()}{name}.js", lambda route: route.abort())
    page.goto(address + path, wait_until="load")
    place = page.locator(f'.live[data-live="{name}"]')
    place.scroll_into_view_if_needed()
    page.wait_for_selector(f'.live[data-live="{name}"][data-failed]', state="attached")
    assert place.locator(".live-still").is_visible()
    assert place.locator(".live-drawing").count() == 0
    assert place.bounding_box()["height"] == pytest.approx(
        place.locator(".live-still").bounding_box()["height"], abs=30
    )
    assert errors == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 404, "body": "{}"}, r"/perceptron-\w+\.json: 404"),
        ({"body": '{"points": {"shape": [6, 2], "f32": "AACAPw=="}, "labels": []}'}, "shape 6,2 came with 1 numbers"),
    ],
)
def test_data_that_are_missing_or_damaged_are_named_and_leave_the_still(
    page: Any, address: str, answer: dict, said: str
):
    page.route("**/perceptron-*.json", lambda route: route.fulfill(**answer))
    page.goto(f"{address}book/perceptron/perceptron.html", wait_until="load")
    place = page.locator('.live[data-live="perceptron"]')
    place.scroll_into_view_if_needed()
    page.wait_for_selector('.live[data-live="perceptron"][data-failed]', state="attached")
    assert re.search(said, place.get_attribute("data-failed"))
    assert place.locator(".live-still").is_visible()


def test_a_figure_that_fails_late_leaves_the_still(page: Any, address: str):
    late = "export const mount = async (root) => { root.append('half'); await null; throw new Error('too late'); };"
    page.route(f"**/{modules()}perceptron.js", lambda route: route.fulfill(body=late, content_type="text/javascript"))
    page.goto(f"{address}book/perceptron/perceptron.html", wait_until="load")
    place = page.locator('.live[data-live="perceptron"]')
    place.scroll_into_view_if_needed()
    page.wait_for_selector('.live[data-live="perceptron"][data-failed]', state="attached")
    assert "too late" in place.get_attribute("data-failed")
    assert place.get_attribute("data-ready") is None
    assert place.locator(".live-still").is_visible()
    assert place.locator(".live-drawing").count() == 0


def test_in_a_page_opened_as_a_file_the_still_stays_and_no_room_is_kept(browser: Any):
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    tab.goto((SITE / "book" / "perceptron" / "perceptron.html").as_uri(), wait_until="load")
    place = tab.locator('.live[data-live="perceptron"]')
    place.scroll_into_view_if_needed()
    assert "still" in place.get_attribute("class").split()
    assert place.locator(".live-still").is_visible()
    assert place.bounding_box()["height"] == pytest.approx(
        place.locator(".live-still").bounding_box()["height"], abs=30
    )
    context.close()


def test_paper_shows_the_still(page: Any, address: str, figure: tuple[str, str]):
    path, name = figure
    drawing = come_alive(page, address, path, name)
    page.emulate_media(media="print")
    assert not drawing.is_visible()
    assert page.locator(f'.live[data-live="{name}"] .live-still').is_visible()


def test_a_page_loads_no_figure_before_it_is_near(page: Any, address: str):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}book/perceptron/perceptron.html", wait_until="networkidle")
    assert not any("/live-" in url for url in asked)
    come_alive(page, address, "book/perceptron/perceptron.html", "perceptron")
    assert sorted(url.rsplit("/", 1)[1] for url in asked if url.endswith("/kit.js") or "perceptron.js" in url) == [
        "kit.js",
        "perceptron.js",
    ]


# what each of them does


def test_a_rate_beyond_the_limit_is_seen_to_diverge(page: Any, address: str):
    drawing = come_alive(page, address, "book/optimization/gradient-descent.html", "gradient-descent")
    rate, said = drawing.locator("input"), drawing.locator("[aria-live]")
    rate.focus()
    page.keyboard.press("End")  # 0.4
    assert rate.get_attribute("aria-valuetext") == "0.400"
    assert "leaves the valley" in said.inner_text()
    assert "by −1.40" in drawing.locator("svg").nth(1).get_attribute("aria-label")
    drawing.get_by_role("button", name="Run").click()  # at once, where motion is unwanted
    assert re.match(r"After \d+ steps the path is \d+ away", said.inner_text())
    drawing.get_by_role("button", name="6/7, the best").click()
    assert "2.50 away before, 0.04 after" in said.inner_text()  # 2.5 (5/7)^12
    start = drawing.locator(".movable")
    start.focus()
    page.keyboard.press("ArrowUp")
    assert "at 2.0, −1.4;" in start.get_attribute("aria-label")


def test_where_motion_is_wanted_a_run_goes_on_until_it_is_stopped_or_at_its_end(browser: Any, address: str):
    context = browser.new_context(viewport=DESKTOP, reduced_motion="no-preference")
    tab = context.new_page()
    drawing = come_alive(tab, address, "book/optimization/gradient-descent.html", "gradient-descent")
    steps = "document.querySelector('[data-live=gradient-descent] .trace').getAttribute('d').split('L').length - 1"
    drawing.get_by_role("button", name="Start over").click()
    assert tab.evaluate(steps) == 0
    drawing.get_by_role("button", name="Run", exact=True).click()
    tab.wait_for_function(f"{steps} >= 3")
    drawing.get_by_role("button", name="Stop").click()
    stopped = tab.evaluate(steps)
    assert stopped < 50
    assert drawing.get_by_role("button", name="Run", exact=True).is_visible()
    tab.wait_for_timeout(400)
    assert tab.evaluate(steps) == stopped
    rate = drawing.locator("input")
    rate.focus()
    tab.keyboard.press("End")  # diverges in a few steps
    drawing.get_by_role("button", name="Run", exact=True).click()
    drawing.get_by_role("button", name="Stop").wait_for()
    drawing.get_by_role("button", name="Run", exact=True).wait_for()
    assert "every step takes it further" in drawing.locator("[aria-live]").inner_text()
    context.close()


def test_arrow_keys_move_a_point_and_not_the_page(page: Any, address: str):
    drawing = come_alive(page, address, "book/optimization/gradient-descent.html", "gradient-descent")
    start = drawing.locator(".movable")
    start.focus()
    page.wait_for_timeout(100)
    before = page.evaluate("scrollY")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == before
    assert "at 2.0, −1.6;" in start.get_attribute("aria-label")


def test_what_is_said_again_is_not_read_aloud_again(page: Any, address: str):
    drawing = come_alive(page, address, "book/backprop/multilayer-perceptrons.html", "fold")
    page.evaluate(
        """() => {
          window.said = 0;
          const watched = { childList: true, characterData: true, subtree: true };
          new MutationObserver((changes) => (said += changes.length)).observe(document.querySelector("[data-live=fold] [aria-live]"), watched);
        }"""
    )
    drawing.locator("input").focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(50)
    assert page.evaluate("said") >= 1
    first = page.evaluate("said")
    page.keyboard.press("ArrowRight")  # still no line
    page.wait_for_timeout(50)
    assert page.evaluate("said") == first


def test_a_margin_is_drawn_with_the_mouse(page: Any, address: str):
    drawing = come_alive(page, address, "book/foundations/losses.html", "losses")
    handle, plane = drawing.locator(".movable"), drawing.locator("svg").first
    handle.hover()
    page.mouse.down()
    box = plane.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 5 / 7, box["y"] + 20, steps=3)  # margins go from -3 to 4
    page.mouse.up()
    assert drawing.locator("output").inner_text() == "2.00"
    line = drawing.locator("tbody tr").filter(has_text="squared")
    assert line.locator("td").all_inner_texts() == ["1.00", "−2.00"]
    assert "pushes a right answer back" in drawing.locator("[aria-live]").inner_text()


def test_the_perceptron_learns_the_digits_of_the_chapter_and_new_ones(page: Any, address: str):
    drawing = come_alive(page, address, "book/perceptron/perceptron.html", "perceptron")
    said, marks = drawing.locator("[aria-live]"), drawing.locator(".movable")
    assert marks.count() == 12
    drawing.get_by_role("button", name="Run").click()
    assert "after 9 corrections the machine has stopped" in said.inner_text(), "as the still has nine panels"
    drawing.get_by_role("button", name="Add a square").click()
    assert marks.count() == 13
    assert marks.nth(12).evaluate("(it) => it === document.activeElement")
    page.keyboard.press("ArrowLeft")
    assert "at (1.05, 1.40)" in marks.nth(12).get_attribute("aria-label")
    page.keyboard.press("Delete")
    assert marks.count() == 12
    drawing.get_by_role("button", name="Next example").click()
    assert said.inner_text().startswith("Example 1, a circle, has score 0.00: a mistake.")


def test_the_plane_is_folded_by_keyboard(page: Any, address: str):
    drawing = come_alive(page, address, "book/backprop/multilayer-perceptrons.html", "fold")
    amount, said = drawing.locator("input"), drawing.locator("[aria-live]")
    assert "both squares are at the origin" in said.inner_text(), "as in the still"
    amount.focus()
    page.keyboard.press("Home")
    assert said.inner_text() == "No line separates circles from squares."
    assert drawing.locator(".boundary").get_attribute("d") == ""


def test_the_translator_reads_a_sentence_of_the_reader(page: Any, address: str):
    drawing = come_alive(page, address, "book/sequences/attention.html", "attention")
    said, rows = drawing.locator("[aria-live]"), drawing.locator("tbody tr")
    assert "for lui at “him”" in said.inner_text(), "as the caption says"
    english = drawing.locator("input").first
    english.fill("i do not know the zeppelin .")
    drawing.locator("input").nth(1).fill("")
    english.press("Enter")
    assert said.inner_text().startswith("It writes “")
    assert "Not among its words: zeppelin." in said.inner_text()
    assert drawing.locator("thead th").all_inner_texts() == ["i", "do", "not", "know", "the", "zeppelin", ".", "end"]
    for row in rows.all():
        assert sum(map(int, row.locator("td").all_inner_texts())) == pytest.approx(100, abs=4)
