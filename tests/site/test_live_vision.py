"""The live figures of images: their arithmetic against ``dlbook`` in float64, and what a reader does with them.

The weights are those that the pages exported, so what is compared is the JavaScript of the site and the package.
"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from browsing import SITE, violations
from dlbook.adversarial.attack import ascent
from dlbook.adversarial.fgsm import fgsm
from dlbook.adversarial.pgd import pgd
from dlbook.convolution.convolution import conv2d
from dlbook.convolution.lenet import LeNet5, prepare
from dlbook.convolution.sobel import sobel
from dlbook.data import mnist
from live import come_alive, compute, modules

PLACES = {
    "convolution": "book/convolution/convolution.html",
    "lenet": "book/convolution/lenet.html",
    "fgsm": "book/adversarial/adversarial-examples.html",
}
TYPES = {"f32": "<f4", "f16": "<f2", "i32": "<i4", "u8": "u1"}
NETWORKS = """async ([folder, file, kind, images, goal]) => {
  const module = (name) => import(`${folder}${name}.js`);
  const [kit, layers, networks, signs, ink] = await Promise.all(
    ["kit", "layers", "networks", "fast_gradient_sign", "ink"].map(module));
  const network = networks[kind](kit.decode(await (await fetch(folder + file)).json()).weights);
  return images.map((image) => {
    const x = Float64Array.from(kind === "lenet5" ? ink.padded(image) : image);
    const attack = (steps, targeted) => [...signs.attack(network, x, goal, { epsilon: 0.1, steps, targeted })];
    return {
      states: layers.states(network, x).map((state) => [...state]),
      slope: [...signs.ascent(network, x, goal, false)],
      ...(kind === "strided" && { step: attack(1, false), goal: attack(1, true), many: attack(20, true) }),
    };
  });
}"""


def exported(name: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a figure's file of data and what is in it, arrays as tensors."""
    page = (SITE / PLACES[name]).read_text("utf8")
    file = re.search(rf'data-file="({name}-[^"]*)"', page)
    if file is None:
        pytest.fail(f"{PLACES[name]} exports nothing to {name}")

    def unpack(found: dict[str, Any]) -> Any:
        for kind in TYPES.keys() & found.keys() if "shape" in found else ():
            values = np.frombuffer(base64.b64decode(found[kind]), TYPES[kind]).reshape(found["shape"])
            return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))
        return found

    return file[1], json.loads((SITE / modules() / file[1]).read_text("utf8"), object_hook=unpack)


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Six digits of MNIST, bytes."""
    return mnist().x_test[:6]


@pytest.fixture
def ask(page: Any, address: str, images: Tensor) -> Callable[..., list[dict[str, Tensor]]]:
    """Run a network of the site on the digits."""

    def run(kind: str, file: str, goal: int) -> list[dict[str, Tensor]]:
        page.goto(f"{address}book/index.html", wait_until="domcontentloaded")
        pixels = (images.double() / 255).flatten(1).tolist()
        answers = page.evaluate(NETWORKS, [f"{address}{modules()}", file, kind, pixels, goal])
        wanted = ("slope", "step", "goal", "many")
        flat = [{key: torch.tensor(one[key], dtype=torch.float64) for key in wanted if key in one} for one in answers]
        states = [
            {f"state {k}": torch.tensor(s, dtype=torch.float64) for k, s in enumerate(one["states"])} for one in answers
        ]
        return [first | second for first, second in zip(flat, states, strict=True)]

    return run


def close(ours: Tensor, theirs: Tensor, most: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs.flatten(), rtol=0, atol=most)


def test_lenet_on_the_site_is_lenet_of_the_package(ask: Callable, images: Tensor):
    file, data = exported("lenet")
    model = LeNet5().double()
    model.load_state_dict(data["weights"])
    x = F.pad(images.double() / 255 * 1.275 - 0.1, (2, 2, 2, 2), value=-0.1)
    torch.testing.assert_close(x.float(), prepare(images))
    maps, answers = model.maps(x), model(x)
    slopes, _ = ascent(model, x, torch.full((len(x),), 3), targeted=False)
    for k, ours in enumerate(ask("lenet5", file, 3)):
        for name, place in zip(maps._fields, (2, 4, 6, 8, 10, 12), strict=True):
            close(ours[f"state {place}"], getattr(maps, name)[k])
        close(ours["state 0"], x[k])
        close(ours["state 13"], answers[k])
        close(ours["slope"], slopes[k])


def test_the_attack_on_the_site_is_the_attack_of_the_package(ask: Callable, images: Tensor):
    file, data = exported("fgsm")
    one, two = nn.Conv2d(1, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
    top = nn.Flatten(), nn.Linear(32 * 49, 100), nn.ReLU(), nn.Linear(100, 10)
    model = nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), *top).double()
    model.load_state_dict(data["weights"])
    x, goal = images.double() / 255, torch.full((len(images),), 3)
    slopes, logits = ascent(model, x, goal, targeted=False)
    assert slopes.abs().amax() > 1e-3
    step = fgsm(model, x, goal, epsilon=0.1).adversarial
    aimed = fgsm(model, x, goal, epsilon=0.1, targeted=True).adversarial
    walk = {"epsilon": 0.1, "steps": 20, "random_start": False, "early_stop": False}
    many = pgd(model, x, goal, targeted=True, **walk).adversarial
    for k, ours in enumerate(ask("strided", file, 3)):
        close(ours["state 7"], logits[k])
        for name, theirs in {"slope": slopes, "step": step, "goal": aimed, "many": many}.items():
            close(ours[name], theirs[k])


def test_the_kernel_on_the_site_is_the_convolution_of_the_package(page: Any, address: str):
    _, data = exported("convolution")
    image = data["photograph"].double() / 255
    page.goto(f"{address}book/index.html", wait_until="domcontentloaded")
    presets = page.evaluate("async (file) => (await import(file)).PRESETS", f"{address}{modules()}convolution.js")
    assert len(presets) == 7
    for name, nine in presets.items():
        kernel = torch.tensor(nine, dtype=torch.float64).view(1, 1, 3, 3)
        for stride, padding in ((1, 1), (2, 0), (3, 1)):
            options = {"size": len(image), "stride": stride, "padding": padding}
            ours = compute(page, address, "convolution", "lay", image.flatten().tolist(), nine, options)
            theirs = conv2d(image[None, None], kernel, stride=stride, padding=padding)
            close(torch.tensor(ours, dtype=torch.float64), theirs)
        if name.startswith("Sobel"):
            part = sobel(image).right if name.endswith("right") else sobel(image).down
            inner = conv2d(image[None, None], kernel)[0, 0]
            torch.testing.assert_close(inner, part[1:-1, 1:-1])


def says(drawing: Any) -> str:
    return drawing.locator(".live-says").inner_text()


def draw(page: Any, drawing: Any, *strokes: list[tuple[float, float]]) -> None:
    """Draw by mouse; points are shares of the paper's side."""
    box = drawing.locator(".live-paper").bounding_box()
    for stroke in strokes:
        for k, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 if k == 0 else 8)
            if k == 0:
                page.mouse.down()
        page.mouse.up()
    page.wait_for_timeout(200)


SEVEN = [(0.25, 0.2), (0.7, 0.2), (0.4, 0.85)]
ONE = [(0.5, 0.15), (0.5, 0.85)]
FOUR = [(0.4, 0.15), (0.28, 0.55), (0.72, 0.55)], [(0.6, 0.15), (0.6, 0.85)]


@pytest.mark.parametrize(("strokes", "digit"), [([SEVEN], 7), ([ONE], 1), (FOUR, 4)])
def test_lenet_reads_what_is_drawn_wherever_and_however_large(page: Any, address: str, strokes: list, digit: int):
    drawing = come_alive(page, address, PLACES["lenet"], "lenet")
    assert "reads a 4" in says(drawing)  # it starts with the digit of the still
    for scale, by in ((1, 0), (0.4, 0.5)):
        drawing.get_by_role("button", name="Clear").click()
        page.wait_for_timeout(100)
        assert "no digit" in says(drawing)
        draw(page, drawing, *([(scale * x + by, scale * y + by) for x, y in stroke] for stroke in strokes))
        assert f"reads a {digit}" in says(drawing)


@pytest.mark.parametrize("name", ["lenet", "fgsm"])
def test_nothing_is_said_before_the_pen_rests(page: Any, address: str, name: str):
    drawing = come_alive(page, address, PLACES[name], name)
    before, bars = says(drawing), drawing.locator(".live-bars tbody").inner_text()
    box = drawing.locator(".live-paper").bounding_box()
    for k, (x, y) in enumerate(SEVEN):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
        if k == 0:
            page.mouse.down()
    page.wait_for_timeout(200)
    assert drawing.locator(".live-bars tbody").inner_text() != bars
    assert says(drawing) == before
    page.mouse.up()
    page.wait_for_timeout(200)
    assert "reads a 7" in says(drawing)


def test_paper_is_sharp_on_any_screen(browser: Any, address: str):
    context = browser.new_context(device_scale_factor=2)
    drawing = come_alive(context.new_page(), address, PLACES["lenet"], "lenet")
    assert drawing.locator(".live-paper").evaluate("(paper) => [paper.width, paper.height]") == [448, 448]  # 2 x 8 x 28
    context.close()


def test_a_digit_is_chosen_and_moved_by_keyboard(page: Any, address: str):
    drawing = come_alive(page, address, PLACES["lenet"], "lenet")
    drawing.get_by_label("Digit", exact=True).select_option("2")
    page.wait_for_timeout(100)
    assert "reads a 2" in says(drawing)
    data = exported("lenet")[1]
    model = LeNet5()
    model.load_state_dict(data["weights"])
    distances = -model(prepare(data["digits"][2][None, None]))[0]
    shown = [float(text) for text in drawing.locator(".live-bars td").all_inner_texts()]
    assert shown == pytest.approx(distances.tolist(), abs=0.06)
    assert drawing.locator(".live-bars tr:has(.marked) th").all_inner_texts() == ["2"]
    share = drawing.locator(".live-bars td").first.evaluate("cell => Number(cell.style.getPropertyValue('--share'))")
    assert share == pytest.approx(min(1, distances[0].item() / 250), abs=1e-3)
    ink = """() => [...document.querySelector(".live-input canvas").getContext("2d").getImageData(0, 0, 28, 28).data]
      .filter((_, k) => k % 4 === 0)"""
    before = np.array(page.evaluate(ink)).reshape(28, 28)
    drawing.locator(".live-paper").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_timeout(100)
    after = np.array(page.evaluate(ink)).reshape(28, 28)
    assert np.array_equal(after[:-1, 2:], before[1:, :-2])
    assert len(np.unique(before)) > 10


def test_a_kernel_is_edited_and_the_window_moved_by_keyboard(page: Any, address: str):
    drawing = come_alive(page, address, PLACES["convolution"], "convolution")
    image = exported("convolution")[1]["photograph"].double() / 255

    def total(u: int, v: int, kernel: list[float]) -> str:
        products = image[u : u + 3, v : v + 3].flatten() * torch.tensor(kernel)
        return f"{products.sum():.2f}".replace("-", "\N{MINUS SIGN}")

    drawing.get_by_label("Padding").select_option("0")
    drawing.get_by_label("Kernel", exact=True).select_option("identity")
    place = re.match(r"Row (\d+), column (\d+) of a map of 126 by 126", says(drawing))
    u, v = map(int, place.groups())
    assert says(drawing).endswith(f"add up to {image[u + 1, v + 1]:.2f}.")
    drawing.get_by_label("Weight in row 1, column 3").fill("-2.5")
    kernel = [0, 0, -2.5, 0, 1, 0, 0, 0, 0]
    assert drawing.locator(".live-sum output").inner_text() == total(u, v, kernel)
    assert drawing.get_by_label("Kernel", exact=True).input_value() == ""
    drawing.get_by_label("Photograph").focus()
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft", "Shift+ArrowDown"):
        page.keyboard.press(key)
    assert says(drawing).startswith(f"Row {u + 11}, column {v - 2} ")
    assert drawing.locator(".live-sum output").inner_text() == total(u + 11, v - 2, kernel)
    drawing.get_by_label("Stride").select_option("3")
    assert "of a map of 42 by 42" in says(drawing)


def test_the_window_follows_the_pointer(page: Any, address: str):
    drawing = come_alive(page, address, PLACES["convolution"], "convolution")
    box = drawing.get_by_label("Photograph").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 100.5 / 128, box["y"] + box["height"] * 20.5 / 128)
    assert says(drawing).startswith("Row 20, column 100 ")


def test_a_digit_is_turned_into_the_one_that_is_asked_for(page: Any, address: str):
    drawing = come_alive(page, address, PLACES["fgsm"], "fgsm")
    assert re.search(r"reads a 4 .* 0\.15 of white: a 9 ", says(drawing))
    drawing.get_by_label("Make it").select_option("8")
    drawing.get_by_label("Largest change").fill("0.25")
    assert re.search(r"0\.25 of white: a 8 ", says(drawing))
    drawing.get_by_label("Largest change").press("Home")
    assert "0.00 of white: still a 4" in says(drawing)
    drawing.get_by_role("button", name="Clear").click()
    draw(page, drawing, SEVEN)
    assert says(drawing).startswith("The network reads a 7 ")


@pytest.mark.parametrize("name", PLACES)
def test_figures_stay_inside_narrow_windows_and_axe_finds_nothing(browser: Any, address: str, name: str):
    for theme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 320, "height": 800}, color_scheme=theme)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error, seen=errors: seen.append(str(error)))
        come_alive(page, address, PLACES[name], name)
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        outside = page.evaluate(
            "() => [...document.querySelectorAll('.live-drawing *')].filter((e) => !e.closest('.live-window') "
            "&& e.getBoundingClientRect().right > innerWidth).length"
        )
        assert (wide, outside, errors) == (0, 0, [])
        page.keyboard.press("Shift")  # what scrolls is then made reachable
        page.wait_for_timeout(500)
        assert [one for one in violations(page, {}) if "live" in one or "canvas" in one or "table" in one] == []
        context.close()


@pytest.mark.parametrize("name", ["lenet", "fgsm"])
def test_exported_weights_are_light(name: str):
    _, data = exported(name)
    assert 2 * sum(weight.numel() for weight in data["weights"].values()) < 350_000
