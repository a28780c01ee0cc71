"""Products with the Hessian against `torch.autograd.functional.hvp`, its eigenvalues against the whole Hessian."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch.autograd import functional
from torch.func import hessian

from bench import Case
from dlbook.backprop.mlp import MLP
from dlbook.optimization.curvature import hessian_eigenvalues, hessian_vector_product
from dlbook.optimization.landscape import flat_loss


def cases() -> Iterator[Case]:
    """Yield a product of the chapter's network, and five eigenvalues of a network of a thousand parameters."""
    draw = torch.Generator().manual_seed(0)
    model = MLP((784, 64, 64, 10), generator=draw)
    x, y = torch.rand(1000, 784, generator=draw), torch.randint(10, (1000,), generator=draw)
    f, theta = flat_loss(model, lambda net: F.cross_entropy(net(x), y))
    v = torch.randn(len(theta), generator=draw)
    yield Case(
        "hessian_vector_product",
        "55,050 parameters, 1,000 images",
        lambda: hessian_vector_product(f, theta, v),
        lambda: functional.hvp(f, theta, v),
        "torch.autograd.functional.hvp",
    )
    little = MLP((49, 16, 10), activation=torch.tanh, generator=draw, dtype=torch.float64)
    z = torch.rand(200, 49, generator=draw, dtype=torch.float64)
    g, place = flat_loss(little, lambda net: F.cross_entropy(net(z), y[:200]))
    yield Case(
        "hessian_eigenvalues",
        "the 5 largest, 970 parameters, 200 images",
        lambda: hessian_eigenvalues(g, place, 5, generator=torch.Generator().manual_seed(0)),
        lambda: torch.linalg.eigvalsh(hessian(g)(place)),
        "torch.linalg.eigvalsh of torch.func.hessian",
        "finds five by products; the other forms the Hessian and finds all",
    )
