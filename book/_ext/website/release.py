"""Tell Sphinx the version of the package, so that pages can say which they belong to: ``{{ env.config.release }}``."""

from sphinx.application import Sphinx
from sphinx.config import Config

import dlbook


def set_release(app: Sphinx, config: Config) -> None:
    """Take it from the one place where it is written."""
    config.release = config.version = dlbook.__version__


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("config-inited", set_release)
