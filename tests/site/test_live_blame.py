"""The live figure of back-propagation in the browser: it computes what the package computes, and answers the guesses."""

import itertools
import re
from typing import Any

import numpy as np
import pytest

from dlbook.backprop.backpropagation import backprop, forward
from live import come_alive, compute

pytestmark = pytest.mark.site
PAGE = "book/backprop/backpropagation.html"
KINDS = {"relu": ("relu", "identity"), "sigmoid": ("sigmoid", "identity"), "sigmoids": ("sigmoid", "sigmoid")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(2, 3, 2), (3, 5, 4, 2), (2, 2, 2)])
def test_all_numbers_of_both_ways_are_the_package_s(page: Any, address: str, kind: str, sizes: tuple):
    rng = np.random.default_rng(len(sizes) + len(kind))
    activation, output = KINDS[kind]
    for scale in (1, 1, 3, 10):  # the last saturates
        weights = [rng.normal(size=(o, i)) * scale for i, o in itertools.pairwise(sizes)]
        biases = [np.zeros(len(weight)) for weight in weights]
        x, t = rng.normal(size=sizes[0]), rng.normal(size=sizes[-1])
        network = {"W": [w.tolist() for w in weights], "x": x.tolist(), "t": t.tolist(), "kind": kind}
        way = forward(weights, biases, x[None], activation=activation, output=output)
        right = backprop(weights, biases, x[None], t[None], activation=activation, output=output, loss="squares")

        there = compute(page, address, "back_propagation", "forward", network)
        for found, expected in zip(there["sums"] + there["values"], way.sums + way.states, strict=True):
            np.testing.assert_allclose(found, expected[0], rtol=1e-5, atol=1e-9)
        back = compute(page, address, "back_propagation", "backward", network)
        for found, expected in zip(back["deltas"], right.deltas, strict=True):
            np.testing.assert_allclose(found, expected[0], rtol=1e-5, atol=1e-9)
        for found, expected in zip(back["by"]["W"], right.weights, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(back["by"]["x"], weights[0].T @ right.deltas[0][0], rtol=1e-5, atol=1e-9)
        assert compute(page, address, "back_propagation", "loss", network) == pytest.approx(right.loss, rel=1e-5)

        after = compute(page, address, "back_propagation", "descended", network, 0.02)
        for found, weight, slopes in zip(after["W"], weights, right.weights, strict=True):
            np.testing.assert_allclose(found, weight - 0.02 * slopes, rtol=1e-5, atol=1e-9)


@pytest.fixture
def drawing(page: Any, address: str) -> Any:
    return come_alive(page, address, PAGE, "blame")


def says(drawing: Any) -> str:
    return drawing.locator("[aria-live]").inner_text().replace("\u00a0", " ")


def choose(drawing: Any, name: str) -> Any:
    part = drawing.get_by_role("radio", name=re.compile(f"^{name}:"))
    part.locator("rect, circle").first.click(force=True)
    assert part.get_attribute("aria-checked") == "true"
    return part


def press(drawing: Any, name: str) -> str:
    drawing.get_by_role("button", name=name, exact=True).click()
    return says(drawing)


def derivatives(drawing: Any) -> list[str]:
    return drawing.locator(".live-derivative td").all_inner_texts()


def shown(drawing: Any) -> list[str]:
    """Return all numbers of the drawing, and how wide each band of blame is."""
    bands = drawing.locator(".blame").evaluate_all("all => all.map((band) => band.getAttribute('stroke-width'))")
    return [text.replace("\n", "") for text in drawing.locator("svg text").all_text_contents()] + bands


def test_the_example_is_the_chapter_s_in_numbers(drawing: Any):
    assert says(drawing).startswith("Loss ½ ((2 − 3)² + (5 − 1)²) = 8.5. Silent: hidden unit 3.")
    assert derivatives(drawing) == ["18.0000", "18.0000"]
    assert {"δ 3", "δ 9", "δ 0", "δ −1", "δ 4", "t₁ = 3", "t₂ = 1"} <= set(shown(drawing))


def test_both_ways_are_taken_unit_by_unit(drawing: Any):
    marked, deltas = drawing.locator(".unit.now"), drawing.locator(".delta:not(:empty)")
    assert press(drawing, "Forward").startswith("Hidden unit 1, forward: in = 1 · 1 + 1 · 2 = 3")
    assert (marked.count(), deltas.count()) == (1, 0)
    assert derivatives(drawing) == ["–", "18.0000"], "the delta is not there yet"
    assert "deltas not yet, not yet" in drawing.get_by_role("radiogroup").get_attribute("aria-label")
    for _ in range(4):
        last = press(drawing, "Forward")
    assert last.startswith("Output 2, forward: in = 1 · 3 + 2 · 1 + 1 · 0 = 5")
    assert press(drawing, "Backward") == "Output 1, backward: δ = y₁ − t₁ = 2 − 3 = −1."
    for _ in range(3):
        last = press(drawing, "Backward")
    assert last.startswith("Hidden unit 2, backward: δ = ((−1) · (−1) + 4 · 2) · 1 = 9: the outputs pass on 9")
    assert (marked.count(), deltas.count()) == (1, 4)
    assert drawing.locator(".edge.used").count() == 2
    assert derivatives(drawing) == ["18.0000", "18.0000"]
    assert press(drawing, "Backward").startswith("Loss"), "all is there"
    assert deltas.count() == 5


def test_numbers_are_chosen_and_changed_by_keyboard(page: Any, drawing: Any):
    group = drawing.get_by_role("radio", checked=True)
    group.focus()
    page.keyboard.press("ArrowRight")
    chosen = drawing.get_by_role("radio", checked=True)
    assert chosen.get_attribute("aria-label") == "Weight to h₃ from x₁: 1"
    assert chosen.evaluate("it => it === document.activeElement")
    page.keyboard.press("ArrowLeft")
    assert drawing.locator("[role='radio'][tabindex='0']").count() == 1
    slider = drawing.locator("input").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "−0.9"
    assert drawing.get_by_role("radio", checked=True).get_attribute("aria-label") == "Weight to h₂ from x₂: −0.9"
    assert derivatives(drawing) == ["20.0000", "20.0000"]  # in = 1.2 and y = (1.8, 5.4): (1.2 + 2 · 4.4) · 2


def test_every_kind_of_number_has_a_derivative_that_a_difference_confirms(drawing: Any):
    for kind in KINDS:
        drawing.locator("select").select_option(kind)
        for name in ("Input x₁", "Weight to h₁ from x₂", "Weight to y₂ from h₁", "Target t₁"):
            choose(drawing, name)
            product, quotient = derivatives(drawing)
            assert product == quotient, (kind, name)
            assert product != "0"


def test_guess_a_weights_that_leave_a_silent_unit_change_nothing_else(page: Any, drawing: Any):
    before = shown(drawing)
    for name in ("Weight to y₁ from h₃", "Weight to y₂ from h₃"):
        choose(drawing, name)
        drawing.locator("input").first.focus()
        page.keyboard.press("End")
    after = shown(drawing)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 2, "the two weights"
    assert says(drawing).startswith("Loss ½ ((2 − 3)² + (5 − 1)²) = 8.5.")


def test_guess_b_a_longer_step_ends_lower_and_leaves_a_unit_silent(page: Any, drawing: Any):
    rate = drawing.locator("input").nth(1)
    assert press(drawing, "One step down") == "One step with rate 0.02: the loss was 8.5 and is 0.8."
    press(drawing, "Start again")
    rate.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    said = press(drawing, "One step down")
    assert re.search(r"rate 0\.05: the loss was 8\.5 and is 0\.09\d?\. Hidden unit 2 fell silent", said)
    label = drawing.get_by_role("radio", checked=True).get_attribute("aria-label")
    for _ in range(5):
        press(drawing, "One step down")
    assert drawing.get_by_role("radio", checked=True).get_attribute("aria-label") == label
    assert derivatives(drawing) == ["0", "0"]


def test_guess_c_a_weight_into_a_sigmoid_starves_and_one_out_of_it_does_not(page: Any, drawing: Any):
    drawing.locator("select").select_option("sigmoid")
    below = float(derivatives(drawing)[0])
    choose(drawing, "Weight to h₂ from x₁")
    slider = drawing.locator("input").first
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "6"
    choose(drawing, "Weight to h₂ from x₂")
    starved = derivatives(drawing)
    assert starved[0] == starved[1]
    assert abs(float(starved[0])) < below / 5
    choose(drawing, "Weight to h₂ from x₁")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    choose(drawing, "Weight to y₂ from h₂")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    choose(drawing, "Weight to h₂ from x₂")
    assert float(derivatives(drawing)[0]) > 2 * below
