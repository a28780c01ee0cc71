"""Flow matching against paths whose velocity is known."""

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.flow_matching import euler, flow_loss


def test_one_point_is_reached_in_any_number_of_steps():
    # all paths go straight to it, with velocity (point - x) / (1 - s)
    point = torch.tensor([0.3, -2.0]).double()

    def network(x, s):
        return (point - x) / (1 - s[:, None])

    for steps in (1, 3, 10):
        assert_close(euler(network, noise(5, 2), steps=steps), point.expand(5, 2))
    assert flow_loss(network, point.expand(7, 2), generator=stream()) < 1e-20


def test_the_loss_by_the_same_draws():
    x, draws = noise(3, 2, 5), stream(4)
    s = torch.rand(3, generator=draws, dtype=F64)[:, None, None]
    eps = torch.randn(3, 2, 5, generator=draws, dtype=F64)
    seen = []

    def network(x, time):
        seen.append((x, time))
        return x.sin()

    found = flow_loss(network, x, generator=stream(4))
    mixed = (1 - s) * eps + s * x
    assert_close(seen[0][0], mixed)
    assert_close(seen[0][1], s.flatten())
    assert_close(found, ((mixed.sin() - x + eps) ** 2).mean())


def test_euler_of_growth_is_compound_interest():
    assert_close(euler(lambda x, s: x, torch.ones(1, 1), steps=4), torch.tensor([[1.25**4]]))
    assert_close(euler(lambda x, s: s[:, None].to(x), torch.zeros(1, 1), steps=4), torch.tensor([[0.375]]))


def test_no_graph():
    weight = torch.ones(1, requires_grad=True)
    assert not euler(lambda x, s: weight * x, torch.ones(1, 1), steps=2).requires_grad


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: euler(lambda x, s: x, noise(2, 1), steps=0), "at least 1, found 0"),
        (lambda: flow_loss(lambda x, s: x, torch.zeros(3), generator=None), r"\(b, ...\) with b >= 1, found"),
        (
            lambda: flow_loss(lambda x, s: x, torch.zeros(0, 2), generator=None),
            r"found torch.float32 of shape \(0, 2\)",
        ),
        (lambda: euler(lambda x, s: x[:, :1], noise(3, 2), steps=1), r"velocity is \(3, 2\)"),
        (lambda: flow_loss(lambda x, s: x, torch.zeros(3, 1).byte(), generator=None), "found torch.uint8"),
        (lambda: flow_loss(lambda x, s: x[:, :1], torch.zeros(3, 2), generator=None), r"velocity is \(3, 2\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
