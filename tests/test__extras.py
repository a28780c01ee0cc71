"""The error names the line to type."""

from dlbook._extras import MissingExtraError


def test_the_message_says_what_and_how():
    error = MissingExtraError("painting", "notebook")
    assert str(error) == 'painting needs the extra notebook: in a clone of the book, pip install ".[notebook]"'
