"""Local response normalization against torch and a row worked by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import noise
from dlbook.convolution.response_norm import LocalResponseNorm, local_response_norm


@pytest.mark.parametrize("n", [1, 3, 5, 7, 13])
@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 3), (2, 7, 3, 5), (3, 2, 5, 7)])
def test_norm_is_that_of_torch_with_alpha_times_the_size(n, shape):
    x = 3 * noise(*shape)
    ours = local_response_norm(x, n, alpha=0.3, beta=0.6, k=1.7)
    # F.local_response_norm takes three axes or more
    theirs = F.local_response_norm(x.reshape(*shape[:2], -1), n, alpha=n * 0.3, beta=0.6, k=1.7).reshape(shape)
    assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert_close(LocalResponseNorm(n, alpha=0.3, beta=0.6, k=1.7)(x), ours)


def test_norm_with_the_constants_of_the_paper():
    x = 100 * noise(2, 11, 3, 5)
    theirs = torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(x)
    assert_close(local_response_norm(x), theirs, rtol=1e-12, atol=1e-12)
    assert_close(LocalResponseNorm()(x), theirs, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(theirs, torch.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x))


def test_norm_is_the_sum_of_the_paper_written_out():
    x, n, alpha, beta, k = noise(1, 6, 1, 1), 5, 0.5, 0.75, 2.0
    for i in range(6):
        total = sum(x[0, j, 0, 0] ** 2 for j in range(max(0, i - n // 2), min(5, i + n // 2) + 1))
        ours = local_response_norm(x, n, alpha=alpha, beta=beta, k=k)[0, i, 0, 0]
        assert_close(ours, x[0, i, 0, 0] / (k + alpha * total) ** beta)


def test_gradient_of_the_norm_by_finite_differences():
    x = noise(2, 5, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, 3, alpha=0.7, beta=0.75, k=1.0), x)


def test_norm_leaves_its_argument_alone():
    x = noise(2, 5, 2, 2)
    before = x.clone()
    local_response_norm(x)
    assert torch.equal(x, before)
    assert repr(LocalResponseNorm()) == "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)"


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (torch.zeros(3), {}, r"x is floats \(b, c, ...\), found torch.float32 of shape \(3,\)"),
        (torch.zeros(2, 3, dtype=torch.uint8), {}, "found torch.uint8"),
        (torch.zeros(2, 3), {"size": 4}, "size is odd and positive, found 4"),
        (torch.zeros(2, 3), {"size": -1}, "found -1"),
        (torch.zeros(2, 3), {"k": 0.0}, "found k = 0.0"),
        (torch.zeros(2, 3), {"k": math.nan}, "found k = nan"),
        (torch.zeros(2, 3), {"alpha": -1.0}, "alpha = -1.0"),
    ],
)
def test_impossible_norms_are_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        local_response_norm(x, **options)
    if options:
        with pytest.raises(ValueError, match=message):
            LocalResponseNorm(**options)
