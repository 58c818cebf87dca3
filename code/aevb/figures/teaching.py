"""Pictures of an idea: the gap of the bound, and the path of a gradient.

Both are drawn from the model that is solved by hand, so every length in them
is a number of that model.
"""

from typing import Any

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor
from torch.distributions import Normal

from aevb.figures import latent, style
from aevb.figures import torus as torus_figures
from aevb.linear_gaussian import LinearGaussian
from aevb.torus import Torus


@rc_context(style.RC)
def gap(model: LinearGaussian, x: float, encoders: list[Normal]) -> Figure:
    """The posterior and some encoders, and log p(x) as ELBO plus divergence.

    Each bar runs from the ELBO of one encoder q to log p(x); its length is
    the divergence KL(q || p(z | x)).
    """
    figure, (left, right) = style.figure(2.1, 1, 2)
    z = torch.linspace(-1.5, 2.5, 400)
    posterior = model.posterior(x)
    density = posterior.log_prob(z).exp()
    left.fill_between(z, density, color=style.GREY, alpha=0.4, lw=0)
    peak = density.max().item()
    left.text(posterior.mean.item(), 0.2 * peak, "p(z|x)", ha="center")
    evidence = model.log_evidence(x).item()
    colours = latent.COLOURS
    for i, (q, colour) in enumerate(zip(encoders, colours, strict=True)):
        left.plot(z, q.log_prob(z).exp(), color=colour)
        elbo = model.elbo(x, q).item()
        right.barh(i, evidence - elbo, left=elbo, color=colour, height=0.55)
        right.annotate(
            f"ELBO {style.decimal(elbo)},  KL {evidence - elbo:.2f}",
            (elbo, i),
            (-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
        )
    left.set(xlabel="z", ylabel="density")
    right.axvline(evidence, color=style.BLACK)
    low = min(model.elbo(x, q).item() for q in encoders)
    right.set_xlim(low - 0.9 * (evidence - low) - 0.4, evidence + 0.05)
    right.set(ylim=(len(encoders) - 0.5, -0.5), xlabel="nats")
    right.set_yticks(range(len(encoders)), ["$q_1$", "$q_2$", "$q_3$"])
    right.tick_params(axis="y", length=0)
    for label, colour in zip(right.get_yticklabels(), colours, strict=True):
        label.set_color(colour)
    right.set_title(f"log p(x) = {style.decimal(evidence)}", loc="right")
    return figure


@rc_context(style.RC)
def reparameterisation(model: LinearGaussian, x: float, q: Normal) -> Figure:
    """Where a gradient can pass, and the spread of two estimates of it.

    Left, middle: the sample as a random node, and as a function of noise.
    Right: draws of the gradient by mu of E_q[log p(x | z)], without and with
    reparameterisation, with their standard deviations.
    """
    figure, (blocked, passing, spread) = style.figure(
        2.2, 1, 3, width_ratios=[1, 1, 1.15]
    )
    _graph(blocked, False)
    _graph(passing, True)
    found = model.gradients(x, q, 100_000)
    edges = np.linspace(-12, 22, 103)
    for name, label, colour in (
        ("score", "score function", style.ORANGE),
        ("path", "reparameterised", style.BLUE),
    ):
        values = found[name].numpy()
        spread.hist(
            values,
            edges,
            density=True,
            histtype="stepfilled",
            alpha=0.55,
            color=colour,
            label=f"{label}, s.d. {values.std():.1f}",
        )
    mean = model.w * (x - model.w * q.mean.item()) / model.s**2
    spread.axvline(mean, 0, 0.68, color=style.BLACK, lw=0.8)
    spread.set(xlabel="one draw of the gradient by $\\mu$", yticks=[])
    spread.spines["left"].set_visible(False)
    spread.set_ylim(0, 1.5 * spread.get_ylim()[1])
    spread.legend(loc="upper center")
    return figure


@rc_context(style.RC)
def front(
    codes: Tensor, labels: Tensor, torus: Torus, paths: Tensor
) -> Figure:
    """The plane of codes (N, 2) beside paths (P, steps, 3) on the torus."""
    figure, (left, right) = style.figure(2.0, 1, 2)
    latent.plane(left, codes, labels)
    surface = torus_figures.exact(torus)
    view = torus_figures.VIEWS[0]
    torus_figures.draw_surface(right, surface, view)
    for path in paths:
        torus_figures.draw_path(right, torus, path, view, color=style.ORANGE)
    return figure


def _graph(axes: Axes, passing: bool) -> None:
    """The computation from mu and sigma to the loss, and the way back."""
    style.bare(axes)
    title = "$z = \\mu + \\sigma\\epsilon$" if passing else "$z \\sim q$"
    axes.set(xlim=(0, 10), ylim=(0, 10), title=title)
    start, z, loss, noise = (2.2, 2), (5, 5.2), (7.8, 8.4), (1.6, 7.4)
    _node(axes, *start, "$\\mu, \\sigma$", False)
    _node(axes, *z, "$z$", not passing)
    _node(axes, *loss, "loss", False)
    for here, there in ((start, z), (z, loss)):
        _arrow(axes, here, there)
        if passing or here == z:
            back = [(x + 0.9, y - 0.2) for x, y in (there, here)]
            _arrow(axes, *back, color=style.BLUE, ls="--")
    if passing:
        _node(axes, *noise, "$\\epsilon$", True)
        _arrow(axes, noise, z)
        note = "the gradient passes through z"
    else:
        times = "\N{MULTIPLICATION SIGN}"
        axes.text(4.9, 2.9, times, color=style.ORANGE, fontsize=14)
        note = "the gradient ends at z"
    axes.text(5, 0.1, note, ha="center", color=style.BLUE, fontsize=7.5)


def _arrow(axes: Axes, start: Any, end: Any, **look: Any) -> None:
    """An arrow between two nodes; `look` changes its line."""
    way: Any = {"arrowstyle": "-|>", "color": style.BLACK, **look}
    way |= {"shrinkA": 12, "shrinkB": 12}
    axes.annotate("", end, start, arrowprops=way)


def _node(axes: Axes, x: float, y: float, text: str, random: bool) -> None:
    """A box; a round grey one for what is drawn at random."""
    shape = "round,pad=0.1,rounding_size=0.9" if random else "square,pad=0.1"
    axes.add_patch(
        FancyBboxPatch(
            (x - 1.1, y - 0.8),
            2.2,
            1.6,
            boxstyle=shape,
            facecolor="#DDDDDD" if random else "white",
            edgecolor=style.BLACK,
            lw=0.8,
            zorder=2,
        )
    )
    axes.text(x, y, text, ha="center", va="center", zorder=3)
