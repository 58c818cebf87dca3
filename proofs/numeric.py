"""The numerical witness: expressions to thirty digits.

It evaluates them at random points by quadrature and summation and shares
nothing with the algebra: it never sees an antiderivative. In machine
precision it tells most wrong lines from right ones in little time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache, reduce
from math import prod
from operator import add
from typing import Any

import mpmath
from sympy import (
    Add,
    Derivative,
    Expr,
    Indexed,
    Integer,
    Integral,
    Mul,
    Sum,
    Symbol,
    log,
    oo,
    pi,
)
from sympy.core.basic import Basic

DIGITS = 30
WORKING_DIGITS = 42
MEANINGLESS = (ArithmeticError, ValueError, TypeError)

Values = Mapping[Basic, Any]
Function = Callable[[Values], Any]  # of the variables that are bound


def agree(a: Expr, b: Expr, seed: int = 0, wide: bool = False) -> bool:
    """Whether two expressions agree to DIGITS digits at a random point."""
    tolerance = mpmath.mpf(10) ** -DIGITS
    return _close(precise(a, seed, wide), precise(b, seed, wide), tolerance)


def differ(a: Expr, b: Expr, seed: int = 0, wide: bool = False) -> bool:
    """Whether machine precision tells the first apart from the second.

    An expression without a value (log 0, a divergent integral) differs from
    one that has a value.
    """
    try:
        expected = quick(b, seed, wide)
    except MEANINGLESS:
        return False
    try:
        return not _close(quick(a, seed, wide), expected, 1e-6)
    except MEANINGLESS:
        return True


def precise(expr: Expr, seed: int, wide: bool = False) -> Any:
    """The value at a random point in WORKING_DIGITS digits."""
    with mpmath.workdps(WORKING_DIGITS):
        return _witness(True, seed, wide).value(expr)


def quick(expr: Expr, seed: int, wide: bool = False) -> Any:
    """The value at the same point in machine precision."""
    return _witness(False, seed, wide).value(expr)


def _close(one: Any, two: Any, tolerance: Any) -> bool:
    size = max(1, abs(one), abs(two))
    return bool(abs(one - two) <= tolerance * size < mpmath.inf)


@cache
def unknowns(expr: Basic) -> frozenset[Basic]:
    """The free symbols; of an indexed one its entries, not its name."""
    names = {a for v in expr.atoms(Indexed) for a in v.base.free_symbols}
    return frozenset(expr.free_symbols - names)


def draw(symbol: Basic, seed: int, wide: bool) -> Any:
    """A random value for a free symbol, inside its assumptions.

    Positive symbols fall in [0.6, 1], others in [-1, 1]: the range for which
    the quadrature below has the digits that it promises.
    """
    generator = random.Random(f"{seed} {symbol}")
    if symbol.is_integer:
        return mpmath.mpf(generator.choice((3, 5)))
    low, high = (1.4, 1.8) if wide else (0.6, 1)
    if not symbol.is_positive:
        low, high = -1, 1
    return mpmath.mpf(round(generator.uniform(low, high), 12))


@cache
def _witness(exact: bool, seed: int, wide: bool) -> Witness:
    return Witness(exact, seed, wide)


class Witness:
    """Values at one random point, each computed once.

    `exact` says whether in multiple or in machine precision.
    """

    def __init__(self, exact: bool, seed: int, wide: bool) -> None:
        self.exact, self.seed, self.wide = exact, seed, wide
        self.of = mpmath.mp if exact else mpmath.fp
        self.known: dict[Basic, Any] = {}

    def value(self, expr: Basic) -> Any:
        """The value of an expression in which nothing is bound."""
        if expr not in self.known:
            self.known[expr] = self.function(expr, frozenset())({})
        return self.known[expr]

    def function(self, expr: Basic, bound: frozenset[Basic]) -> Function:
        """An expression as a function of the variables that are bound."""
        if expr in bound:
            return lambda at: at[expr]
        if bound and bound.isdisjoint(unknowns(expr)):
            value = self.value(expr)
            return lambda at: value
        for kind, rule in (
            (Integral, self._integral),
            (Sum, self._series),
            (Derivative, self._derivative),
        ):
            if isinstance(expr, kind):
                return rule(expr, bound)
        if isinstance(expr, (Symbol, Indexed)):
            drawn = self.of.mpf(draw(expr, self.seed, self.wide))
            return lambda at: drawn
        if expr.is_Rational or expr == pi:
            number = self.of.pi + 0 if expr == pi else self.of.mpf(expr.p)
            quotient = number if expr == pi else number / expr.q
            return lambda at: quotient
        if expr.is_Pow and expr.exp.is_Integer:
            base, power = self.function(expr.base, bound), int(expr.exp)
            return lambda at: base(at) ** power
        parts = [self.function(a, bound) for a in expr.args]
        if expr.is_Add:
            return lambda at: reduce(add, [p(at) for p in parts])
        if expr.is_Mul:
            return lambda at: prod(p(at) for p in parts)
        if expr.is_Pow:
            return lambda at: parts[0](at) ** parts[1](at)
        f = getattr(self.of, type(expr).__name__, None)
        if f is None or len(parts) != 1:
            raise ArithmeticError(f"`{expr}` has no value here")
        (inside,) = parts
        if isinstance(expr, log):
            return lambda at: self._log(inside(at))
        return lambda at: f(inside(at))

    def _log(self, value: Any) -> Any:
        """The logarithm, which a real number that is not positive lacks."""
        if not isinstance(value, (complex, mpmath.mpc)) and value <= 0:
            raise ArithmeticError(f"log {value} has no value")
        return self.of.log(value)

    def _integral(self, expr: Integral, bound: frozenset[Basic]) -> Function:
        *inner, (v, low, high) = expr.limits
        body = Integral(expr.function, *inner) if inner else expr.function
        if low == -oo and high != oo:
            body, low, high = body.xreplace({v: -v}), -high, oo
        if bound and (parts := _parted(body, v)):
            parted = Add(*(c * Integral(b, (v, low, high)) for c, b in parts))
            return self.function(parted, bound)
        f = self.function(body, bound | {v})
        if low == -oo:
            return lambda at: self._line(f, v, at)
        start = self.function(low, bound)
        end = self.function(low + 14 if high == oo else high, bound)
        return lambda at: self._interval(f, v, at, start(at), end(at))

    def _line(self, f: Function, v: Symbol, at: Values) -> Any:
        """The integral over the line by the trapezoid rule.

        For an analytic integrand that decays like a normal density it errs
        by about e^{-(2 pi sigma / h)^2 / 2}. Source: Trefethen and Weideman,
        The exponentially convergent trapezoidal rule, SIAM Review 56, 2014.
        """
        step, reach = (22, 64) if self.exact else (30, 30)
        h = self.of.mpf(step * (1 + self.wide)) / 100
        heights = [f({**at, v: h * i}) for i in range(-reach, reach + 1)]
        tolerance = mpmath.mpf(10) ** -20 if self.exact else 1e-6
        if not abs(heights[0]) + abs(heights[-1]) <= tolerance:
            raise ArithmeticError("the integral over the line diverges")
        return h * reduce(add, heights)

    def _interval(
        self, f: Function, v: Symbol, at: Values, low: Any, high: Any
    ) -> Any:
        """The integral by the Gauss-Legendre rule with 96 nodes."""
        half = (high - low) / 2
        return half * reduce(
            add,
            (
                weight * f({**at, v: low + half * (node + 1)})
                for node, weight in _legendre(self.of)
            ),
        )

    def _series(self, expr: Sum, bound: frozenset[Basic]) -> Function:
        """Terms, until three in a row are negligible."""
        *inner, (v, low, high) = expr.limits
        body = Sum(expr.function, *inner) if inner else expr.function
        if high != oo or low == oo:
            raise ArithmeticError(f"{expr} is no series")
        f = self.function(body, bound | {v})

        def value(at: Values) -> Any:
            term: Callable[[int], Any] = lambda i: f(  # noqa: E731
                {**at, v: self.of.mpf(i)}
            )
            total, small = term(0) if low == -oo else 0, 0
            first = 1 if low == -oo else int(low)
            for i in range(first, first + (5000 if self.exact else 200)):
                new = term(i) + term(-i) if low == -oo else term(i)
                total += new
                small = small + 1 if abs(new) < self.of.eps else 0
                if small == 3:
                    return total
            raise ArithmeticError(f"the series of {body} does not converge")

        return value

    def _derivative(
        self, expr: Derivative, bound: frozenset[Basic]
    ) -> Function:
        """Cauchy's formula: f'(v) is the mean of f(v + r t) / rt on a circle.

        It is taken at 8 points; those below the axis add the conjugates.
        """
        *inner, v = expr.variables
        body = Derivative(expr.expr, *inner) if inner else expr.expr
        f, here = self.function(body, bound | {v}), self.function(v, bound)
        radius = self.of.mpf(1) / (10**5 if self.exact else 50)
        turns = [self.of.expjpi(self.of.mpf(i) / 8) for i in (1, 3, 5, 7)]

        def value(at: Values) -> Any:
            middle = here(at)
            moved = (f({**at, v: middle + radius * t}) / t for t in turns)
            return reduce(add, moved).real / (4 * radius)

        return value


def _parted(body: Expr, v: Symbol) -> list[tuple[Expr, Expr]]:
    """The terms of an inner integrand, each as a constant and the rest.

    Empty if nothing can be taken out of the integral, which then costs as
    many values as there are nodes for both variables.
    """
    factors = Mul.make_args(body)
    mixed = [
        a
        for a in factors
        if a.is_Add and any(v not in unknowns(t) for t in a.args)
    ]
    found = []
    for term in mixed[0].args if mixed else (Integer(1),):
        whole = [*(a for a in factors if a not in mixed[:1]), term]
        fixed = Mul(*(a for a in whole if v not in unknowns(a)))
        found.append((fixed, Mul(*(a for a in whole if v in unknowns(a)))))
    return found if mixed or found[0][0] != 1 else []


@cache
def _legendre(of: Any) -> Any:
    """The nodes, as numbers of an arithmetic."""
    with mpmath.workdps(WORKING_DIGITS):
        rule = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp)
        nodes = rule.calc_nodes(6, mpmath.mp.prec)
    return [tuple(map(of.mpf, pair)) for pair in nodes]
