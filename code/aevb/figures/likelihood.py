"""Figures of a model trained for its likelihood."""

from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from aevb.figures import style
from aevb.figures.latent import reconstructions, show, tile

__all__ = ["reconstructions", "samples"]


@rc_context(style.RC)
def samples(images: Tensor, columns: int = 16) -> Figure:
    """Images (r columns, 784) that a model made, side by side."""
    rows = len(images) // columns
    height = style.TEXT_WIDTH * rows / columns
    figure, axes = style.figure(height)
    show(axes, tile(images, columns))
    return figure
