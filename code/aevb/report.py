"""What the report's chunks print: listings, tables, numbers.

Everything is plain Markdown on standard output, or a Markdown object for an
inline expression, so it works alike in every engine that runs the report.
Only `number` and what uses it need IPython.
"""

import inspect
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from aevb import profiles
from aevb.errors import UserError

if TYPE_CHECKING:
    from IPython.display import Markdown

Row = Mapping[str, Any]
UNSEEN = {"device", "precision", "threads"}
"""Settings on which no weight depends but by rounding."""


# ---- listings and tables


def listing(*objects: Any) -> None:
    """Print the source of classes and functions, each with its place.

    The text is `inspect.getsource` at run time: the code on the page is the
    code that ran.
    """
    for thing in map(inspect.unwrap, objects):
        lines, start = inspect.getsourcelines(thing)
        code = textwrap.dedent("".join(lines)).rstrip()
        start = max(start, 1)
        end = start + len(lines) - 1
        print(f"\n`{_source_name(thing)}`, lines {start} to {end}:\n")
        print(f"```python\n{code}\n```\n")


def _source_name(thing: Any) -> str:
    """The source file's path, from the folder in which the report lies.

    Elsewhere, and where the code is installed, its package comes first.
    """
    path = Path(inspect.getsourcefile(thing) or "").resolve()
    here = Path.cwd().resolve()
    if path.is_relative_to(here) and "site-packages" not in path.parts:
        return path.relative_to(here).as_posix()
    depth = thing.__module__.count(".") + 1 + (path.stem == "__init__")
    return Path(*path.parts[-depth:]).as_posix()


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
    columns = zip(sides, zip(*texts, strict=True), strict=True)
    rules = [_rule(side, column) for side, column in columns]
    for row in (texts[0], rules, *texts[1:]):
        print("| " + " | ".join(row) + " |")
    print()


def _rule(side: str, column: Sequence[str]) -> str:
    """The dashes under a head; their number is the column's share."""
    dashes = "-" * max(3, *map(len, column))
    return {"l": f":{dashes}", "c": f":{dashes}:", "r": f"{dashes}:"}[side]


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
        digits = _digits(error) if error else 3
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


def _digits(error: float) -> int:
    """Places after the point that show two digits of `error`."""
    if not (math.isfinite(error) and error > 0):
        return 3
    return max(0, 1 - math.floor(math.log10(error)))


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


def settings(runs: Mapping[str, Any]) -> None:
    """Print a table of the settings that shaped each run's weights.

    Args:
        runs: finished runs under the heads of their columns.
    """
    columns = [_described(run.config) for run in runs.values()]
    names = dict.fromkeys(name for column in columns for name in column)
    table(
        [
            (f"`{name}`", *(column.get(name, "none") for column in columns))
            for name in names
        ],
        ["Setting", *runs],
    )


def _described(config: Any) -> dict[str, str]:
    """The settings that are in force, in words."""
    used = config.model_dump(exclude=UNSEEN | set(config.judged_by))
    idle = [k for k, v in used.items() if not v and k not in {"coeff", "seed"}]
    for name in idle:
        del used[name]
    warmup = used.pop("warmup", 0)
    shown = {k: _setting(v) for k, v in used.items()}
    shown["lr"] += f", warm-up {warmup:.0%} of the steps, then half a cosine"
    if "ema" in shown:
        shown["ema"] += " a step, the average of the weights"
    if shown.get("optimizer") == "muon":
        shown["optimizer"] = "Muon for residual blocks, AdamW for the rest"
    return shown


def _setting(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---- the rows of the report's tables


def optimizer(config: Any) -> str:
    """What moves the weights, in words: `adamw, beta2 0.99; ...`."""
    name = config.optimizer
    if name != "adamw":
        name += " for the matrices of residual blocks, else adamw"
    decay = f"weight decay {config.weight_decay:g}"
    return f"{name}, beta2 {config.beta2:g}; {decay}"


def three(
    metrics: Mapping[str, Any], name: str, digits: int = 4
) -> list["Markdown"]:
    """Mean, 95th percentile and maximum of a measure, for a table."""
    found = (metrics[f"{name}_{k}"].value for k in ("mean", "p95", "max"))
    return [number(value, digits) for value in found]


def worst(rows: Iterable[Row], key: str) -> float:
    """The largest value of a column."""
    return max(row[key] for row in rows)


def torus_rows(rows: Iterable[Row], key: str) -> list[tuple[Any, ...]]:
    """A table's rows from benchmarks/torus_seeds.py, named by `key`."""
    return [
        (
            f"{row[key]:g}",
            int(row["winding_determinant"]),
            ", ".join(str(row[f"betti_{k}"]) for k in range(3)),
            number(row["reconstruction_error_mean"], 4),
            number(row["interpolation_offset_mean"], 4),
            number(row["interpolation_offset_max"], 4),
        )
        for row in rows
    ]


def trial_rows(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """A table's rows from benchmarks/likelihood.py: the first row's values,
    and the others' gains over it."""
    first = rows[0]
    elbo = [number(first["test_elbo"]["value"], 2)]
    log_px = [number(-first["test_nll"]["value"], 2)]
    elbo += [number(row["elbo_gain"]) for row in rows[1:]]
    log_px += [number(row["nll_gain"]) for row in rows[1:]]
    overfit = [
        number(row["train_elbo"]["value"] - row["test_elbo"]["value"], 2)
        for row in rows
    ]
    names = [(row["name"], row["epochs"]) for row in rows]
    columns = zip(names, elbo, log_px, overfit, strict=True)
    return [(*name, *numbers) for name, *numbers in columns]


def ratio_range(found: Mapping[str, float]) -> str:
    """`6.1 (5.8 to 6.4)`: median and range of the pairs of a race."""
    ends = f"{found['least']:.1f} to {found['most']:.1f}"
    return f"{found['median']:.1f} ({ends})"


def middle(rows: Iterable[Row], program: str, key: str) -> float:
    """The median over a race's rows of one program's value."""
    return median(row[program][key] for row in rows)


def across(values: Mapping[str, float], unit: str = "") -> str:
    """`10: 1.5, 20: 3`: what was measured at each size."""
    return ", ".join(f"{k}: {v:g}{unit}" for k, v in values.items())
