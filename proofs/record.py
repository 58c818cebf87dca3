"""What the checks found, as a table; kept until the proofs change.

`check_all` runs every check anew, on all cores. `rows` gives what is kept in
record.json, beside this file and installed with it, where that was found by
the same proofs and the same algebra system, and otherwise runs the checks and
keeps what they find.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from proofs import numeric
from proofs.derivation import Derivation
from proofs.mutation import mutate

FOLDER = Path(__file__).parent
KEPT = FOLDER / "record.json"


@dataclass(frozen=True)
class Row:
    """The checks of one derivation.

    `faults` are the steps that kernel or worlds do not accept. `rests` are
    the rules and results that it rests on, `conditions` how many side
    conditions its steps needed. `witnesses` counts comparisons of two lines
    to thirty digits, in every world at each random point. `equal` mutants have
    the value of the line, by the kernel's proof.
    """

    name: str
    steps: int
    rests: tuple[str, ...]
    conditions: int
    witnesses: int
    faults: tuple[str, ...]
    kernel: int
    worlds: int
    equal: int
    missed: tuple[str, ...]
    seconds: float


def check(derivation: Derivation) -> Row:
    """Runs kernel, witnesses and mutants on one derivation."""
    start = time.process_time()
    unproved = derivation.faults()
    sound = not unproved
    arguments = derivation.arguments() if sound else []
    tally = mutate(derivation)
    faults = (*unproved, *derivation.gaps())
    numeric.forget()
    witnesses = sum(
        len(world.seeds)
        for step in derivation.steps
        for world in step.worlds or derivation.worlds
    )
    return Row(
        name=derivation.name,
        steps=len(derivation.steps),
        rests=tuple(derivation.rests_on()) if sound else (),
        conditions=sum(len(set(a.needed)) for a in arguments),
        witnesses=witnesses,
        faults=faults,
        kernel=tally.kernel,
        worlds=tally.worlds,
        equal=tally.equal,
        missed=tally.missed,
        seconds=round(time.process_time() - start, 2),
    )


def check_named(name: str) -> Row:
    """`check` of a derivation of the report, by its name."""
    from proofs import DERIVATIONS

    return check(DERIVATIONS[name])


def check_all(names: Iterable[str]) -> list[Row]:
    """The checks of derivations of the report, run anew, on all cores."""
    backwards = list(names)[::-1]  # the longest are the last
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(check_named, backwards))[::-1]


def key() -> str:
    """A digest of the proofs and of the programs that check them."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    for package in ("sympy", "mpmath", "numpy"):
        digest.update(version(package).encode())
    return digest.hexdigest()[:16]


def keep(found: list[Row]) -> None:
    """Writes what the checks found, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    kept = {"key": key(), "rows": [asdict(row) for row in found]}
    beside = KEPT.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(kept, indent=1) + "\n")
    beside.replace(KEPT)


def rows(names: Iterable[str]) -> list[Row]:
    """The checks of derivations, from the last run if nothing changed."""
    return list(_rows(tuple(names)))


@cache  # what was found stays found where it cannot be written
def _rows(names: tuple[str, ...]) -> list[Row]:
    if (found := kept()) is None:
        found = check_all(names)
        with suppress(OSError):
            keep(found)
    return found


@cache
def kept() -> list[Row] | None:
    """What the last run found; None where the proofs have changed since."""
    found = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if found.get("key") != key():
        return None
    lists = ("rests", "faults", "missed")
    shown: list[dict[str, Any]] = [
        {k: tuple(v) if k in lists else v for k, v in row.items()}
        for row in found["rows"]
    ]
    return [Row(**row) for row in shown]


NUMBERS = (
    "steps", "conditions", "witnesses", "kernel", "worlds", "equal", "seconds"
)  # fmt: skip


def table(found: list[Row]) -> str:
    """The rows in columns, then the axioms, and then every fault.

    The columns "kernel" and "worlds" count the mutants that each caught.
    """
    form = "{:<21}{:>6}{:>11}{:>10}{:>8}{:>8}{:>7}{:>9}"
    lines = [form.format("derivation", *NUMBERS)]
    for row in found:
        lines.append(
            form.format(row.name, *(getattr(row, n) for n in NUMBERS))
        )
    sums = (round(sum(getattr(r, n) for r in found), 2) for n in NUMBERS)
    lines += [form.format("all", *sums), ""]
    lines += [f"{row.name} rests on {', '.join(row.rests)}" for row in found]
    for row in found:
        lines += [f"does not hold: {fault}" for fault in row.faults]
        lines += [f"not caught by {mutant}" for mutant in row.missed]
    return "\n".join(lines)
