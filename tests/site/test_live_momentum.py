"""The live figure of momentum: its balls are the package's, and the map says of a pair what happens to the ball."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from dlbook.optimization.optimizers import SGD, Momentum, Nesterov
from live import come_alive, compute

pytestmark = pytest.mark.site
PAGE = "book/optimization/momentum-and-adaptive-rates.html"
VALLEY, START = torch.tensor([1.0, 25.0]).double(), [-10.0, 1.0]
PACKAGE = {"ball": Momentum, "ahead": Nesterov}


def rolled(rule: str, rate: float, momentum: float, steps: int) -> np.ndarray:
    """Return the path of the package's optimizer in the valley."""
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = PACKAGE[rule]([p], lr=rate, momentum=momentum) if momentum else SGD([p], lr=rate)
    path = [p.detach().clone()]
    for _ in range(steps):
        p.grad = VALLEY * p.detach()
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path).numpy()


def arrived(path: np.ndarray) -> int:
    """Return after how many steps the distance stays below a millionth."""
    return int(np.flatnonzero(np.hypot(*path.T) > 1e-6 * np.hypot(*START)).max()) + 1


@pytest.fixture
def drawing(page: Any, address: str) -> Any:
    return come_alive(page, address, PAGE, "momentum")


@pytest.mark.parametrize("rule", PACKAGE)
def test_a_ball_is_the_package_s(page: Any, address: str, rule: str):
    for rate, momentum in [(1 / 9, 4 / 9), (0.03, 0.9), (1 / 25, 2 / 3), (0.05, 0.1), (0.07, 0)]:
        found = compute(page, address, "rolling", "roll", rule, VALLEY.tolist(), START, rate, momentum, 60)
        np.testing.assert_allclose(np.array(found, float), rolled(rule, rate, momentum, 60), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", PACKAGE)
def test_the_roots_foretell_the_package_s_rate(page: Any, address: str, rule: str):
    for rate, momentum in [(0.1, 0.3), (0.03, 0.9), (0.045, 0.7), (0.02, 0.5), (0.09, 0)]:
        foretold = compute(page, address, "rolling", "radius", rule, VALLEY.tolist(), rate, momentum)
        distance = np.hypot(*rolled(rule, rate, momentum, 600).T)
        largest = [distance[k : k + 100].max() for k in (100, 500)]  # complex roots let it swing
        assert (largest[1] / largest[0]) ** (1 / 400) == pytest.approx(foretold, rel=0.003)


def said(drawing: Any) -> str:
    return drawing.locator("[aria-live]").inner_text()


def test_the_pairs_of_the_still_take_the_package_s_steps(page: Any, drawing: Any):
    descent = arrived(rolled("ball", 2 / 26, 0, 400))
    assert f"Both are equally slow: {descent} steps" in said(drawing), "as it begins"
    drawing.get_by_role("button", name="Best pair").click()
    ball = arrived(rolled("ball", 1 / 9, 4 / 9, 400))
    assert said(drawing).count("swings (complex roots), factor 0.667") == 2
    assert f"No pair has a smaller r: {ball} steps" in said(drawing)
    text = page.get_by_text("Where does the pair stand").inner_text()
    assert f"{descent} steps to a millionth" in text, "the chapter says the same"
    assert f"the lower tip, {ball} steps" in text


def test_a_pair_moves_by_keys_and_by_mouse(page: Any, drawing: Any):
    pair, field = drawing.locator(".movable"), drawing.locator("svg").first
    pair.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert pair.get_attribute("aria-label").startswith("Rate 0.078, momentum 0.010;")
    assert drawing.locator("output").all_inner_texts() == ["0.078", "0.012"], "the slider has steps of 0.004"
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert "jumps from wall to wall (real roots), factor" in said(drawing)
    page.keyboard.press("ArrowRight")
    assert re.match(r"It diverges: .* by 1\.\d+ in the long run", said(drawing))
    pair.hover()
    page.mouse.down()
    box = field.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.15, steps=3)
    page.mouse.up()
    assert said(drawing).count("swings") == 2
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.7)
    assert said(drawing).startswith("It diverges")


def test_nesterov_bears_smaller_rates_the_more_momentum_it_has(page: Any, drawing: Any):
    rate, momentum = drawing.locator("input").all()
    rules = drawing.locator("select")
    rate.fill("0.07")
    assert "steps to a millionth" in said(drawing)
    momentum.fill("0.5")
    assert "steps to a millionth" in said(drawing)
    borders = [drawing.locator(name).get_attribute("d") for name in (".edge", ".both")]
    rules.select_option("ahead")
    assert borders != [drawing.locator(name).get_attribute("d") for name in (".edge", ".both")], "another map"
    assert said(drawing).startswith("It diverges"), "the ball bears it, Nesterov does not"
    momentum.fill("0.1")
    assert f"{arrived(rolled('ahead', 0.07, 0.1, 400))} steps to a millionth" in said(drawing)
    drawing.get_by_role("button", name="Best pair").click()
    assert "No pair has a smaller r: 63 steps" in said(drawing)
