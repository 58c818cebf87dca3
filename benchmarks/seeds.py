"""The report's models from several seeds: how much a seed changes them.

    PYTHONPATH=code:. python -m benchmarks.seeds

finds the runs of `aevb sweep`, or trains them (two hours of two cores), and
writes code/aevb/measured/seeds.json: for each model and metric the mean and
the standard deviation over seeds, beside the standard error over test images
of one run; and how `vae_kl` differs from `vae_sgvb`, seed by seed, with
Student's 95% interval for the mean of that difference. The seeds move the
initial weights, the order of the images and the noise; the test images are
the same, so their error is no part of the deviation.
"""

from collections.abc import Sequence
from typing import Any

import scipy.stats

from aevb import profiles
from aevb.errors import UserError
from aevb.grid import points
from aevb.runs import Run
from aevb.sweep import make, summary
from benchmarks.together import write

SEEDS = {"vae_kl": 5, "vae_sgvb": 5, "ae": 5, "vae_best": 3}
PAIR = "vae_kl", "vae_sgvb"
PAIRED = ("test_elbo", "test_nll_quadrature")
METRICS = ("test_mse", "test_elbo", "test_rate", "test_distortion")
METRICS += ("test_nll", "test_nll_quadrature", "active_units")


def difference(
    first: Sequence[float], second: Sequence[float]
) -> dict[str, Any]:
    """First minus second, paired, with the 95% interval of its mean."""
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    found = summary(gaps)
    n = len(gaps)
    wide = scipy.stats.t.ppf(0.975, n - 1) * found["standard_error"]
    return found | {"low": found["mean"] - wide, "high": found["mean"] + wide}


def rows_of(found: dict[str, list[Run]]) -> list[dict[str, Any]]:
    """A row for each model and metric, then one for each difference."""
    rows: list[dict[str, Any]] = []
    for name, made in found.items():
        for metric in METRICS:
            kept = [r.metrics[metric] for r in made if metric in r.metrics]
            if not kept:
                continue
            errors = [e.standard_error for e in kept if e.standard_error]
            row = {"experiment": name, "metric": metric}
            row |= summary([e.value for e in kept])
            row["standard_error_over_images"] = (
                sum(errors) / len(errors) if errors else None
            )
            row["images"] = kept[0].n
            row["values"] = [round(e.value, 6) for e in kept]
            rows.append(row)
    for metric in PAIRED:
        values = [[r.metrics[metric].value for r in found[n]] for n in PAIR]
        row = {"experiment": " - ".join(PAIR), "metric": metric}
        rows.append(row | difference(*values))
    return rows


def main() -> None:
    every = [
        p
        for name, n in SEEDS.items()
        for p in points([name], {"seed": [f"0..{n - 1}"]})
    ]
    found, faults = make(every)
    if faults:
        raise UserError(f"runs failed: {faults}")
    by_name = {
        name: [run for p, run in found.items() if p.name == name]
        for name in SEEDS
    }
    rows = rows_of(by_name)
    for row in rows:
        print(row["experiment"], row["metric"], row["mean"])
    keys = {p.line: run.key for p, run in found.items()}
    seconds = {p.line: round(run.seconds, 1) for p, run in found.items()}
    write(
        "seeds",
        rows,
        profile=profiles.profile(),
        keys=keys,
        seconds=seconds,
        confidence=0.95,
    )


if __name__ == "__main__":
    main()
