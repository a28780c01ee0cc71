"""LeNet-5 against the paper's own counts, a plain network of SciPy correlations, torch layers, and hand-worked rows."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import correlate2d
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.lenet import (
    CoveringConv2d,
    LeNet5,
    ModernLeNet,
    Subsampling,
    map_criterion,
    mse_criterion,
    prepare,
    scaled_tanh,
)
from dlbook.convolution.rbf import RBF
from dlbook.convolution.table_conv import TableConv2d, connection_table
from dlbook.data import mnist


@pytest.fixture(scope="module")
def model():
    """Return a LeNet-5 in float64 whose biases are not zero."""
    model = LeNet5(generator=stream(), dtype=F64)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(0.1 * noise(*parameter.shape, seed=len(name)))
    return model


@pytest.fixture(scope="module")
def digits():
    data = mnist()
    return prepare(data.x_test[:20]), data.y_test[:20]


def test_parameters_of_each_layer_are_those_the_paper_prints():
    counts = {name: sum(p.numel() for p in layer.parameters()) for name, layer in LeNet5().named_children()}
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}


def test_connections_of_each_layer_are_those_the_paper_prints():
    model = LeNet5()
    maps = model.maps(torch.zeros(1, 1, 32, 32))
    inputs = {  # of all units at one place, with the bias
        "c1": model.c1.weight.numel() + 6,
        "s2": 6 * (4 + 1),
        "c3": model.c3.weight.numel() + 16,
        "s4": 16 * (4 + 1),
        "c5": model.c5.weight.numel() + 120,
        "f6": model.f6.weight.numel() + 84,
    }
    counts = {name: n * getattr(maps, name)[0, 0].numel() for name, n in inputs.items()}
    assert counts == {"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000, "c5": 48_120, "f6": 10_164}
    assert sum(counts.values()) + model.output.codes.numel() == 340_908


def test_the_twin_has_61706_parameters():
    counts = [sum(p.numel() for p in layer.parameters()) for layer in ModernLeNet().children()]
    assert counts == [156, 2416, 48_120, 10_164, 850]
    assert sum(counts) == 61_706


def test_shapes_are_those_of_figure_2(model):
    shapes = [tuple(states.shape) for states in model.maps(noise(2, 1, 32, 32))]
    assert shapes == [(2, 6, 28, 28), (2, 6, 14, 14), (2, 16, 10, 10), (2, 16, 5, 5), (2, 120, 1, 1), (2, 84, 1, 1)]


def test_prepare_puts_paper_at_minus_a_tenth_and_ink_at_1_175():
    images = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    images[1, 0, 2, 7] = 255
    x = prepare(images)
    assert (x.shape, x.dtype) == ((3, 1, 32, 32), torch.float32)
    assert_close(x[1, 0, 4, 9], torch.tensor(1.175))
    x[1, 0, 4, 9] = -0.1
    assert_close(x, torch.full_like(x, -0.1))


def test_prepared_digits_have_mean_near_0_and_variance_near_1():
    data = mnist().x_train[:500] / 255 * 1.275 - 0.1
    x = prepare(mnist().x_train[:500])
    assert_close(x[:, :, 2:-2, 2:-2], data)
    assert abs(x.mean()) < 0.1
    assert 0.1 < x.var() < 1


def test_scaled_tanh_against_numpy_and_the_equalities_of_appendix_a():
    a = np.linspace(-5, 5, 101)
    assert_close(scaled_tanh(torch.tensor(a)).numpy(), 1.7159 * np.tanh(2 / 3 * a), rtol=1e-15, atol=1e-15)
    assert_close(
        scaled_tanh(torch.tensor([-1.0, 1.0], dtype=F64)), torch.tensor([-1.0, 1.0], dtype=F64), rtol=0, atol=5e-6
    )


def test_subsampling_worked_by_hand():
    # sum 1 + 2 + 3 - 4 = 2; 3 · 2 - 5 = 1; f(1) = 1
    layer = Subsampling(1, dtype=F64)
    with torch.no_grad():
        layer.coefficient.fill_(3.0)
        layer.bias.fill_(-5.0)
    out = layer(torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]], dtype=F64))
    assert_close(out, torch.ones(1, 1, 1, 1, dtype=F64), rtol=0, atol=5e-6)


def test_subsampling_is_a_loop_over_squares():
    layer, x = Subsampling(3, generator=stream(), dtype=F64), noise(2, 3, 7, 11)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.3, -0.2, 0.1]))
    out = layer(x)
    assert out.shape == (2, 3, 3, 5)
    for b, c, i, j in np.ndindex(2, 3, 3, 5):
        total = (
            x[b, c, 2 * i, 2 * j]
            + x[b, c, 2 * i, 2 * j + 1]
            + x[b, c, 2 * i + 1, 2 * j]
            + x[b, c, 2 * i + 1, 2 * j + 1]
        )
        assert_close(out[b, c, i, j], scaled_tanh(layer.coefficient[c] * total + layer.bias[c]))


TABLE = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 0]], dtype=torch.bool)


@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (2, 3, 7, 11), (2, 3, 5, 7)])
def test_a_covering_convolution_is_a_convolution(shape):
    torch.manual_seed(0)
    ours, theirs = CoveringConv2d(3, 7, 5, dtype=F64), nn.Conv2d(3, 7, 5, dtype=F64)
    theirs.load_state_dict(ours.state_dict())
    assert_close(ours(noise(*shape)), theirs(noise(*shape)))


@pytest.mark.parametrize("name", ["c1", "s2", "c3", "s4", "c5", "f6", "output"])
def test_hooks_on_every_layer_are_called(model, name):
    seen = []
    handle = model.get_submodule(name).register_forward_hook(lambda *_: seen.append(name))
    model(noise(1, 1, 32, 32))
    handle.remove()
    assert seen == [name]


def plain_lenet(x, p):
    """Compute the squared distances of one image (32, 32) by SciPy, map by map, with no torch."""
    squash = lambda a: 1.7159 * np.tanh(2 / 3 * a)  # noqa: E731

    def sub(maps, coefficient, bias):
        return [
            squash(k * (m[::2, ::2] + m[1::2, ::2] + m[::2, 1::2] + m[1::2, 1::2]) + b)
            for m, k, b in zip(maps, coefficient, bias, strict=True)
        ]

    c1 = [squash(correlate2d(x, k[0], "valid") + b) for k, b in zip(p["c1.weight"], p["c1.bias"], strict=True)]
    s2 = sub(c1, p["s2.coefficient"], p["s2.bias"])
    kernels = iter(p["c3.weight"])
    c3 = []
    for inputs, b in zip(connection_table().numpy(), p["c3.bias"], strict=True):
        c3.append(squash(sum(correlate2d(s2[j], next(kernels), "valid") for j in inputs.nonzero()[0]) + b))
    s4 = np.stack(sub(c3, p["s4.coefficient"], p["s4.bias"]))
    c5 = squash(p["c5.weight"].reshape(120, -1) @ s4.ravel() + p["c5.bias"])
    f6 = squash(p["f6.weight"].reshape(84, 120) @ c5 + p["f6.bias"])
    return ((f6 - p["output.codes"]) ** 2).sum(axis=1)


def test_lenet5_is_the_network_written_with_scipy(model):
    x = noise(3, 1, 32, 32)
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    expected = np.stack([plain_lenet(image[0].numpy(), arrays) for image in x])
    assert_close(model(x), torch.from_numpy(-expected), rtol=1e-10, atol=1e-10)


def test_scan_reads_every_window_of_a_larger_image(model):
    x = noise(2, 1, 41, 53)
    out = model.scan(x)
    assert out.shape == (2, 10, 3, 6)
    for i, j in np.ndindex(3, 6):
        assert_close(out[:, :, i, j], model(x[:, :, 4 * i : 4 * i + 32, 4 * j : 4 * j + 32]))


def test_receptive_fields_are_5_6_14_16_and_32_pixels(model):
    for name, side in {"c1": 5, "s2": 6, "c3": 14, "s4": 16, "c5": 32}.items():
        x = noise(1, 1, 32, 32).requires_grad_()
        getattr(model.maps(x), name)[0, :, 0, 0].sum().backward()
        seen = x.grad[0, 0] != 0
        assert seen[:side, :side].all(), name
        assert seen.sum() == side**2, name


def test_the_twin_is_a_sequence_of_torch_layers():
    twin = ModernLeNet(generator=stream(), dtype=F64)
    pool = [nn.ReLU(), nn.MaxPool2d(2)]
    layers = [nn.Conv2d(1, 6, 5), *pool, nn.Conv2d(6, 16, 5), *pool, nn.Flatten()]
    layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    theirs = nn.Sequential(*layers).to(F64)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), twin.state_dict().values(), strict=True)))
    x = noise(3, 1, 32, 32).requires_grad_()
    y = x.detach().clone().requires_grad_()
    assert_close(twin(x), theirs(y))
    assert_close(twin.features(x), theirs[:-1](y))
    twin(x).square().sum().backward()
    theirs(y).square().sum().backward()
    assert_close(x.grad, y.grad)
    assert_close(twin.c1.weight.grad, theirs[0].weight.grad)


@pytest.mark.parametrize("kind", [LeNet5, ModernLeNet])
def test_a_few_digits_can_be_learned_by_heart(kind, digits):
    x, y = digits
    model = kind(generator=stream())
    loss = (lambda o, t: map_criterion(o, t, rubbish=10.0)) if kind is LeNet5 else F.cross_entropy
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(50):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(dim=1) == y).all()


def test_weights_fill_the_range_of_appendix_a():
    model = LeNet5(generator=stream())
    bounds = {"c1": 2.4 / 25, "s2": 2.4 / 4, "c5": 2.4 / 400, "f6": 2.4 / 120}
    for name, bound in bounds.items():
        weight = next(model.get_submodule(name).parameters())
        assert 0.5 * bound < weight.abs().max() <= bound, name
    inputs = 25 * connection_table().sum(dim=1).repeat_interleave(connection_table().sum(dim=1))
    reach = model.c3.weight.abs().amax(dim=(1, 2)) * inputs
    assert reach.max() <= 2.4
    assert reach.min() > 0.7 * 2.4
    assert all(not tensor.any() for name, tensor in model.named_parameters() if name.endswith("bias"))


def test_weights_of_the_twin_have_the_variance_of_he():
    twin = ModernLeNet(generator=stream())
    for name in ("c3", "c5", "f6", "output"):
        weight = twin.get_submodule(name).weight
        assert abs(weight.var() * weight[0].numel() / 2 - 1) < 0.1, name
        assert not twin.get_submodule(name).bias.any()


def test_map_criterion_is_equation_9_term_by_term():
    y = noise(5, 7).abs() * 3  # squared distances
    target, j = torch.tensor([0, 6, 2, 2, 5]), 1.7
    by_hand = [
        y[i, d] + math.log(math.exp(-j) + sum(math.exp(-distance) for distance in y[i])) for i, d in enumerate(target)
    ]
    assert_close(map_criterion(-y, target, rubbish=j), torch.stack(by_hand).mean())
    assert min(by_hand) > 0, "the loss is positive, as the paper says"


def test_map_criterion_without_rubbish_is_cross_entropy_and_with_it_starts_as_least_squares():
    logits, target = -noise(5, 7).abs() * 3, torch.tensor([0, 6, 2, 2, 5])
    assert_close(map_criterion(logits, target, rubbish=math.inf), F.cross_entropy(logits, target))
    far = (logits - 500).requires_grad_()
    gradients = [
        torch.autograd.grad(loss, far)[0]
        for loss in (map_criterion(far, target, rubbish=10.0), mse_criterion(far, target))
    ]
    assert_close(*gradients, rtol=0, atol=1e-12)


def test_mse_criterion_of_two_rows_by_hand():
    # distances 3 (row 0, class 1) and 5 (row 1, class 0): mean 4
    logits = torch.tensor([[-7.0, -3.0], [-5.0, -2.0]])
    assert mse_criterion(logits, torch.tensor([1, 0])) == 4


CALLS = {
    "images are uint8": lambda: prepare(torch.zeros(2, 1, 28, 28)),
    r"images is \(n, 1, 28, 28\), found shape \(2, 28, 28\)": lambda: prepare(
        torch.zeros(2, 28, 28, dtype=torch.uint8)
    ),
    "of at least 32 x 32": lambda: LeNet5().scan(torch.zeros(1, 1, 31, 99)),
    r"x is \(b, 6, h, w\)": lambda: Subsampling(6)(torch.zeros(1, 5, 8, 8)),
    "h, w >= 2": lambda: Subsampling(6)(torch.zeros(1, 6, 8, 1)),
    "with a True in each row": lambda: TableConv2d(TABLE & False, 3),
    "found torch.int64": lambda: TableConv2d(TABLE.long(), 3),
    r"found torch.bool of shape \(2, 2\)": lambda: TableConv2d(torch.tensor([[True, False], [False, False]]), 3),
    "kernel_size is at least 1": lambda: TableConv2d(TABLE, 0),
    r"x is \(b, 3, h, w\) with h, w >= 3": lambda: TableConv2d(TABLE, 3)(torch.zeros(1, 3, 2, 9)),
    r"codes is \(classes, d\) with all sizes at least 1, found shape \(3,\)": lambda: RBF(torch.zeros(3)),
    "codes are finite floats": lambda: RBF(torch.tensor([[math.nan]])),
    r"codes is \(classes, 84\)": lambda: LeNet5(torch.zeros(10, 83)),
    "classes is at least 1": lambda: ModernLeNet(0),
    "rubbish is a positive": lambda: map_criterion(torch.zeros(2, 3), torch.tensor([0, 1]), rubbish=0.0),
    "rubbish is a positive squared distance, found nan": lambda: map_criterion(
        torch.zeros(2, 3), torch.tensor([0, 1]), rubbish=math.nan
    ),
    "targets are class numbers of dtype int64, found torch.int32": lambda: mse_criterion(
        torch.zeros(2, 3), torch.tensor([1, 0], dtype=torch.int32)
    ),
    r"target is \(2,\), found shape \(3,\)": lambda: mse_criterion(torch.zeros(2, 3), torch.tensor([1, 0, 2])),
    r"at least 1, found shape \(0, 3\)": lambda: mse_criterion(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
}


@pytest.mark.parametrize("message", CALLS)
def test_rejects(message):
    with pytest.raises(ValueError, match=message):
        CALLS[message]()


def test_subsampling_prints_its_number_of_maps():
    assert str(Subsampling(6)) == "Subsampling(6)"


CRITERIA = [mse_criterion, partial(map_criterion, rubbish=1.0)]


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("target", [3, -1, -100])
def test_torch_refuses_a_target_that_is_no_class_not_even_rubbish(criterion, target):
    with pytest.raises(RuntimeError, match="out of bounds"):
        criterion(torch.zeros(2, 3), torch.tensor([0, target]))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_criteria_compile_and_vmap_since_they_look_at_no_value(criterion):
    score, target = noise(5, 3, 7), torch.tensor([0, 6, 2]).expand(5, 3)
    each = torch.stack([criterion(a, b) for a, b in zip(score, target, strict=True)])
    assert_close(torch.vmap(criterion)(score, target), each)
    compiled = torch.compile(criterion, fullgraph=True, backend="eager")
    assert_close(compiled(score[0], target[0]), each[0])
