"""Show figures on dark paper when the page is dark: one file, whose colors the browser maps, but for its pictures.

The map is a matrix on red, green and blue and then a curve that lifts the light half: white becomes the paper of the
dark page and ink its text, and the book's seven colors keep their hues and at least 3:1.  It mixes nearly as it is
mixed, so that soft edges of letters stay soft, and what is drawn half transparent stays so.  No figure is drawn, stored
or sent twice; all follow the reader's switch at once, and print as they were drawn.

Photographs, digits and heat maps must keep their colors.  Where they lie the kernel wrote beside the PNG (see
``dlbook._colors_kept``); there the page lays the same file over itself, cut to those boxes.  A figure of which nothing
is known, such as one that an author put there as a file, stays as it is.
"""

import re
from binascii import a2b_base64
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from docutils import nodes
from numpy.typing import ArrayLike, NDArray
from sphinx.application import Sphinx

from dlbook._colors_kept import KEY
from website.figures import png_dimensions

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Found by a search over all matrices that send white to #121212 and greys to greys: the largest least difference of any
# two of the seven colors for readers of every color vision, no more than 14 degrees of hue from where they were.
MATRIX = np.array([[0.554, -0.972, -0.402], [-0.215, -0.427, -0.178], [-0.256, -1.182, 0.618]])
SHIFT = 0.8906
TONES = (0, 0.25, 0.53, 0.86, 1)  # where 0, 1/4, 1/2, 3/4 and 1 come to lie