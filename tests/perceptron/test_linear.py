"""Linear classifiers with k classes: against the rule written out, the binary perceptron, torch and scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LogisticRegression
from torch import Generator, nn
from torch.nn import functional as F
from torch.testing import assert_close

from dlbook.perceptron.linear import MulticlassPerceptron, SoftmaxRegression, one_pass, sum_of_versions
from dlbook.perceptron.perceptron import Perceptron

RNG = np.random.default_rng(0)
X = RNG.normal(size=(97, 5))
Y = (X @ RNG.normal(size=(5, 3))).argmax(axis=1)  # separable by construction


def written_out(x, y, passes):
    """The rule, an example at a time: at a mistake, or a tie, the right class gains and its rival loses."""
    k = y.max() + 1
    weight, bias, counts = np.zeros((k, x.shape[1])), np.zeros(k), []
    for _ in range(passes):
        counts.append(0)
        for row, label in zip(x, y, strict=True):
            scores = weight @ row + bias
            rivals = [j for j in range(k) if j != label]
            rival = max(rivals, key=lambda j: (scores[j], -j))  # the first of the largest
            if scores[rival] >= scores[label]:
                for j, step in ((label, 1), (rival, -1)):
                    weight[j] += step * row
                    bias[j] += step
                counts[-1] += 1
        if counts[-1] == 0:
            break
    return weight, bias, counts


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    hnp.arrays(float, st.tuples(st.integers(2, 40), st.integers(1, 4)), elements=st.integers(-3, 3).map(float)),
    st.integers(2, 4),
    st.randoms(use_true_random=False),
)
def test_equals_the_rule_written_out(x, k, random):
    y = np.array([random.randrange(k) for _ in x])
    y[0], y[1] = 0, k - 1
    model = MulticlassPerceptron(max_epochs=4).fit(x, y)
    weight, bias, counts = written_out(x, y, 4)
    assert np.array_equal(model.weight, weight)
    assert np.array_equal(model.bias, bias)
    assert model.mistakes == counts


def test_separable_examples_are_learned_without_an_error():
    model = MulticlassPerceptron().fit(X, Y)
    assert model.converged
    assert np.array_equal(model.predict(X), Y)
    assert np.allclose(model.weight.sum(axis=0), 0)


def test_with_two_classes_it_is_the_binary_perceptron():
    y = (X[:, 0] + X[:, 1] > 0.3).astype(int)
    multi, binary = MulticlassPerceptron(max_epochs=7).fit(X, y), Perceptron(max_epochs=7).fit(X, 2 * y - 1)
    assert multi.mistakes == binary.mistakes
    assert np.allclose(multi.weight[1] - multi.weight[0], 2 * binary.weight)
    assert np.array_equal(2 * multi.predict(X) - 1, binary.predict(X))


def test_a_stream_in_parts_is_the_stream_and_the_start_is_kept():
    start, zero = RNG.normal(size=(3, 5)), np.zeros(3)
    kept = start.copy()
    whole = one_pass(X, Y, start, zero)
    first = one_pass(X[:41], Y[:41], start, zero)
    then = one_pass(X[41:], Y[41:], first.weight, first.bias)
    assert np.array_equal(start, kept)
    assert not zero.any()
    assert np.array_equal(whole.weight, then.weight)
    assert np.array_equal(whole.bias, then.bias)
    assert np.array_equal(whole.mistakes, np.concatenate([first.mistakes, then.mistakes + 41]))
    steps = np.eye(3)[Y[whole.mistakes]] - np.eye(3)[whole.rivals]  # what the returned corrections add up to
    assert np.allclose(whole.weight, start + steps.T @ X[whole.mistakes])
    assert np.allclose(whole.bias, steps.sum(axis=0))


def test_sum_of_versions_is_that_of_the_weights_after_each_example():
    weight, bias = RNG.normal(size=(3, 5)), RNG.normal(size=3)
    done = one_pass(X, Y, weight, bias)
    total, total_bias = np.zeros((3, 5)), np.zeros(3)
    for i in range(len(X)):
        weight, bias, *_ = one_pass(X[i : i + 1], Y[i : i + 1], weight, bias)
        total, total_bias = total + weight, total_bias + bias
    found = sum_of_versions(done, X, Y)
    assert len(done.mistakes) > 5
    np.testing.assert_allclose(found[0], total, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found[1], total_bias, rtol=1e-10, atol=1e-10)
    with pytest.raises(ValueError, match=r"x is \(n, 5\), found shape"):
        sum_of_versions(done, X[:, :2], Y)
    with pytest.raises(ValueError, match="found 1 rows"):
        sum_of_versions(done, X[:1], Y[:1])
    with pytest.raises(ValueError, match="integers 0 to 2, found"):
        sum_of_versions(done, X, Y + 7)


def test_the_same_generator_gives_the_same_order():
    noisy = RNG.permutation(Y)
    first, again = (MulticlassPerceptron(max_epochs=3, rng=np.random.default_rng(5)).fit(X, noisy) for _ in range(2))
    plain = MulticlassPerceptron(max_epochs=3).fit(X, noisy)
    assert np.array_equal(first.weight, again.weight)
    assert not np.array_equal(first.weight, plain.weight)


def test_softmax_regression_is_torchs_linear_layer():
    ours, theirs = SoftmaxRegression(5, 3, dtype=torch.float64), nn.Linear(5, 3, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x = torch.from_numpy(X)
    assert_close(ours(x), theirs(x), rtol=0, atol=0)
    assert_close(ours.probabilities(x), theirs(x).softmax(dim=1))
    assert_close(ours.predict(x), theirs(x).argmax(dim=1))
    assert_close(ours(x.reshape(-1, 1, 5, 1)), theirs(x))


def test_softmax_regression_reaches_scikit_learns_optimum():
    y = RNG.integers(0, 3, 97)
    reference = LogisticRegression(C=10.0, tol=1e-10, max_iter=10_000).fit(X, y)
    model = SoftmaxRegression(5, 3, dtype=torch.float64)
    x, labels = torch.from_numpy(X), torch.from_numpy(y)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels, reduction="sum") + model.weight.square().sum() / 20
        loss.backward()
        return loss

    optimizer.step(objective)
    expected = torch.from_numpy(reference.predict_proba(X))
    assert_close(model.probabilities(x).detach(), expected, rtol=1e-5, atol=1e-6)


def test_softmax_regression_starts_undecided_or_where_the_generator_says():
    assert_close(SoftmaxRegression(5, 4).probabilities(torch.randn(2, 5)), torch.full((2, 4), 0.25))
    drawn = [SoftmaxRegression(50, 40, generator=Generator().manual_seed(3)).weight for _ in range(2)]
    assert torch.equal(*drawn)
    assert 0.009 < drawn[0].std() < 0.011


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MulticlassPerceptron(max_epochs=0), "found 0"),
        (lambda: MulticlassPerceptron().fit(X, Y[:-1]), r"each of the 97 rows of x, found shape \(96,\)"),
        (lambda: MulticlassPerceptron().fit(X, Y - 1), r"found \[-1, 0, 1\]"),
        (lambda: MulticlassPerceptron().fit(X, Y * 0), r"at least two of them, found \[0\]"),
        (lambda: MulticlassPerceptron().fit(X, Y.astype(float)), "of float64"),
        (lambda: MulticlassPerceptron().fit(X * np.nan, Y), "found nan"),
        (lambda: MulticlassPerceptron().predict(X), "call fit"),
        (lambda: MulticlassPerceptron().fit(X, Y).predict(X[:, :3]), "fitted on 5 features"),
        (lambda: one_pass(X, Y, np.zeros((2, 5)), np.zeros(2)), r"0 to 1, found \[0, 1, 2\]"),
        (lambda: one_pass(X, Y, np.zeros((3, 4)), np.zeros(3)), r"weight is \(k, 5\)"),
        (lambda: one_pass(X, Y, np.zeros((3, 5)), np.zeros(2)), r"shapes \(3, 5\) and \(2,\)"),
        (lambda: one_pass(X, Y, np.zeros((3, 5)), np.full(3, np.inf)), "finite"),
        (lambda: one_pass(X[:, :0], Y, np.zeros((3, 0)), np.zeros(3)), "d >= 1, found shape"),
        (lambda: SoftmaxRegression(0, 2), "found 0 and 2"),
        (lambda: SoftmaxRegression(5, 1), "found 5 and 1"),
        (lambda: SoftmaxRegression(5, 3)(torch.zeros(2, 4)), r"has 5 features, found x of shape \(2, 4\)"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_softmax_regression_prints_its_sizes():
    assert str(SoftmaxRegression(784, 10)) == "SoftmaxRegression(in_features=784, classes=10)"
