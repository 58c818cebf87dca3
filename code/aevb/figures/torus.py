"""Figures of Problem 4: clouds, paths and grids in space.

Points are tensors or arrays (..., 3); lengths are in units of R = 1 unless
the torus has another. Clouds are rasterised, lines are not.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from aevb.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    RC,
    TEXT_WIDTH,
    figure,
)
from aevb.torus import Torus

VIEWS = ((35, -60), (90, -90))
"""Elevation and azimuth in degrees: from the side and from above."""

OFFSETS = LogNorm(1e-4, 1)
COLOURS = mpl.colormaps["cividis"]
"""Of distances from the surface, dark to light; cividis reads the same with
any colour vision (Nunez et al. 2018)."""


@mpl.rc_context(RC)
def reconstruction(cloud: Any, imgs: Any) -> Figure:
    """Original beside reconstruction, from two viewpoints.

    The colour of a reconstructed point is its distance to its source.
    """
    cloud, imgs = np.asarray(cloud), np.asarray(imgs)
    errors = np.linalg.norm(imgs - cloud, axis=1)
    fig, axes = spaces(2, 2, 4.5)
    for row, view in zip(axes, VIEWS, strict=True):
        scatter(row[0], cloud, color=BLUE)
        scatter(row[1], imgs, c=errors, cmap=COLOURS, norm=OFFSETS)
        for ax in row:
            look(ax, cloud, view)
    axes[0, 0].set_title("original")
    axes[0, 1].set_title("reconstruction")
    colourbar(fig, axes, "distance to the source point")
    return fig


@mpl.rc_context(RC)
def trajectories(
    torus: Torus, cloud: Any, paths: Mapping[str, Any], view: Any = VIEWS[0]
) -> Figure:
    """Decoded paths (P, steps, 3) of each model over the cloud.

    Colour is the distance from the surface; a dot ends each path.
    """
    fig, axes = spaces(1, len(paths), 2.3)
    for ax, (title, lines) in zip(axes[0], paths.items(), strict=True):
        faint_cloud(ax, torus, cloud, view)
        for line in lines:
            draw_path(ax, torus, line, view)
        look(ax, cloud, view)
        ax.set_title(title)
    colourbar(fig, axes, "distance from the surface")
    return fig


@mpl.rc_context(RC)
def one_path(torus: Torus, cloud: Any, path: Any) -> Figure:
    """The problem set's Figure 1: one path (steps, 3) on the torus."""
    fig, axes = spaces(1, 1, 2.6)
    ax = axes[0, 0]
    faint_cloud(ax, torus, cloud, VIEWS[0], BLUE)
    ax.plot(*np.asarray(path).T, color=ORANGE, lw=2.2)
    ax.plot(*np.asarray(path)[[0, -1]].T, "o", color=BLACK, ms=4)
    look(ax, cloud, VIEWS[0])
    return fig


@mpl.rc_context(RC)
def offsets_along_paths(torus: Torus, paths: Mapping[str, Any]) -> Figure:
    """Distance from the surface along paths (P, steps, 3), and the median
    and the largest at each step."""
    fig, axes = figure(2.3, 1, len(paths), sharey=True, squeeze=False)
    for ax, (title, lines) in zip(axes[0], paths.items(), strict=True):
        offsets = torus.distance(lines).abs().clamp(min=1e-6).numpy()
        share = np.linspace(0, 1, offsets.shape[1])
        ax.semilogy(
            share, offsets.T, color=GREY, lw=0.3, alpha=0.4, rasterized=True
        )
        ax.semilogy(share, np.median(offsets, 0), color=BLUE, label="median")
        ax.semilogy(share, offsets.max(0), color=ORANGE, label="largest")
        ax.set(title=title, xlabel="position along the path", xlim=(0, 1))
    axes[0, 0].set(ylabel="distance from the surface", ylim=(1e-6, 3))
    axes[0, -1].legend(loc="upper right", ncols=2)
    return fig


@mpl.rc_context(RC)
def latent_grids(cloud: Any, grids: Mapping[str, Any]) -> Figure:
    """Decoded lines (2, lines, steps, 3) of constant latent coordinate.

    Family 0 in blue, family 1 in orange.
    """
    fig, axes = spaces(1, len(grids), 2.5)
    for ax, (title, families) in zip(axes[0], grids.items(), strict=True):
        for lines, colour in zip(families, (BLUE, ORANGE), strict=True):
            ax.add_collection3d(
                Line3DCollection(np.asarray(lines), colors=colour, lw=0.5)
            )
        look(ax, cloud, VIEWS[0])
        ax.set_title(title)
    return fig


def spaces(rows: int, columns: int, height: float) -> tuple[Figure, Any]:
    """A grid (rows, columns) of clean three-dimensional axes."""
    fig = Figure(figsize=(TEXT_WIDTH, height), layout="constrained")
    axes = fig.subplots(
        rows, columns, squeeze=False, subplot_kw={"projection": "3d"}
    )
    for ax in axes.flat:
        ax.set_axis_off()
    return fig, axes


def look(ax: Any, cloud: Any, view: tuple[float, float]) -> None:
    """Equal scales around the cloud, seen from `view`."""
    low, high = np.asarray(cloud).min(0), np.asarray(cloud).max(0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.set(zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=1.28)
    ax.set_proj_type("ortho")
    ax.view_init(*view)


def scatter(ax: Any, points: np.ndarray, **style: Any) -> None:
    """A rasterised cloud."""
    ax.scatter(
        *points.T, s=1.6, lw=0, rasterized=True, depthshade=False, **style
    )


def faint_cloud(
    ax: Any, torus: Torus, cloud: Any, view: Any, color: str = BLACK
) -> None:
    """The cloud as a backdrop, its far side fainter than its near side."""
    alpha = np.where(facing(torus, cloud, view), 0.35, 0.07)
    scatter(ax, np.asarray(cloud), color=color, alpha=alpha)


def facing(torus: Torus, points: Any, view: tuple[float, float]) -> Any:
    """Whether the surface's normal at each point is turned to the viewer."""
    u, v = torus.angles(points).numpy().T
    up, around = np.radians(view)
    along = np.cos(v) * np.cos(u - around) * np.cos(up)
    return along + np.sin(v) * np.sin(up) > 0


def draw_path(ax: Any, torus: Torus, line: Any, view: Any) -> None:
    """A path (steps, 3), coloured by its distance from the surface, thinner
    on the far side."""
    offsets = torus.distance(line).abs().clamp(min=1e-6).numpy()
    points = np.asarray(line)
    near = facing(torus, line, view)[:-1]
    ax.add_collection3d(
        Line3DCollection(
            np.stack([points[:-1], points[1:]], axis=1),
            array=(offsets[:-1] + offsets[1:]) / 2,
            cmap=COLOURS,
            norm=OFFSETS,
            lw=np.where(near, 2.0, 0.9),
        )
    )
    ax.plot(*points[[0, -1]].T, "o", color=BLACK, ms=2.5)


def colourbar(fig: Figure, axes: Any, label: str) -> Axes:
    """The one colour scale of distances that all panels share."""
    bar = fig.colorbar(
        ScalarMappable(OFFSETS, COLOURS), ax=axes, shrink=0.6, aspect=25
    )
    bar.set_label(label)
    return bar.ax
