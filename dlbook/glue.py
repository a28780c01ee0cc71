"""Put a number that a cell computed into the prose of its page.

The format of the record is that of myst-nb (and of papermill's scrapbook before it): a display without any visible
part.  Writing it here, in three lines, lets a reader run a chapter without the site's tool chain.
"""

from IPython.core.getipython import get_ipython
from IPython.display import display


def glue(name: str, text: str) -> None:
    """Record ``text`` under ``name``, for ``{glue:text}`name``` in the prose of the same page.

    Outside a notebook there is no page, and the call does nothing.

    Parameters
    ----------
    name : str
        Starts with the chapter: ``"lenet-error"``.
    text : str
        Formatted as the reader will see it: ``"0.95 %"``, not 0.0095.

    Raises
    ------
    ValueError
        If ``text`` is not a string: a raw float would print with its rounding errors.
    """
    if not isinstance(text, str):
        raise ValueError(f"glue({name!r}, ...) takes the text that the reader sees, found {type(text).__name__}")
    if get_ipython() is None:
        return
    prefix = "application/papermill.record/"
    display(
        {prefix + "text/plain": repr(text)}, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": prefix}}
    )
