"""What the report's chunks print: listings, tables, numbers.

Everything here is plain Markdown on standard output (or a Markdown object
for an inline expression), so it works alike under Quarto and under press.
"""

import inspect
import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from IPython.display import Markdown


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
    """Print a pipe table; `align` has one of l, c, r for each column."""
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
    text = value.data if isinstance(value, Markdown) else str(value)
    return re.sub(r"(?<!\\)\|", r"\|", text)


def number(value: Any, digits: int | None = None) -> Markdown:
    r"""A number for the page: `0.0337`, or `130.42 ± 0.26` with an error.

    An object with `value` and `standard_error` shows both, rounded to two
    significant digits of the error unless `digits` after the point is given.
    """
    error = getattr(value, "standard_error", None)
    mean = getattr(value, "value", value)
    if isinstance(mean, int) and not error:
        return Markdown(_plain(f"{mean:,}".replace(",", "\N{THIN SPACE}")))
    if digits is None:
        digits = _digits(error) if error else 3
    text = _plain(f"{mean:.{digits}f}")
    if error:
        text += f" ± {error:.{digits}f}"
    return Markdown(text.replace(" ", "\N{NO-BREAK SPACE}"))


def _digits(error: float) -> int:
    """Places after the point that show two digits of `error`."""
    if not (math.isfinite(error) and error > 0):
        return 3
    return max(0, 1 - math.floor(math.log10(error)))


def _plain(text: str) -> str:
    """A real minus sign in place of the hyphen."""
    return text.replace("-", "\N{MINUS SIGN}", 1)
