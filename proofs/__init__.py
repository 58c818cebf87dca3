"""Derivations as data: the object that is shown is the object checked."""

from __future__ import annotations

from proofs import (
    bernoulli,
    decomposition,
    elbo,
    estimator,
    gaussian,
    linear_gaussian,
    record,
    wrapped_normal,
)
from proofs.derivation import Derivation, Step

_MODULES = (
    elbo,
    gaussian,
    bernoulli,
    decomposition,
    estimator,
    linear_gaussian,
    wrapped_normal,
)
DERIVATIONS: dict[str, Derivation] = {
    derivation.name: derivation
    for module in _MODULES
    for derivation in module.DERIVATIONS
}


def show(*names: str) -> None:
    """Print derivations for the page (in a chunk with `output: asis`)."""
    for name in names:
        print(DERIVATIONS[name].markdown())


def mutants_caught() -> int:
    """How many wrong lines the witnesses have rejected."""
    return sum(row.caught for row in record.rows(DERIVATIONS))


__all__ = ["DERIVATIONS", "Derivation", "Step", "mutants_caught", "show"]
