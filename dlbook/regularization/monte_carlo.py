"""Monte Carlo dropout: predictions of many thinned networks; Gal, Ghahramani (2015), arXiv:1506.02142.

They draw T networks, we ``draws``.  The split of an entropy into what each network doubts and what they disagree about
serves any set of predictions, those of separately trained networks too.
Axes: s draws, b examples, k classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlbook._checks import axes
from dlbook.regularization.dropout import Dropout

__all__ = ["Uncertainty", "monte_carlo", "uncertainty"]

DROPS = (Dropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@torch.no_grad()
def monte_carlo(model: nn.Module, x: Tensor, draws: int) -> Tensor:
    """Return the outputs of ``draws`` thinned networks, (s, b, k): the layers of dropout draw, all others evaluate.

    Every module is put back into its own mode afterwards. The masks come from the streams of the layers. Dropout that
    is no layer of its own (a call of ``torch.nn.functional.dropout``, the ``dropout`` of ``torch.nn.LSTM``) stays off.

    Parameters
    ----------
    model : nn.Module
        With layers :class:`~dlbook.regularization.dropout.Dropout` or torch's, at least one of them with p > 0.
    x : (b, ...)
    draws : int
        At least 1.

    Raises
    ------
    ValueError
        If ``draws`` < 1, or no layer of the model drops anything: all its outputs would be equal, and look certain.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 5), Dropout(0.5), nn.Linear(5, 2))
    >>> monte_carlo(model, torch.zeros(7, 3), 11).shape
    torch.Size([11, 7, 2])
    """
    if draws < 1:
        raise ValueError(f"draws is at least 1, found {draws}")
    modes = {module: module.training for module in model.modules()}
    drops = [module for module in modes if isinstance(module, DROPS)]
    if not any(module.p > 0 for module in drops):
        raise ValueError(f"{type(model).__name__} has no layer of dropout with p > 0: all draws would be equal")
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # in evaluation torch's Transformer layers leave dropout out
        model.eval()
        for module in drops:
            module.train()
        return torch.stack([model(x) for _ in range(draws)])
    finally:
        for module, mode in modes.items():
            module.training = mode
        torch.backends.mha.set_fastpath_enabled(fast)


class Uncertainty(NamedTuple):
    """What several predictions of one thing say together."""

    mean: Tensor  # (b, k), probabilities
    total: Tensor  # (b,), entropy of the mean, in nats
    within: Tensor  # (b,), mean of the entropies: what each of them doubts by itself
    between: Tensor  # (b,), total - within: what they disagree about, a mutual information, so >= 0 but for rounding


def uncertainty(probabilities: Tensor) -> Uncertainty:
    """Split the entropy of the mean of several predictions (s, b, k) into their own and their disagreement.

    Raises
    ------
    ValueError
        If the predictions are not probabilities over the last axis: scores would give numbers that mean nothing.

    Examples
    --------
    >>> split = uncertainty(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))  # both are certain, of different classes
    >>> round(split.total.item(), 4), split.within.item(), round(split.between.item(), 4)
    (0.6931, 0.0, 0.6931)
    """
    axes("probabilities", probabilities, "s b k", least=1)
    sums = probabilities.sum(dim=-1)
    if not bool((probabilities >= 0).all() and ((sums - 1).abs() < 1e-2).all()):  # bfloat16 has two digits
        least, (low, high) = probabilities.min(), sums.aminmax()
        raise ValueError(f"probabilities are >= 0 and sum to 1, found least {least:.3g}, sums {low:.3g} to {high:.3g}")
    mean = probabilities.mean(dim=0)
    total = torch.special.entr(mean).sum(dim=-1)
    within = torch.special.entr(probabilities).sum(dim=-1).mean(dim=0)
    return Uncertainty(mean, total, within, total - within)
