"""The Playground in a browser: what it computes is what Python computes, and it is worked by keyboard, link and press."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browsing import SITE, listen, violations
from browsing import Seen as Record
from dlbook.backprop.backpropagation import forward
from dlbook.data import playground
from dlbook.playground import Setting, cost, features, play, points, start
from live import come_alive, modules

PAGE = "book/playground.html"
CHAPTER = "book/backprop/multilayer-perceptrons.html"
SIGNS = "book/perceptron/separability.html"
SOURCE = (Path(__file__).parent.parent.parent / "book" / "playground.md").read_text("utf8")
LINKS = [unescape(link) for link in re.findall(r'href="playground\.html#([^"]+)"', SOURCE)]
pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(not (SITE / PAGE).exists(), reason="the site was built without the Playground"),
]

TRIAL = """async ([module, address, batch, steps]) => {
  const { Game, readSetting } = await import(module), game = new Game(readSetting(address)), { network } = game;
  const loss = network.backward(batch.map((i) => game.rows[i]), batch.map((i) => game.labels[i]));
  const gradient = [...network.byWeight, ...network.byBias].map((array) => [...array]);
  for (let step = 0; step < steps; step++) game.step();
  return JSON.stringify({ loss, gradient, end: game.curve.at(-1).loss });
}"""


@pytest.fixture
def game(page: Any, address: str) -> Iterator[Any]:
    """Open the Playground in its first setting, and look at what it logs."""
    record = Record(PAGE)
    listen(page, record, address)
    drawing = come_alive(page, address, PAGE, "playground")
    yield drawing
    assert record.external == record.failed == []
    assert [line for line in record.console if "PST" not in line] == []


def numbers(drawing: Any) -> list[str]:
    return drawing.locator(".pg-numbers td").all_text_contents()[1:]


def python(setting: str, passes: int) -> list[str]:
    """Return what the table should say."""
    played = play(Setting.read(setting), passes)
    rows = zip(played.loss[-1], played.right, strict=True)
    return [text for loss, right in rows for text in (f"{loss:.3f}", f"{np.floor(100 * right + 0.5):.0f} %")]


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
@pytest.mark.parametrize("hidden", ["", "3", "8,8", "5,4,3,2,3,4"])
def test_chromium_computes_the_loss_the_gradients_and_a_hundred_steps_of_backprop(page, address, activation, hidden):
    if page.url == "about:blank":
        page.goto(f"{address}book/index.html", wait_until="domcontentloaded")
    said = f"problem=spiral&inputs=x1,x2^2,sin-x1&hidden={hidden}&activation={activation}&rate=0.01&l1=0.001&l2=0.01&batch=25"
    batch = [0, 5, 2, 11]
    theirs = json.loads(page.evaluate(TRIAL, [f"{address}{modules()}network.js", said, batch, 100]))
    setting = Setting.read(said)
    x, y = playground("spiral", rng=np.random.default_rng([1, 0]))
    weights, biases = start(setting.sizes, rng=np.random.default_rng([1, 1]))
    ours = cost(weights, biases, features(x, setting.inputs)[batch], y[batch], activation)
    assert theirs["loss"] == pytest.approx(ours.loss, abs=1e-6)
    for found, gradient in zip(theirs["gradient"], (*ours.weights, *ours.biases), strict=True):
        np.testing.assert_allclose(found, gradient.ravel(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(theirs["end"], play(setting, 10).loss[-1], rtol=0, atol=1e-6)


def test_the_table_says_after_a_hundred_passes_what_python_says(game, page):
    assert numbers(game) == python("", 0)
    game.get_by_role("button", name="One pass").click()
    assert numbers(game) == python("", 1)
    game.get_by_role("button", name="100 passes").click()
    page.wait_for_function("document.querySelector('.pg-count').textContent.startsWith('101 passes')")
    assert numbers(game) == python("", 101)
    assert game.locator(".live-says").text_content().startswith("After 101 passes the loss is 0.0")
    game.get_by_role("button", name="Start over").click()
    assert numbers(game) == python("", 0)


def test_every_link_of_the_page_sets_the_game_up_and_python_reads_it(game, page):
    assert len(LINKS) >= 10
    for link in LINKS:
        page.evaluate("hash => (location.hash = hash)", link)
        page.wait_for_function(
            "said => document.querySelector('.pg details pre').textContent.includes(said)", arg="play("
        )
        page.wait_for_timeout(50)
        said = re.search(r'Setting.read\("([^"]*)"\)', game.locator("details pre").text_content()).group(1)
        assert Setting.read(said) == Setting.read(link), link
        assert numbers(game) == python(link, 0)


def test_links_of_the_answers_are_what_the_cells_play():
    cells = "".join(re.findall(r"```\{code-cell\}.*?```", SOURCE, flags=re.S))
    played = {Setting.read(text) for text in re.findall(r'"(problem=[^"&]+(?:&[^"]*)?)"', cells)}
    played |= {Setting.read(f"{text}&l1=0.1") for text in re.findall(r'everything = "([^"]+)"', cells)}
    assert {Setting.read(link) for link in LINKS} <= played


def test_inputs_layers_and_units_are_changed_by_keyboard_and_kept_in_the_address(game, page):
    game.get_by_role("button", name="Input x₁²").focus()
    page.keyboard.press("Space")
    assert game.get_by_role("button", name="Input x₁²").get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Input x₁²"
    assert "inputs=x1,x2,x1^2" in page.url
    game.get_by_role("button", name="Layer 1: one unit more").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    game.get_by_role("button", name="One more hidden layer").press("Enter")
    game.get_by_label("Learning rate").select_option("0.1")
    assert Setting.read(page.url.split("#")[1]) == Setting.read("inputs=x1,x2,x1^2&hidden=6,2,2&rate=0.1")
    assert game.locator(".pg-tile").count() == 7 + 10 + 1
    page.reload()
    page.wait_for_selector("[data-live=playground][data-ready]")
    assert game.locator(".pg-tile").count() == 7 + 10 + 1
    for name in ("Input x₁", "Input x₂"):
        game.get_by_role("button", name=name, exact=True).click()
    game.get_by_role("button", name="Input x₁²").click()
    assert "at least one input" in game.locator(".live-says").text_content()


def test_a_unit_and_a_bent_plane_are_shown_large(game):
    plane = game.locator(".pg-surface")
    first = plane.get_attribute("aria-label")
    game.get_by_role("button", name="Layer 1, unit 2").click()
    assert "layer 1, unit 2" in plane.get_attribute("aria-label") != first
    assert game.get_by_label("Shown").input_value() == "1.2"
    game.get_by_label("Shown").select_option("bend-2")
    legend = game.locator(".pg-legend").text_content()
    assert "On the line the score is zero" in legend
    assert len(re.findall(r"−\d\.\d to ", legend)) == 2, "of tanh, with the minus of text"


def test_a_weight_that_is_written_is_the_networks(game):
    game.get_by_text("All weights as numbers").click()
    field = game.get_by_label("Bias of score")
    before = numbers(game)
    field.fill("100")
    field.press("Enter")
    assert numbers(game)[0] != before[0]
    assert numbers(game)[1::2] == ["50 %", "50 %"]  # all points are called positive
    assert "You have changed something" in game.locator("details pre").text_content()


def test_a_rate_goes_on_where_the_network_is_and_a_seed_begins_anew(game):
    game.get_by_role("button", name="One pass").click()
    game.get_by_label("Learning rate").select_option("0.01")
    assert game.locator(".pg-count").text_content().startswith("1 pass")
    game.get_by_label("Seed").select_option("2")
    assert game.locator(".pg-count").text_content().startswith("0 passes")
    assert numbers(game) == python("seed=2&rate=0.01", 0)


def test_dead_units_are_counted_and_marked(game, page):
    page.evaluate("location.hash = 'problem=circle&hidden=8&activation=relu&rate=3'")
    page.wait_for_timeout(100)
    game.get_by_role("button", name="100 passes").click()
    page.wait_for_function("document.querySelector('.pg-count').textContent.startsWith('100 passes')")
    count = game.locator(".pg-dead").count()
    setting = Setting.read("problem=circle&hidden=8&activation=relu&rate=3")
    played = play(setting, 100)
    states = forward(played.weights, played.biases, features(points(setting)[0][:250], setting.inputs)).states[1]
    assert count == (states.max(axis=0) <= 0).sum() >= 1
    assert f"{count} unit" in game.locator(".live-says").text_content()


def test_nothing_runs_by_itself_where_motion_is_unwanted_and_run_runs_elsewhere(browser, address, game):
    assert game.get_by_role("button", name="Run", exact=True).count() == 0  # the window of the fixture reduces motion
    context = browser.new_context(reduced_motion="no-preference")
    tab = context.new_page()
    drawing = come_alive(tab, address, PAGE, "playground")
    tab.wait_for_timeout(200)
    assert drawing.locator(".pg-count").text_content().startswith("0 passes")
    drawing.get_by_role("button", name="Run", exact=True).click()
    tab.wait_for_function("parseInt(document.querySelector('.pg-count').textContent) >= 3")
    drawing.get_by_role("button", name="Pause").click()
    stopped = drawing.locator(".pg-count").text_content()
    assert drawing.locator(".live-says").text_content().startswith(f"After {stopped.split(',')[0]}")
    tab.wait_for_timeout(200)
    assert drawing.locator(".pg-count").text_content() == stopped
    context.close()


def test_a_step_and_a_picture_fit_into_a_frame(page, address):
    come_alive(page, address, PAGE, "playground")
    times = page.evaluate(
        """async (module) => {
          const { mount } = await import(module), root = document.querySelector(".live-drawing");
          root.replaceChildren();
          location.hash = "problem=spiral&hidden=8,8";
          const game = await mount(root);
          return Array.from({ length: 60 }, () => {
            const since = performance.now();
            game.game.step();
            game.draw();
            return performance.now() - since;
          }).sort((a, b) => a - b);
        }""",
        f"{address}{modules()}playground.js",
    )
    print(f"step and picture: fastest {times[0]:.1f} ms, median {times[30]:.1f} ms")
    assert times[6] < 16  # the best tenth: other tests compute beside this one


def test_a_small_one_in_a_chapter_keeps_its_own_setting_and_leads_to_the_large_one(page, address):
    drawing = come_alive(page, address, CHAPTER, "playground")
    before = page.url
    assert numbers(drawing) == python("problem=circle&hidden=4,2", 0)
    drawing.get_by_role("button", name="100 passes").click()
    page.wait_for_function("document.querySelector('.pg-count').textContent.startsWith('100 passes')")
    assert numbers(drawing)[1::2] == ["100 %", "100 %"], "as the still's caption says"
    drawing.get_by_label("Shown").select_option("bend-2")
    drawing.get_by_text("All weights as numbers").click()
    drawing.get_by_label("Bias of 2.1").fill("-9")
    drawing.get_by_label("Bias of 2.1").press("Enter")
    assert numbers(drawing)[1] == "50 %", "its unit is -1 at all points, and the other one does not tell them apart"
    drawing.get_by_role("button", name="Layer 2: one unit more").click()
    drawing.get_by_label("Activation").select_option("relu")
    assert page.url == before
    link = drawing.get_by_role("link", name="Open this in the Playground")
    assert link.get_attribute("href").endswith("book/playground.html#hidden=4,3&activation=relu")
    assert drawing.locator("select").count() == 4
    assert drawing.locator("pre, .pg-curve, input[type=checkbox], .pg-more").count() == 0
    link.click()
    page.wait_for_selector("[data-live=playground][data-ready]")
    assert page.get_by_label("Activation").input_value() == "relu"


def test_no_input_of_one_coordinate_tells_whether_the_signs_agree_and_the_product_does(page, address):
    drawing = come_alive(page, address, SIGNS, "playground")
    assert numbers(drawing) == python("problem=xor&hidden=", 0)

    def play_on():
        drawing.get_by_role("button", name="100 passes").click()
        page.wait_for_function("document.querySelector('.pg-count').textContent.startsWith('100 passes')")
        return [int(share.removesuffix(" %")) for share in numbers(drawing)[1::2]]

    for name in ("x₁²", "x₂²", "sin x₁", "sin x₂"):
        drawing.get_by_role("button", name=f"Input {name}", exact=True).click()
    assert max(play_on()) < 70
    drawing.get_by_role("button", name="Input x₁x₂", exact=True).click()
    assert min(play_on()) > 98
    for name in ("x₁", "x₂", "x₁²", "x₂²", "sin x₁", "sin x₂"):
        drawing.get_by_role("button", name=f"Input {name}", exact=True).click()
    assert min(play_on()) > 98
    assert numbers(drawing) == python("problem=xor&inputs=x1x2&hidden=", 100)


def test_a_run_that_nobody_sees_stops(browser, address):
    context = browser.new_context(reduced_motion="no-preference")
    tab = context.new_page()
    drawing = come_alive(tab, address, CHAPTER, "playground")
    drawing.get_by_role("button", name="Run", exact=True).click()
    tab.wait_for_function("parseInt(document.querySelector('.pg-count').textContent) >= 2")
    tab.evaluate("scrollTo(0, 0)")
    tab.wait_for_function("document.querySelector('.pg-run').textContent === 'Run'")
    context.close()


def test_canvases_take_the_colors_of_the_page(page, address):
    come_alive(page, address, CHAPTER, "playground")
    mean = """() => [".pg-surface", ".pg-tile canvas"].map((name) => {
      const canvas = document.querySelector(name), { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.reduce((sum, value, at) => sum + (at % 4 < 3 ? value : 0), 0) / (3 * data.length / 4);
    })"""
    light = page.evaluate(mean)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(100)
    for before, after in zip(light, page.evaluate(mean), strict=True):
        assert after < before - 40


def test_a_line_is_drawn_as_its_weight_says(page, address):
    drawing = come_alive(page, address, SIGNS, "playground")
    drawing.get_by_text("All weights as numbers").click()
    for name, value in (("x₁", "2"), ("x₂", "-0.1")):
        field = drawing.get_by_label(f"Weight from {name} to score")
        field.fill(value)
        field.press("Enter")
    (kind, wide), (other, narrow) = drawing.locator(".pg-stage svg path").evaluate_all(
        "lines => lines.map((line) => [line.getAttribute('class'), Number(line.getAttribute('stroke-width'))])"
    )
    assert [kind, other] == ["pg-plus", "pg-minus"]
    assert wide > 4 * narrow > 0


@pytest.mark.parametrize("path", [CHAPTER, SIGNS])
def test_a_chapter_loads_nothing_of_it_before_it_is_near(page, address, path):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + path, wait_until="networkidle")
    assert not any("/live-" in url for url in asked)


@pytest.mark.parametrize("path", [PAGE, CHAPTER, SIGNS])
def test_the_keyboard_goes_from_one_part_to_the_other_as_the_eye_does(page, address, path):
    come_alive(page, address, path, "playground")
    order = """() => {
      const [one, other] = document.querySelector(".pg-parts").children, [a, b] = [one, other].map((e) => e.getBoundingClientRect());
      return [one.className, a.bottom <= b.top, a.right <= b.left];
    }"""
    try:
        for width, expected in ((1280, ["pg-net", False, True]), (390, ["pg-out", True, False])) * 2:
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(100)
            assert page.evaluate(order) == expected
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_game(game, page, theme):
    page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
    game.get_by_text("All weights as numbers").click()
    game.get_by_text("The same in Python").click()
    page.evaluate(
        "document.querySelectorAll('article > section > :not(figure, h1)').forEach((other) => other.remove())"
    )
    assert violations(page, {}) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_game_fits_into_the_window_and_into_its_room(page, address, width):
    page.set_viewport_size({"width": width, "height": 800})
    drawing = come_alive(page, address, f"{PAGE}#hidden=8,8,8,8,8,8", "playground")
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        room, need = page.evaluate(
            "[document.querySelector('[data-live=playground]'), document.querySelector('.live-drawing')].map((e) => e.offsetHeight)"
        )
        print(f"{width} px: room {room / 16:.1f} rem, need {need / 16:.1f} rem")
        assert room - need < 12 * 16
        assert drawing.locator(".pg-surface").is_visible()
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})
