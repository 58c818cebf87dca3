"""Worlds: where the objects of the vocabulary become computable.

The proofs speak of any densities on any space. They are checked in worlds:
on three points with arbitrary positive weights, where an integral is a sum
and every step is exact algebra, and on the real line, where densities are
normal and sympy integrates. What holds in these worlds is not thereby proved
on every space; the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

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
    cos,
    exp,
    expand,
    expand_mul,
    log,
    oo,
    pi,
)
from sympy.core.basic import Basic

from proofs import witness
from proofs.vocabulary import (
    D,
    L,
    Let,
    Normal,
    Term,
    encoder,
    k,
    likelihood,
    mu,
    n,
    prior,
    s,
    sigma,
    t,
    theta,
    w,
    x,
)

COEFFICIENTS = IndexedBase("c", real=True)


@dataclass(frozen=True)
class World:
    """What the letters D and L, densities, functions and integrals mean."""

    name: str
    sizes: tuple[tuple[Symbol, int], ...] = ((D, 2), (L, 2))
    wide: bool = False  # draw positive numbers from [1.4, 1.8]
    seeds: tuple[int, ...] = (1, 2)  # of the random points

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

    def exact(self, expr: Expr) -> Expr:
        """What the exact witness compares: by default the value itself."""
        return witness.calculate(mean(expr, self))


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
        if variable == theta:  # an angle
            return Integral(body, (variable, -pi, pi))
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


@dataclass(frozen=True)
class Harmonic(Line):
    """Functions on the circle, by one of their Fourier coefficients."""

    order: int = 0

    def exact(self, expr: Expr) -> Expr:
        """The cosine coefficient; higher frequencies do not contribute."""
        found = mean(expr, self).replace(
            lambda e: isinstance(e, Sum) and e.limits[0][0] == n,
            lambda e: Add(
                *(
                    e.function.xreplace({n: Integer(i)})
                    for i in range(1, self.order + 2)
                )
            ),
        )
        return Add(*map(self.coefficient, Add.make_args(expand_mul(found))))

    def coefficient(self, term: Expr) -> Expr:
        """The integral of a term against the cosine over the circle."""
        wave = cos(self.order * (theta - mu))
        if any(theta in a.free_symbols for a in term.atoms(Sum)):
            return witness.calculate(Integral(wave * term, (theta, -pi, pi)))
        turns = expand((wave * witness.calculate(term)).replace(cos, turning))
        return 2 * pi * turns.coeff(TURN, 0)


@dataclass(frozen=True)
class Series(Line):
    """Functions of the angle and of rho, as power series in rho.

    The density is its Fourier series. An integral over the circle is its
    length times the constant term; cosines are written in e^{i (theta - mu)}.
    """

    order: int = 6

    def exact(self, expr: Expr) -> Expr:
        density = {
            wrapped(at): _theta_series(at, self.order) for at in (theta, t)
        }
        moved = expr.xreplace({**density, rho: RHO})
        return self.truncated(self.reduce(mean(moved, self)))

    def reduce(self, expr: Expr) -> Expr:
        """Carries out sums, logarithms and integrals, innermost first."""
        if isinstance(expr, Sum):
            (index, low, _) = expr.limits[0]
            terms = (
                self.reduce(expr.function.xreplace({index: Integer(i)}))
                for i in range(int(low), self.order + 1)
            )
            return self.truncated(Add(*terms))
        if isinstance(expr, Integral):
            return self.integral(self.reduce(expr.function), *expr.limits[0])
        if not expr.args:
            return expr
        expr = expr.func(*map(self.reduce, expr.args))
        if isinstance(expr, cos):
            return turning(expr.args[0])
        if isinstance(expr, log):
            y = self.truncated(1 - expr.args[0])
            return -self.powers(y, [Rational(1, i) for i in self.orders])
        if expr.is_Pow and expr.exp == -1 and expr.has(RHO):
            return 1 + self.powers(1 - expr.base, [1 for _ in self.orders])
        return expr

    @property
    def orders(self) -> range:
        return range(1, self.order + 1)

    def powers(self, y: Expr, coefficients: Iterable[Any]) -> Expr:
        """The power series with these coefficients of y, y^2, ..."""
        total, power = Add(), Integer(1)
        for coefficient in coefficients:
            power = self.truncated(power * y)
            total += coefficient * power
        return total

    def integral(self, body: Expr, v: Symbol, low: Expr, high: Expr) -> Expr:
        return 2 * pi * self.truncated(body).coeff(TURN, 0)

    def truncated(self, expr: Expr) -> Expr:
        """The expression without powers of rho beyond the order."""
        return Add(
            *(
                term
                for term in Add.make_args(expand(expr))
                if term.as_coeff_exponent(RHO)[1] <= self.order
            )
        )


class Trigonometric(Line):
    """The log density as a trigonometric polynomial of degree two.

    Its coefficients are arbitrary. What holds for these functions holds for
    their limits, among them every smooth periodic function.
    """

    def exact(self, expr: Expr) -> Expr:
        c = COEFFICIENTS
        waves = (c[i] * cos(i * (theta - mu)) for i in range(3))
        logarithm = log(Mul(2, pi, wrapped(theta), evaluate=False))
        return super().exact(expr.xreplace({logarithm: Add(*waves)}))


class OneImage(Line):
    """The k-th image at an angle, and the sum of the others as a number.

    Sums over k of integrals are compared by their integrands.
    """

    def exact(self, expr: Expr) -> Expr:
        others = Symbol("r", positive=True)
        whole = Normal(theta + 2 * pi * k, mu, sigma) * (1 + others)
        return mean(expr.xreplace({wrapped(theta): whole}), self).replace(
            lambda e: isinstance(e, Sum), lambda e: e.function.function
        )


def turning(angle: Expr) -> Expr:
    """cos(n (theta - mu)) by powers of e^{i (theta - mu)}."""
    wave = TURN ** (angle / (theta - mu)).cancel()
    return (wave + 1 / wave) / 2


RHO = Symbol("rho", positive=True)
_j = Symbol("j", integer=True)
TURN = Symbol("e", positive=True)
rho = Let(RHO, exp(-(sigma**2) / 2))


def wrapped(at: Symbol) -> Let:
    """The wrapped normal density at an angle, as a sum over images."""
    images = Normal(at + 2 * pi * _j, mu, sigma)
    return Let(
        Symbol(rf"f({_LETTERS[at]})", positive=True),
        Sum(images, (_j, -oo, oo)),
    )


_LETTERS = {theta: r"\theta", t: "t"}


def _theta_series(at: Symbol, order: int) -> Expr:
    waves = (RHO ** (i**2) * cos(i * (at - mu)) for i in range(1, order + 1))
    return (1 + 2 * Add(*waves)) / (2 * pi)


POINTS = Finite("three points with arbitrary weights")
LINE = Line("normal densities on the real line")
TRIGONOMETRIC = Trigonometric(
    "trigonometric polynomials", wide=True, seeds=(1,)
)
ONE_IMAGE = OneImage("one image and the others", wide=True, seeds=(1,))
CIRCLE = Line("images on the line", wide=True, seeds=(1,))
HARMONICS = tuple(
    Harmonic(f"Fourier coefficient {i}", wide=True, seeds=(1,), order=i)
    for i in range(4)
)
SERIES = Series("power series in rho", wide=True, seeds=(1,))
PLANE = Line("two coordinates", seeds=(1,))
ONE_COORDINATE = Line("one coordinate", sizes=((D, 1),))


MODEL = tuple(
    Let(density, LINE.density(*density.args))
    for density in (prior(), likelihood(), encoder())
)


@cache
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
