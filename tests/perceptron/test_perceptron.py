"""The perceptron against rows worked by hand, the rule in its plainest form, scikit-learn, and Novikoff's theorem."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Perceptron as SklearnPerceptron
from sklearn.linear_model import SGDClassifier

from dlbook.data import mnist
from dlbook.perceptron.perceptron import AveragedPerceptron, Perceptron, novikoff_bound, one_pass

MODELS = [Perceptron(max_epochs=7), AveragedPerceptron(epochs=3)]


def rule(x, y, weight, bias):
    """Walk over the examples with no shortcut: the definition that the fast walk has to match."""
    weight, rows = np.array(weight, dtype=float), []
    for i in range(len(x)):
        if not y[i] * (x[i] @ weight + bias) > 0:
            weight, bias = weight + y[i] * x[i], bias + y[i]
            rows.append(i)
    return weight, bias, rows


def noisy(n, d, seed, flipped=0.2):
    """Draw labels from a hyperplane, then flip some: no run on them ends."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    y = np.where(x @ rng.standard_normal(d) + 0.3 >= 0, 1, -1)
    return x, np.where(rng.random(n) < flipped, -y, y)


def separated(n, d, margin, seed):
    """Draw from the unit sphere, no point nearer than ``margin`` to a plane through 0; also return its normal."""
    rng = np.random.default_rng(seed)
    x, normal = rng.standard_normal((30 * n, d)), rng.standard_normal(d)
    x, normal = x / np.linalg.norm(x, axis=1, keepdims=True), normal / np.linalg.norm(normal)
    x = x[abs(x @ normal) >= margin][:n]
    assert len(x) == n
    return x, np.where(x @ normal > 0, 1, -1), normal


@pytest.fixture(scope="module")
def digits():
    """Return the first 2,003 threes and fives of MNIST, pixels 0 to 255, 3 as +1."""
    data = mnist()
    chosen = (data.y_train == 3) | (data.y_train == 5)
    x, y = data.x_train[chosen][:2003].flatten(1), data.y_train[chosen][:2003]
    return x, torch.where(y == 3, 1, -1)


# One pass


def test_one_pass_worked_by_hand():
    # row 0, y = +1: score 0, a mistake: w = (1, 2), b = 1.   Row 1, y = -1: 3 + 1 = 4, a mistake: w = (-2, 2), b = 0.
    # row 2, y = +1: -2 + 2·3 = 4, right.                     Row 3, y = -1: -2 + 2 = 0, a mistake: w = (-3, 1), b = -1.
    x, y = [[1, 2], [3, 0], [1, 3], [1, 1]], [1, -1, 1, -1]
    weight, bias, mistakes = one_pass(x, y, [0, 0], 0)
    np.testing.assert_array_equal(weight, [-3, 1])
    assert bias == -1
    np.testing.assert_array_equal(mistakes, [0, 1, 3])


@pytest.mark.parametrize(("n", "d"), [(1, 1), (31, 2), (32, 3), (33, 5), (257, 1), (1009, 7)])
@pytest.mark.parametrize("flipped", [0.0, 0.01, 0.4])
def test_one_pass_is_the_plain_rule_bit_for_bit(n, d, flipped):
    x, y = noisy(n, d, seed=n + d, flipped=flipped)
    start = np.random.default_rng(d).standard_normal(d), 0.7
    weight, bias, rows = rule(x, y, *start)
    found = one_pass(x, y, *start)
    np.testing.assert_array_equal(found.weight, weight)
    assert found.bias == bias
    np.testing.assert_array_equal(found.mistakes, rows)


@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_one_pass_is_the_plain_rule_where_scores_are_often_zero(seed, n, d):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-2, 3, (n, d)).astype(float), rng.choice([-1, 1], n)
    x /= rng.choice([1, 3, 10, 1e-9, 1e9])  # thirds and tenths round, so a zero may come out as 1e-17
    weight, bias, rows = rule(x, y, np.zeros(d), 0.0)
    found = one_pass(x, y, np.zeros(d), 0.0)
    np.testing.assert_array_equal(found.mistakes, rows)
    np.testing.assert_array_equal(found.weight, weight)
    assert found.bias == bias


@pytest.mark.parametrize("seed", range(20))
def test_a_score_that_is_only_rounding_is_decided_by_its_row_alone(seed):
    # Rows orthogonal to the weight: their scores are some 1e-15, of a sign that depends on the order of the sum.
    rng = np.random.default_rng(seed)
    weight, x, y = rng.standard_normal(201), rng.standard_normal((31, 201)), rng.choice([-1, 1], 31)
    x -= np.outer(x @ weight, weight) / (weight @ weight)
    for found, expected in zip(one_pass(x, y, weight, 0.0), rule(x, y, weight, 0.0), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_pass_leaves_its_arguments_alone():
    x, y = noisy(37, 3, seed=0)
    weight = np.zeros(3)
    kept = x.copy(), y.copy()
    one_pass(x, y, weight, 0.0)
    np.testing.assert_array_equal(weight, 0)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def test_a_stream_in_parts_ends_where_the_whole_stream_ends():
    x, y = noisy(101, 3, seed=1)
    first = one_pass(x[:43], y[:43], np.zeros(3), 0.0)
    second = one_pass(x[43:], y[43:], first.weight, first.bias)
    whole = one_pass(x, y, np.zeros(3), 0.0)
    np.testing.assert_array_equal(second.weight, whole.weight)
    np.testing.assert_array_equal([*first.mistakes, *(43 + second.mistakes)], whole.mistakes)


# Novikoff's bound


def test_bound_worked_by_hand():
    # z = (1, 3), (1, -1); u = (b, w) = (-1, 1), length √2; y u·z = 2, 2, so γ = √2; R² = 10; (R / γ)² = 5
    radius, margin, mistakes = novikoff_bound([[3.0], [-1.0]], [1, -1], [1.0], -1.0)
    np.testing.assert_allclose([radius, margin, mistakes], [np.sqrt(10), np.sqrt(2), 5])


def test_bound_knows_no_scale():
    x, y, normal = separated(101, 3, 0.1, seed=0)
    bounds = [novikoff_bound(x, y, c * normal, 0.01 * c) for c in (1e-6, 1, 1e6)]
    np.testing.assert_allclose(bounds, bounds[:1] * 3, rtol=1e-12)


@pytest.mark.parametrize("margin", [0.3, 0.1, 0.03])
@pytest.mark.parametrize("seed", [0, 1, None])
def test_mistakes_stay_within_novikoffs_bound(margin, seed):
    x, y, normal = separated(211, 5, margin, seed=7)
    rng = None if seed is None else np.random.default_rng(seed)
    model = Perceptron(rng=rng).fit(x, y)
    assert model.converged
    assert 1 <= sum(model.mistakes) <= novikoff_bound(x, y, normal, 0.0).mistakes


def test_bound_is_reached_by_orthonormal_examples():
    # Rows of [1 | x] that are orthogonal: each score is 0 when its turn comes. m mistakes, R² = 2, γ² = 2 / m.
    hadamard = np.array([[1.0]])
    for _ in range(4):
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    x, y = hadamard[:, 1:], np.where(np.arange(16) % 3 == 0, 1, -1)
    model = Perceptron().fit(x, y)
    assert model.mistakes == [16, 0]
    np.testing.assert_allclose(novikoff_bound(x, y, model.weight, model.bias).mistakes, 16)


def test_bound_refuses_what_does_not_separate():
    x, y = [[0.0], [1.0], [2.0]], [-1, -1, 1]
    with pytest.raises(ValueError, match=r"row 1 has label -1 and score 0"):
        novikoff_bound(x, y, [1.0], -1.0)
    with pytest.raises(ValueError, match=r"row 2 has label \+1 and score -2"):
        novikoff_bound(x, y, [-1.0], 0.0)


# Perceptron


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_equals_scikit_learn(epochs, digits):
    x, y = digits  # integers: no rounding, so equal to the last bit
    model = Perceptron(max_epochs=epochs).fit(x, y)
    oracle = SklearnPerceptron(penalty=None, shuffle=False, tol=None, max_iter=epochs).fit(
        x.double().numpy(), y.numpy()
    )
    np.testing.assert_array_equal(model.weight, oracle.coef_[0])
    assert model.bias == oracle.intercept_[0]
    np.testing.assert_array_equal(model.predict(x), oracle.predict(x.double().numpy()))
    np.testing.assert_allclose(model.decision_function(x), oracle.decision_function(x.double().numpy()), rtol=1e-12)


def test_counts_mistakes_and_stops_at_the_first_pass_without_one():
    x, y, _ = separated(211, 5, 0.05, seed=3)
    model = Perceptron().fit(x, y)
    weight, bias, counts = np.zeros(5), 0.0, [1]
    while counts[-1]:
        weight, bias, rows = rule(x, y, weight, bias)
        counts.append(len(rows))
    assert model.mistakes == counts[1:]
    assert all(isinstance(count, int) for count in model.mistakes)
    assert model.mistakes[-1] == 0
    assert model.mistakes[-2] > 0
    assert model.converged
    np.testing.assert_array_equal(model.weight, weight)
    np.testing.assert_array_equal(model.predict(x), y)
    assert (y * model.decision_function(x) > 0).all()


def test_exclusive_or_cycles_for_ever():
    # From 0 each corner is corrected once a pass and the four corrections cancel, so every pass starts from 0 again.
    model = Perceptron(max_epochs=11).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, -1])
    assert model.mistakes == [4] * 11
    assert not model.converged
    np.testing.assert_array_equal([*model.weight, model.bias], 0)


def test_last_allowed_pass_may_be_the_one_without_mistakes():
    x, y = [[2.0], [-2.0]], [1, -1]
    assert not Perceptron(max_epochs=1).fit(x, y).converged  # one mistake: it does not know yet that it is done
    model = Perceptron(max_epochs=2).fit(x, y)
    assert (model.mistakes, model.converged) == ([1, 0], True)


def test_a_score_of_zero_is_predicted_positive_and_trained_as_a_mistake_for_either_label():
    model = Perceptron().fit([[2.0], [-2.0]], [1, -1])  # weight 2, bias 1
    at_zero = [[-model.bias / model.weight[0]]]
    assert model.decision_function(at_zero) == 0
    assert model.predict(at_zero) == 1
    for label in (1, -1):
        assert one_pass([[5.0]], [label], [0.0], 0.0).mistakes.tolist() == [0]


def test_flipping_all_labels_flips_the_hyperplane():
    x, y = noisy(101, 3, seed=5)
    model, mirror = Perceptron(max_epochs=9).fit(x, y), Perceptron(max_epochs=9).fit(x, -y)
    np.testing.assert_array_equal(mirror.weight, -model.weight)
    assert mirror.bias == -model.bias
    assert mirror.mistakes == model.mistakes


def test_rng_shuffles_each_pass_as_a_plain_loop_would():
    x, y = noisy(101, 3, seed=5)
    model = Perceptron(max_epochs=4, rng=np.random.default_rng(11)).fit(x, y)
    rng, weight, bias, counts = np.random.default_rng(11), np.zeros(3), 0.0, []
    for _ in range(4):
        order = rng.permutation(101)
        weight, bias, rows = rule(x[order], y[order], weight, bias)
        counts.append(len(rows))
    np.testing.assert_array_equal(model.weight, weight)
    assert model.mistakes == counts
    assert not np.array_equal(model.weight, Perceptron(max_epochs=4).fit(x, y).weight)


@pytest.mark.parametrize("label", [1, -1])
def test_one_class_and_the_zero_vector_are_learned(label):
    x = [[0.0, 0.0], [3.0, -1.0], [-2.0, 5.0]]
    model = Perceptron().fit(x, [label] * 3)
    assert model.converged
    np.testing.assert_array_equal(model.predict(x), label)


@pytest.mark.parametrize("d", [1, 2])
def test_two_zero_vectors_of_either_label_are_never_learned(d):
    assert not Perceptron(max_epochs=50).fit(np.zeros((2, d)), [1, -1]).converged


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64, bool])
def test_every_dtype_gives_the_float64_answer(dtype):
    x, y = np.random.default_rng(0).integers(0, 2, (31, 5)).astype(dtype), noisy(31, 5, seed=2)[1]
    model, exact = (Perceptron(max_epochs=5).fit(data, y) for data in (x, x.astype(float)))
    assert model.weight.dtype == np.float64
    assert model.predict(x).dtype == np.int64
    np.testing.assert_array_equal(model.weight, exact.weight)


def test_takes_torch_tensors_lists_and_fortran_order():
    x, y = noisy(31, 5, seed=2)
    exact = Perceptron(max_epochs=5).fit(x, y)
    for same in ((torch.from_numpy(x), torch.from_numpy(y)), (x.tolist(), y.tolist()), (np.asfortranarray(x), y)):
        model = Perceptron(max_epochs=5).fit(*same)
        np.testing.assert_array_equal(model.weight, exact.weight)
        np.testing.assert_array_equal(model.predict(same[0]), exact.predict(x))


def test_fitting_again_starts_from_zero():
    x, y = noisy(31, 5, seed=2)
    model = Perceptron(max_epochs=5).fit(x, y)
    first = model.weight
    assert model.fit(-x, y) is model
    np.testing.assert_array_equal(model.fit(x, y).weight, first)


# AveragedPerceptron


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_average_equals_scikit_learn(epochs, digits):
    x, y = digits
    model = AveragedPerceptron(epochs=epochs).fit(x, y)
    oracle = SGDClassifier(
        loss="perceptron", penalty=None, learning_rate="constant", eta0=1, shuffle=False, tol=None, average=True,
        max_iter=epochs,
    ).fit(x.double().numpy(), y.numpy())  # fmt: skip
    np.testing.assert_allclose(model.weight, oracle.coef_[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.bias, oracle.intercept_[0], rtol=1e-9)
    np.testing.assert_array_equal(model.predict(x), oracle.predict(x.double().numpy()))


@pytest.mark.parametrize("seed", [None, 3])
def test_average_is_the_mean_over_all_looks(seed):
    x, y = noisy(53, 3, seed=4)
    model = AveragedPerceptron(epochs=4, rng=None if seed is None else np.random.default_rng(seed)).fit(x, y)
    rng, held, weight, bias = np.random.default_rng(seed), [], np.zeros(3), 0.0
    for _ in range(4):
        for i in range(53) if seed is None else rng.permutation(53):
            weight, bias, _ = rule(x[i : i + 1], y[i : i + 1], weight, bias)
            held.append([*weight, bias])
    assert len(model.mistakes) == 4
    np.testing.assert_allclose([*model.weight, model.bias], np.mean(held, axis=0), rtol=1e-12)
    plain = Perceptron(max_epochs=4, rng=None if seed is None else np.random.default_rng(seed)).fit(x, y)
    assert model.mistakes == plain.mistakes


def test_average_makes_every_pass_and_reports_convergence():
    x, y, _ = separated(101, 3, 0.2, seed=0)
    model = AveragedPerceptron(epochs=30).fit(x, y)
    assert len(model.mistakes) == 30
    assert model.converged
    assert not AveragedPerceptron(epochs=30).fit(*noisy(101, 3, seed=0)).converged


def test_average_predicts_by_its_own_score():
    x, y = noisy(53, 3, seed=4)
    model = AveragedPerceptron(epochs=2).fit(x, y)
    np.testing.assert_allclose(model.decision_function(x), x @ model.weight + model.bias)
    np.testing.assert_array_equal(model.predict(x), np.where(x @ model.weight + model.bias >= 0, 1, -1))
    model.weight, model.bias = np.zeros(3), 0.0
    np.testing.assert_array_equal(model.predict(x), 1)


# Input that would give a silent wrong number


BAD = [
    (np.zeros((0, 2)), [], r"n >= 1 and d >= 1, found shape \(0, 2\)"),
    (np.zeros((2, 0)), [1, -1], r"d >= 1, found shape \(2, 0\)"),
    (np.zeros(3), [1, 1, -1], r"x\[:, None\] makes a column"),
    (np.zeros((2, 3, 4)), [1, -1], r"found shape \(2, 3, 4\)"),
    (np.zeros((2, 3), dtype=complex), [1, -1], "complex"),
    (np.zeros((3, 2)), [1, -1], r"each of the 3 rows of x has a label, found y of shape \(2,\)"),
    (np.zeros((2, 2)), [[1], [-1]], r"found y of shape \(2, 1\)"),
    ([[0.0, 1.0], [0.0, np.nan]], [1, -1], "found nan in row 1, column 1"),
    ([[np.inf, 1.0]], [1], "found inf in row 0, column 0"),
    ([[1.0], [2.0]], [0, 1], r"found 0, 1: np.where\(y == 1, 1, -1\)"),
    ([[1.0], [2.0]], np.array([0, 1], dtype=np.uint8), r"found 0, 1"),
    ([[1.0], [2.0]], [False, True], r"found False, True"),
    ([[1.0], [2.0], [3.0]], [3, 5, 5], r"found 3, 5: np.where\(y == 5, 1, -1\)"),
    ([[1.0], [2.0]], [1.0, np.nan], "found 1.0, nan"),
    ([[1.0], [2.0]], ["yes", "no"], "found 'no', 'yes'"),
    ([[1.0]] * 6, [0, 1, 2, 3, 4, 5], r"found 0, 1, 2, 3, \.\.\."),
]


@pytest.mark.parametrize(("x", "y", "message"), BAD)
def test_rejects_bad_examples_and_keeps_what_was_learned(x, y, message):
    for model in MODELS:
        model.fit([[1.0, 0.0], [0.0, 1.0]], [1, -1])
        before = model.weight.copy(), model.bias, list(model.mistakes)
        with pytest.raises(ValueError, match=message):
            model.fit(x, y)
        np.testing.assert_array_equal(model.weight, before[0])
        assert (model.bias, model.mistakes) == before[1:]
    for function in (one_pass, novikoff_bound):
        with pytest.raises(ValueError, match=message):
            function(x, y, [1.0], 0.0)


@pytest.mark.parametrize("function", [one_pass, novikoff_bound])
def test_rejects_a_start_that_does_not_fit(function):
    x, y = [[1.0, 2.0]], [1]
    with pytest.raises(ValueError, match=r"weight is \(2,\), found shape \(3,\)"):
        function(x, y, np.zeros(3), 0.0)
    with pytest.raises(ValueError, match="weight and bias are finite"):
        function(x, y, [np.nan, 0.0], 0.0)
    with pytest.raises(ValueError, match="weight and bias are finite"):
        function(x, y, [0.0, 0.0], np.inf)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_rejects_bad_input_to_a_prediction(model, method):
    with pytest.raises(ValueError, match="call fit"):
        getattr(type(model)(), method)([[1.0, 2.0]])
    model.fit([[1.0, 0.0], [0.0, 1.0]], [1, -1])
    score = getattr(model, method)
    with pytest.raises(ValueError, match=r"fitted on 2 features, found x of shape \(1, 3\)"):
        score([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="found nan"):
        score([[1.0, np.nan]])
    with pytest.raises(ValueError, match=r"found shape \(2,\)"):
        score([1.0, 2.0])
    assert score(np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize("passes", [0, -1, 2.0, None, "3"])
def test_rejects_a_number_of_passes_that_is_none(passes):
    with pytest.raises(ValueError, match="max_epochs is a number of passes"):
        Perceptron(max_epochs=passes)
    with pytest.raises(ValueError, match="epochs is a number of passes"):
        AveragedPerceptron(epochs=passes)
