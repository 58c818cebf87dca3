"""Figures of the estimators: the KL check, gradient noise, rate against
distortion, importance sampling against the integral."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from aevb.figures import style

MODELS = {
    "untrained": "untrained",
    "vae_kl": "trained, analytical KL",
    "vae_sgvb": "trained, SGVB",
}

ESTIMATORS = {
    "sgvb": ("SGVB", style.ORANGE, "s"),
    "kl": ("analytical KL", style.BLUE, "o"),
    "stl": ("sticking the landing", style.GREEN, "^"),
}


def prefixes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample sizes k, and the mean and standard error of the first k."""
    k = np.unique(np.geomspace(1, len(values), 60).round().astype(int))
    means = [values[:n].mean() for n in k]
    # of the first value alone, the spread is that of all of them
    spreads = [values[: n if n > 1 else None].std(ddof=1) for n in k]
    return k, np.array(means), np.array(spreads) / np.sqrt(k)


@rc_context(style.RC)
def kl_check(
    summary: Mapping[str, Any], values: Mapping[str, Tensor]
) -> Figure:
    """The Monte Carlo estimate of the rate and its error, by model.

    Args:
        summary: `studies.kl_check`'s summary.
        values: its draws, (S,) for each model.
    """
    figure, panels = style.figure(
        2.8, 2, len(values), sharex=True, squeeze=False
    )
    for name, above, below in zip(values, *panels, strict=True):
        exact, draws = summary[name]["analytical"], values[name]
        k, means, errors = prefixes(draws.double().numpy())
        above.fill_between(
            k,
            means - 2 * errors,
            means + 2 * errors,
            color=style.SKY,
            alpha=0.4,
            lw=0,
            label="2 standard errors",
        )
        above.plot(k, means, color=style.BLUE, label="Monte Carlo")
        above.axhline(exact, color=style.ORANGE, ls="--", label="analytical")
        above.set(xscale="log", title=MODELS[name])
        above.grid(axis="y")
        found = abs(means - exact)
        expected = draws.std().item() / np.sqrt(k)
        below.loglog(k, found, color=style.BLACK, label="|difference|")
        below.loglog(
            k, expected, color=style.GREEN, ls="--", label=r"$s/\sqrt{S}$"
        )
        below.set_ylim(expected.min() / 30, expected.max() * 5)
        below.grid()
        below.set(xlabel="samples per image, S", xticks=[1, 10, 100, 1000])
    panels[0, 0].set_ylabel("KL\n(nats per image)")
    panels[1, 0].set_ylabel("absolute difference\n(nats per image)")
    handles, _ = panels[0, 0].get_legend_handles_labels()
    handles += panels[1, 0].get_legend_handles_labels()[0]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=5,
        columnspacing=1.2,
    )
    return figure


@rc_context(style.RC)
def gradient_variance(summary: Mapping[str, Any]) -> Figure:
    """Total variance of the encoder's gradient, by estimator and place."""
    places = {
        "start": "start of\ntraining",
        "vae_kl": "end, analytical\nKL model",
        "vae_sgvb": "end, SGVB\nmodel",
    }
    figure, panels = style.figure(2.6, 1, 2, sharex=True, sharey=True)
    titles = {"rate": "of the rate alone", "elbo": "of the whole ELBO"}
    for axes, (part, title) in zip(panels, titles.items(), strict=True):
        for i, place in enumerate(places):
            _variances(axes, i, summary[place][part])
        axes.set_yticks(range(len(places)), places.values())
        axes.set(xscale="log", ylim=(len(places) - 0.5, -0.5))
        axes.set(title=title, xlabel="total variance of the gradient")
        axes.grid(axis="x")
    handles, labels = panels[1].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique, loc="outside lower center", ncols=3)
    return figure


def _variances(axes: Axes, row: int, found: Mapping[str, Any]) -> None:
    for i, (name, (label, colour, marker)) in enumerate(ESTIMATORS.items()):
        height = row + 0.2 * (i - 1)
        variance = found[name]["variance"]
        if variance["value"] == 0:
            axes.text(
                0.02,
                height,
                f"{label}: 0",
                transform=axes.get_yaxis_transform(),
                va="center",
                color=colour,
                fontsize=7,
                bbox={"facecolor": "white", "lw": 0, "pad": 0.5},
            )
            continue
        axes.errorbar(
            variance["value"],
            height,
            xerr=variance["standard_error"],
            fmt=marker,
            ms=4,
            color=colour,
            capsize=2,
            label=label,
        )


@rc_context(style.RC)
def rate_distortion(summary: Mapping[str, Any]) -> Figure:
    """Distortion against rate for several `coeff`, and the course's."""
    figure, axes = style.figure(2.0)
    points = summary["points"]
    *places, course = [
        (run["rate"]["value"], run["distortion"]["value"])
        for run in (*points, summary["course"])
    ]
    axes.plot(*np.transpose(places), "o-", color=style.BLUE, ms=4)
    for point, place in zip(points, places, strict=True):
        axes.annotate(
            f"{point['coeff']:g}",
            place,
            (5, 5),
            textcoords="offset points",
            **style.HALO,
        )
    best = min(map(sum, places))
    low, high = axes.get_xlim()
    ends = np.array([max(low, 0), high])
    label = f"-ELBO = {best:.1f} nats"
    axes.plot(ends, best - ends, ":", color=style.GREY, label=label)
    label = "the course's objective"
    axes.plot(*course, "D", color=style.ORANGE, label=label)
    axes.set_xlabel("rate, KL(q(z|x) || p(z)) (nats per image)")
    axes.set_ylabel("distortion, -E log p(x|z)\n(nats per image)")
    axes.grid()
    axes.legend()
    return figure


@rc_context(style.RC)
def importance_sampling(summary: Mapping[str, Any]) -> Figure:
    """What S samples leave of -log p(x), against S, by each proposal."""
    figure, axes = style.figure(1.9)
    for key, marker, label in (
        ("gap", "o-", "samples of the posterior"),
        ("mixture_gap", "s--", "half of them of the prior"),
    ):
        points = [p for p in summary["points"] if key in p]
        axes.errorbar(
            [p["samples"] for p in points],
            [p[key]["value"] for p in points],
            [p[key]["standard_error"] for p in points],
            fmt=marker,
            ms=4,
            capsize=2,
            label=label,
        )
    axes.legend()
    axes.set(xscale="log", xlabel="importance samples per image, S")
    axes.set(yscale="log", ylabel="NLL estimate less\nthe integral (nats)")
    axes.grid()
    return figure
