"""Monte Carlo dropout, against exact averages over all masks and against SciPy's entropies."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.regularization.dropout import Dropout, average_over_masks
from dlbook.regularization.monte_carlo import monte_carlo, uncertainty


def test_mean_of_draws_approaches_the_mean_over_all_masks():
    top = nn.Sequential(nn.Linear(5, 3), nn.Softmax(dim=-1)).double()
    h = noise(7, 5)
    draws = monte_carlo(nn.Sequential(Dropout(0.3, generator=stream()), top), h, 4001)
    exact = average_over_masks(top, h, 0.3)
    assert draws.shape == (4001, 7, 3)
    assert_close(draws.mean(dim=0), exact, rtol=0, atol=5 * 0.5 / math.sqrt(4001))
    assert_close(draws.var(dim=0), average_over_masks(lambda h: top(h) ** 2, h, 0.3) - exact**2, rtol=0, atol=0.02)


def test_normalizations_evaluate_while_dropout_draws_and_every_mode_comes_back():
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3))
    model[0].eval()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    before = model[0].running_mean.clone()
    draws = monte_carlo(model, torch.ones(7, 5), 2)
    assert torch.equal(model[0].running_mean, before)
    assert not torch.equal(draws[0], draws[1])
    assert modes == [module.training for module in model.modules()]
    model.train()
    monte_carlo(model, torch.ones(7, 5), 1)
    assert torch.equal(model[0].running_mean, before)
    assert all(module.training for module in model.modules())
    assert not draws.requires_grad


def test_modes_come_back_after_an_error():
    model = nn.Sequential(Dropout(0.5), nn.Linear(5, 3)).train()
    with pytest.raises(RuntimeError):
        monte_carlo(model, torch.ones(2, 7), 3)
    assert model.training
    assert model[1].training


def test_rejects_a_model_without_dropout_and_no_draws():
    with pytest.raises(ValueError, match="no layer of dropout"):
        monte_carlo(nn.Linear(3, 2), torch.ones(5, 3), 7)
    with pytest.raises(ValueError, match="no layer of dropout with p > 0"):
        monte_carlo(nn.Sequential(Dropout(0.0), nn.Dropout(0.0), nn.Linear(3, 2)), torch.ones(5, 3), 7)
    with pytest.raises(ValueError, match="at least 1, found 0"):
        monte_carlo(nn.Sequential(Dropout(0.5)), torch.ones(5, 3), 0)


def test_entropies_agree_with_scipy():
    p = (3 * noise(11, 7, 5)).softmax(dim=-1)
    found = uncertainty(p)
    assert_close(found.mean.numpy(), p.numpy().mean(axis=0))
    assert_close(found.total.numpy(), entropy(p.numpy().mean(axis=0), axis=-1))
    assert_close(found.within.numpy(), entropy(p.numpy(), axis=-1).mean(axis=0))
    kl = np.array([entropy(q, p.numpy().mean(axis=0), axis=-1) for q in p.numpy()]).mean(axis=0)
    assert_close(found.between.numpy(), kl)  # the mean divergence from the mean


def test_one_prediction_disagrees_with_nobody_and_certain_opposites_with_all():
    alone = uncertainty(noise(1, 7, 5).softmax(dim=-1))
    assert_close(alone.between, torch.zeros(7, dtype=F64))
    split = uncertainty(torch.eye(4, dtype=F64)[:, None])
    assert_close(split.between, torch.tensor([math.log(4)], dtype=F64))
    assert split.within.item() == 0


def test_one_layer_that_drops_is_enough_and_torch_s_layers_draw_too():
    kinds = {nn.Dropout: 1, nn.AlphaDropout: 1, nn.FeatureAlphaDropout: 1}
    kinds |= {nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}
    for kind, places in kinds.items():
        x = torch.ones(2, 101, *[3] * places)
        draws = monte_carlo(nn.Sequential(Dropout(0.0), kind(0.5)), x, 2)
        assert not torch.equal(draws[0], draws[1])


@pytest.mark.parametrize(
    "wrong",
    [
        noise(2, 7, 5),
        1.1 * noise(2, 7, 5).softmax(dim=-1),
        noise(2, 7, 5) * math.nan,
        torch.tensor([[[1.5, -0.5]]]),
    ],
)
def test_uncertainty_rejects_scores_and_what_does_not_sum_to_one(wrong: torch.Tensor):
    with pytest.raises(ValueError, match="sum to 1, found least"):
        uncertainty(wrong)


def test_uncertainty_takes_probabilities_in_bfloat16():
    p = (3 * noise(11, 7, 101)).softmax(dim=-1)
    assert_close(uncertainty(p.bfloat16()).total.double(), uncertainty(p).total, rtol=0.05, atol=0)


def test_uncertainty_checks_its_shape():
    with pytest.raises(ValueError, match=r"probabilities is \(s, b, k\)"):
        uncertainty(noise(7, 5))


def test_dropout_inside_of_torchs_transformer_layers_draws_too():
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
    fast = torch.backends.mha.get_fastpath_enabled()
    with torch.no_grad():
        assert monte_carlo(layer, noise(2, 3, 4, dtype=torch.float32), 5).std(dim=0).max() > 0.1
    assert torch.backends.mha.get_fastpath_enabled() == fast
