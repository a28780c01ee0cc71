"""A small DCGAN: Radford, Metz and Chintala (2016), arXiv:1511.06434, Sec. 3 and 4.

The paper's rules → ours: strides in place of pooling, batch normalization in both networks but not at the generator's
output and the discriminator's input, ReLU in the generator and leaky ReLU of slope 0.2 in the discriminator, weights
drawn from a normal law.  The paper's pixels lie in [-1, 1], behind a tanh; ours in [0, 1], behind a logistic function.
There is no density: the networks have ``sample`` and no ``log_prob``.  Axes: b images, k latent numbers, c channels.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import normal_, standard_normal, undrawn

__all__ = ["DCGANDiscriminator", "DCGANGenerator"]

LEAK = 0.2  # slope of the leaky ReLU, Sec. 4


class DCGANGenerator(nn.Module):
    """Make an image of a list of normal numbers: one linear layer, then two convolutions that double each side.

    Parameters
    ----------
    latent : int
        How many normal numbers, k.
    channels : int
        Of the last hidden layer, that of half the image's side; the one before has twice as many.
    side : int
        Of the image, in pixels, a multiple of four.
    image_channels : int
    std : float
        Of the normal law from which weights of layers are drawn; the paper's networks, ten times as wide, have 0.02.
    generator : torch.Generator, optional
        Draws the weights.
    device, dtype : optional

    Examples
    --------
    >>> model = DCGANGenerator()
    >>> model.sample(5, generator=torch.Generator().manual_seed(0)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([5, 1, 28, 28]), 27313)
    """

    def __init__(
        self,
        *,
        latent: int = 32,
        channels: int = 8,
        side: int = 28,
        image_channels: int = 1,
        std: float = 0.05,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check(latent=latent, channels=channels, side=side, image_channels=image_channels)
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.latent, self.grid = latent, (2 * channels, side // 4, side // 4)
        self.seed = undrawn(nn.Linear, latent, 2 * channels * (side // 4) ** 2, bias=False, **where)
        self.norm1 = nn.BatchNorm2d(2 * channels, **where)
        self.grow1 = undrawn(nn.ConvTranspose2d, 2 * channels, channels, 4, stride=2, padding=1, bias=False, **where)
        self.norm2 = nn.BatchNorm2d(channels, **where)
        self.grow2 = undrawn(nn.ConvTranspose2d, channels, image_channels, 4, stride=2, padding=1, **where)
        _draw(self, std, generator)

    def forward(self, z: Tensor) -> Tensor:
        """Map latent numbers (b, k) to images (b, image_channels, side, side) with pixels in [0, 1]."""
        axes("z", z, "b k", k=self.latent)
        x = F.relu(self.norm1(self.seed(z).unflatten(-1, self.grid)))
        x = F.relu(self.norm2(self.grow1(x)))
        return cast(Tensor, self.grow2(x).sigmoid())

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` images (n, image_channels, side, side), each by itself: norms use their running statistics."""
        if n < 0:
            raise ValueError(f"n counts images, at least 0, found {n}")
        modes = {module: module.training for module in self.modules()}
        try:
            self.eval()
            return cast(Tensor, self(standard_normal(n, self.latent, like=self.seed.weight, generator=generator)))
        finally:
            for module, mode in modes.items():
                module.training = mode


class DCGANDiscriminator(nn.Module):
    """Judge images: two convolutions that halve each side, then one number an image, its logit of being real.

    Parameters
    ----------
    channels : int
        Of the first layer; the second has twice as many.
    side, image_channels : int
        Of the images.
    norm : bool
        Normalize the second layer over the batch. A critic with a gradient penalty must not: the penalty is about the
        gradient of each answer in *its* image, and batch normalization makes it depend on the others.
    std : float
    generator : torch.Generator, optional
        Draws the weights.
    device, dtype : optional

    Examples
    --------
    >>> model = DCGANDiscriminator()
    >>> model(torch.zeros(5, 1, 28, 28)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([5]), 3001)
    """

    def __init__(
        self,
        *,
        channels: int = 8,
        side: int = 28,
        image_channels: int = 1,
        norm: bool = True,
        std: float = 0.05,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check(channels=channels, side=side, image_channels=image_channels)
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.image = (image_channels, side, side)
        self.shrink1 = undrawn(nn.Conv2d, image_channels, channels, 4, stride=2, padding=1, **where)
        self.shrink2 = undrawn(nn.Conv2d, channels, 2 * channels, 4, stride=2, padding=1, bias=not norm, **where)
        self.norm = nn.BatchNorm2d(2 * channels, **where) if norm else nn.Identity()
        self.answer = undrawn(nn.Linear, 2 * channels * (side // 4) ** 2, 1, **where)
        _draw(self, std, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, image_channels, side, side) to logits (b,), positive for "real"."""
        c, h, w = self.image
        axes("x", x, "b c h w", c=c, h=h, w=w)
        if not x.is_floating_point():
            raise ValueError(f"images are floats with pixels in [0, 1], found {x.dtype}")
        x = F.leaky_relu(self.shrink1(x), LEAK)
        x = F.leaky_relu(self.norm(self.shrink2(x)), LEAK)
        return cast(Tensor, self.answer(x.flatten(1))[:, 0])


def _check(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1 or (name == "side" and size % 4):
            wanted = "a multiple of 4" if name == "side" else "at least 1"
            raise ValueError(f"{name} is {wanted}, found {size}")


def _draw(model: nn.Module, std: float, generator: Generator | None) -> None:
    """Fill linear and convolution layers; norms are ready as they are."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            normal_(module.weight, std, generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
