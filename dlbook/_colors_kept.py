"""What of a figure must keep its colors when the page is dark: its pictures, of which the brightest is the brightest.

The page shows lines and letters on dark paper by mapping all colors of a figure (``website/darkening.py``).  A
photograph, a digit, a heat map or its color bar would mean something else after that, so the kernel says where they
lie: in the metadata of the PNG, in its pixels.  Nothing is drawn a second time for it.
"""

from collections.abc import Iterator
from math import ceil, floor

from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import ListedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, BboxImage
from matplotlib.transforms import Bbox

KEY = "keep_colors"  # in the metadata of a PNG
CATEGORIES = 5  # a list of so few colors names things, such as the two sides of a boundary, and measures nothing
Box = tuple[int, int, int, int]  # left, top, right, bottom


def boxes(figure: Figure) -> list[Box]:
    """Return where the pictures of a figure lie, as it was last drawn.

    Returns
    -------
    list of (left, top, right, bottom)
        In pixels from the upper left corner, within the figure, each box once.

    Examples
    --------
    >>> figure = Figure(figsize=(4, 2), dpi=100)
    >>> ax = figure.add_axes((0.5, 0.25, 0.25, 0.5), frameon=False)
    >>> _ = ax.imshow([[0, 1]], aspect="auto")
    >>> boxes(figure)
    [(200, 50, 300, 150)]
    """
    return sorted({box for extent in _extents(figure) if (box := _pixels(figure, extent)) is not None})


def _extents(figure: Figure) -> Iterator[Bbox]:
    """Yield the extents of all pictures, counted in pixels from the lower left corner."""
    for ax in figure.findobj(Axes):
        if not ax.get_visible():
            continue
        inside = _within_frame(ax)
        pictures = [image for image in ax.images if isinstance(image, AxesImage) and _is_picture(image)]
        extents = [image.get_window_extent() for image in pictures]
        if any(_is_picture(artist) for artist in ax.collections):
            extents.append(ax.bbox)
        yield from filter(None, (Bbox.intersection(extent, inside) for extent in extents))
    for image in figure.findobj(BboxImage):  # beside a point, in a box of its own
        yield image.get_window_extent()


def _within_frame(ax: Axes) -> Bbox:
    """Return the box of the axes without the inner halves of the lines around it, which belong to the drawing."""
    points = {
        side: spine.get_linewidth() / 2
        for side, spine in ax.spines.items()
        if spine.get_visible() and ax.axison and ax.get_frame_on()
    }
    outline = points.get("outline", 0.0)  # of a color bar, on all sides
    left, bottom, right, top = (
        points.get(side, outline) * ax.figure.dpi / 72 for side in ("left", "bottom", "right", "top")
    )
    x0, y0, x1, y1 = ax.bbox.extents
    return Bbox.from_extents(x0 + left, y0 + bottom, x1 - right, y1 - top)


def _is_picture(artist: AxesImage | Collection) -> bool:
    """Tell whether brightness or hue measures something: pixels, cells, filled contours, points on a scale."""
    if not artist.get_visible() or artist.get_array() is None:
        return False
    if isinstance(artist, ContourSet) and not artist.filled:
        return False
    cmap = artist.get_cmap()
    return not (isinstance(cmap, ListedColormap) and cmap.N <= CATEGORIES)


def _pixels(figure: Figure, extent: Bbox) -> Box | None:
    """Round an extent to pixels of the PNG, whose rows count downwards; None if it is not in the figure."""
    width, height = figure.canvas.get_width_height()
    left, right = max(floor(extent.x0 + 0.5), 0), min(ceil(extent.x1 - 0.5), width)
    top, bottom = max(floor(height - extent.y1 + 0.5), 0), min(ceil(height - extent.y0 - 0.5), height)
    return (left, top, right, bottom) if left < right and top < bottom else None
