"""The generalized distance transform against SciPy's of a mask, the one special case that it has."""

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import distance_transform_edt

from bench import Case
from dlbook.foundations.deformable import place_part


def cases() -> Iterator[Case]:
    """Yield one mask of 512 x 512 pixels."""
    mask = np.random.default_rng(0).random((512, 512)) < 0.01
    far = np.where(mask, 0.0, -1e7)
    yield Case(
        "place_part",
        "512 x 512, 1 % of it in the mask",
        lambda: place_part(far, anchor=(0, 0), stiffness=1.0),
        lambda: distance_transform_edt(~mask, return_indices=True),
        "scipy.ndimage.distance_transform_edt",
        "NumPy against C; it transforms any scores, not only masks, with any spring and anchor",
    )
