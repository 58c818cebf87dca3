"""Figures of Problem 4: curves and surfaces in space, and latent spaces.

Points are tensors (..., 3); lengths are in units of R = 1 unless the torus
has another. Space is seen orthographically: `project` gives the page's two
coordinates, so that a panel is as large as what it shows. Surfaces are
rasterised, lines and text are not.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from aevb import geometry
from aevb.figures.style import BLACK, BLUE, GREEN, ORANGE, RC, figure
from aevb.torus import Torus

VIEWS = ((35, -60), (90, -90))
"""Elevation and azimuth in degrees: from the side and from above."""
COLOURS = ListedColormap(mpl.colormaps["plasma_r"](np.linspace(0.2, 1, 256)))
"""The map of distances from the surface, orange to dark blue, so that what
lies far from it stands out; its light end would be lost on white."""
SHADE = to_rgb("#CFDCE6")
"""The colour of a bare surface in full light."""


def axes_of(view: tuple[float, float]) -> Tensor:
    """Unit vectors (3, 3): to the page's right, up, and to the viewer."""
    up, around = np.radians(view)
    right = [-np.sin(around), np.cos(around), 0]
    toward = [np.cos(up) * np.cos(around), np.cos(up) * np.sin(around)]
    toward.append(np.sin(up))
    return torch.tensor(np.stack([right, np.cross(toward, right), toward]))


def project(points: Tensor, view: Any) -> Tensor:
    """Right, up and towards the viewer, (..., 3) to (..., 3)."""
    return points.double() @ axes_of(view).T


def hidden(torus: Torus, points: Tensor, view: Any) -> Tensor:
    """Whether the solid torus lies between each point and the viewer.

    A point less than a twentieth of r inside counts as on the surface.
    """
    ahead = torch.linspace(0.15, 2.1, 80) * (torus.R + torus.r)
    way = points[..., None, :] + ahead[:, None] * axes_of(view)[2]
    return (torus.distance(way) < -0.05 * torus.r).any(-1)


def draw_surface(
    ax: Axes, points: Tensor, view: Any, colours: Any = None
) -> None:
    """A closed surface (n, n, 3) of shaded patches, the far ones first.

    Args:
        colours: of the points, (n, n, 3); translucent and pale if None.
    """
    x = project(points, view)
    around = ((0, 0), (-1, 0), (-1, -1), (0, -1))
    corners = [x.roll(by, (0, 1)) for by in around]
    patches = torch.stack(corners, dim=2).flatten(0, 1)  # (n n, 4, 3)
    normal = torch.linalg.cross(
        patches[:, 2] - patches[:, 0], patches[:, 3] - patches[:, 1]
    )
    light = (normal / normal.norm(dim=1, keepdim=True))[:, 2].abs()
    base = np.asarray(SHADE if colours is None else colours).reshape(-1, 3)
    face = base * (0.6 + 0.4 * light.numpy()[:, None])
    order = patches[..., 2].mean(1).argsort()
    ax.add_collection(
        PolyCollection(
            list(patches[order, :, :2].numpy()),
            facecolors=np.broadcast_to(face, (len(order), 3))[order.numpy()],
            alpha=0.75 if colours is None else 1.0,
            antialiaseds=False,
            linewidths=0,
            rasterized=True,
        )
    )
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.autoscale_view()


def draw_path(
    ax: Axes,
    torus: Torus,
    path: Tensor,
    view: Any,
    lw: float = 2.0,
    **style: Any,
) -> None:
    """A path (steps, 3) with its ends; thin and pale where it is hidden.

    Args:
        style: `color`, or `array` with `cmap` and `norm`, a value a segment.
    """
    x = project(path, view)[:, :2].numpy()
    behind = hidden(torus, path, view).numpy()[:-1]
    segments = np.stack([x[:-1], x[1:]], axis=1)
    ax.add_collection(
        LineCollection(
            list(segments),
            lw=np.where(behind, 0.5 * lw, lw),
            alpha=np.where(behind, 0.5, 1.0),
            capstyle="round",
            zorder=3,
            **style,
        )
    )
    ax.plot(*x[[0, -1]].T, "o", color=BLACK, ms=3, zorder=4)


def exact(torus: Torus, n: int = 72) -> Tensor:
    """The torus itself as a closed surface (n, n, 3)."""
    return torus.chart(geometry.lattice(n))


def colourbar(
    fig: Figure, axes: Any, norm: Any, cmap: Any, label: str, **style: Any
) -> None:
    """One colour scale for all panels."""
    style = {"shrink": 0.75, "aspect": 22, "pad": 0.01, **style}
    fig.colorbar(ScalarMappable(norm, cmap), ax=axes, label=label, **style)


@mpl.rc_context(RC)
def reconstruction(cloud: Tensor, imgs: Tensor) -> Figure:
    """Original beside reconstruction, from two viewpoints.

    The colour of a reconstructed point is its distance to its source; the
    scale ends at the 99th percentile.
    """
    errors = (imgs - cloud).norm(dim=1).numpy()
    norm = Normalize(0, np.quantile(errors, 0.99))
    fig, axes = figure(3.9, 2, 2)
    for row, view in zip(axes, VIEWS, strict=True):
        styles = {"color": BLUE}, {"c": errors, "cmap": COLOURS, "norm": norm}
        for ax, points, style in zip(row, (cloud, imgs), styles, strict=True):
            x = project(points, view)[:, :2].T.numpy()
            ax.scatter(*x, s=2.5, lw=0, rasterized=True, **style)
            ax.set_aspect("equal")
            ax.set_axis_off()
    axes[0, 0].set_title("original")
    axes[0, 1].set_title("reconstruction")
    label = "distance to the source point"
    colourbar(fig, axes, norm, COLOURS, label, extend="max")
    return fig


@mpl.rc_context(RC)
def trajectories(torus: Torus, paths: Mapping[str, Tensor]) -> Figure:
    """Decoded paths (P, steps, 3) of each panel over the torus.

    Colour is the distance from the surface, from 0 to the largest.
    """
    offsets = {k: torus.distance(x).abs() for k, x in paths.items()}
    norm = Normalize(0, max(float(o.max()) for o in offsets.values()))
    fig, axes = figure(6.2 / len(paths) * 0.78, 1, len(paths), squeeze=False)
    for ax, (title, lines) in zip(axes[0], paths.items(), strict=True):
        draw_surface(ax, exact(torus), VIEWS[0])
        for line, off in zip(lines, offsets[title], strict=True):
            value = ((off[:-1] + off[1:]) / 2).numpy()
            style = {"array": value, "cmap": COLOURS, "norm": norm}
            draw_path(ax, torus, line, VIEWS[0], **style)
        ax.set_title(title)
    colourbar(fig, axes, norm, COLOURS, "distance from the surface")
    return fig


@mpl.rc_context(RC)
def curves(torus: Torus, paths: Mapping[str, Tensor]) -> Figure:
    """Curves (steps, 3) on one torus, a colour and a line of the legend
    each; with one curve, the problem set's Figure 1.

    The viewer stands where the first curve's middle faces him.
    """
    middle = next(iter(paths.values())).mean(0)
    view = (35, float(torch.rad2deg(torch.atan2(middle[1], middle[0]))))
    fig, ax = figure(3.4)
    draw_surface(ax, exact(torus), view)
    # the middle one is wide, so that it shows under one that covers it
    looks = ((ORANGE, 2.0), (BLUE, 4.5), (GREEN, 1.5))
    for (title, line), (colour, lw) in zip(paths.items(), looks, strict=False):
        draw_path(ax, torus, line, view, lw, color=colour)
        ax.plot([], [], color=colour, lw=lw, label=title)
    if len(paths) > 1:
        ax.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.5, 0))
    return fig


@mpl.rc_context(RC)
def codes_by_angle(
    torus: Torus, cloud: Tensor, codes: Mapping[str, Tensor], torn: Tensor
) -> Figure:
    """The latent codes (n, 2) of a cloud, coloured by the true angles.

    A row for each angle, about the axis and about the tube; a column for the
    plane, with the codes `torn` (k, 2) that distant places share in green,
    and one for the square, whose edges with equal arrows are one.
    """
    ticks, turns = (-np.pi, 0, np.pi), ("$-\\pi$", "0", "$\\pi$")
    edges, arrows = (-np.pi, np.pi), {"ms": 7, "clip_on": False}
    angles = torus.angles(cloud).T.numpy()
    fig, axes = figure(5.2, 2, len(codes))
    for row, angle, name in zip(axes, angles, ("axis", "tube"), strict=True):
        for ax, (title, z) in zip(row, codes.items(), strict=True):
            shown = ax.scatter(
                *z.numpy().T, c=angle, cmap="twilight", vmin=-np.pi,
                vmax=np.pi, s=3, lw=0, rasterized=True,
            )  # fmt: skip
            ax.set(aspect="equal", title=title)
        row[0].set(xlabel="$z_1$", ylabel="$z_2$")
        row[0].plot(*torn.T, "o", color="#00c853", ms=0.9, rasterized=True)
        bar = fig.colorbar(shown, ax=row, shrink=0.8, aspect=18, pad=0.01)
        bar.set_label(f"angle about the {name}")
        bar.set_ticks(ticks, labels=turns)
        square = row[-1]
        square.set(xlabel="$\\theta_1$", ylabel="$\\theta_2$")
        square.set(xlim=edges, ylim=edges)
        square.set_xticks(ticks, turns)
        square.set_yticks(ticks, turns)
        for at in edges:
            square.plot([0], [at], ">", color=ORANGE, **arrows)
            square.plot([at, at], [-0.15, 0.15], "^", color=BLUE, **arrows)
    return fig


@mpl.rc_context(RC)
def curvature(torus: Torus, chart: geometry.Chart, n: int = 96) -> Figure:
    """The decoded surface coloured by its Gaussian curvature, and the torus
    by its own, on one scale."""
    ours = geometry.surface(chart, n)
    panels = {"decoded": ours.x, "exact": exact(torus, n)}
    values = [ours.curvature, torus.curvature(panels["exact"])]
    top = max(float(v.abs().max()) for v in values)
    norm, cmap = Normalize(-top, top), mpl.colormaps["RdBu_r"]
    fig, axes = figure(2.4, 1, 2)
    for ax, (title, x), k in zip(axes, panels.items(), values, strict=True):
        draw_surface(ax, x, VIEWS[0], cmap(norm(k.numpy()))[..., :3])
        ax.set_title(title)
    colourbar(fig, axes, norm, cmap, "Gaussian curvature")
    return fig
