"""Figure of what a normal posterior misses."""

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from aevb.figures import style
from aevb.figures.latent import show, tile

Normals = Mapping[str, Tensor]
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
            q and best_q, (2, k, 2), drawn at one and two deviations. Of one
            latent dimension, axes (k, 1, n), log_pxz (k, n) and q, best_q
            (2, k, 1): densities are drawn.
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
            drawn, coordinates = found["log_pxz"][i], found["axes"][i].cpu()
            density = torch.exp(drawn - drawn.max()).cpu()
            normals = {name: found[name][:, i].cpu() for name in NORMALS}
            draw = _line if len(coordinates) == 1 else _plane
            draw(axes, coordinates, density, normals)
        row[0].set_ylabel(f"{title}\n$z_2$")
    style.line_legend(figure, NORMALS.values(), 2)
    return figure


def _line(axes: Axes, z: Tensor, density: Tensor, normals: Normals) -> None:
    """A posterior over one latent dimension, and the normals, (2, 1)."""
    z = z[0]
    mass = torch.trapezoid(density, z)
    axes.fill_between(z, density / mass, color=style.GREY, alpha=0.4, lw=0)
    for name, (colour, line, _) in NORMALS.items():
        mean, logvar = normals[name][:, 0]
        normal = torch.distributions.Normal(mean, torch.exp(0.5 * logvar))
        axes.plot(z, normal.log_prob(z).exp(), line, color=colour, lw=0.9)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.set_xlabel("$z_1$")


def _plane(axes: Axes, z: Tensor, density: Tensor, normals: Normals) -> None:
    """A posterior over its largest value, the darker the denser, and lines
    at one and at two deviations of the normals, (2, 2)."""
    z1, z2 = z.numpy()
    # a square root, so that a lesser mode is seen beside a sharper one
    axes.imshow(
        density.T.sqrt().numpy(),  # rows along z2
        cmap="Greys",
        vmin=0,
        vmax=1.2,
        origin="lower",
        extent=(z1[0], z1[-1], z2[0], z2[-1]),
    )
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.set_xlabel("$z_1$")
    for name, (colour, ls, _) in NORMALS.items():
        mean: Any = normals[name][0].tolist()
        deviation = torch.exp(0.5 * normals[name][1])
        for n in (2, 4):  # deviations across
            size = (n * deviation).tolist()
            look: Any = {"fill": False, "color": colour, "ls": ls, "lw": 0.9}
            axes.add_patch(Ellipse(mean, *size, **look))
