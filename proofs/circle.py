"""Worlds on the circle, for the wrapped normal density of problem 4(c)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sympy import (
    Add,
    Expr,
    Integer,
    Integral,
    Mul,
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

from proofs import exact
from proofs.vocabulary import Let, Normal, k, mu, n, sigma, t, theta
from proofs.worlds import COEFFICIENTS, Line, interpret


@dataclass(frozen=True)
class Harmonic(Line):
    """Functions on the circle, by one of their Fourier coefficients."""

    order: int = 0

    def exact(self, expr: Expr) -> Expr:
        """The cosine coefficient; higher frequencies do not contribute."""
        found = interpret(expr, self).replace(
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
            return exact.calculate(Integral(wave * term, (theta, -pi, pi)))
        turns = expand((wave * exact.calculate(term)).replace(cos, turning))
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
        return self.truncated(self.reduce(interpret(moved, self)))

    def reduce(self, expr: Expr) -> Expr:
        """Carries out sums, logarithms and integrals, innermost first."""
        if isinstance(expr, Sum):
            *inner, (index, low, _) = expr.limits
            body = Sum(expr.function, *inner) if inner else expr.function
            terms = (
                self.reduce(body.xreplace({index: Integer(i)}))
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
        return interpret(expr.xreplace({wrapped(theta): whole}), self).replace(
            lambda e: isinstance(e, Sum), lambda e: e.function.function
        )


def turning(angle: Expr) -> Expr:
    """cos(n (theta - mu)) by powers of e^{i (theta - mu)}."""
    wave = TURN ** (angle / (theta - mu)).cancel()
    return (wave + 1 / wave) / 2


RHO = Symbol("rho", positive=True)
TURN = Symbol("e", positive=True)
rho = Let(RHO, exp(-(sigma**2) / 2))


def wrapped(at: Symbol) -> Let:
    """The wrapped normal density at an angle, as a sum over images."""
    index = Symbol("j", integer=True)
    images = Normal(at + 2 * pi * index, mu, sigma)
    return Let(
        Symbol(rf"f({_LETTERS[at]})", positive=True),
        Sum(images, (index, -oo, oo)),
    )


_LETTERS = {theta: r"\theta", t: "t"}


def _theta_series(at: Symbol, order: int) -> Expr:
    waves = (RHO ** (i**2) * cos(i * (at - mu)) for i in range(1, order + 1))
    return (1 + 2 * Add(*waves)) / (2 * pi)


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
