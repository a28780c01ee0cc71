"""AlexNet against published counts, torch's normalization, networks of functions, and crops cut by hand."""

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise, size, stream, with_biases
from dlbook.convolution.alexnet import (
    ILSVRC,
    AlexNet,
    Components,
    LocalResponseNorm,
    SmallAlexNet,
    color_components,
    local_response_norm,
    pca_color_augmentation,
    random_crop_and_flip,
    ten_crops,
)
from dlbook.convolution.inception import multiply_adds

ROOT = Path(__file__).parents[2]


# Local response normalization


@pytest.mark.parametrize("n", [1, 3, 5, 7, 13])
@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 3), (2, 7, 3, 5), (3, 2, 5, 7)])
def test_norm_is_that_of_torch_with_alpha_times_the_size(n, shape):
    x = 3 * noise(*shape)
    ours = local_response_norm(x, n, alpha=0.3, beta=0.6, k=1.7)
    # F.local_response_norm takes three axes or more
    theirs = F.local_response_norm(x.reshape(*shape[:2], -1), n, alpha=n * 0.3, beta=0.6, k=1.7).reshape(shape)
    assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert_close(LocalResponseNorm(n, alpha=0.3, beta=0.6, k=1.7)(x), ours)


def test_norm_with_the_constants_of_the_paper():
    x = 100 * noise(2, 11, 3, 5)
    theirs = torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(x)
    assert_close(local_response_norm(x), theirs, rtol=1e-12, atol=1e-12)
    assert_close(LocalResponseNorm()(x), theirs, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(theirs, torch.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x))


def test_norm_is_the_sum_of_the_paper_written_out():
    x, n, alpha, beta, k = noise(1, 6, 1, 1), 5, 0.5, 0.75, 2.0
    for i in range(6):
        total = sum(x[0, j, 0, 0] ** 2 for j in range(max(0, i - n // 2), min(5, i + n // 2) + 1))
        ours = local_response_norm(x, n, alpha=alpha, beta=beta, k=k)[0, i, 0, 0]
        assert_close(ours, x[0, i, 0, 0] / (k + alpha * total) ** beta)


def test_gradient_of_the_norm_by_finite_differences():
    x = noise(2, 5, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, 3, alpha=0.7, beta=0.75, k=1.0), x)


def test_norm_leaves_its_argument_alone():
    x = noise(2, 5, 2, 2)
    before = x.clone()
    local_response_norm(x)
    assert torch.equal(x, before)
    assert repr(LocalResponseNorm()) == "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)"


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (torch.zeros(3), {}, r"x is floats \(b, c, ...\), found torch.float32 of shape \(3,\)"),
        (torch.zeros(2, 3, dtype=torch.uint8), {}, "found torch.uint8"),
        (torch.zeros(2, 3), {"size": 4}, "size is odd and positive, found 4"),
        (torch.zeros(2, 3), {"size": -1}, "found -1"),
        (torch.zeros(2, 3), {"k": 0.0}, "found k = 0.0"),
        (torch.zeros(2, 3), {"k": math.nan}, "found k = nan"),
        (torch.zeros(2, 3), {"alpha": -1.0}, "alpha = -1.0"),
    ],
)
def test_impossible_norms_are_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        local_response_norm(x, **options)
    if options:
        with pytest.raises(ValueError, match=message):
            LocalResponseNorm(**options)


# Augmentation


def test_each_crop_is_a_square_of_its_own_image_or_its_mirror():
    images = torch.arange(200 * 2 * 7 * 11.0).reshape(200, 2, 7, 11)
    crops = random_crop_and_flip(images, 5, generator=stream())
    assert crops.shape == (200, 2, 5, 5)
    seen = set()
    for image, crop in zip(images, crops, strict=True):
        found = [
            (top, left, mirrored)
            for top in range(3)
            for left in range(7)
            for mirrored, turned in ((False, crop), (True, crop.flip(-1)))
            if torch.equal(turned, image[:, top : top + 5, left : left + 5])
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) == 3 * 7 * 2  # every place, and both coins, come up among 200


def test_places_are_drawn_evenly_and_rows_apart_from_columns():
    images = torch.arange(9.0).reshape(1, 1, 3, 3).expand(9000, 1, 3, 3)
    counts = random_crop_and_flip(images, 1, generator=stream()).flatten().long().bincount(minlength=9)
    assert (counts - 1000).abs().max() < 5 * math.sqrt(1000)


def test_crops_of_full_size_are_only_mirrored():
    images = noise(50, 3, 5, 5)
    crops = random_crop_and_flip(images, 5, generator=stream())
    same = (crops == images).flatten(1).all(dim=1)
    assert 10 < same.sum() < 40
    assert torch.equal(crops[~same], images[~same].flip(-1))
    assert torch.equal(random_crop_and_flip(images, 5, generator=stream()), crops)


def test_ten_crops_by_hand():
    images = torch.arange(2 * 20.0).reshape(2, 1, 4, 5)
    crops = ten_crops(images, 2)
    assert crops.shape == (2, 10, 1, 2, 2)
    first = [[0, 1, 5, 6], [3, 4, 8, 9], [10, 11, 15, 16], [13, 14, 18, 19], [6, 7, 11, 12]]
    mirrored = [[b, a, d, c] for a, b, c, d in first]
    assert crops[0].flatten(1).tolist() == first + mirrored
    assert torch.equal(crops[1], crops[0] + 20)


@pytest.mark.parametrize("crop", [lambda x, n: random_crop_and_flip(x, n, generator=stream()), ten_crops])
@pytest.mark.parametrize(("shape", "n"), [((3, 5, 5), 3), ((2, 3, 5, 7), 6), ((2, 3, 5, 7), 0), ((0, 3, 5, 5), 3)])
def test_impossible_crops_are_refused(crop, shape, n):
    with pytest.raises(ValueError, match=re.escape(f"h, w >= {n} >= 1, found {shape}")):
        crop(torch.zeros(shape), n)


def test_components_are_those_of_numpys_svd():
    mixing = torch.tensor([[1.0, 0.2, 0.1], [0.8, -0.3, 0.2], [0.7, 0.1, -0.4]], dtype=F64)
    images = 5 + torch.einsum("dc,bchw->bdhw", mixing, noise(3, 3, 5, 7))
    vectors, values = color_components(images)
    pixels = images.movedim(1, -1).reshape(-1, 3)
    _, s, vt = torch.linalg.svd(pixels - pixels.mean(dim=0))
    assert_close(values, s.square() / (len(pixels) - 1))
    assert_close((vectors.T @ vt.T).abs(), torch.eye(3, dtype=F64), rtol=0, atol=1e-9)
    assert (vectors.sum(dim=0) >= 0).all()


def test_shift_is_the_equation_of_the_paper():
    images = noise(4, 3, 5, 7)
    p, lam = color_components(images)
    shifted = pca_color_augmentation(images, Components(p, lam), std=0.3, generator=stream(3))
    draws = torch.randn(4, 3, generator=stream(3)).to(F64) * 0.3
    for image, after, a in zip(images, shifted, draws, strict=True):
        added = sum(p[:, i] * a[i] * lam[i] for i in range(3))
        assert_close(after, image + added[:, None, None])
    assert torch.equal(pca_color_augmentation(images, Components(p, lam), std=0.0, generator=stream()), images)


def test_shifts_have_the_deviations_that_were_asked_for():
    components = Components(torch.eye(3, dtype=F64), torch.tensor([4.0, 2.0, 1.0], dtype=F64))
    shifts = pca_color_augmentation(torch.zeros(20_000, 3, 1, 1, dtype=F64), components, generator=stream())
    assert_close(shifts.flatten(1).std(dim=0), 0.1 * components.values, rtol=0.03, atol=0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "floats .*, found torch.uint8"),
        (torch.zeros(2, 1, 4, 4), r"found torch.float32 of shape \(2, 1, 4, 4\)"),
        (torch.zeros(3, 4, 4), r"\(3, 4, 4\)"),
    ],
)
def test_other_colors_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        color_components(images)
    with pytest.raises(ValueError, match=message):
        pca_color_augmentation(images, Components(torch.eye(3), torch.ones(3)), generator=stream())


def test_hopeless_colors_are_refused():
    with pytest.raises(ValueError, match="two pixels or more"):
        color_components(torch.zeros(1, 3, 1, 1))
    with pytest.raises(ValueError, match="finite"):
        color_components(torch.full((1, 3, 2, 2), math.inf))
    draws = Components(torch.eye(3), torch.ones(3))
    with pytest.raises(ValueError, match="std is at least 0, found -0.1"):
        pca_color_augmentation(torch.zeros(1, 3, 2, 2), draws, std=-0.1, generator=stream())


# AlexNet

TABLE = {  # by hand from Fig. 2 and Sec. 3.5: weights and biases
    "conv1": 96 * 11 * 11 * 3 + 96,
    "conv2": 256 * 5 * 5 * 48 + 256,
    "conv3": 384 * 3 * 3 * 256 + 384,
    "conv4": 384 * 3 * 3 * 192 + 384,
    "conv5": 256 * 3 * 3 * 192 + 256,
    "fc6": 4096 * 256 * 36 + 4096,
    "fc7": 4096 * 4096 + 4096,
    "fc8": 1000 * 4096 + 1000,
}


def test_parameters_layer_by_layer():
    model = AlexNet(device="meta")
    assert {name: size(model.get_submodule(name)) for name in TABLE} == TABLE
    assert size(model) == sum(TABLE.values()) == 60_965_224


def test_one_tower_has_the_kernels_that_two_towers_save():
    saved = 256 * 25 * 48 + 384 * 9 * 192 + 256 * 9 * 192
    assert size(AlexNet(groups=1, device="meta")) == 60_965_224 + saved == 62_378_344


def test_neurons_are_those_of_figure_2_but_for_the_first():
    model = AlexNet(device="meta")
    shapes = {}
    for name in TABLE:
        layer = model.get_submodule(name)
        layer.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    model(torch.empty(1, 3, 227, 227, device="meta"))
    neurons = [math.prod(shape) for shape in shapes.values()]
    printed = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert neurons[1:] == printed[1:]
    assert neurons[0] == 96 * 55 * 55 == 290_400
    assert printed[0] == 96 * 55 * 48
    assert [shape[-1] for shape in shapes.values()][:5] == [55, 27, 13, 13, 13]
    assert model.features(torch.empty(1, 3, 227, 227, device="meta")).shape == (1, 256, 6, 6)


def test_operations_by_hand():
    model = AlexNet(device="meta")
    places = {"conv1": 55**2, "conv2": 27**2, "conv3": 13**2, "conv4": 13**2, "conv5": 13**2}
    biases = {
        "conv1": 96,
        "conv2": 256,
        "conv3": 384,
        "conv4": 384,
        "conv5": 256,
        "fc6": 4096,
        "fc7": 4096,
        "fc8": 1000,
    }
    expected = {name: places.get(name, 1) * (TABLE[name] - biases[name]) for name in TABLE}
    assert multiply_adds(model, (3, 227, 227)) == expected


def test_logits_are_those_of_functions():
    model = with_biases(AlexNet(5, generator=stream())).eval()
    x = torch.randn(2, 3, 227, 227, generator=stream(1))
    p = dict(model.named_parameters())

    def conv(h, name, **options):
        return F.conv2d(h, p[f"{name}.weight"], p[f"{name}.bias"], **options).clamp(min=0)

    def towers(h, name, pad):
        halves = []
        for i, half in enumerate(h.chunk(2, dim=1)):
            w, b = p[f"{name}.weight"].chunk(2)[i], p[f"{name}.bias"].chunk(2)[i]
            halves.append(F.conv2d(half, w, b, padding=pad).clamp(min=0))
        return torch.cat(halves, dim=1)

    def norm(h):
        return torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(h)

    def maxima(h):
        return h.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-2, -1))

    with torch.no_grad():
        h = maxima(norm(conv(x, "conv1", stride=4)))
        h = maxima(norm(towers(h, "conv2", 2)))
        h = towers(conv(h, "conv3", padding=1), "conv4", 1)
        h = maxima(towers(h, "conv5", 1))
        assert_close(model.features(x), h, rtol=1e-4, atol=1e-6)
        h = h.flatten(1)
        for name in ("fc6", "fc7", "fc8"):
            h = h @ p[f"{name}.weight"].T + p[f"{name}.bias"]
            h = h.clamp(min=0) if name != "fc8" else h
        assert_close(model(x), h, rtol=1e-4, atol=1e-5)


def test_weights_and_biases_start_as_section_5_says():
    model = AlexNet(3, generator=stream(), groups=2)
    state = torch.get_rng_state()
    again = AlexNet(3, generator=stream())
    assert torch.equal(state, torch.get_rng_state())  # a given generator is the only one that is used
    for name in TABLE:
        layer = model.get_submodule(name)
        assert math.isclose(layer.weight.std().item(), 0.01, rel_tol=0.02)
        assert abs(layer.weight.mean()) < 5 * 0.01 / math.sqrt(layer.weight.numel())
        assert set(layer.bias.tolist()) == {1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0}
        assert torch.equal(layer.weight, again.get_submodule(name).weight)


def test_half_of_the_units_are_dropped_in_training_only():
    model = SmallAlexNet(widths=(2, 2, 400, 400), side=4, dropout=0.5, generator=stream())
    seen = []
    model.fc4.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.fc5.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.rand(50, 3, 4, 4, generator=stream(1))
    torch.manual_seed(0)
    model.train()(x)
    model.eval()(x)
    alive = seen[2] > 0
    kept = seen[0][alive] / seen[2][alive]
    assert_close(kept[kept > 0], torch.full_like(kept[kept > 0], 2.0))  # inverted: the scale stays
    assert abs((kept == 0).double().mean() - 0.5) < 0.02
    assert abs(((seen[1] == 0).double().mean() - (seen[3] == 0).double().mean()) - 0.25) < 0.1


def test_alexnet_drops_in_training_only():
    model = AlexNet(2, generator=stream())
    x = torch.rand(1, 3, 227, 227, generator=stream())
    inputs = []
    for layer in (model.fc7, model.fc8):
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with torch.no_grad():
        model.eval()(x)
        model.train()(x)
    for quiet, dropped in ((inputs[0], inputs[2]), (inputs[1], inputs[3])):
        alive = quiet > 0
        assert alive.double().mean() > 0.7  # biases of 1 keep most units alive
        # a unit of fc7 that loses half of its inputs may fall silent besides
        assert -0.03 < (dropped[alive] == 0).double().mean() - 0.5 < 0.12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 0}, "classes is at least 1"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\), found 1000 and 1.0"),
        ({"dropout": -0.1}, "found 1000 and -0.1"),
        ({"groups": 0}, "divides 32, found 0"),
        ({"groups": 3}, "found 3"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AlexNet(**options, device="meta")


@pytest.mark.parametrize("shape", [(3, 227, 227), (1, 3, 224, 224), (1, 1, 227, 227)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"images are \(b, 3, 227, 227\), found shape"):
        AlexNet(2, device="meta")(torch.zeros(shape, device="meta"))


def test_bytes_are_refused():
    with pytest.raises(ValueError, match="floats, found torch.uint8"):
        AlexNet(2, device="meta")(torch.zeros(1, 3, 227, 227, dtype=torch.uint8, device="meta"))
    with pytest.raises(ValueError, match="floats, found torch.uint8"):
        SmallAlexNet(widths=(2, 2, 2, 2))(torch.zeros(1, 3, 28, 28, dtype=torch.uint8))


# The small one


def test_small_one_has_the_parameters_of_zhang_et_al():
    by_hand = (75 + 1) * 64 + (25 * 64 + 1) * 64 + (7 * 7 * 64 + 1) * 384 + (384 + 1) * 192 + (192 + 1) * 10
    assert size(SmallAlexNet(device="meta")) == by_hand == 1_387_786


@pytest.mark.parametrize("side", [13, 14, 16])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("norm", [True, False])
def test_small_logits_are_those_of_functions(side, groups, norm):
    options = {"widths": (4, 6, 7, 5), "side": side, "groups": groups, "activation": torch.tanh, "norm": norm}
    model = with_biases(SmallAlexNet(3, **options, generator=stream(), dtype=F64)).eval()
    x = 30 * noise(2, 3, side, side, seed=1)
    p = dict(model.named_parameters())

    def block(h, name, groups):
        h = torch.tanh(F.conv2d(h, p[f"{name}.weight"], p[f"{name}.bias"], padding=2, groups=groups))
        h = F.pad(h, (1, 1, 1, 1), value=-math.inf)
        h = h.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-2, -1))
        return torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(h) if norm else h

    h = block(block(x, "conv1", 1), "conv2", groups).flatten(1)
    h = torch.tanh(F.linear(h, p["fc3.weight"], p["fc3.bias"]))
    h = torch.tanh(F.linear(h, p["fc4.weight"], p["fc4.bias"]))
    assert_close(model(x), F.linear(h, p["fc5.weight"], p["fc5.bias"]), rtol=1e-10, atol=1e-10)


def test_small_weights_are_drawn_as_he_et_al_do():
    model = SmallAlexNet(generator=stream())
    for layer, inputs in ((model.conv2, 1600), (model.fc3, 3136), (model.fc4, 384)):
        assert math.isclose(layer.weight.std().item(), math.sqrt(2 / inputs), rel_tol=0.02)
        assert layer.bias.abs().sum() == 0
    again = SmallAlexNet(generator=stream())
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))


def test_small_one_learns_a_tiny_set_by_heart():
    model = SmallAlexNet(2, widths=(8, 8, 16, 16), side=8, generator=stream())
    x, y = torch.randn(12, 3, 8, 8, generator=stream(1)), torch.arange(12) % 2
    descent = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    for _ in range(80):
        descent.zero_grad()
        F.cross_entropy(model(x), y).backward()
        descent.step()
    assert (model(x).argmax(dim=1) == y).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (4, 4, 4)}, r"four widths, .* found \(4, 4, 4\)"),
        ({"widths": (4, 0, 4, 4)}, r"found \(4, 0, 4, 4\), 28 and 1"),
        ({"side": 0}, "found .*, 0 and 1"),
        ({"groups": 0}, "28 and 0"),
        ({"widths": (4, 6, 4, 4), "groups": 3}, r"found 3 for \(4, 6\)"),
        ({"widths": (6, 4, 4, 4), "groups": 3}, r"found 3 for \(6, 4\)"),
        ({"classes": 0}, "classes is at least 1"),
        ({"dropout": 1.5}, "found 10 and 1.5"),
    ],
)
def test_impossible_small_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SmallAlexNet(**options)


@pytest.mark.parametrize("shape", [(3, 14, 14), (1, 3, 16, 16), (1, 1, 14, 14)])
def test_other_small_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"images are \(b, 3, 14, 14\), found"):
        SmallAlexNet(widths=(2, 2, 2, 2), side=14)(torch.zeros(shape))


# The competition


def test_every_error_has_a_source_in_the_bibliography():
    keys = set(re.findall(r"@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text()))
    assert all(result.sources and set(result.sources) <= keys for result in ILSVRC)


def test_years_go_on_and_errors_go_down():
    years, errors = [r.year for r in ILSVRC], [r.error for r in ILSVRC]
    assert years == sorted(years)
    assert (years[0], years[-1]) == (2010, 2015)
    assert [r.error for r in ILSVRC if r.convolutional] == sorted(
        (r.error for r in ILSVRC if r.convolutional), reverse=True
    )
    assert all(0 < error < 100 for error in errors)
    assert next(r.error for r in ILSVRC if r.year == 2012 and r.convolutional) == 16.4  # Krizhevsky et al., Table 2
