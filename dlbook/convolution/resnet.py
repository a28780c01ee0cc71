"""Residual networks: He, Zhang, Ren and Sun (2016), CVPR, eq. (1) and (2), Fig. 3 and Sec. 3.3, 3.4 and 4.2.

The second paper of the same authors (2016, ECCV, "Identity mappings in deep residual networks") moves normalization
and activation in front of the weights: ``preactivation=True``.

The papers' symbols → ours: x_l → ``x``, F → :meth:`Block.residual`, h(x) and W_s → :meth:`Block.skip`, n → the entries
of ``stages``, options A and B of Sec. 4.1 → ``shortcut="pad"`` and ``"project"``; their *plain* networks have
``shortcut="none"``. Modules have torchvision's names (``conv1``, ``bn1``, ``layer1.0.downsample.1``, ``fc``), so that
weights published for its ResNet-18 and ResNet-34 load. Axes: b images, c maps, h and w pixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import image_batch
from dlbook._draws import normal_

__all__ = ["Block", "ResNet", "lesion"]

SHORTCUTS = ("pad", "project", "none")


class Block(nn.Module):
    """Two 3 x 3 convolutions whose result is *added* to the input, eq. (1): ``x + residual(x)``, (b, c, h, w).

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Of the first convolution.
    shortcut : {"pad", "project", "none"}
        Where input and output differ in shape: leave out pixels and add maps of zeros (option A, no parameters), or a
        1 x 1 convolution (option B). ``"none"`` adds nothing anywhere: a block of a *plain* network.
    preactivation : bool
        Normalize and rectify before each convolution, not after: what is added is then never rectified.
    device, dtype : optional

    Examples
    --------
    >>> block = Block(16, 32, stride=2)
    >>> block(torch.ones(1, 16, 8, 8)).shape
    torch.Size([1, 32, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        shortcut: str = "pad",
        preactivation: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if min(in_channels, out_channels, stride) < 1:
            raise ValueError(
                f"in_channels, out_channels and stride are at least 1, found {in_channels}, {out_channels} and {stride}"
            )
        if shortcut not in SHORTCUTS:
            raise ValueError(f"shortcut is one of {SHORTCUTS}, found {shortcut!r}")
        if shortcut == "pad" and out_channels < in_channels:
            raise ValueError(f"padding adds maps and removes none, found {in_channels} maps in and {out_channels} out")
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.shortcut, self.preactivation = shortcut, preactivation
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False, **options)
        self.bn1 = nn.BatchNorm2d(in_channels if preactivation else out_channels, **options)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False, **options)
        self.bn2 = nn.BatchNorm2d(out_channels, **options)
        self.downsample: nn.Module | None = None
        if shortcut == "project" and (stride > 1 or in_channels != out_channels):
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False, **options)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(out_channels, **options))

    def residual(self, x: Tensor) -> Tensor:
        """Return F(x), what the block adds: (b, in_channels, h, w) → (b, out_channels, ⌈h / stride⌉, ⌈w / stride⌉)."""
        if self.preactivation:
            x = self.conv1(F.relu(self.bn1(x)))
            return self.conv2(F.relu(self.bn2(x)))
        x = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))

    def skip(self, x: Tensor) -> Tensor:
        """Return what F(x) is added to: x itself where the shapes agree, zeros in a plain network."""
        if self.shortcut == "none":
            return x.new_zeros(())
        if self.downsample is not None:
            return self.downsample(x)
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.out_channels - self.in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``skip(x) + residual(x)``, rectified unless ``preactivation``."""
        total = self.skip(x) + self.residual(x)
        return total if self.preactivation else F.relu(total)


class ResNet(nn.Module):
    """A stem, stages of blocks, the mean over all pixels, and one linear layer: images → logits (b, classes).

    Each stage after the first halves the sides of the maps and doubles their number. With n blocks in each of three
    stages there are 6n + 2 layers with weights, as in Sec. 4.2: ``stages=(3, 3, 3)`` is ResNet-20.

    Parameters
    ----------
    stages : sequence of int
        Blocks in each stage.
    width : int
        Maps in the first stage.
    channels, classes : int
    stem : {"small", "large"}
        A 3 x 3 convolution (Sec. 4.2), or, for large images, 7 x 7 and max-pooling, both with stride 2 (Fig. 3).
    shortcut, preactivation
        Of every :class:`Block`.
    generator : torch.Generator, optional
        Draws the weights of all convolutions: normal, with variance 2 / (k k o) for o maps (Sec. 3.4 and its
            reference 13).
    device, dtype : optional

    Raises
    ------
    ValueError
        If there is no stage, a number is not positive, or a name is unknown; from ``forward``, if the images are not
        floats (b, channels, h, w).

    Examples
    --------
    >>> sum(p.numel() for p in ResNet((3, 3, 3)).parameters())  # "0.27M" in Table 6
    269722
    >>> large = ResNet((3, 4, 6, 3), width=64, classes=1000, stem="large", shortcut="project")
    >>> large.depth, sum(p.numel() for p in large.parameters())
    (34, 21797672)
    """

    def __init__(
        self,
        stages: Sequence[int] = (3, 3, 3),
        *,
        width: int = 16,
        channels: int = 3,
        classes: int = 10,
        stem: str = "small",
        shortcut: str = "pad",
        preactivation: bool = False,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not isinstance(stages, Sequence) or not all(isinstance(blocks, int) for blocks in stages):
            raise ValueError(f"stages is a sequence of whole numbers, as (3, 3, 3), found {stages!r}")
        if not stages or min(*stages, width, channels, classes) < 1:
            found = f"{tuple(stages)}, {width}, {channels} and {classes}"
            raise ValueError(f"stages, width, channels and classes are at least 1, found {found}")
        if stem not in ("small", "large"):
            raise ValueError(f"stem is 'small' or 'large', found {stem!r}")
        super().__init__()
        self.channels, self.preactivation, self.large = channels, preactivation, stem == "large"
        side, stride = (7, 2) if self.large else (3, 1)
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1 = nn.Conv2d(channels, width, side, stride, padding=side // 2, bias=False, **options)
        self.stages = [f"layer{i}" for i in range(1, len(stages) + 1)]
        in_channels = width
        for i, (name, blocks) in enumerate(zip(self.stages, stages, strict=True)):
            layers = []
            for j in range(blocks):
                first = j == 0 and i > 0
                kind = {"shortcut": shortcut, "preactivation": preactivation, **options}
                layers.append(Block(in_channels, width * 2**i, 2 if first else 1, **kind))
                in_channels = width * 2**i
            self.add_module(name, nn.Sequential(*layers))
        self.bn1 = nn.BatchNorm2d(in_channels if preactivation else width, **options)
        self.fc = nn.Linear(in_channels, classes, **options)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                outputs = module.out_channels * module.weight[0, 0].numel()
                normal_(module.weight, (2 / outputs) ** 0.5, generator)
        normal_(self.fc.weight, in_channels**-0.5, generator)
        nn.init.zeros_(self.fc.bias)

    @property
    def blocks(self) -> list[Block]:
        """The blocks of all stages, from the image upward."""
        return [block for name in self.stages for block in self.get_submodule(name).children()]  # type: ignore[misc]

    @property
    def depth(self) -> int:
        """Layers with weights on the longest path from image to logits."""
        return 2 * len(self.blocks) + 2

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (b, classes)."""
        image_batch(x, self.channels)
        x = self.conv1(x)
        if not self.preactivation:
            x = F.relu(self.bn1(x))
        if self.large:
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        for block in self.blocks:
            x = block(x)
        if self.preactivation:
            x = F.relu(self.bn1(x))
        return self.fc(x.mean(dim=(2, 3)))


@torch.no_grad()
def lesion(model: ResNet, block: int) -> None:
    """Take one block out of a network in place: afterwards its residual is zero (Veit, Wilber and Belongie, 2016).

    A residual network still passes the input of the block on; in a plain one nothing is left of it.

    Parameters
    ----------
    model : ResNet
    block : int
        Position in ``model.blocks``.

    Examples
    --------
    >>> model = ResNet((1, 1, 1), width=4).eval()
    >>> lesion(model, 0)
    >>> x = torch.randn(1, 4, 8, 8).relu()
    >>> torch.equal(model.blocks[0](x), x)
    True
    """
    if not 0 <= block < len(model.blocks):
        raise ValueError(f"block is from 0 to {len(model.blocks) - 1}, found {block}")
    chosen = model.blocks[block]
    last = chosen.conv2.weight if chosen.preactivation else chosen.bn2.weight
    last.zero_()
    if not chosen.preactivation:
        chosen.bn2.bias.zero_()
