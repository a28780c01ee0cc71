"""The perceptron against scikit-learn's, on two digits of MNIST."""

from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import Perceptron as SklearnPerceptron

from bench import Case
from dlbook.data import mnist
from dlbook.perceptron.perceptron import AveragedPerceptron, Perceptron


def cases() -> Iterator[Case]:
    """Yield a small and a realistic size, and the averaged form."""
    digits = mnist()
    chosen = (digits.y_train == 3) | (digits.y_train == 5)
    x = digits.x_train[chosen].flatten(1).double().numpy() / 256
    y = np.where(digits.y_train[chosen] == 3, 1, -1)

    def theirs(n: int, passes: int, average: bool) -> object:
        if average:
            from sklearn.linear_model import SGDClassifier

            model = SGDClassifier(loss="perceptron", penalty=None, learning_rate="constant", eta0=1.0, average=True)
            return model.set_params(shuffle=False, tol=None, max_iter=passes).fit(x[:n], y[:n])
        return SklearnPerceptron(penalty=None, shuffle=False, tol=None, max_iter=passes).fit(x[:n], y[:n])

    for n, passes in ((500, 5), (len(x), 5)):
        yield Case(
            "Perceptron.fit",
            f"{n:,} x 784, {passes} passes",
            lambda n=n, passes=passes: Perceptron(max_epochs=passes).fit(x[:n], y[:n]),  # type: ignore[misc]
            lambda n=n, passes=passes: theirs(n, passes, False),  # type: ignore[misc]
            "sklearn.linear_model.Perceptron",
        )
    yield Case(
        "AveragedPerceptron.fit",
        f"{len(x):,} x 784, 5 passes",
        lambda: AveragedPerceptron(epochs=5).fit(x, y),
        lambda: theirs(len(x), 5, True),
        "sklearn.linear_model.SGDClassifier",
    )
