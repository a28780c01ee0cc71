"""Reference implementations for *Deep Learning, Executed*: one module a concept, grouped by the parts of the book."""

__version__ = "0.1.0"
