"""Diffusion models: Ho, Jain and Abbeel (2020), arXiv:2006.11239, after Sohl-Dickstein et al. (2015), arXiv:1503.03585.

Paper → code: L_{t-1}, L_0, L_T of eq. (5) → :func:`step_term`, :func:`decoder_term`, :func:`prior_term`, in nats;
L_simple of eq. (14) → :func:`noise_loss`; ε_θ → ``Diffusion.noise``.  The variances of the way back are those of the
posterior, β̃_t, and β_1 in the last step.  A network here returns the velocity v of Salimans and Ho (2022),
arXiv:2202.00512, Sec. 4, from which the noise follows: ε = √(1 - ᾱ) x + √ᾱ v.
Axes: b examples; ``...`` are those of an example.
"""

from typing import cast

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import standard_normal
from dlbook.generative.noising import at_time, q_sample, snr
from dlbook.generative.samplers import Network, ddim, ddpm, denoise, guided

__all__ = ["Diffusion", "decoder_term", "noise_loss", "prior_term", "random_times", "step_term", "velocity_loss"]


def random_times(count: int, steps: int, *, generator: Generator | None) -> Tensor:
    """Draw times (count,), int64, uniform on 1 to ``steps``, on the generator's device.

    Examples
    --------
    >>> random_times(3, 1, generator=None)
    tensor([1, 1, 1])
    """
    device = None if generator is None else generator.device
    return torch.randint(1, steps + 1, (count,), generator=generator, device=device)


def noise_loss(predicted: Tensor, noise: Tensor) -> Tensor:
    """Return eq. (14): the mean squared error of the predicted noise, every time with the same weight.

    Parameters
    ----------
    predicted, noise : (b, ...)

    Examples
    --------
    >>> noise_loss(torch.zeros(2, 3), torch.ones(2, 3))
    tensor(1.)
    """
    axes("noise", noise, " ".join(map(str, predicted.shape)))
    return (predicted - noise).square().mean()


def velocity_loss(predicted: Tensor, noise: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return the mean squared error of the noise with weight 1 / ᾱ_t, which is that of the velocity.

    Parameters
    ----------
    predicted, noise : (b, ...)
    t : int64 (b,)
    alpha_bar : (T + 1,)

    Examples
    --------
    >>> velocity_loss(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([1]), torch.tensor([1.0, 0.25]))
    tensor(4.)
    """
    axes("noise", noise, " ".join(map(str, predicted.shape)))
    return ((predicted - noise).square() / at_time(alpha_bar, t, noise)).mean()


def step_term(x0: Tensor, guess: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return L_{t-1} of eq. (5): the divergence between the posterior that knows x_0 and that of the guess, t >= 2.

    Both have the variance β̃_t, and eq. (8) becomes half the loss of signal-to-noise ratio times the squared error.

    Parameters
    ----------
    x0, guess : (b, ...)
    t : int64 (b,)
    alpha_bar : (T + 1,)

    Returns
    -------
    nats : (b,)

    Examples
    --------
    >>> alpha_bar = torch.tensor([1.0, 0.75, 0.5])  # ratios 3 and 1
    >>> step_term(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([2]), alpha_bar)
    tensor([2.])
    """
    axes("guess", guess, " ".join(map(str, x0.shape)))
    ratio = snr(alpha_bar)
    lost = torch.cat([ratio[:1], ratio[:-1] - ratio[1:]])
    return (at_time(lost / 2, t, x0) * (x0 - guess).square()).flatten(1).sum(dim=1)


def decoder_term(x0: Tensor, guess: Tensor, std: Tensor | float, *, levels: int) -> Tensor:
    """Return L_0, eq. (13): minus the log probability of pixels under a normal cut into ``levels`` pieces.

    The levels lie evenly from -1 to 1; each takes what is nearest to it, the outermost all that is beyond.

    Parameters
    ----------
    x0, guess : (b, ...)
        Pixels on their levels, and the mean of the normal.
    std : float or scalar tensor
    levels : int
        2 for black and white, 256 for gray.

    Returns
    -------
    nats : (b,)

    Examples
    --------
    >>> decoder_term(torch.ones(1, 3), torch.zeros(1, 3), 1.0, levels=2)  # three coins
    tensor([2.0794])
    """
    if levels < 2:
        raise ValueError(f"pixels have at least 2 levels, found {levels}")
    axes("guess", guess, " ".join(map(str, x0.shape)))
    x0, guess = (p.to(torch.promote_types(p.dtype, torch.float32)) for p in (x0, guess))  # half has no tails
    half = 1 / (levels - 1)
    away, inside = (x0 - guess).abs(), x0.abs() < 1 - half / 2
    # between two edges on the far side of the mean, where the tails of the normal keep their digits
    near, far = torch.special.log_ndtr((half - away) / std), torch.special.log_ndtr((-half - away) / std)
    between = near + torch.log1p(-(far - near).exp().clamp(max=1 - 1e-7))
    outward = torch.special.log_ndtr(((guess - x0) * x0.sign() + half) / std)  # the outermost have one edge
    return -torch.where(inside, between, outward).flatten(1).sum(dim=1)


def prior_term(x0: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return L_T: the divergence of q(x_T | x_0) from the standard normal, in nats (b,).

    Examples
    --------
    >>> prior_term(torch.ones(1, 5), torch.tensor([1.0, 0.0]))
    tensor([0.])
    """
    left = alpha_bar[-1].to(x0)
    return (left * (x0.square() - 1) - torch.log1p(-left)).flatten(1).sum(dim=1) / 2


class Diffusion(nn.Module):
    """A noise schedule and a network, as a model of images with a bound and samples.

    Parameters
    ----------
    network : nn.Module
        ``network(x, time, y)`` maps x (b, ...), times t / T (b,), labels (b,) or None to the velocity (b, ...), as
        :class:`~dlbook.generative.unet.UNet` does.
    shape : tuple of int
        Of one example.
    alpha_bar : (T + 1,)
        A schedule: 1 at time 0, then less and less, but never 0.
    levels : int
        Values that a pixel can have, evenly from 0 to 1.
    classes : int
        The label that says nothing is ``classes``.

    Examples
    --------
    >>> from dlbook.generative.noising import cosine_schedule
    >>> from dlbook.generative.unet import UNet
    >>> model = Diffusion(UNet(), (1, 28, 28), alpha_bar=cosine_schedule(50, start=0.2))
    >>> x = model.sample(2, steps=5, generator=torch.Generator().manual_seed(0))
    >>> x.shape, model.elbo(x, generator=torch.Generator().manual_seed(1)).shape
    (torch.Size([2, 1, 28, 28]), torch.Size([2]))
    """

    def __init__(
        self, network: nn.Module, shape: tuple[int, ...], *, alpha_bar: Tensor, levels: int = 2, classes: int = 0
    ) -> None:
        super().__init__()
        axes("alpha_bar", alpha_bar, "times", least=2)
        if levels < 2 or classes < 0:
            raise ValueError(f"levels is at least 2 and classes at least 0, found {levels} and {classes}")
        self.network, self.shape, self.levels, self.classes = network, tuple(shape), levels, classes
        # no buffer, for half precision would ruin it
        self.alpha_bar = alpha_bar.detach().to("cpu", torch.float64, copy=True)
        if self.alpha_bar[0] != 1 or not (self.alpha_bar.diff() < 0).all() or not self.alpha_bar[-1] > 0:
            ends = f"{self.alpha_bar[0].item()} at first and {self.alpha_bar[-1].item()} at last"
            raise ValueError(f"alpha_bar falls at each time, from 1 down to more than 0, found {ends}")
        self.steps = len(alpha_bar) - 1

    def extra_repr(self) -> str:
        """Name the sizes."""
        return f"shape={self.shape}, steps={self.steps}, levels={self.levels}, classes={self.classes}"

    def noise(self, x: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the noise that the network sees in x (b, ...) at times t / T (b,) of labels (b,)."""
        t = (time.double() * self.steps).round().long()
        signal, spread = at_time(self.alpha_bar.sqrt(), t, x), at_time((1 - self.alpha_bar).sqrt(), t, x)
        velocity = cast(Tensor, self.network(x, time, y))
        axes("velocity", velocity, " ".join(map(str, x.shape)))
        return spread * x + signal * velocity

    def scaled(self, x: Tensor) -> Tensor:
        """Map pixels (b, ...) from [0, 1] to [-1, 1]."""
        axes("x", x, "b " + " ".join(map(str, self.shape)))
        if not x.is_floating_point():
            raise ValueError(f"pixels are floats in [0, 1], found {x.dtype}")
        return 2 * x - 1

    def forward(self, x: Tensor, y: Tensor | None = None, *, generator: Generator | None = None) -> Tensor:
        """Return the loss of a batch: noise x (b, ...) in [0, 1] at random times, guess the velocity, average."""
        x0 = self.scaled(x)
        if not len(x):
            raise ValueError("the loss is a mean over at least one example, found none")
        t = random_times(len(x), self.steps, generator=generator).to(x.device)
        noise = standard_normal(*x.shape, like=x, generator=generator)
        noisy = q_sample(x0, t, noise, self.alpha_bar)
        predicted = self.noise(noisy, (t / self.steps).to(torch.promote_types(x.dtype, torch.float32)), y)
        return velocity_loss(predicted, noise, t, self.alpha_bar)

    @torch.no_grad()
    def terms(self, x: Tensor, y: Tensor | None = None, *, generator: Generator | None = None) -> Tensor:
        """Return all terms of the bound, L_0 to L_T, in nats (T + 1, b): float32 or float64, with one draw of each x_t.

        Parameters
        ----------
        x : (b, ...)
            Pixels on their levels in [0, 1].
        y : int64 (b,), optional
        generator : torch.Generator, optional
        """
        x0, terms = self.scaled(x), []
        exact = x0.to(torch.promote_types(x.dtype, torch.float32))  # half precision has no tails of a normal
        for step in range(1, self.steps + 1):
            t = torch.full((len(x),), step, device=x.device)
            noise = standard_normal(*x.shape, like=x, generator=generator)
            noisy = q_sample(x0, t, noise, self.alpha_bar)
            guess = denoise(lambda x, time: self.noise(x, time, y), noisy, t, self.alpha_bar).to(exact)
            if step == 1:
                terms.append(decoder_term(exact, guess, (1 - self.alpha_bar[1]).sqrt().to(exact), levels=self.levels))
            else:
                terms.append(step_term(exact, guess, t, self.alpha_bar))
        return torch.stack([*terms, prior_term(exact, self.alpha_bar)])

    def elbo(self, x: Tensor, y: Tensor | None = None, *, generator: Generator | None = None) -> Tensor:
        """Return an estimate of a lower bound on the log probability of x (b, ...), in nats (b,), by T calls."""
        return -self.terms(x, y, generator=generator).sum(dim=0)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        *,
        steps: int | None = None,
        scale: float = 0.0,
        generator: Generator | None = None,
    ) -> Tensor:
        """Draw examples (n, ...) with pixels on their levels in [0, 1].

        Parameters
        ----------
        n : int
        y : int64 (n,), optional
            Labels to draw from.
        steps : int, optional
            Calls of :func:`~dlbook.generative.samplers.ddim`; by default all T, of
            :func:`~dlbook.generative.samplers.ddpm`.
        scale : float
            Of the guidance, if there are labels; other than 0 doubles the cost.
        generator : torch.Generator, optional
        """
        if n < 0:
            raise ValueError(f"n counts examples, at least 0, found {n}")
        like = next(self.network.parameters(), torch.zeros(()))
        noise = standard_normal(n, *self.shape, like=like, generator=generator)
        network: Network = self.noise
        if y is not None:
            if not self.classes:  # label 0 would stand for no label
                raise ValueError("labels need a model with classes, found classes 0")
            network = guided(self.noise, y.to(like.device), self.classes, scale=scale)
        if steps is None:
            x = ddpm(network, noise, self.alpha_bar, generator=generator)
        else:
            x = ddim(network, noise, self.alpha_bar, steps=steps)
        gaps = self.levels - 1
        return ((x + 1) / 2 * gaps).round() / gaps  # the last guess was held in [-1, 1]
