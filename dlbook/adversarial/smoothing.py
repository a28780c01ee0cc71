"""Randomized smoothing: Cohen, Rosenfeld and Kolter (2019), arXiv:1902.02918, eq. (1), (3) and their pseudocode.

The smoothed classifier answers what the base classifier answers most often when Gaussian noise is added to the image.
If it answers A with probability at least p > 1/2, no change of the image shorter than σ Φ⁻¹(p) turns its answer.

Paper → code: f → ``model``; g → :class:`Smoothed`; σ → ``sigma``, in the units of the image; n₀, n, α → ``n_guess``,
``n``, ``alpha``; p_A (underlined) → ``probability``; ABSTAIN → ``ABSTAIN``.  Axes: b images, k classes.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Generator, Tensor, nn

from dlbook._draws import standard_normal
from dlbook.adversarial.attack import Model, check_budget, logits, undisturbed

__all__ = ["ABSTAIN", "Certificate", "Smoothed", "lower_bound", "radius"]

ABSTAIN = -1  # the label of "I do not know"


class Certificate(NamedTuple):
    """What is known about the smoothed classifier at some images.

    Attributes
    ----------
    label : (b,) int64
        Its answer, or ``ABSTAIN``.
    radius : (b,) float64
        L2 distance within which the answer holds, in the units of the image; 0 where it abstains.
    probability : (b,) float64
        Lower bound of the probability with which the base classifier gives that answer under noise.
    """

    label: Tensor
    radius: Tensor
    probability: Tensor


def lower_bound(successes: ArrayLike, n: int, *, alpha: float) -> NDArray[np.float64]:
    """Bound a probability from below by counts (...), rightly with confidence 1 - alpha: Clopper and Pearson (1934).

    The bound is the p for which so many successes in ``n`` trials, or more, have probability ``alpha``.

    Examples
    --------
    >>> bool(np.isclose(lower_bound(100, 100, alpha=0.001), 0.001 ** (1 / 100)))  # p ** 100 = alpha
    True
    """
    _check_draws(alpha, n=n)
    k = np.asarray(successes)
    if not ((k >= 0) & (k <= n)).all():
        raise ValueError(f"successes lie in 0..{n}, found {k.min()} to {k.max()}")
    bound = stats.beta.ppf(alpha, np.maximum(k, 1), n - k + 1)
    return np.where(k == 0, 0.0, bound)


def radius(p: ArrayLike, *, sigma: float) -> NDArray[np.float64]:
    """Return the radius σ Φ⁻¹(p), in units of ``sigma``, that a probability (...) certifies; 0 for p up to one half.

    Eq. (3) with p_B = 1 - p_A: σ/2 (Φ⁻¹(p_A) - Φ⁻¹(p_B)).

    Examples
    --------
    >>> bool(np.isclose(radius(stats.norm.cdf(2), sigma=0.25), 0.5))
    True
    """
    check_budget(sigma=sigma)
    share = np.asarray(p)
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(f"p is a probability, found {share.min()} to {share.max()}")
    return sigma * stats.norm.ppf(np.maximum(share, 0.5))


class Smoothed(nn.Module):
    """The answer that ``model`` gives most often to noisy copies of an image, and how far that answer holds.

    The model is used in evaluation mode and left as it was; no number of a method depends on how images are batched,
    but the draws do.

    Parameters
    ----------
    model : callable
        Images (b, ...) to logits (b, k); only its largest logit counts.
    sigma : float
        Standard deviation of the noise in each pixel.
    size : int
        Noisy copies a call of the model.

    Examples
    --------
    >>> base = nn.Linear(2, 2)
    >>> _ = nn.init.eye_(base.weight), nn.init.zeros_(base.bias)
    >>> smoothed, draw = Smoothed(base, 0.5), torch.Generator().manual_seed(0)
    >>> found = smoothed.certify(torch.tensor([[3.0, 0.0], [0.0, 0.0]]), n=1000, generator=draw)
    >>> found.label
    tensor([ 0, -1])
    """

    def __init__(self, model: Model, sigma: float, *, size: int = 1000) -> None:
        super().__init__()
        check_budget(sigma=sigma)
        if sigma == 0 or size < 1:
            raise ValueError(f"sigma is above 0 and size at least 1, found {sigma} and {size}")
        self.model, self.sigma, self.size = model, sigma, size

    def counts(self, x: Tensor, *, n: int, generator: Generator) -> Tensor:
        """Count the answers to ``n`` noisy copies of each image (b, ...): int64 (b, k); SampleUnderNoise."""
        self._check(x, n=n)
        with undisturbed(self.model), torch.no_grad():
            return torch.stack([self._count(image, n, generator) for image in x])

    def predict(self, x: Tensor, *, n: int = 1000, alpha: float = 0.001, generator: Generator) -> Tensor:
        """Return the answers (b,), or ``ABSTAIN`` where the two most frequent ones may be equally likely.

        Each answer is that of the exact smoothed classifier with probability at least 1 - alpha (Proposition 1).
        """
        _check_draws(alpha, n=n)
        most, label = self.counts(x, n=n, generator=generator).topk(2)
        first, second = most.cpu().numpy().T
        p_value = np.minimum(2 * stats.binom.sf(first - 1, first + second, 0.5), 1.0)  # of a fair coin, two-sided
        sure = torch.from_numpy(p_value <= alpha).to(label.device)
        return label[:, 0].where(sure, ABSTAIN)

    def certify(
        self, x: Tensor, *, n: int = 1000, n_guess: int = 100, alpha: float = 0.001, generator: Generator
    ) -> Certificate:
        """Return answers and radii, each pair right with probability at least 1 - alpha (Proposition 2).

        ``n_guess`` copies choose the answer, ``n`` fresh ones bound its probability: one set for both would be biased.
        Bounded by ``n`` copies, no radius exceeds σ Φ⁻¹(alpha^(1/n)).
        """
        _check_draws(alpha, n=n, n_guess=n_guess)
        guess = self.counts(x, n=n_guess, generator=generator).argmax(dim=-1, keepdim=True)
        count = self.counts(x, n=n, generator=generator).gather(-1, guess)[:, 0]
        p = lower_bound(count.cpu().numpy(), n, alpha=alpha)
        bound = torch.from_numpy(p).to(x.device)
        reach = torch.from_numpy(radius(p, sigma=self.sigma)).to(x.device)
        return Certificate(guess[:, 0].where(bound > 0.5, ABSTAIN), reach, bound)

    def log_probabilities(self, x: Tensor, *, n: int, generator: Generator) -> Tensor:
        """Return the log of the mean softmax (b, k) over ``n`` noisy copies: what an attack can climb.

        Salman et al. (2019), arXiv:1906.04584: a soft stand-in for the counts, which have no slope.
        """
        self._check(x, n=n)
        copies = x[:, None] + self.sigma * standard_normal(len(x), n, *x.shape[1:], like=x, generator=generator)
        recording = torch.is_grad_enabled()
        with undisturbed(self.model), torch.set_grad_enabled(recording):
            answer = logits(self.model, copies.flatten(0, 1)).log_softmax(dim=-1)
        return answer.view(len(x), n, -1).logsumexp(dim=1) - np.log(n)

    def _count(self, image: Tensor, n: int, generator: Generator) -> Tensor:
        answers = []
        for start in range(0, n, self.size):
            copies = min(self.size, n - start)
            noise = standard_normal(copies, *image.shape, like=image, generator=generator)
            answers.append(logits(self.model, image + self.sigma * noise))
        scores = torch.cat(answers)
        if scores.isnan().any():
            raise ValueError("the model returns NaN for noisy copies, which is no answer that could be counted")
        return scores.argmax(dim=-1).bincount(minlength=scores.shape[1])

    def _check(self, x: Tensor, **draws: int) -> None:
        if x.ndim < 2 or not x.is_floating_point() or not len(x):
            raise ValueError(f"x is a batch (b, ...) of floats, at least one, found {x.dtype} {tuple(x.shape)}")
        if not x.isfinite().all():
            raise ValueError("x is a batch of finite floats, found NaN or infinity")
        _check_draws(0.5, **draws)


def _check_draws(alpha: float, **counts: int) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is the share of errors allowed, between 0 and 1, found {alpha}")
    for name, n in counts.items():
        if n < 1:
            raise ValueError(f"{name} counts draws, at least 1, found {n}")
