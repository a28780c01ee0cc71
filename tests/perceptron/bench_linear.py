"""Softmax regression against `torch.nn.Linear`, and the multi-class perceptron against scikit-learn's ten machines."""

from collections.abc import Iterator

from sklearn.linear_model import Perceptron as SklearnPerceptron
from torch import Tensor, nn
from torch.nn import functional as F

from bench import Case
from dlbook.data import mnist
from dlbook.perceptron.linear import MulticlassPerceptron, SoftmaxRegression


def cases() -> Iterator[Case]:
    """Yield a small and a realistic batch, forward and backward, and a fit."""
    digits = mnist()
    x, y = digits.x_train.flatten(1).float() / 256, digits.y_train

    def step(model: nn.Module, images: Tensor, labels: Tensor) -> None:
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()

    for n in (100, 10_000):
        ours, theirs, images, labels = SoftmaxRegression(784, 10), nn.Linear(784, 10), x[:n], y[:n]
        yield Case(
            "SoftmaxRegression",
            f"{n:,} x 784, forward and backward",
            lambda m=ours, i=images, t=labels: step(m, i, t),  # type: ignore[misc]
            lambda m=theirs, i=images, t=labels: step(m, i, t),  # type: ignore[misc]
            "torch.nn.Linear",
        )
    table, classes = x[:10_000].double().numpy(), y[:10_000].numpy()
    yield Case(
        "MulticlassPerceptron.fit",
        "10,000 x 784, 10 classes, 3 passes",
        lambda: MulticlassPerceptron(max_epochs=3).fit(table, classes),
        lambda: SklearnPerceptron(penalty=None, shuffle=False, tol=None, max_iter=3).fit(table, classes),
        "sklearn.linear_model.Perceptron, which fits ten separate machines",
    )
