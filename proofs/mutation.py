"""Mutation: every small change to every line must be caught, twice.

A mutant of a line differs from it in one place: a sign, a factor of two, a
dropped term or factor, an exponent, a number, a symbol, an entry or a
density. The kernel alone must reject it where the line stands, and so must
the worlds alone. A mutant with the same value is no mistake: it is set
aside, but only if the kernel proves it equal to the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sympy import (
    Add,
    Derivative,
    Expr,
    I,
    Indexed,
    IndexedBase,
    Integral,
    Product,
    Sum,
    factor,
    nan,
    oo,
    zoo,
)
from sympy.core.basic import Basic
from sympy.core.containers import Tuple

from proofs import kernel, numeric
from proofs.derivation import Derivation, Step
from proofs.vocabulary import (
    KL,
    Boundary,
    Density,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Output,
    Over,
    TestFunction,
    Vector,
)
from proofs.worlds import MEANINGLESS, World, interpret

# changed as a whole or not at all
WHOLE = (Let, Density, Indexed, IndexedBase, Vector, Output, TestFunction)
PARTS = {  # the arguments that are values, not names of variables
    KL: (0, 1),
    Expectation: (0, 1),
    Over: (0,),
    Boundary: (0,),
    Derivative: (0,),
    DiagonalNormal: (1, 2),
    Tuple: (1, 2),  # the limits of sums and integrals
}
BROKEN = (*MEANINGLESS, kernel.Unproved, AttributeError, AssertionError)


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

    The kernel must accept `step` after `before`; in the worlds the value of
    `expr` has to be that of `expected`. `part` says which of "before",
    "expr" and "gap" a mutant replaces.
    """

    derivation: Derivation
    before: Expr
    step: Step
    part: str
    expr: Expr
    expected: Expr
    worlds: tuple[World, ...]

    @property
    def where(self) -> str:
        return f"{self.derivation.name}, {self.step.rule}, {self.part}"

    def outcomes(self) -> Iterator[tuple[Expr, bool, bool, bool]]:
        """Every mutant; whether kernel and worlds catch it; whether it is
        equal to the line."""
        argument = self.step.argument(
            self.derivation.assumes, self.derivation.model
        )
        for mutant in mutants(self.expr):
            rejected = self.rejects(mutant, argument)
            caught = self.caught(mutant)
            equal = not caught and (not rejected or self.proved(mutant))
            yield mutant, rejected, caught, equal

    def rejects(self, mutant: Expr, argument: kernel.Argument) -> bool:
        """Whether the kernel refuses the line."""
        before, step = self.before, self.step
        if self.part == "before":
            before = mutant
        else:
            step = replace(step, **{self.part: mutant})
        return _refused(before, step, argument)

    def proved(self, mutant: Expr) -> bool:
        """Whether the kernel leads from the line to the mutant.

        It may apply the rules of the derivation up to the line or from there
        on, and cite the rest of it.
        """
        whole, i = self.derivation, self.derivation.steps.index(self.step)
        later = whole.steps[i + (self.part != "before") :]
        lines = (self.expr, *(step.expr for step in later))
        uses = {k: v for s in whole.steps for k, v in s.uses.items()}
        ways = ["algebra", "mass one", "normal density", "change of variables"]
        ways.append(", ".join(step.rule for step in whole.steps[i::-1]))
        for j, line in enumerate(lines):
            way = [step.rule for step in later[:j]]
            rest = replace(whole, start=line, steps=later[j:])
            if rest.steps and rest.relation == "=":
                uses[f"rest {j}"] = kernel.Use(rest)
                way += ["linearity", f"rest {j}"]
            for first in ([], ["chain rule"], ["linearity"]):
                ways.append(", ".join([*first, *way]))
        steps = [
            Step(line, way, uses=uses)
            for line in {mutant, _backwards(mutant), _by_parity(mutant)}
            for way in ways
            if way
        ]
        return not all(
            _refused(self.expr, s, s.argument(whole.assumes, whole.model))
            for s in steps
        )

    def caught(self, mutant: Expr) -> bool:
        """Whether numbers tell, in some world, that the line is wrong."""
        return any(
            _wrong(mutant, self.expected, world, differ)
            for differ in (_differ, _disagree)
            for world in self.worlds
        )


def _backwards(expr: Expr) -> Expr:
    """Sums over all integers in the opposite order."""
    return expr.replace(
        lambda e: isinstance(e, Sum) and e.limits[0][1] == -oo,
        lambda e: Sum(
            e.function.xreplace({e.limits[0][0]: -e.limits[0][0]}), *e.limits
        ),
    )


def _by_parity(expr: Expr) -> Expr:
    """Powers of negative numbers with whole exponents, by their parity."""

    def turned(base: Expr, power: Expr) -> Expr:
        if base != -1:
            return (-base) ** power
        parts = [a.as_coeff_Mul() for a in Add.make_args(power)]
        return base ** Add(*(c % 2 * rest for c, rest in parts))

    return expr.replace(
        lambda e: (
            e.is_Pow
            and e.exp.is_integer
            and (
                e.base == -1 or (e.base.is_negative and factor(e.exp).is_even)
            )
        ),
        lambda e: turned(*e.args),
    )


def _refused(before: Expr, step: Step, argument: kernel.Argument) -> bool:
    try:
        kernel.holds(before, step, argument)
    except BROKEN:
        return True
    return False


def _wrong(mutant: Expr, expected: Expr, world: World, differ: Any) -> bool:
    try:
        return bool(differ(interpret(mutant, world), expected, world))
    except BROKEN:
        return True


def _differ(value: Expr, expected: Expr, world: World) -> bool:
    """Tell whether both differ in machine precision, as most errors do."""
    return value.has(I, nan, zoo) or any(
        numeric.differ(value, interpret(expected, world), seed, world.wide)
        for seed in world.seeds
    )


def _disagree(value: Expr, expected: Expr, world: World) -> bool:
    """Tell whether both differ at one point, in thirty digits."""
    return not numeric.agree(
        value, interpret(expected, world), world.seeds[0], world.wide
    )


def trials(derivation: Derivation) -> Iterator[Trial]:
    """Every place of a derivation: its first line, its steps, their gaps."""
    for i, step in enumerate(derivation.steps):
        before, worlds = derivation.lines[i], step.worlds or derivation.worlds
        sign = {"=": 0, "<=": 1, ">=": -1}[step.relation]
        gap = sign * step.distance() if sign else 0
        places = [("expr", step.expr, before + gap)]
        if i == 0:
            places.append(("before", before, step.expr - gap))
        if step.gap is not None:
            places.append(("gap", step.gap, sign * (step.expr - before)))
        for part, expr, expected in places:
            yield Trial(derivation, before, step, part, expr, expected, worlds)


@dataclass
class Tally:
    """What became of the mutants of a derivation."""

    kernel: int = 0  # caught by it
    worlds: int = 0  # caught by them
    equal: int = 0
    missed: tuple[str, ...] = ()


def mutate(derivation: Derivation) -> Tally:
    """Puts every mutant of every line on trial, before both judges."""
    tally = Tally()
    for trial in trials(derivation):
        for mutant, rejected, caught, equal in trial.outcomes():
            if equal:
                tally.equal += 1
                continue
            tally.kernel += rejected
            tally.worlds += caught
            for judge, seen in (("kernel", rejected), ("worlds", caught)):
                if not seen:
                    tally.missed += (f"{judge}: {trial.where}: {mutant}",)
    return tally
