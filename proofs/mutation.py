"""Mutation: every small change to every line must be caught, twice.

A mutant of a line differs from it in one place: a sign, a factor of two, a
dropped term or factor, an exponent, a number, a symbol, an entry or a
density. The kernel alone must reject it where the line stands, and so must
the worlds alone. A mutant with the same value is no mistake: it is set
aside, but only if sympy proves it equal to the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sympy import (
    Derivative,
    Expr,
    I,
    Indexed,
    IndexedBase,
    Integral,
    Product,
    Sum,
    nan,
    zoo,
)
from sympy.core.basic import Basic
from sympy.core.containers import Tuple

from proofs import exact, kernel, numeric
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

    def outcomes(self) -> Iterator[tuple[Expr, bool, str]]:
        """Every mutant, whether the kernel rejects it, what worlds say."""
        argument = self.step.argument(
            self.derivation.assumes, self.derivation.model
        )
        for mutant in mutants(self.expr):
            yield mutant, self.rejects(mutant, argument), self.outcome(mutant)

    def rejects(self, mutant: Expr, argument: kernel.Argument) -> bool:
        """Whether the kernel refuses the line."""
        before, step = self.before, self.step
        if self.part == "before":
            before = mutant
        else:
            step = replace(step, **{self.part: mutant})
        try:
            kernel.holds(before, step, argument)
        except BROKEN:
            return True
        return False

    def outcome(self, mutant: Expr) -> str:
        """Whether the worlds catch it, or it is equal, or survives."""
        if _rearranged(mutant, self.expr):
            return "equal"
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
            value = interpret(mutant, world)
        except BROKEN:
            return True
        expected = interpret(self.expected, world)
        return value.has(I, nan, zoo) or any(
            numeric.differ(value, expected, seed, world.wide)
            for seed in (1, 2)
        )

    def disagrees(self, mutant: Expr, world: World) -> bool:
        """Whether thirty digits tell that the line is wrong."""
        values = interpret(mutant, world), interpret(self.expected, world)
        try:
            return not all(
                numeric.agree(*values, seed, world.wide)
                for seed in world.seeds
            )
        except ArithmeticError:
            return True


def _rearranged(a: Expr, b: Expr) -> bool:
    """Whether two lines are the same by arithmetic alone."""
    argument = kernel.Argument()
    try:
        one, two = (
            kernel.canonical(kernel.plain(e, argument)) for e in (a, b)
        )
        return one == two
    except BROKEN:
        return False


def _proved(a: Expr, b: Expr, world: World) -> bool:
    try:
        return exact.equal(world.exact(a), world.exact(b))
    except MEANINGLESS:
        return False  # sympy finds no value, so it proves nothing


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
        for mutant, rejected, outcome in trial.outcomes():
            tally.equal += outcome == "equal"
            if outcome == "equal":
                continue
            tally.kernel += rejected
            tally.worlds += outcome == "caught"
            for judge, caught in (
                ("kernel", rejected),
                ("worlds", outcome == "caught"),
            ):
                if not caught:
                    tally.missed += (f"{judge}: {trial.where}: {mutant}",)
    return tally
