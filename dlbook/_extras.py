"""What to say when a package of an extra is not installed."""


class MissingExtraError(RuntimeError):
    """What was asked for needs packages that a plain installation leaves out; the message has the line to type."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs the extra {extra}: in a clone of the book, pip install ".[{extra}]"')
