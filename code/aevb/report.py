"""What the report's chunks print: tables and numbers.

Everything is plain Markdown on standard output, or a Markdown object for an
inline expression, so it works alike in every engine that runs the report.
Only `number` and what uses it need IPython.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from aevb import profiles
from aevb.errors import UserError

if TYPE_CHECKING:
    from IPython.display import Markdown

Row = Mapping[str, Any]
UNSEEN = {"device", "precision", "threads"}
"""Settings on which no weight depends but by rounding."""


# ---- tables


def table(
    rows: Iterable[Sequence[Any]], header: Sequence[str], align: str = ""
) -> None:
    """Print a pipe table; `align` has one of l, c, r for each column.

    Raises:
        ValueError: a row is longer or shorter than the header.
    """
    texts = [[_cell(cell) for cell in row] for row in (header, *rows)]
    for row in texts:
        if len(row) != len(header):
            raise ValueError(
                f"table: a row of {len(row)} cells under {len(header)} heads"
            )
    sides = align or "l" * len(header)
    rules = []
    # the number of dashes under a head is the column's share
    for side, column in zip(sides, zip(*texts, strict=True), strict=True):
        dashes = "-" * max(3, *map(len, column))
        kinds = {"l": f":{dashes}", "c": f":{dashes}:", "r": f"{dashes}:"}
        rules.append(kinds[side])
    for row in (texts[0], rules, *texts[1:]):
        print("| " + " | ".join(row) + " |")
    print()


def _cell(value: Any) -> str:
    text = value.data if hasattr(value, "_repr_markdown_") else str(value)
    return re.sub(r"(?<!\\)\|", r"\|", text)


# ---- numbers


def number(value: Any, digits: int | None = None) -> "Markdown":
    r"""A number for the page: `0.0337`, or `130.42 ± 0.26` with an error.

    An object or a mapping with `value` and `standard_error` shows both,
    rounded to two significant digits of the error unless `digits` after the
    point is given.
    """
    from IPython.display import Markdown

    mean, error = _mean_and_error(value)
    if isinstance(mean, int) and not error:
        return Markdown(_plain(f"{mean:,}"))
    if digits is None:
        digits = 3
        if error and 0 < error < math.inf:  # two digits of the error
            digits = max(0, 1 - math.floor(math.log10(error)))
    text = _plain(f"{mean:.{digits}f}")
    if error:
        text += f" ± {error:.{digits}f}"
    return Markdown(text.replace(" ", "\N{NO-BREAK SPACE}"))


def minus(value: Any) -> "Markdown":
    """`number` of the value with its sign changed: minus an ELBO."""
    mean, error = _mean_and_error(value)
    return number({"value": -mean, "standard_error": error})


def _mean_and_error(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Mapping):
        return value["value"], value.get("standard_error")
    error = getattr(value, "standard_error", None)
    return getattr(value, "value", value), error


def _plain(text: str) -> str:
    """A real minus sign in place of the hyphen."""
    return text.replace("-", "\N{MINUS SIGN}", 1)


# ---- what a sentence states, and what a run was


def holds(sentence: str, condition: bool) -> None:
    """End the build where a sentence of the report is not true of its runs.

    Those of the profile `quick` were trained for moments and prove nothing.

    Raises:
        UserError: names the sentence.
    """
    if not condition and profiles.profile() != "quick":
        raise UserError(
            f"the report says more than its runs show: {sentence}; change "
            "the sentence or the settings"
        )


def dimensions(model: Any) -> str:
    """The latent size in words: `two latent dimensions`."""
    n = model.z_size
    words = {1: "one latent dimension", 2: "two latent dimensions"}
    return words.get(n, f"{n} latent dimensions")


def settings(runs: Mapping[str, Any]) -> None:
    """Print a table of the settings that shaped each run's weights.

    Args:
        runs: finished runs under the heads of their columns.
    """
    columns = [_described(run.config) for run in runs.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(f"`{n}`", *(c.get(n, "none") for c in columns)) for n in names]
    table(rows, ["Setting", *runs])


def _described(config: Any) -> dict[str, str]:
    """The settings that are in force, in words."""
    used = config.model_dump(exclude=UNSEEN | set(config.judged_by))
    kept = {"coeff", "seed", "deformed", "bend"}  # 0 says something of them
    used = {k: v for k, v in used.items() if v or k in kept}
    if used["optimizer"] == "adamw":
        del used["muon_rms"]
    if used.get("trials") == 1:
        del used["trial_epochs"]
    warmup = used.pop("warmup", 0)
    shown = {k: _setting(v) for k, v in used.items()}
    shown["lr"] += f", warm-up {warmup:.0%} of the steps, then half a cosine"
    if "ema" in shown:
        shown["ema"] += " a step, the average of the weights"
    if shown["optimizer"] == "muon":
        shown["optimizer"] = "Muon for residual blocks, AdamW for the rest"
    return shown


def _setting(value: Any) -> str:
    if isinstance(value, tuple):
        equal = [(w, len(list(alike))) for w, alike in groupby(value)]
        return ", ".join(f"{n} x {w}" if n > 1 else f"{w}" for w, n in equal)
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---- the rows of the report's tables


def three(metrics: Mapping[str, Any], name: str) -> list["Markdown"]:
    """Mean, 95th percentile and maximum of a measure, for a table."""
    found = (metrics[f"{name}_{k}"].value for k in ("mean", "p95", "max"))
    return [number(value, 4) for value in found]


def column(rows: Iterable[Row], key: str, **where: Any) -> list[Any]:
    """A column of the rows that have these values."""
    return [r[key] for r in rows if where.items() <= r.items()]


def ranged(values: Sequence[float], digits: int = 4) -> "Markdown":
    """Mean and range of values, for a table: `0.31 (0.29 to 0.35)`."""
    from IPython.display import Markdown

    mean = sum(values) / len(values)
    low, middle, high = (
        _plain(f"{v:.{digits}f}") for v in (min(values), mean, max(values))
    )
    return Markdown(f"{middle} ({low} to {high})")


def worst(rows: Iterable[Row], key: str) -> float:
    """The largest value of a column."""
    return max(column(rows, key))
