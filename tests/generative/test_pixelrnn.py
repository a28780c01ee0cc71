"""Memories over images against loops over single pixels, torch's cell, skews by hand, and the past that is seen."""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from common import F64, composes, learns_an_image_and_its_negative, noise, shaken, size, stream
from dlbook.generative.pixelrnn import DiagonalBiLSTM, DiagonalLSTM, PixelRNN, RowLSTM, skew, step, unskew


def pixel_step(gates, cell):
    """Eq. (3) for one place, gates (b, 4h) in the order o, f, i, g."""
    o, f, i, g = gates.chunk(4, dim=1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def test_step_by_hand():
    # o = 1, f = 3/4, i = 1/4, g = tanh(ln 2) = 3/5; cell 3/4 * 2 + 1/4 * 3/5 = 1.65
    gates = torch.tensor([[50.0, math.log(3), -math.log(3), math.log(2)]])
    state, cell = step(gates, torch.tensor([[2.0]]), dim=1)
    assert_close(cell, torch.tensor([[1.65]]))
    assert_close(state, torch.tensor([[math.tanh(1.65)]]))


def test_step_is_torchs_cell():
    cell = torch.nn.LSTMCell(3, 5, dtype=F64)
    x, state, memory = noise(2, 3), noise(2, 5, seed=1), noise(2, 5, seed=2)
    i, f, g, o = (x @ cell.weight_ih.T + cell.bias_ih + state @ cell.weight_hh.T + cell.bias_hh).chunk(4, dim=1)
    for found, expected in zip(step(torch.cat([o, f, i, g], 1), memory, 1), cell(x, (state, memory)), strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (3, 2), (1, 4), (4, 1)])
def test_skew_moves_each_row_by_its_number(shape):
    x = noise(*shape)
    h, w = shape[-2:]
    skewed = skew(x)
    expected = torch.zeros(*shape[:-1], w + h - 1, dtype=F64)
    for i in range(h):
        expected[..., i, i : i + w] = x[..., i, :]
    assert torch.equal(skewed, expected)
    assert torch.equal(unskew(skewed), x)


def test_row_lstm_is_a_loop_over_pixels():
    layer = RowLSTM(2, 3, kernel=3, generator=stream(), dtype=F64)
    x = noise(2, 2, 5, 7)
    w_in, b = layer.to_state.conv.weight[:, :, 0], layer.to_state.conv.bias  # (4h, c, 3)
    w_state = layer.from_state.weight
    h = {(i, j): torch.zeros(2, 3, dtype=F64) for i in range(-1, 5) for j in range(-1, 8)}
    c = dict(h)
    found = layer(x)
    for i, j in itertools.product(range(5), range(7)):
        gates = b + x[:, :, i, j] @ w_in[:, :, 1].T + (x[:, :, i, j - 1] @ w_in[:, :, 0].T if j > 0 else 0)
        gates = gates + sum(h[i - 1, j + k - 1] @ w_state[:, :, k].T for k in range(3))
        h[i, j], c[i, j] = pixel_step(gates, c[i - 1, j])
        assert_close(found[:, :, i, j], h[i, j])


def diagonal_by_loops(layer, x):
    """Return the states of a diagonal LSTM, pixel by pixel: each from the one above and the one to the left."""
    b, _, rows, columns = x.shape
    hidden = layer.from_states.in_features // 2
    zero = torch.zeros(b, hidden, dtype=F64)
    h, c = {}, {}
    out = torch.zeros(b, hidden, rows, columns, dtype=F64)
    for i, j in itertools.product(range(rows), range(columns)):
        both = torch.cat([h.get((i - 1, j), zero), h.get((i, j - 1), zero)], dim=1)
        gates = layer.to_state.bias + x[:, :, i, j] @ layer.to_state.weight[:, :, 0, 0].T
        h[i, j], c[i, j] = pixel_step(gates + both @ layer.from_states.weight.T, c.get((i, j - 1), zero))
        out[:, :, i, j] = h[i, j]
    return out


@pytest.mark.parametrize("shape", [(5, 7), (7, 3), (1, 5), (5, 1)])
def test_diagonal_lstm_is_a_loop_over_pixels(shape):
    layer, x = DiagonalLSTM(2, 3, generator=stream(), dtype=F64), noise(2, 2, *shape)
    assert_close(layer(x), diagonal_by_loops(layer, x))


def test_the_right_half_is_the_mirrored_left_one_a_row_later():
    layer, x = DiagonalBiLSTM(2, 3, generator=stream(), dtype=F64), noise(2, 2, 5, 7)
    expected = diagonal_by_loops(layer.left, x)
    mirrored = diagonal_by_loops(layer.right, x.flip(3)).flip(3)
    expected[:, :, 1:] += mirrored[:, :, :-1]
    assert_close(layer(x), expected)


def seen(layer, x, i, j):
    """Return which places (h, w) of the input have a say at one place of the output."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x)[:, :, i, j].sum(), x)
    return gradient.abs().sum(dim=(0, 1)) > 0


def test_a_row_lstm_sees_a_triangle_and_a_diagonal_one_everything_before():
    x, i, j = noise(3, 2, 5, 13), 3, 6
    triangle, before = torch.zeros(5, 13, dtype=torch.bool), torch.arange(65).view(5, 13) <= 13 * i + j
    for u in range(i + 1):
        triangle[u, max(0, j - (i - u) - 1) : j + (i - u) + 1] = True  # mask B of width 3 adds one place to the left
    assert torch.equal(seen(RowLSTM(2, 3, generator=stream(), dtype=F64), x, i, j), triangle)
    assert torch.equal(seen(DiagonalBiLSTM(2, 3, generator=stream(), dtype=F64), x, i, j), before)


def test_a_diagonal_network_sees_all_before_but_the_last_pixel_of_the_row_above():
    """Behind mask A no feature holds its own pixel, and only a feature further right in this row could tell it."""
    model = shaken(PixelRNN((7, 13), layer="diagonal", hidden=3, layers=3, first=3, generator=stream()))
    expected = torch.arange(91).view(7, 13) < 13 * 5 + 4
    expected[4, 12] = False
    assert torch.equal(seen(model, (noise(3, 1, 7, 13) > 0).to(F64), 5, 4), expected)


@pytest.mark.parametrize("layer", ["row", "diagonal"])
def test_memories_that_say_nothing_leave_the_input_as_it_is(layer):
    model = PixelRNN(5, layer=layer, hidden=3, layers=2, generator=stream(), dtype=F64)
    with torch.no_grad():
        for block in model.layers:
            block.up.weight.zero_()
            block.up.bias.zero_()
    x = (noise(2, 1, 5, 5) > 0).to(F64)
    assert_close(model(x), model.head(model.first(x)))


def test_parameters_are_counted_by_hand():
    h = 5
    row = (2 * h * 4 * h * 3 + 4 * h) + h * 4 * h * 3
    diagonal = 2 * ((2 * h * 4 * h + 4 * h) + 2 * h * 4 * h)
    rest = (49 * 2 * h + 2 * h) + (4 * h * h + 2 * h) + (2 * h + 1)
    up = 2 * h * h + 2 * h
    assert size(PixelRNN(7, layer="row", hidden=h, layers=3)) == rest + 3 * (row + up)
    assert size(PixelRNN(7, layer="diagonal", hidden=h, layers=3)) == rest + 3 * (diagonal + up)


@pytest.mark.parametrize("layer", ["row", "diagonal"])
def test_an_image_and_its_negative_are_learned_by_heart(layer):
    learns_an_image_and_its_negative(PixelRNN(5, layer=layer, hidden=8, layers=1, generator=stream()))


@pytest.mark.parametrize("layer", ["row", "diagonal"])
def test_composes_with_torch(layer):
    x = (noise(2, 1, 5, 7, dtype=torch.float32) > 0).float()
    options = {"layer": layer, "hidden": 3, "layers": 2}
    model = PixelRNN((5, 7), **options, generator=stream())
    composes(model, x)
    assert_close(torch.compile(model.log_prob, fullgraph=True, backend="eager")(x), model.log_prob(x))
    half = PixelRNN((5, 7), **options, generator=stream()).to(torch.bfloat16)
    assert half(x.bfloat16()).dtype == torch.bfloat16
    assert half.sample(2).dtype == torch.bfloat16
    assert PixelRNN(5, layer=layer, device="meta")(torch.zeros(2, 1, 5, 5, device="meta")).shape == (2, 1, 5, 5)
    assert_close(PixelRNN((5, 7), **options, generator=stream())(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PixelRNN(5, layer="column"), "layer is one of row, diagonal, found 'column'"),
        (lambda: PixelRNN(5, hidden=0), r"at least 1, .* found size \(5, 5\), 0 hidden and 2 layers"),
        (lambda: PixelRNN((5, 0)), r"at least 1, .* found size \(5, 0\), 16 hidden and 2 layers"),
        (lambda: PixelRNN(5, layers=-1), "layers at least 0, found .* -1 layers"),
        (lambda: PixelRNN(5)(torch.zeros(2, 1, 5, 7)), r"x is \(b, 1, 5, 5\), found shape \(2, 1, 5, 7\)"),
        (lambda: PixelRNN(5)(torch.zeros(2, 1, 5, 5).byte()), "floating numbers, found torch.uint8"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
