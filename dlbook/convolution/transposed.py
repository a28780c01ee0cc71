"""The transposed convolution: scatter where a convolution gathers.

Sources: Dumoulin and Visin (2016), arXiv:1603.07285, Sec. 4; Zeiler et al. (2010), who called it deconvolution.
Axes: b images, c input maps, o output maps, h and w pixels, i and j places of the kernel, g groups.
"""

from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from dlbook._checks import axes
from dlbook.convolution.geometry import Pair, pair

__all__ = ["conv_transpose2d"]


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """Stamp a kernel for every pixel, as ``torch.nn.functional.conv_transpose2d``: the adjoint of ``conv2d``.

    Where the convolution with the same ``weight`` and options gathers ``weight[x, o, i, j]`` times a pixel, this
    scatters it; the matrix of one is the transpose of that of the other.  It is not an inverse.

    Parameters
    ----------
    x : (b, c, h, w)
    weight : (c, o / groups, i, j)
        Read the other way round than by ``conv2d``: the first axis is that of ``x``.
    bias : (o,), optional
    stride, padding, dilation : int or (down, across)
        Those of the convolution: here a stride enlarges, and padding cuts off.
    output_padding : int or (down, across)
        Rows and columns at the end that the strided convolution did not reach; less than stride or dilation.
    groups : int

    Returns
    -------
    y : (b, o, h', w')
        ``h' = (h - 1) stride - 2 padding + dilation (i - 1) + output_padding + 1``.

    Examples
    --------
    >>> import torch
    >>> conv_transpose2d(torch.tensor([[[[1.0, 10.0]]]]), torch.tensor([[[[1.0, 2.0, 3.0]]]]), stride=(1, 2))
    tensor([[[[ 1.,  2., 13., 20., 30.]]]])
    """
    (down, across), (d, e) = pair(stride, 1, "stride"), pair(dilation, 1, "dilation")
    (top, left), (below, beside) = pair(padding, 0, "padding"), pair(output_padding, 0, "output_padding")
    _, c, _, _ = axes("x", x, "b c h w")
    axes("weight", weight, "c o/groups i j", c=c)
    if groups < 1 or c % groups:
        raise ValueError(f"c is a multiple of groups, found {c} and {groups}")
    if below >= max(down, d) or beside >= max(across, e):
        raise ValueError(f"output_padding is less than stride or dilation, found {output_padding}")
    maps = weight.shape[1] * groups
    if bias is not None:
        axes("bias", bias, "o", o=maps)
    b, _, h, w = x.shape
    i_size, j_size = weight.shape[2:]
    height, width = (h - 1) * down + d * (i_size - 1) + 1, (w - 1) * across + e * (j_size - 1) + 1
    if min(b, h, w, i_size, j_size, height + below - 2 * top, width + beside - 2 * left) < 1:
        raise ValueError(f"nothing is left of shapes {tuple(x.shape)} and {tuple(weight.shape)}, padding {padding}")
    x = rearrange(x, "b (g c) h w -> b g c (h w)", g=groups)
    kernels = rearrange(weight, "(g c) o i j -> g c (o i j)", g=groups)
    scattered = rearrange(kernels.mT @ x, "b g k n -> b (g k) n")  # what each pixel sends; fold adds up where it lands
    y = F.fold(scattered, (height, width), (i_size, j_size), dilation=(d, e), stride=(down, across))
    y = F.pad(y, (-left, beside - left, -top, below - top))
    return y if bias is None else y + bias[:, None, None]
