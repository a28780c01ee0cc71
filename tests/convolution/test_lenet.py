"""LeNet-5 against the paper's own counts, a plain network of SciPy correlations, torch layers, and hand-worked rows."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import correlate2d
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.lenet import (
    RBF,
    CoveringConv2d,
    LeNet5,
    ModernLeNet,
    Subsampling,
    TableConv2d,
    connection_table,
    digit_codes,
    map_criterion,
    mse_criterion,
    prepare,
    scaled_tanh,
)
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


# Published counts


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


def test_table_is_made_as_section_ii_b_says():
    rows = [set(row.nonzero()[:, 0].tolist()) for row in connection_table()]
    assert rows[:6] == [{i % 6 for i in range(start, start + 3)} for start in range(6)]  # every contiguous three
    assert rows[6:12] == [{i % 6 for i in range(start, start + 4)} for start in range(6)]  # every contiguous four
    assert rows[12:15] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}]
    assert rows[15] == set(range(6))
    assert connection_table().sum(dim=0).tolist() == [10] * 6


def test_shapes_are_those_of_figure_2(model):
    shapes = [tuple(states.shape) for states in model.maps(noise(2, 1, 32, 32))]
    assert shapes == [(2, 6, 28, 28), (2, 6, 14, 14), (2, 16, 10, 10), (2, 16, 5, 5), (2, 120, 1, 1), (2, 84, 1, 1)]


# Input and codes


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


def test_codes_are_signs_and_far_apart():
    codes = digit_codes()
    assert (codes.shape, set(codes.unique().tolist())) == ((10, 12, 7), {-1.0, 1.0})
    different = (codes.flatten(1)[:, None] != codes.flatten(1)).sum(dim=-1) + 84 * torch.eye(10, dtype=torch.int64)
    assert different.min() >= 15


def test_codes_of_0_and_1_are_a_ring_and_a_bar():
    zero, one = digit_codes()[0], digit_codes()[1]
    assert_close(zero, zero.flip(1))
    assert (zero[5] == torch.tensor([1.0, 1, -1, -1, -1, 1, 1])).all()
    assert (one[:, 3:5] == 1).all()


# Layers


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


def table_layer():
    layer = TableConv2d(TABLE, 3, generator=stream(1), dtype=F64)
    with torch.no_grad():
        layer.bias.copy_(noise(5, seed=2))
    return layer


def test_table_convolution_is_a_convolution_of_the_chosen_maps():
    layer, x = table_layer(), noise(2, 3, 7, 11)
    out, first = layer(x), 0
    for row, chosen in enumerate(TABLE):
        kernels = layer.weight[first : first + int(chosen.sum())]
        first += len(kernels)
        assert_close(out[:, [row]], F.conv2d(x[:, chosen], kernels[None], layer.bias[[row]]))


def test_table_convolution_is_a_masked_dense_one_and_so_is_its_gradient():
    layer, x, up = table_layer(), noise(2, 3, 7, 11), noise(2, 5, 5, 9, seed=3)
    dense = layer.dense_weight().detach().requires_grad_()
    assert not dense[~TABLE].any()
    (F.conv2d(x, dense * TABLE[:, :, None, None], layer.bias) * up).sum().backward()
    (layer(x) * up).sum().backward()
    assert_close(layer.weight.grad, dense.grad[TABLE])


def test_gradient_flows_only_through_connected_maps():
    layer = table_layer()
    for row, chosen in enumerate(TABLE):
        x = noise(1, 3, 7, 11).requires_grad_()
        layer(x)[:, row].sum().backward()
        assert x.grad.abs().sum(dim=(0, 2, 3)).bool().tolist() == chosen.tolist()


def test_a_full_table_is_torch_conv2d():
    layer = TableConv2d(torch.ones(5, 3, dtype=torch.bool), 3, generator=stream(), dtype=F64)
    theirs = nn.Conv2d(3, 5, 3, dtype=F64)
    theirs.load_state_dict({"weight": layer.weight.reshape(5, 3, 3, 3), "bias": layer.bias})
    x = noise(2, 3, 7, 11)
    assert_close(layer(x), theirs(x))


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


def test_rbf_is_minus_the_squared_distance_and_its_codes_are_no_parameters():
    codes, x = noise(5, 7), noise(2, 3, 7, seed=1)
    layer = RBF(codes)
    assert_close(layer(x), -(torch.cdist(x, codes.expand(2, 5, 7)) ** 2))
    assert not list(layer.parameters())
    codes[0] = 9.0
    assert layer.codes.max() < 9, "the caller's tensor is copied"


# Whole networks


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


@pytest.mark.parametrize("kind", [LeNet5, ModernLeNet])
class TestBothNetworks:
    def test_state_dict_makes_a_copy_of_the_network(self, kind, digits):
        ours, other = kind(generator=stream(1)), kind(generator=stream(2))
        assert not torch.equal(ours(digits[0]), other(digits[0]))
        other.load_state_dict(ours.state_dict())
        assert torch.equal(ours(digits[0]), other(digits[0]))

    def test_same_generator_same_weights_and_torchs_own_stream_is_left_alone(self, kind):
        before = torch.get_rng_state()
        first, second = (kind(generator=stream(3)) for _ in range(2))
        assert torch.equal(torch.get_rng_state(), before)
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))

    def test_without_a_generator_torchs_stream_is_used(self, kind):
        torch.manual_seed(5)
        first = kind()
        torch.manual_seed(5)
        second = kind()
        third = kind()
        assert torch.equal(first.c1.weight, second.c1.weight)
        assert not torch.equal(first.c1.weight, third.c1.weight)

    def test_dtype_and_device_are_those_asked_for(self, kind):
        assert {tensor.dtype for tensor in kind(dtype=F64).state_dict().values()} - {torch.bool} == {F64}
        assert kind(dtype=F64)(noise(2, 1, 32, 32)).dtype == F64
        assert {tensor.device.type for tensor in kind(device="meta").state_dict().values()} == {"meta"}

    def test_the_first_kernels_stay_in_the_order_that_is_fast_on_a_cpu(self, kind):
        model = kind()
        model.load_state_dict(kind().state_dict())
        assert [copy.deepcopy(model).c1.weight.stride(), model.c1.weight.stride()] == [(25, 1, 5, 1)] * 2

    def test_gradients_reach_the_pixels(self, kind, digits):
        x = digits[0][:2].clone().requires_grad_()
        kind(generator=stream())(x).logsumexp(dim=1).sum().backward()
        assert x.grad.abs().sum(dim=(1, 2, 3)).gt(0).all()

    def test_gradients_are_finite_differences(self, kind):
        model = kind(generator=stream(), dtype=F64)
        x, direction = noise(1, 1, 32, 32).requires_grad_(), noise(1, 1, 32, 32, seed=4)
        target = torch.tensor([7])
        step = 1e-6
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(x) / 50, target), x)
        ends = [F.cross_entropy(model(x.detach() + sign * step * direction) / 50, target) for sign in (1, -1)]
        assert_close((gradient * direction).sum(), (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("shape", [(1, 32, 32), (2, 3, 32, 32), (2, 1, 28, 28), (2, 1, 32, 33), (2, 1, 60, 32)])
    def test_rejects_other_shapes(self, kind, shape):
        with pytest.raises(ValueError, match="of 32 x 32, found shape"):
            kind()(torch.zeros(shape))

    def test_rejects_bytes_and_tells_how_to_pad(self, kind):
        with pytest.raises(ValueError, match=r"floats, found torch\.uint8"):
            kind()(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
        with pytest.raises(ValueError, match="pad by 2"):
            kind()(torch.zeros(2, 1, 28, 28))


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


# Criteria


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


# What is refused


CALLS = {
    "images are uint8": lambda: prepare(torch.zeros(2, 1, 28, 28)),
    r"images are uint8 \(n, 1, 28, 28\), found torch.uint8 of shape \(2, 28, 28\)": lambda: prepare(
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
    r"codes are finite floats \(classes, d\), found torch.float32 \(3,\)": lambda: RBF(torch.zeros(3)),
    "codes are finite floats": lambda: RBF(torch.tensor([[math.nan]])),
    r"codes are \(classes, 84\)": lambda: LeNet5(torch.zeros(10, 83)),
    "classes is at least 1": lambda: ModernLeNet(0),
    "rubbish is a positive": lambda: map_criterion(torch.zeros(2, 3), torch.tensor([0, 1]), rubbish=0.0),
    "rubbish is a positive squared distance, found nan": lambda: map_criterion(
        torch.zeros(2, 3), torch.tensor([0, 1]), rubbish=math.nan
    ),
    "int64 from 0 to 2, found torch.int64 from 0 to 3": lambda: map_criterion(
        torch.zeros(2, 3), torch.tensor([0, 3]), rubbish=1.0
    ),
    "targets are int64 from 0 to 2, found torch.int64 from -1": lambda: mse_criterion(
        torch.zeros(2, 3), torch.tensor([-1, 0])
    ),
    "targets are int64 from 0 to 2, found torch.int32": lambda: mse_criterion(
        torch.zeros(2, 3), torch.tensor([1, 0], dtype=torch.int32)
    ),
    r"with b >= 1, found shapes \(2, 3\) and \(3,\)": lambda: mse_criterion(torch.zeros(2, 3), torch.tensor([1, 0, 2])),
    r"with b >= 1, found shapes \(0, 3\)": lambda: mse_criterion(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
}


@pytest.mark.parametrize("message", CALLS)
def test_rejects(message):
    with pytest.raises(ValueError, match=message):
        CALLS[message]()


def test_subsampling_prints_its_number_of_maps():
    assert str(Subsampling(6)) == "Subsampling(6)"
