"""One look for every figure: sizes, fonts and colours.

Figures are drawn at the size at which the page shows them, so that a label
of 8 points is a label of 8 points in print. Colours are Okabe and Ito's
(2008), which readers with any colour vision tell apart.
"""

from collections.abc import Iterable
from typing import Any

from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

TEXT_WIDTH = 6.3
"""Width of the page's text, inches."""

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
PINK, SKY, AMBER, BLACK = "#CC79A7", "#56B4E9", "#E69F00", "#222222"
GREY = "#999999"

DIGITS = [BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK]
DIGITS += ["#B5A800", "#7B3294", "#A6611A"]
"""A colour for each of the ten digits."""

HALO: Any = {"path_effects": [withStroke(linewidth=2.5, foreground="white")]}
"""What keeps a text legible over what is drawn there."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PINK, SKY, AMBER]),
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "figure.constrained_layout.wspace": 0.04,
    "grid.linewidth": 0.4,
    "grid.color": "#DDDDDD",
    "savefig.dpi": 200,
    "svg.hashsalt": "aevb",
    "svg.fonttype": "path",
}


def decimal(value: float) -> str:
    """A number with two decimals and a real minus sign."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def figure(
    height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure of the text's width, `height` inches, with a grid of axes."""
    options |= {"figsize": (TEXT_WIDTH, height), "layout": "constrained"}
    with plt.rc_context(RC):
        drawn, axes = plt.subplots(rows, columns, **options)
    # pyplot would show an open figure once more at the end of its cell
    plt.close(drawn)
    return drawn, axes


def line_legend(
    drawn: Figure, lines: Iterable[tuple[str, str, str]], columns: int
) -> None:
    """A legend below all axes, of lines: their colour, style and label."""
    handles = [Line2D([], [], color=c, ls=s, label=n) for c, s, n in lines]
    drawn.legend(handles=handles, loc="outside lower center", ncols=columns)


def bare(axes: Axes) -> None:
    """Leave ticks and frame of axes out, for images."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
