"""Worlds: where the objects of the vocabulary become computable.

The proofs speak of any densities on any space. They are checked in worlds:
on three points with arbitrary positive weights, where an integral is a sum
and every step is exact algebra, and on the real line, where densities are
normal and sympy integrates. What holds in these worlds is not thereby proved
on every space; the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import (
    Add,
    Expr,
    IndexedBase,
    Integer,
    Integral,
    Mul,
    Product,
    Sum,
    Symbol,
    exp,
    oo,
)
from sympy.core.basic import Basic

from proofs.vocabulary import (
    D,
    L,
    Let,
    Normal,
    Term,
    encoder,
    likelihood,
    mu,
    prior,
    s,
    sigma,
    w,
    x,
)

COEFFICIENTS = IndexedBase("c", real=True)


@dataclass(frozen=True)
class World:
    """What the letters D and L, densities, functions and integrals mean."""

    name: str
    sizes: tuple[tuple[Symbol, int], ...] = ((D, 2), (L, 2))

    def size(self, letter: Basic) -> int:
        """The number that a letter for a size stands for here."""
        return int(dict(self.sizes).get(letter, letter))

    def density(self, role: Basic, at: Basic) -> Expr:
        raise NotImplementedError

    def function(self, at: Basic, slope: bool) -> Expr:
        raise NotImplementedError

    def positive(self, at: Basic) -> Expr:
        raise NotImplementedError

    def over(self, body: Expr, variable: Basic) -> Expr:
        raise NotImplementedError


class Line(World):
    """The real line: a normal model and a polynomial of degree four.

    The prior is N(0, 1), the likelihood N(x; w z, s^2) and q(z | x) is
    N(mu, sigma^2). The coefficients of the polynomial are arbitrary.
    """

    def density(self, role: Basic, at: Basic) -> Expr:
        entries = [at]
        if isinstance(at, IndexedBase):
            entries = [at[i] for i in range(1, self.size(D) + 1)]
        return {
            "prior": Normal(at, 0, 1),
            "likelihood": Normal(x, w * Add(*entries), s),
            "encoder": Normal(at, mu, sigma),
        }[str(role)]

    def function(self, at: Basic, slope: bool) -> Expr:
        c = COEFFICIENTS
        if slope:
            return Add(*(i * c[i] * at ** (i - 1) for i in range(1, 5)))
        return Add(*(c[i] * at**i for i in range(5)))

    def positive(self, at: Basic) -> Expr:
        return exp(COEFFICIENTS[0] + COEFFICIENTS[1] * at)

    def over(self, body: Expr, variable: Basic) -> Expr:
        return Integral(body, (variable, -oo, oo))


@dataclass(frozen=True)
class Finite(World):
    """A latent space of a few points; all weights are free symbols."""

    points: int = 3

    def density(self, role: Basic, at: Basic) -> Expr:
        weights = [
            Symbol(f"{role}_{i}", positive=True) for i in range(self.points)
        ]
        # p(x | z) is a density in x: as a function of z it has no mass of 1
        mass = 1 if str(role) == "likelihood" else Add(*weights)
        return weights[int(at)] / mass

    def positive(self, at: Basic) -> Expr:
        return Symbol(f"f_{at}", positive=True)

    def over(self, body: Expr, variable: Basic) -> Expr:
        return Add(
            *(
                body.xreplace({variable: Integer(i)})
                for i in range(self.points)
            )
        )


POINTS = Finite("three points with arbitrary weights")
LINE = Line("normal densities on the real line")
ONE_COORDINATE = Line("one coordinate", sizes=((D, 1),))


MODEL = tuple(
    Let(density, LINE.density(*density.args))
    for density in (prior(), likelihood(), encoder())
)


def mean(expr: Expr, world: World) -> Expr:
    """What an expression means in a world, in plain sympy."""
    return _resolve(_unroll(expr, world), world)


def _resolve(expr: Expr, world: World) -> Expr:
    if isinstance(expr, Term):
        return _resolve(expr.meaning(world), world)
    if not expr.args:
        return expr
    return expr.func(*(_resolve(a, world) for a in expr.args))


def _unroll(expr: Expr, world: World) -> Expr:
    """Sums and products over coordinates or samples, written out."""
    if not expr.args:
        sizes = dict(world.sizes)
        return Integer(sizes[expr]) if expr in sizes else expr
    expr = expr.func(*(_unroll(a, world) for a in expr.args))
    if not isinstance(expr, (Sum, Product)) or expr.limits[0][2] == oo:
        return expr
    ((index, low, high),) = expr.limits
    return (Add if isinstance(expr, Sum) else Mul)(
        *(
            expr.function.xreplace({index: Integer(i)})
            for i in range(world.size(low), world.size(high) + 1)
        )
    )
