r"""Derivations as data: the object that is shown is the object proved.

A derivation is a chain of lines, built from `proofs.vocabulary`. Each step
names the rules that lead to it. `proofs.kernel` decides whether they do, for
every density, and lists the rules, which are the axioms. `proofs.worlds`
computes both sides of a step where densities are concrete, as a second check.

To add a derivation:

1. Write its lines with the objects of `proofs.vocabulary`. `plus` and `times`
   keep the order that is printed, and `Let` names an expression.
2. Name the rules of each step, separated by commas (`proofs.rules` holds
   them), and cite a result with `uses`. An inequality that cites nothing
   states its `gap`, the difference of its sides.
3. Ask `faults` what the kernel misses. A missing condition belongs in
   `assumes`, if it is meant.
4. Ask `gaps` what the worlds say. For the report, add the derivation to the
   `DERIVATIONS` of a module and call `proofs.show` in report.qmd.

An example that is not in the report: the bound of L importance weights is at
least the ELBO (Burda et al. 2016, theorem 1).

>>> from sympy import Integer, Sum, log
>>> from proofs.derivation import Derivation, Step
>>> from proofs.elbo import FINITE, elbo
>>> from proofs.estimator import average, samples
>>> from proofs.vocabulary import (
...     Expectation, L, Let, Ratio, TangentGap, drawn, encoder, j, joint, m)
>>> weight = Ratio(joint(drawn[j]), encoder(drawn[j]))
>>> mean = Let(m, average(weight))
>>> gap = Expectation(average(TangentGap(weight, mean)), samples, drawn)
>>> example = Derivation(
...     name="importance-weights",
...     title="More weights, a tighter bound",
...     assumes=FINITE,
...     lets=(elbo, samples, mean),
...     start=elbo,
...     steps=(
...         Step(
...             Expectation(average(log(weight)), samples, drawn),
...             "linearity, independence",
...         ),
...         Step(
...             Expectation(log(average(weight)), samples, drawn),
...             "tangent",
...             relation="<=",
...             gap=gap,
...             equal={weight: mean},
...         ),
...     ),
... )
>>> example.faults()
[]
>>> example.rests_on()
['independence', 'linearity', 'order', 'tangent']
"""

from __future__ import annotations

from proofs import (
    bernoulli,
    decomposition,
    elbo,
    estimator,
    gaussian,
    kernel,
    linear_gaussian,
    record,
    wrapped_normal,
)
from proofs.derivation import Cited, Derivation, Step

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
    """Print derivations for the page (in a chunk with `output: asis`).

    What each rests on is found by its proof; where the proofs have not
    changed since the last check, it is known.
    """
    known = {row.name: row.rests for row in record.kept() or ()}
    for name in names:
        print(DERIVATIONS[name].markdown(known.get(name)))


def axioms() -> list[tuple[str, str, str]]:
    """The table of axioms: name, what it says, and what rests on it.

    Theorems that are cited and not proved are among them. A result also rests
    on whatever the results that it cites rest on.
    """
    rows = record.rows(DERIVATIONS)
    sentences = {
        name: rule.sentence
        for name, rule in kernel.RULES.items()
        if not rule.proved
    }
    for derivation in DERIVATIONS.values():
        for step in derivation.steps:
            for use in step.uses.values():
                if isinstance(use.lemma, Cited):
                    sentences[use.lemma.name] = use.lemma.sentence
    return [
        (
            name,
            sentence,
            ", ".join(
                f"@{DERIVATIONS[row.name].kind}-{row.name}"
                for row in rows
                if name in row.rests
            ),
        )
        for name, sentence in sentences.items()
    ]


__all__ = [
    "DERIVATIONS",
    "Derivation",
    "Step",
    "axioms",
    "show",
]
