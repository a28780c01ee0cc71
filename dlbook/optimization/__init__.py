"""Optimization: gradient descent and what makes it fast, the landscapes it walks in, where it starts."""
