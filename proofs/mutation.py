"""Mutation: every small change to every line must be caught.

A mutant of a line differs from it in one place: a sign, a factor of two, a
dropped term or factor, an exponent, a number, a symbol, an entry or a
density. It is caught if the numerical witness rejects it where the line
stands. A mutant with the same value is no mistake: it is dropped, but only
if sympy proves it equal to the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sympy import (
    Derivative,
    Expr,
    I,
    Indexed,
    Integral,
    Product,
    Sum,
    nan,
    zoo,
)
from sympy.core.basic import Basic
from sympy.core.containers import Tuple
from sympy.polys.polyerrors import PolynomialError

from proofs import witness
from proofs.derivation import Derivation, Step
from proofs.vocabulary import (
    KL,
    Density,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Over,
)
from proofs.worlds import World, mean

WHOLE = (Let, Density, Indexed)  # changed as a whole or not at all
PARTS = {  # the arguments that are values, not names of variables
    KL: (0, 1),
    Expectation: (0, 1),
    Over: (0,),
    Derivative: (0,),
    DiagonalNormal: (1, 2),
    Tuple: (1, 2),  # the limits of sums and integrals
}
MEANINGLESS = (TypeError, ValueError, NotImplementedError, KeyError)


def mutants(expr: Expr) -> set[Expr]:
    """All expressions that differ from this one in one place."""
    return set(_changed(expr, _alike(expr))) - {expr}


def _alike(expr: Expr) -> tuple[set[Basic], ...]:
    """What can be swapped for what: symbols, entries, densities."""
    limits = [a.limits for a in expr.atoms(Sum, Product, Integral)]
    bound = {limit[0] for group in limits for limit in group}
    letters = {a.base.label for a in expr.atoms(Indexed)}
    symbols = {a for a in expr.free_symbols if a.is_Symbol}
    return (
        symbols - bound - letters,
        set(expr.atoms(Indexed)),
        set(expr.atoms(Density, Normal, DiagonalNormal)),
    )


def _changed(expr: Basic, alike: tuple[set[Basic], ...]) -> Iterator[Basic]:
    if isinstance(expr, Expr):
        yield from (-expr, 2 * expr)
        for group in alike:
            if expr in group:
                yield from group
    if expr.is_Integer:
        yield expr + 1
    if expr.is_Pow:
        yield from (expr.base ** (expr.exp + 1), expr.base**-expr.exp)
    if expr.is_Add or expr.is_Mul:
        for i in range(len(expr.args)):
            yield expr.func(*expr.args[:i], *expr.args[i + 1 :])
    if isinstance(expr, WHOLE):
        return
    for i in _parts(expr):
        for other in _changed(expr.args[i], alike):
            yield expr.func(*expr.args[:i], other, *expr.args[i + 1 :])


def _parts(expr: Basic) -> tuple[int, ...]:
    kinds = (kind for kind in PARTS if isinstance(expr, kind))
    return PARTS.get(next(kinds, type(None)), tuple(range(len(expr.args))))


@dataclass(frozen=True)
class Trial:
    """A place in a derivation, and what must be true of its expression.

    The value of `expr` has to be that of `expected`.
    """

    where: str
    expr: Expr
    expected: Expr
    worlds: tuple[World, ...]

    def outcome(self, mutant: Expr) -> str:
        """Whether it is caught, equal to the line, or survives."""
        if any(self.differs(mutant, world) for world in self.worlds):
            return "caught"
        if all(_proved(mutant, self.expr, world) for world in self.worlds):
            return "equal"
        if any(self.disagrees(mutant, world) for world in self.worlds):
            return "caught"
        return "survived"

    def differs(self, mutant: Expr, world: World) -> bool:
        """Whether machine precision tells that the line is wrong."""
        try:
            value = mean(mutant, world)
        except MEANINGLESS:
            return True
        expected = mean(self.expected, world)
        return value.has(I, nan, zoo) or any(
            witness.differ(value, expected, seed, world.wide)
            for seed in (1, 2)
        )

    def disagrees(self, mutant: Expr, world: World) -> bool:
        """Whether thirty digits tell that the line is wrong."""
        values = mean(mutant, world), mean(self.expected, world)
        try:
            return not all(
                witness.agree(*values, seed, world.wide)
                for seed in world.seeds
            )
        except ArithmeticError:
            return True


def _proved(a: Expr, b: Expr, world: World) -> bool:
    try:
        return witness.equal(world.exact(a), world.exact(b))
    except (*MEANINGLESS, PolynomialError):
        return False  # sympy finds no value, so it proves nothing


def trials(derivation: Derivation) -> Iterator[Trial]:
    """Every place of a derivation: its first line, its steps, their gaps."""
    first = derivation.steps[0]
    worlds = first.worlds or derivation.worlds
    expected = first.expr if first.gap is None else _across(first, -1)
    yield Trial(
        f"{derivation.name}, first line", derivation.start, expected, worlds
    )
    for i, step in enumerate(derivation.steps):
        before, where = derivation.lines[i], f"{derivation.name}, {step.rule}"
        worlds = step.worlds or derivation.worlds
        if step.gap is None:
            yield Trial(where, step.expr, before, worlds)
            continue
        sign = 1 if step.relation == "<=" else -1
        yield Trial(where, step.expr, before + sign * step.gap, worlds)
        gap = sign * (step.expr - before)
        yield Trial(f"{where}, gap", step.gap, gap, worlds)


def _across(step: Step, sign: int) -> Expr:
    assert step.gap is not None
    return step.expr - (1 if step.relation == "<=" else -1) * step.gap


@dataclass
class Tally:
    """What became of the mutants of a derivation."""

    caught: int = 0
    equal: int = 0
    survived: tuple[str, ...] = ()


def mutate(derivation: Derivation) -> Tally:
    """Puts every mutant of every line on trial."""
    tally = Tally()
    for trial in trials(derivation):
        for mutant in mutants(trial.expr):
            outcome = trial.outcome(mutant)
            if outcome == "survived":
                tally.survived += (f"{trial.where}: {mutant}",)
            elif outcome == "caught":
                tally.caught += 1
            else:
                tally.equal += 1
    return tally
