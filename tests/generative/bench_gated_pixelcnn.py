"""Drawing from a gated PixelCNN, what is known kept, against computing the whole image for every pixel."""

from collections.abc import Iterator

import torch

from bench import Case
from dlbook.generative.ancestral import sample, whole_image
from dlbook.generative.gated_pixelcnn import GatedPixelCNN


def cases() -> Iterator[Case]:
    """Yield small images, many at a time, and full ones, few at a time, since the slow way takes 784 passes."""
    for side, n in ((14, 64), (28, 4)):
        model = GatedPixelCNN(side, generator=torch.Generator().manual_seed(0))
        like = next(model.parameters())
        yield Case(
            "GatedPixelCNN.sample",
            f"{n} images of {side} x {side}",
            lambda model=model, n=n: model.sample(n, generator=torch.Generator().manual_seed(1)),
            lambda model=model, n=n, side=side, like=like: sample(
                whole_image(model), n, (side, side), like=like, generator=torch.Generator().manual_seed(1)
            ),
            "the whole image for every pixel",
        )
