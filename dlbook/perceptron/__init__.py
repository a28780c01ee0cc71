"""Linear classifiers: the perceptron, separability, and several classes."""
