"""Figures of a model trained for its likelihood."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor

from aevb.evaluation import ACTIVE
from aevb.figures import style
from aevb.figures.latent import reconstructions, show, tile

__all__ = ["rate_by_dimension", "reconstructions", "samples"]


@rc_context(style.RC)
def samples(images: Tensor, columns: int = 16) -> Figure:
    """Images (r columns, 784) that a model made, side by side."""
    rows = len(images) // columns
    height = style.TEXT_WIDTH * rows / columns
    figure, axes = style.figure(height)
    show(axes, tile(images, columns))
    return figure


@rc_context(style.RC)
def rate_by_dimension(rates: Tensor, variances: Tensor) -> Figure:
    """Rate of each latent dimension, the largest first.

    Args:
        rates: KL to the prior, mean over images, (L,), in nats.
        variances: Var_x(E[z | x]), (L,); above 0.01 a dimension is in use.
    """
    figure, axes = style.figure(2.2)
    order = np.argsort(-rates.cpu().numpy())
    active = (variances.cpu().numpy() > ACTIVE)[order]
    height = rates.cpu().numpy()[order]
    places = np.arange(1, len(order) + 1)
    for use, colour, label in (
        (active, style.BLUE, "in use"),
        (~active, style.GREY, "not in use"),
    ):
        axes.bar(
            places[use],
            height[use],
            color=colour,
            label=f"{use.sum()} {label}",
        )
    axes.set_xlabel("latent dimension, ordered by rate")
    axes.set_ylabel("rate (nats per image)")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend()
    return figure
