"""The table of a sweep, drawn: a panel for each metric."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from aevb.figures import style

NUMBERS = ("mean", "standard_deviation", "standard_error", "n")
"""What a row holds over its seeds, beside what names it."""


def sweep_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Means with one standard error over seeds, a panel for each metric.

    The first setting that has two numbers or more is the abscissa, and each
    experiment, with its other settings, a line; where none has, each row is
    a point.

    Args:
        rows: of `aevb.sweep.table`.
    """
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    known = {"experiment", "metric", *NUMBERS}
    settings = [k for k in rows[0] if k not in known]
    varied = [k for k in settings if len({row[k] for row in rows}) > 1]
    kinds = {k: {type(row[k]) for row in rows} for k in varied}
    along = next((k for k in varied if kinds[k] <= {int, float}), None)
    height = 0.4 + 1.8 * len(metrics)
    figure, axes = style.figure(height, len(metrics), squeeze=False)
    for panel, metric in zip(axes[:, 0], metrics, strict=True):
        lines: dict[str, list[dict[str, Any]]] = {}
        for row in (r for r in rows if r["metric"] == metric):
            rest = [f"{k} {row[k]}" for k in varied if k != along]
            label = ", ".join([row["experiment"], *rest])
            lines.setdefault(label, []).append(row)
        for label, line in lines.items():
            if along:
                line = sorted(line, key=lambda row: row[along])
            panel.errorbar(
                [row[along] if along else label for row in line],
                [row["mean"] for row in line],
                [row["standard_error"] or 0.0 for row in line],
                fmt="o-" if along else "o",
                markersize=3,
                capsize=2,
                label=label,
            )
        panel.set_ylabel(metric)
        if along:
            panel.set_xlabel(along)
            panel.legend()
    return figure
