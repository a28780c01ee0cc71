"""Names, sizes and order of chains are those of torch; the layers' own tests compare their numbers."""

import pytest
import torch
from torch import nn

from common import noise, stream
from dlbook.sequences._layers import add_parameters, described, through_layers

KINDS = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}


@pytest.mark.parametrize("gates", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_parameters_are_named_and_shaped_as_in_torch(gates, bidirectional, bias):
    layer = nn.Module()
    sizes = {"input_size": 3, "hidden_size": 5, "num_layers": 2, "bidirectional": bidirectional, "bias": bias}
    chains = add_parameters(layer, **sizes, gates=gates, generator=stream(), device=None, dtype=torch.float64)
    theirs = KINDS[gates](3, 5, 2, bias=bias, bidirectional=bidirectional)
    assert {k: v.shape for k, v in layer.named_parameters()} == {k: v.shape for k, v in theirs.named_parameters()}
    assert len(chains) == 2 * (1 + bidirectional)
    assert all(p.dtype == torch.float64 and 0 < p.abs().max() <= 5**-0.5 for p in layer.parameters())


def test_vectors_come_with_each_chain():
    layer = nn.Module()
    sizes = {"input_size": 3, "hidden_size": 5, "num_layers": 1, "bidirectional": True, "bias": False}
    add_parameters(layer, **sizes, gates=4, vectors=("v",), generator=None, device="meta", dtype=None)
    assert layer.v_l0.shape == layer.v_l0_reverse.shape == (5,)
    with pytest.raises(ValueError, match="at least 1, found 3, 5 and 0 layers"):
        add_parameters(layer, **{**sizes, "num_layers": 0}, gates=1, generator=None, device=None, dtype=None)


def test_chains_come_layer_by_layer_and_read_from_their_end():
    x, seen = noise(2, 7, 3), []

    def total(x):
        return x[..., :3].cumsum(dim=1)  # a recurrence whose answer is known

    def run(chain, x):
        seen.append((chain, x))
        return total(x)

    output, ends = through_layers(x, run, num_layers=2, bidirectional=True)
    first = torch.cat([total(x), total(x.flip(1)).flip(1)], dim=-1)
    assert [chain for chain, _ in seen] == [0, 1, 2, 3]
    assert torch.equal(seen[1][1], x.flip(1))
    assert torch.equal(seen[2][1], first)
    assert torch.equal(output, torch.cat([total(first), total(first.flip(1)).flip(1)], dim=-1))
    wanted = [x.sum(1), x.sum(1), first[..., :3].sum(1), first[..., :3].sum(1)]  # of all steps, from either end
    assert torch.allclose(ends, torch.stack(wanted), rtol=1e-12)


def test_only_what_is_unusual_is_described():
    layer = nn.Module()
    layer.input_size, layer.hidden_size, layer.bias = 3, 5, False
    assert described(layer, bias=True) == "3, 5, bias=False"
    assert described(layer, bias=False) == "3, 5"
