"""CTC against a sum over all paths, torch's kernel in float64, finite differences, and rows worked by hand."""

import copy
import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise
from dlbook.sequences.ctc import (
    backward_variables,
    collapse,
    ctc_log_likelihood,
    ctc_loss,
    extended,
    forward_variables,
    soft_alignment,
    steps_needed,
)

TARGETS = torch.tensor([[1, 2, 2, 4, 1], [3, 3, 1, 1, 1], [2, 1, 4, 1, 1]])  # padded with a label
INPUT_LENGTHS, TARGET_LENGTHS = torch.tensor([13, 11, 7]), torch.tensor([5, 2, 0])


def logits(seed=0, dtype=F64):
    return 2 * noise(3, 13, 7, seed=seed, dtype=dtype)


def by_paths(p, transcript, blank=0):
    """Sum the probabilities (t, v) of all paths whose transcript it is, and of those through each label at each step."""
    total, through = 0.0, torch.zeros_like(p)
    for path in product(range(p.shape[1]), repeat=p.shape[0]):
        merged = [k for i, k in enumerate(path) if i == 0 or path[i - 1] != k]
        if [k for k in merged if k != blank] == list(transcript):
            one = math.prod(float(p[t, k]) for t, k in enumerate(path))
            total += one
            for t, k in enumerate(path):
                through[t, k] += one
    return total, through


@pytest.mark.parametrize("transcript", [[], [1], [2, 2], [1, 2], [1, 2, 1], [2, 2, 2]])
@pytest.mark.parametrize("steps", [1, 2, 4, 6])
@pytest.mark.parametrize("blank", [0, 2])
def test_matches_the_sum_over_all_paths(transcript, steps, blank):
    transcript = [(k + blank) % 3 for k in transcript]
    scores = noise(1, steps, 3, seed=steps)
    total, through = by_paths(scores.softmax(-1)[0], transcript, blank)
    targets = torch.tensor([transcript], dtype=torch.int64)
    found = ctc_log_likelihood(scores.log_softmax(-1), targets, blank=blank)
    if steps < steps_needed(transcript):
        assert total == 0
        assert found.item() == -math.inf
        with pytest.raises(ValueError, match="target longer than input"):
            ctc_loss(scores, targets, blank=blank)
        return
    assert_close(found.exp().item(), total, rtol=1e-12, atol=0)
    assert_close(
        ctc_loss(scores, targets, blank=blank, reduction="sum").item(), -math.log(total), rtol=1e-12, atol=1e-14
    )
    assert_close(soft_alignment(scores, targets, blank=blank)[0], through / total, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kernel", ["fused", "recursion"])
def test_matches_torch_in_values_and_gradients(reduction, kernel):
    ours, theirs = logits().requires_grad_(), logits().requires_grad_()
    reference = F.ctc_loss(
        theirs.log_softmax(-1).transpose(0, 1), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction=reduction
    )

    def loss(x):
        return ctc_loss(x, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction=reduction)

    if kernel == "recursion":
        loss = torch.compile(loss, fullgraph=True, backend="eager")
    found = loss(ours)
    assert_close(found, reference, rtol=1e-12, atol=1e-12)
    weights = noise(3, seed=1)[: found.numel()].reshape(found.shape)
    (a,) = torch.autograd.grad((found * weights).sum(), ours)
    (b,) = torch.autograd.grad((reference * weights).sum(), theirs)
    assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_gradient_is_the_softmax_minus_the_soft_alignment():
    x = logits().requires_grad_()
    arguments = TARGETS, INPUT_LENGTHS, TARGET_LENGTHS
    (gradient,) = torch.autograd.grad(-ctc_log_likelihood(x.log_softmax(-1), *arguments).sum(), x)
    within = (torch.arange(13) < INPUT_LENGTHS[:, None])[..., None]
    assert_close(gradient, (x.softmax(-1) - soft_alignment(x, *arguments)) * within, rtol=1e-10, atol=1e-12)


def test_gradient_is_that_of_finite_differences():
    x = noise(1, 5, 3)
    target = torch.tensor([[2, 2]])
    wanted = torch.zeros_like(x)
    for place in product(range(5), range(3)):
        step = torch.zeros_like(x)
        step[(0, *place)] = 1e-5
        wanted[(0, *place)] = (ctc_loss(x + step, target) - ctc_loss(x - step, target)) / 2e-5
    ours = x.clone().requires_grad_()
    assert_close(torch.autograd.grad(ctc_loss(ours, target), ours)[0], wanted, rtol=1e-7, atol=1e-9)


def test_forward_and_backward_meet_at_every_step():
    log_p = logits().log_softmax(-1)
    alpha = forward_variables(log_p, TARGETS)
    beta = backward_variables(log_p, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    total = ctc_log_likelihood(log_p, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    labels = extended(TARGETS)
    for i, (end, count) in enumerate(zip(INPUT_LENGTHS, TARGET_LENGTHS, strict=True)):
        states = slice(0, 2 * int(count) + 1)
        for t in range(int(end)):
            meeting = (alpha[i, t] + beta[i, t] - log_p[i, t, labels[i]])[states]
            assert_close(meeting.logsumexp(0), total[i], rtol=1e-12, atol=1e-12)


def test_two_steps_by_hand():
    # p(a) = 0.3 then 0.6: a- 0.3 · 0.4, -a 0.7 · 0.6, aa 0.3 · 0.6; together 0.12 + 0.42 + 0.18 = 0.72
    log_p = torch.tensor([[[0.7, 0.3], [0.4, 0.6]]], dtype=F64).log()
    target = torch.tensor([[1]])
    alpha = forward_variables(log_p, target).exp()
    assert_close(alpha[0], torch.tensor([[0.7, 0.3, 0], [0.28, 0.6, 0.12]], dtype=F64))
    beta = backward_variables(log_p, target).exp()
    assert_close(
        beta[0], torch.tensor([[0.42, 0.3, 0.28], [0, 0.6, 0.4]], dtype=F64) * torch.tensor([[1, 1, 1], [1, 1, 1]])
    )
    assert_close(ctc_loss(log_p, target), torch.tensor(-math.log(0.72), dtype=F64))
    assert_close(soft_alignment(log_p, target)[0, :, 1], torch.tensor([0.3 / 0.72, 0.6 / 0.72], dtype=F64))


def test_rows_of_the_alignment_sum_to_one_up_to_the_end():
    sums = soft_alignment(logits(), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS).sum(-1)
    assert_close(sums, (torch.arange(13) < INPUT_LENGTHS[:, None]).to(F64))


def test_what_is_behind_the_ends_does_not_count():
    x, targets = logits(), TARGETS.clone()
    x[1, 11:], x[2, 7:] = 5.0, -3.0
    targets[1, 2:], targets[2] = 6, 5
    arguments = INPUT_LENGTHS, TARGET_LENGTHS
    for f in (soft_alignment, lambda *a: ctc_log_likelihood(a[0].log_softmax(-1), *a[1:])):
        assert torch.equal(f(x, targets, *arguments), f(logits(), TARGETS, *arguments))
    assert torch.equal(
        ctc_loss(x, targets, *arguments, reduction="none"), ctc_loss(logits(), TARGETS, *arguments, reduction="none")
    )


def test_all_transcripts_together_have_probability_one():
    log_p = noise(1, 4, 3).log_softmax(-1)
    transcripts = {tuple(collapse(path)) for path in product(range(3), repeat=4)}
    total = sum(
        float(ctc_log_likelihood(log_p, torch.tensor([list(one)], dtype=torch.int64)).exp()) for one in transcripts
    )
    assert math.isclose(total, 1, rel_tol=1e-12)


def test_log_probabilities_and_logits_have_the_same_loss():
    x = logits()
    assert_close(ctc_loss(x.log_softmax(-1), TARGETS), ctc_loss(x + 3, TARGETS), rtol=1e-12, atol=0)


def test_probabilities_that_underflow_have_logarithms():
    x = 100 * noise(1, 2003, 5)
    target = torch.tensor([[1, 2, 3]])
    found, wanted = ctc_loss(x, target), F.ctc_loss(x.log_softmax(-1).transpose(0, 1), target, [2003], [3])
    assert found > 1e4
    assert_close(found, wanted, rtol=1e-10, atol=0)
    assert_close(-ctc_log_likelihood(x.log_softmax(-1), target)[0] / 3, wanted, rtol=1e-10, atol=0)


@pytest.mark.parametrize(("path", "transcript"), [([], []), ([0, 0], []), ([1, 0, 1], [1, 1]), ([2, 2, 1, 1], [2, 1])])
def test_collapse_by_hand(path, transcript):
    assert collapse(path) == transcript
    assert collapse([k + 3 for k in path], blank=3) == [k + 3 for k in transcript]


@pytest.mark.parametrize("transcript", [[], [1], [1, 1], [1, 2, 2, 2, 1]])
def test_steps_needed_is_the_shortest_path(transcript):
    lengths = [n for n in range(9) if n == 0 or transcript]
    paths = (n for n in lengths for path in product(range(3), repeat=n) if collapse(path) == transcript)
    assert steps_needed(transcript) == next(paths)


def test_composes_with_torch():
    x, targets = logits(dtype=torch.float32), TARGETS[:, :3]
    wanted = ctc_loss(x, targets, reduction="none")

    def one(x, target):
        return ctc_loss(x[None], target[None], reduction="sum")

    assert_close(torch.func.vmap(one)(x, targets), wanted)
    each = torch.func.vmap(torch.func.grad(one))(x, targets)
    ours = x.clone().requires_grad_()
    assert_close(each, torch.autograd.grad(ctc_loss(ours, targets, reduction="sum"), ours)[0], rtol=1e-4, atol=1e-5)
    compiled = torch.compile(ctc_loss, fullgraph=True, backend="eager")
    assert_close(compiled(x, targets, reduction="none"), wanted)
    assert_close(torch.compile(soft_alignment, fullgraph=True, backend="eager")(x, targets), soft_alignment(x, targets))
    assert ctc_loss(x.bfloat16(), targets).dtype == torch.bfloat16
    assert ctc_loss(x.to("meta"), targets.to("meta")).shape == ()
    assert copy.deepcopy(ctc_loss(x, targets)).shape == ()


def test_a_loss_without_a_path_is_infinite_where_nothing_is_raised():
    x, target = noise(1, 3, 3).requires_grad_(), torch.tensor([[1, 1, 2]])  # needs 4
    loss = torch.compile(ctc_loss, fullgraph=True, backend="eager")(x, target)
    assert loss == math.inf
    assert x.isfinite().all()


def test_what_stands_behind_the_end_of_a_transcript_may_be_any_label():
    scores, targets, lengths = noise(2, 7, 5), torch.tensor([[1, 0], [3, 2]]), torch.tensor([1, 2])
    found = ctc_loss(scores, targets, target_lengths=lengths, reduction="none")
    assert_close(found[0], ctc_loss(scores[:1], targets[:1, :1], reduction="sum"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ctc_loss(torch.zeros(2, 5), TARGETS), r"logits is \(b, t, v\).*found shape \(2, 5\)"),
        (lambda: ctc_loss(torch.zeros(2, 5, 3), TARGETS), r"targets is \(2, u\), found shape \(3, 5\)"),
        (
            lambda: ctc_loss(torch.zeros(3, 13, 7), TARGETS, torch.tensor([13, 4, 7]), torch.tensor([5, 4, 0])),
            "transcript 1 has 4 labels and needs 6 steps, with one between twins, found 4",
        ),
        (lambda: ctc_loss(logits(), TARGETS, torch.tensor([13])), r"input_lengths is \(3,\), found shape \(1,\)"),
        (lambda: ctc_loss(logits(), TARGETS, reduction="max"), "mean, sum or none, found 'max'"),
        (lambda: forward_variables(torch.zeros(1, 0, 3), TARGETS[:1]), "at least 1, found"),
        (lambda: soft_alignment(logits(), TARGETS[0]), r"targets is \(3, u\)"),
        (lambda: backward_variables(logits(), TARGETS[:2]), r"targets is \(3, u\)"),
        (lambda: soft_alignment(torch.zeros(1, 2, 3), torch.tensor([[1, 1]])), "transcript 0 has 2 labels and needs 3"),
        (lambda: soft_alignment(torch.zeros(1, 2, 3), torch.tensor([[0]])), "other than the blank, 0, found 0"),
        (lambda: ctc_loss(torch.zeros(1, 7, 5), torch.tensor([[1, 0]])), "0 to 4 other than the blank, 0, found 0"),
        (lambda: ctc_loss(torch.zeros(1, 7, 5), torch.tensor([[1, 5]])), "0 to 4 other than the blank, 0, found 5"),
        (lambda: ctc_loss(torch.zeros(1, 7, 5), torch.tensor([[-1, 2]])), "other than the blank, 0, found -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_the_gradient_of_float32(dtype):
    scores = noise(2, 67, 7, dtype=torch.float32).to(dtype).requires_grad_()
    targets = torch.tensor([[1, 2, 3, 4, 5], [6, 6, 1, 1, 2]])
    wide = scores.detach().float().requires_grad_()
    ctc_loss(scores, targets).backward()
    ctc_loss(wide, targets).backward()
    assert_close(scores.grad, wide.grad.to(dtype))
    assert_close(soft_alignment(scores, targets).detach(), soft_alignment(wide, targets).detach().to(dtype))
    log_p = scores.detach().log_softmax(dim=-1)
    assert_close(forward_variables(log_p, targets), forward_variables(log_p.float(), targets))


def test_labels_without_a_batch_and_labels_that_are_no_whole_numbers_are_refused():
    with pytest.raises(ValueError, match=r"targets is \(b, u\), found shape \(2,\)"):
        extended(torch.tensor([3, 1]))
    with pytest.raises(ValueError, match="targets are labels, whole numbers, found torch.float32"):
        ctc_loss(torch.zeros(1, 5, 3), torch.tensor([[1.9]]))
