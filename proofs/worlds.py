"""Worlds: where the objects of the vocabulary become computable.

The kernel proves the steps for every density. Worlds check them once more,
by instances: on three points with arbitrary positive weights, where an
integral is a sum, and on the real line, where densities are normal; sizes
are small numbers there. The values agree to thirty digits at random points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sympy import (
    Add,
    Expr,
    IndexedBase,
    Integer,
    Integral,
    Mul,
    Product,
    Rational,
    Sum,
    Symbol,
    diff,
    exp,
    oo,
    pi,
)
from sympy.core.basic import Basic
from sympy.polys.polyerrors import PolynomialError

from proofs import numeric
from proofs.vocabulary import (
    Boundary,
    D,
    L,
    Let,
    N,
    Normal,
    Term,
    encoder,
    entry,
    likelihood,
    mu,
    order,
    phi,
    prior,
    s,
    sigma,
    theta,
    w,
    x,
    z,
)

COEFFICIENTS = IndexedBase("c", real=True)
MEANINGLESS = (
    TypeError,
    ValueError,
    NotImplementedError,
    LookupError,
    ArithmeticError,
    PolynomialError,
)


@dataclass(frozen=True, eq=False)
class World:
    """What the letters for sizes, densities, functions and integrals mean."""

    name: str
    sizes: tuple[tuple[Symbol, int], ...] = ((D, 2), (L, 2), (N, 1))
    wide: bool = False  # draw positive numbers from [1.4, 1.8]
    seeds: tuple[int, ...] = (1, 2)  # of the random points

    def size(self, letter: Basic) -> int:
        """The number that a letter for a size stands for here."""
        return int(dict(self.sizes).get(letter, letter))

    def density(self, role: Basic, at: Basic, data: Basic) -> Expr:
        raise NotImplementedError(f"{self.name} has no density {role}")

    def function(self, at: Basic, by: Basic, weight: Basic) -> Expr:
        raise NotImplementedError(f"{self.name} has no function")

    def positive(self, at: Basic) -> Expr:
        raise NotImplementedError(f"{self.name} has no function")

    def output(self, symbol: Basic, order: Basic, weight: Basic) -> Expr:
        raise NotImplementedError(f"{self.name} has no encoder")

    def over(self, body: Expr, variable: Basic) -> Expr:
        raise NotImplementedError(f"{self.name} has no integral")

    def compare(self, a: Expr, b: Expr) -> Iterator[str]:
        """Why two expressions are not seen to be equal here."""
        try:
            one, two = interpret(a, self), interpret(b, self)
            if not all(
                numeric.agree(one, two, seed, self.wide) for seed in self.seeds
            ):
                yield f"the sides differ numerically for {self.name}"
        except MEANINGLESS as fault:
            yield f"they have no value for {self.name}: {fault}"


@dataclass(frozen=True, eq=False)
class Line(World):
    """The real line: a normal model and polynomials of degree two.

    The prior is N(0, 1), the likelihood N(x; w z, s^2) and q(z | x) is
    N(mu, sigma^2), unless a model says otherwise. Outputs of the encoder are
    linear in a weight; the coefficients of the polynomials are arbitrary.
    """

    model: tuple[Let, ...] = ()

    def density(self, role: Basic, at: Basic, data: Basic) -> Expr:
        for let in self.model:
            if let.args[0].args[0] == role:
                return let.args[1].xreplace({z: at})
        entries: list[Basic] = [at]
        if isinstance(at, IndexedBase):
            entries = [at[i] for i in range(1, self.size(D) + 1)]
        return {
            "prior": Normal(at, 0, 1),
            "likelihood": Normal(data, w * Add(*entries), s),
            "encoder": Normal(at, mu, sigma),
            "weighted": Normal(at, mu + COEFFICIENTS[0] * phi, sigma),
        }[str(role)]

    def output(self, symbol: Basic, order: Basic, weight: Basic) -> Expr:
        slope = COEFFICIENTS[symbol.args[1]]
        if symbol.is_positive:
            slope = symbol * slope / 9  # the whole stays positive
        return slope if order else symbol + slope * weight

    def function(self, at: Basic, by: Basic, weight: Basic) -> Expr:
        """A quadratic in a weighted sum of the entries, and in phi."""
        c, y = COEFFICIENTS, Symbol("y", real=True)
        rates = [Rational(i, 2) for i in range(1, self.size(D) + 1)]
        total = Add(*(r * entry(at, i) for i, r in enumerate(rates, 1)))
        form = c[0] + c[1] * y + c[2] * y**2 * (1 + phi)
        if by == 0:
            return form.xreplace({y: total})
        if by == weight:
            return diff(form, phi).xreplace({y: total})
        return rates[int(by) - 1] * diff(form, y).xreplace({y: total})

    def positive(self, at: Basic) -> Expr:
        return exp(COEFFICIENTS[0] + COEFFICIENTS[1] * at)

    def over(self, body: Expr, variable: Basic) -> Expr:
        if variable == theta:  # an angle
            return Integral(body, (variable, -pi, pi))
        return Integral(body, (variable, -oo, oo))


@dataclass(frozen=True, eq=False)
class Finite(World):
    """A latent space of a few points; all weights are free symbols."""

    points: int = 3

    def density(self, role: Basic, at: Basic, data: Basic) -> Expr:
        letter = "" if data == x else f"_{data}"
        weights: list[Expr] = [
            Symbol(f"{role}{letter}_{i}", positive=True)
            for i in range(self.points)
        ]
        if str(role) == "weighted":
            weights = [a * exp(i * phi) for i, a in enumerate(weights)]
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
LINE = Line("normal densities on the real line", (*World.sizes, (order, 4)))
PLANE = Line("two coordinates", seeds=(1,))
ONE_COORDINATE = Line("one coordinate", ((D, 1), (L, 2), (N, 3)), seeds=(1,))

MODEL = tuple(
    Let(density, LINE.density(*density.args))
    for density in (prior(), likelihood(), encoder())
)


FAR = Rational(81, 2)  # where a normal density is below every digit


@cache
def interpret(expr: Expr, world: World) -> Expr:
    """What an expression means in a world, in plain sympy."""
    return _resolve(_unroll(expr, world), world)


@cache
def _resolve(expr: Expr, world: World) -> Expr:
    if isinstance(expr, Boundary):
        body, v = _resolve(expr.args[0], world), expr.args[1]
        return body.xreplace({v: FAR}) - body.xreplace({v: -FAR})
    if isinstance(expr, Term):
        return _resolve(expr.meaning(world), world)
    if not expr.args:
        return expr
    return expr.func(*(_resolve(a, world) for a in expr.args))


@cache
def _unroll(expr: Expr, world: World) -> Expr:
    """Sums and products over coordinates or samples, written out."""
    if isinstance(expr, IndexedBase):
        return expr  # its shape names its size
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
