"""Figure of what a normal posterior misses."""

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from aevb.figures import style
from aevb.figures.latent import show, tile

NORMALS = {
    "q": (style.ORANGE, "-", "$q(z\\,|\\,x)$ of the encoder"),
    "best_q": (style.BLUE, "--", "best normal of this image"),
}
"""Colour, line and label of the normals that are drawn."""


@rc_context(style.RC)
def posteriors(
    images: Tensor, models: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Images, their true posteriors in grey, and normals around them.

    Args:
        images: binary, (k, 784).
        models: under the title of each row what `gaps.gaps` returns of a
            model: axes (k, 2, n); log_pxz (k, n, n), z2 along the last axis;
            q and best_q, (2, k, 2), drawn at one and two deviations.
    """
    k = len(images)
    figure, panels = style.figure(
        style.TEXT_WIDTH * (0.3 + len(models)) / k + 0.5,
        1 + len(models),
        k,
        squeeze=False,
        height_ratios=[0.5, *[1] * len(models)],
    )
    for axes, image in zip(panels[0], images, strict=True):
        show(axes, tile(image.unsqueeze(0), 1))
    for row, (title, found) in zip(panels[1:], models.items(), strict=True):
        for i, axes in enumerate(row):
            _density(axes, found["axes"][i], found["log_pxz"][i])
            for name in NORMALS:
                _ellipses(axes, name, found[name][:, i])
        row[0].set_ylabel(f"{title}\n$z_2$")
    handles = [
        Line2D([], [], color=colour, ls=line, label=label)
        for colour, line, label in NORMALS.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _density(axes: Axes, coordinates: Tensor, log_pxz: Tensor) -> None:
    """exp(log_pxz) over its largest value, the darker the denser."""
    density = torch.exp(log_pxz - log_pxz.max()).T.cpu()  # rows along z2
    z1, z2 = coordinates.cpu().numpy()
    # a square root, so that a lesser mode is seen beside a sharper one
    axes.imshow(
        density.sqrt().numpy(),
        cmap="Greys",
        vmin=0,
        vmax=1.2,
        origin="lower",
        extent=(z1[0], z1[-1], z2[0], z2[-1]),
    )
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.set_xlabel("$z_1$")


def _ellipses(axes: Axes, name: str, q: Tensor) -> None:
    """The lines at one and at two deviations of a normal, (2, 2)."""
    colour, line, _ = NORMALS[name]
    mean, deviation = q[0].tolist(), torch.exp(0.5 * q[1]).tolist()
    for n in (1, 2):
        width, height = (2 * n * d for d in deviation)
        axes.add_patch(
            Ellipse(
                (mean[0], mean[1]),
                width,
                height,
                fill=False,
                color=colour,
                linestyle=line,
                linewidth=0.9,
            )
        )
