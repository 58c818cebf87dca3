"""What the checks found, as a table; kept until the proofs change."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from proofs.derivation import Derivation
from proofs.mutation import mutate

FOLDER = Path(__file__).parent
KEPT = FOLDER.parent / "runs" / "proofs"


@dataclass(frozen=True)
class Row:
    """The checks of one derivation.

    `witnesses` counts the comparisons of two lines: in every world one by
    algebra and one by numbers at each random point. `equal` mutants have the
    value of the line, proved by sympy.
    """

    name: str
    steps: int
    witnesses: int
    gaps: tuple[str, ...]
    caught: int
    equal: int
    survived: tuple[str, ...]
    seconds: float


def check(derivation: Derivation) -> Row:
    """Runs the witnesses and the mutants of one derivation."""
    start = time.perf_counter()
    gaps = tuple(derivation.gaps())
    tally = mutate(derivation)
    witnesses = sum(
        1 + len(world.seeds)
        for step in derivation.steps
        for world in step.worlds or derivation.worlds
    )
    return Row(
        name=derivation.name,
        steps=len(derivation.steps),
        witnesses=witnesses,
        gaps=gaps,
        caught=tally.caught,
        equal=tally.equal,
        survived=tally.survived,
        seconds=round(time.perf_counter() - start, 2),
    )


def key() -> str:
    """A digest of the proofs and of the programs that check them."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    for package in ("sympy", "mpmath", "numpy"):
        digest.update(version(package).encode())
    return digest.hexdigest()[:16]


def rows(derivations: dict[str, Derivation]) -> list[Row]:
    """The checks of all derivations, from the last run if nothing changed."""
    kept = KEPT / f"{key()}.json"
    if kept.exists():
        return [
            Row(
                **{
                    **row,
                    "gaps": tuple(row["gaps"]),
                    "survived": tuple(row["survived"]),
                }
            )
            for row in json.loads(kept.read_text())
        ]
    found = [check(derivation) for derivation in derivations.values()]
    KEPT.mkdir(parents=True, exist_ok=True)
    beside = kept.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps([asdict(row) for row in found], indent=1))
    beside.replace(kept)
    return found


def table(found: list[Row]) -> str:
    """The rows in columns, with the sums below and then every fault."""
    form = "{:<22}{:>7}{:>11}{:>8}{:>7}{:>9}"
    lines = [
        form.format(
            "derivation", "steps", "witnesses", "caught", "equal", "seconds"
        )
    ]
    numbers = ("steps", "witnesses", "caught", "equal", "seconds")
    for row in found:
        lines.append(
            form.format(row.name, *(getattr(row, name) for name in numbers))
        )
    sums = (round(sum(getattr(r, name) for r in found), 2) for name in numbers)
    lines.append(form.format("all", *sums))
    for row in found:
        lines += [f"does not hold: {gap}" for gap in row.gaps]
        lines += [f"not caught: {mutant}" for mutant in row.survived]
    return "\n".join(lines)
