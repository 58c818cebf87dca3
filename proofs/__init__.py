r"""Derivations as data: the object that is shown is the object proved.

A derivation is a chain of lines, built from `proofs.vocabulary`. Each step
names the rules that lead to it. `proofs.kernel` decides whether they do, for
every density, and lists the rules, which are the axioms. `proofs.worlds`
computes both sides of a step where densities are concrete, as a second check.

To add a derivation, write the first line and the steps, say what is assumed,
and ask `faults` what is missing. As an example, the bound of K importance
weights (Burda et al. 2016) is at least the ELBO for K = 1, by Jensen:

>>> from sympy import log
>>> from proofs.derivation import Derivation, Step
>>> from proofs.elbo import JENSEN, f, fraction, q
>>> from proofs.kernel import Use, assume
>>> from proofs.vocabulary import Expectation, evidence, joint
>>> example = Derivation(
...     name="one-weight",
...     title="One importance weight",
...     start=Expectation(log(fraction), q),
...     steps=(
...         Step(
...             log(Expectation(fraction, q)),
...             "Jensen",
...             relation="<=",
...             uses={"Jensen": Use(JENSEN, {f: fraction})},
...         ),
...     ),
... )
>>> for fault in example.faults():
...     print(fault)
one-weight, step 1 (Jensen): it needs that $\mathbb{E}_{q(z \mid x)}\left[ \
"""

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
    """How many wrong lines were rejected, by kernel and worlds each."""
    return sum(row.kernel for row in record.rows(DERIVATIONS))


__all__ = ["DERIVATIONS", "Derivation", "Step", "mutants_caught", "show"]
