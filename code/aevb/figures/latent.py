"""Figures of auto-encoders: curves, reconstructions, the latent space."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from aevb.errors import UserError
from aevb.figures import style

Curves = Mapping[str, Sequence[float]]

SIDE = 28
"""Pixels along an image's side."""

COLOURS = (style.BLUE, style.ORANGE, style.GREEN)


class Grid(NamedTuple):
    """Latent points along one or two axes, n each, and the axes' labels.

    Row i n + j of `points` (n^2, 2) is column j of row i; z2 grows with
    the row, and rows are drawn upwards, as an axis grows. Points (n, 1) of
    one latent dimension are a line. `marks` are the n values along an axis.
    """

    title: str
    points: Tensor
    marks: Sequence[float]
    names: tuple[str, str] = ("$z_1$", "$z_2$")


def _product(title: str, axis: Tensor, dims: int) -> Grid:
    points = torch.cartesian_prod(*[axis] * dims).reshape(-1, dims).flip(1)
    return Grid(title, points, axis.tolist())


def latent_square(n: int = 8, dims: int = 2) -> Grid:
    """The course's grid: n even steps along each side of [-2, 2]^2."""
    return _product("even steps", torch.linspace(-2, 2, n), dims)


def latent_quantiles(n: int = 8, dims: int = 2) -> Grid:
    """Points of equal prior probability: Phi^-1((i + 1/2) / n)."""
    levels = (torch.arange(n) + 0.5) / n
    axis = torch.distributions.Normal(0.0, 1.0).icdf(levels)
    return _product("equal prior probability", axis, dims)


def flat(codes: Tensor) -> Tensor:
    """Codes (N, 1) or (N, 2) on the processor.

    Raises:
        UserError: there are none, or they have more dimensions.
    """
    if codes.ndim != 2 or codes.shape[1] not in (1, 2) or not len(codes):
        raise UserError(
            "a page shows codes (N, 1) or (N, 2), not "
            f"{tuple(codes.shape)}; let hidden_dims end in 1 or 2 "
            "(auto-encoder), 2 or 4 (VAE)"
        )
    return codes.detach().cpu()


def codes_quantiles(codes: Tensor, n: int = 8) -> Grid:
    """Points that follow the codes (N, 2): quantiles of z1, then of z2
    among the codes with nearly that z1, so that every point has codes
    around it. Of codes (N, 1): quantiles."""
    levels = (torch.arange(n) + 0.5) / n
    codes = flat(codes)
    title, along = "quantiles of the codes", levels.tolist()
    names = ("quantile of $z_1$", "quantile of $z_2$, given $z_1$")
    if codes.shape[1] == 1:
        return Grid(title, codes.quantile(levels, dim=0), along, names)
    slabs = codes[codes[:, 0].argsort()].tensor_split(n)
    z1 = torch.stack([slab[:, 0].median() for slab in slabs])
    z2 = torch.stack([slab[:, 1].quantile(levels) for slab in slabs], dim=1)
    points = torch.stack([z1.expand(n, n), z2], dim=2).reshape(-1, 2)
    return Grid(title, points, along, names)


def tile(images: Tensor, columns: int) -> np.ndarray:
    """Flat images (r columns, 784), row by row, as one page of pixels.

    Raises:
        UserError: they do not fill the rows, or are of another size.
    """
    n, pixels = len(images), SIDE * SIDE
    if images.shape != (n, pixels) or not n or not columns or n % columns:
        raise UserError(
            f"{columns} images of {pixels} pixels a row, not "
            f"{tuple(images.shape)}"
        )
    pages = images.detach().cpu().reshape(-1, columns, SIDE, SIDE)
    return pages.transpose(1, 2).reshape(-1, columns * SIDE).numpy()


def show(axes: Axes, page: np.ndarray) -> None:
    """Draw a page of pixels, black ink on white, without ticks."""
    axes.imshow(page, cmap="gray_r", vmin=0, vmax=1, interpolation="none")
    style.bare(axes)


@rc_context(style.RC)
def ae_curve(history: Curves) -> Figure:
    """Mean squared error of an auto-encoder against the epoch."""
    figure, axes = style.figure(2.2)
    epochs = range(1, len(history["train_loss"]) + 1)
    axes.plot(epochs, history["train_loss"], "--", label="training images")
    axes.plot(epochs, history["test_loss"], label="held-out images")
    axes.set(xlabel="epoch", ylabel="mean squared error\nper pixel")
    axes.grid(axis="y")
    axes.legend()
    _settle(axes, [history["train_loss"], history["test_loss"]])
    return figure


@rc_context(style.RC)
def vae_curves(histories: Mapping[str, Curves]) -> Figure:
    """ELBO, rate and distortion of VAEs against the epoch.

    A rate below zero, which samples may give and the divergence never has,
    is explained.

    Args:
        histories: the curves of each run under the name to show.
    """
    figure, panels = style.figure(2.5, 1, 3)
    names = "ELBO", "rate", "distortion"
    for axes, title in zip(panels, names, strict=True):
        # the ELBO is minus the sum of the others
        sign, terms = (-1, names[1:]) if title == "ELBO" else (1, (title,))
        drawn = []
        for colour, curves in zip(COLOURS, histories.values(), strict=False):
            for split, line in (("train", "--"), ("test", "-")):
                parts = [np.array(curves[f"{split}_{t}"]) for t in terms]
                values = sign * np.sum(parts, axis=0)
                epochs = np.arange(1, len(values) + 1)
                axes.plot(epochs, values, line, color=colour)
                drawn.append(values)
        axes.set(title=title, xlabel="epoch")
        axes.grid(axis="y")
        _settle(axes, drawn)
        if title == "rate" and np.min(np.concatenate(drawn)) < 0:
            axes.set_xlabel("epoch (below 0: by chance of the samples)")
    panels[0].set_ylabel("nats per image")
    lines = [(c, "-", n) for c, n in zip(COLOURS, histories, strict=False)]
    lines.append((style.GREY, "-", "held-out images"))
    lines.append((style.GREY, "--", "training images"))
    style.line_legend(figure, lines, 4)
    return figure


def _settle(axes: Axes, curves: Sequence[Any]) -> None:
    """Leave the fall of the first epochs out where there are many, and
    what lies far beyond nine tenths of the rest: one step of a training may
    be thousands of nats off, and its epoch would flatten all others."""
    seen = np.concatenate([c[len(c) // 8 :] for c in curves])
    seen = seen[np.isfinite(seen)]
    if len(seen) == 0:
        raise UserError("the curves have no finite value to draw")
    lower, upper = np.quantile(seen, (0.05, 0.95))
    far = 2 * (upper - lower)
    low, high = max(seen.min(), lower - far), min(seen.max(), upper + far)
    margin = 0.05 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def one_of_each(labels: Tensor) -> Tensor:
    """Where each of the ten digits comes first, (10,)."""
    return torch.stack([(labels == d).int().argmax() for d in range(10)])


@rc_context(style.RC)
def reconstructions(x: Tensor, rows: Mapping[str, Tensor]) -> Figure:
    """Images above what each model makes of them.

    Args:
        x: originals, (n, 784).
        rows: reconstructions (n, 784) under the name of their model.
    """
    pages = {"original": x, **rows}
    n = len(x)
    if n == 0:
        raise UserError("there are no images; give at least one")
    height = style.TEXT_WIDTH * 0.86 / n * 1.06 * len(pages)
    figure, panels = style.figure(height, len(pages), 1, squeeze=False)
    for axes, (name, images) in zip(panels[:, 0], pages.items(), strict=True):
        show(axes, tile(images, n))
        axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=4)
    return figure


@rc_context(style.RC)
def samples(images: Tensor, columns: int = 16) -> Figure:
    """Images (r columns, 784) that a model made, side by side."""
    height = style.TEXT_WIDTH * (len(images) // columns) / columns
    figure, axes = style.figure(height)
    show(axes, tile(images, columns))
    return figure


@rc_context(style.RC)
def image_grids(
    panels: Sequence[tuple[Grid, Tensor]], titles: Sequence[str] = ()
) -> Figure:
    """Decoded latent grids, two side by side.

    Args:
        panels: a grid and its decoded points, (n^2, 784) or, of a line,
            (n, 784), each.
        titles: what to write above, instead of the grids' own titles.
    """
    if not panels:
        raise UserError("there is no grid to draw")
    rows = (len(panels) + 1) // 2
    height = 1.0 if all(g.points.shape[1] == 1 for g, _ in panels) else 3.1
    figure, all_axes = style.figure(height * rows, rows, 2, squeeze=False)
    for axes in all_axes.flat[len(panels) :]:
        axes.remove()
    names = titles or [grid.title for grid, _ in panels]
    for axes, (grid, images), name in zip(
        all_axes.flat, panels, names, strict=False
    ):
        n = len(grid.marks)
        if len(images) != len(grid.points):
            raise UserError(
                f"{len(images)} images are not one for each of the "
                f"{len(grid.points)} points of the grid"
            )
        upwards = images.reshape(-1, n, images.shape[1]).flip(0).flatten(0, 1)
        show(axes, tile(upwards, n))
        centres = (np.arange(n) + 0.5) * SIDE - 0.5
        few = sorted({0, n // 4, n - 1 - n // 4, n - 1})  # labels need room
        labels = [style.decimal(grid.marks[i]) for i in few]
        axes.set_xticks(centres[few], labels)
        axes.tick_params(length=0)
        axes.set(title=name, xlabel=grid.names[0])
        if grid.points.shape[1] == 2:
            axes.set_yticks(centres[::-1][few], labels)
            axes.set_ylabel(grid.names[1])
    return figure


@rc_context(style.RC)
def latent_planes(codes: Mapping[str, Tensor], labels: Tensor) -> Figure:
    """Codes coloured by digit, with the course's square [-2, 2]^2.

    Each digit stands at the median of its codes; the axes leave out the
    outermost 1% of the codes. One latent dimension is drawn along a line,
    with a row for each digit.

    Args:
        codes: latent points (N, 2) or (N, 1) under the title of their panel.
        labels: the digits, (N,).
    """
    figure, panels = style.figure(2.9, 1, len(codes), squeeze=False)
    for axes, (title, z) in zip(panels[0], codes.items(), strict=True):
        plane(axes, z, labels)
        low, high = (-0.5, 9.5) if z.shape[1] == 1 else (-2, 2)
        square = Rectangle((-2, low), 4, high - low, fill=False, linewidth=1)
        axes.add_patch(square)
        axes.set_title(title)
    return figure


def plane(axes: Axes, codes: Tensor, labels: Tensor) -> None:
    """Codes (N, 2) or (N, 1) of digits (N,), each named where it lies."""
    z, digits = flat(codes), labels.cpu()
    if len(z) != len(digits):
        raise UserError(f"{len(z)} codes have {len(digits)} labels")
    line = z.shape[1] == 1
    if line:  # spread within a digit's row, so that codes are told apart
        spread = 0.8 * (torch.arange(len(z)) % 97 / 96 - 0.5)
        z = torch.cat([z, (digits + spread).unsqueeze(1)], dim=1)
    first, second = z.numpy().T  # of a tensor each number would be looked at
    axes.scatter(
        first,
        second,
        s=1.5,
        c=np.array(style.DIGITS)[digits.numpy()],
        alpha=0.5,
        linewidths=0,
        rasterized=True,
    )
    for digit in digits.unique().tolist():
        z1, z2 = z[digits == digit].median(dim=0).values.tolist()
        axes.annotate(
            str(digit),
            (z1, z2),
            ha="center",
            va="center",
            weight="bold",
            color=style.DIGITS[digit],
            **style.HALO,
        )
    ends = z.quantile(torch.tensor([0.005, 0.995]), dim=0).T.tolist()
    axes.set(xlim=ends[0], xlabel="$z_1$")
    if line:
        axes.set(ylim=(-0.7, 9.7), ylabel="digit")
    else:
        axes.set(ylim=ends[1], ylabel="$z_2$", aspect="equal")
