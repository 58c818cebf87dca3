"""The numerical witness: expressions to thirty digits.

It evaluates them at random points by quadrature and summation and shares
nothing with the algebra: it never sees an antiderivative. A bound variable
takes all its nodes at once, and each part of an expression is computed once,
so that lines which differ in one place share the rest. In machine precision
it tells most wrong lines from right ones in little time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import add, mul
from typing import Any

import mpmath
import numpy as np
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
    oo,
    pi,
)
from sympy.core.basic import Basic

DIGITS = 30
WORKING_DIGITS = 42
MEANINGLESS = (ArithmeticError, ValueError, TypeError)

BLOCK = 8  # terms of a series that are computed at once
KEPT = 2000  # values of one part that are kept


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
    if not np.isfinite(expected):
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
    with np.errstate(all="ignore"):  # what has no value is nan
        return _witness(False, seed, wide).value(expr)


def _close(one: Any, two: Any, tolerance: Any) -> bool:
    size = max(1, abs(one), abs(two))
    return bool(abs(one - two) <= tolerance * size < mpmath.inf)


@cache
def unknowns(expr: Basic) -> frozenset[Basic]:
    """The free symbols; of an indexed one its entries, not its name."""
    if isinstance(expr, (Symbol, Indexed)):
        return frozenset({expr})
    if not isinstance(expr, (Integral, Sum)):
        return frozenset[Basic]().union(*map(unknowns, expr.args))
    found = unknowns(expr.function)
    for v, *ends in expr.limits:
        found = (found - {v}).union(*map(unknowns, ends))
    return found


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


def forget() -> None:
    """Lets go of all values; the next derivation shares few of them."""
    _witness.cache_clear()


@dataclass(frozen=True, eq=False)
class Axis:
    """The nodes of a bound variable, along the first axis of an array.

    The axes behind it are those of the variables that were bound before, on
    which its nodes may depend.
    """

    values: Any


Bound = Mapping[Basic, Axis]
NOTHING: Bound = {}


class Witness:
    """Values at one random point, each computed once.

    `exact` says whether in multiple or in machine precision.
    """

    def __init__(self, exact: bool, seed: int, wide: bool) -> None:
        self.exact, self.seed, self.wide = exact, seed, wide
        self.of: Any = mpmath if exact else np
        self.number: Any = mpmath.mpf if exact else float
        self.real = np.frompyfunc(mpmath.re, 1, 1) if exact else np.real
        self.known: dict[Any, Any] = {}
        self.axes: dict[Any, Axis] = {}

    def value(self, expr: Basic, bound: Bound = NOTHING) -> Any:
        """The value at all nodes of the bound variables that it has."""
        if bound:
            mine = unknowns(expr)
            bound = {v: axis for v, axis in bound.items() if v in mine}
        key = (expr, frozenset(bound.items()))
        if key in self.known:
            return self.known[key]
        found = self._computed(expr, bound)
        if np.size(found) <= KEPT:
            self.known[key] = found
        return found

    def _computed(self, expr: Basic, bound: Bound) -> Any:
        if expr in bound:
            return bound[expr].values
        for kind, rule in (
            (Integral, self._integral),
            (Sum, self._series),
            (Derivative, self._derivative),
        ):
            if isinstance(expr, kind):
                return rule(expr, bound)
        if isinstance(expr, (Symbol, Indexed)):
            return self.number(draw(expr, self.seed, self.wide))
        if expr == pi:
            return self.number(self.of.pi)
        if expr.is_Rational:
            return self.number(expr.p) / expr.q
        if expr.is_Pow and expr.exp.is_Integer:
            return self.value(expr.base, bound) ** int(expr.exp)
        parts = [self.value(a, bound) for a in expr.args]
        if expr.is_Add or expr.is_Mul:
            parts.sort(key=np.size)
            return reduce(add if expr.is_Add else mul, parts)
        if expr.is_Pow:
            return parts[0] ** parts[1]
        name = type(expr).__name__
        f = getattr(self.of, name, None)
        if f is None or len(parts) != 1:
            raise ArithmeticError(f"`{expr}` has no value here")
        if name == "log" and np.any(self.real(parts[0]) <= 0):
            raise ArithmeticError(f"`{expr}` has no value here")
        return (np.frompyfunc(f, 1, 1) if self.exact else f)(parts[0])

    def _axis(self, key: Any, nodes: Iterable[Any], bound: Bound) -> Axis:
        """A first axis with these nodes, before those that are bound."""
        depth = _depth(bound)
        if (key, depth) not in self.axes:
            kind = object if self.exact else None
            values = np.array(list(map(self.number, nodes)), dtype=kind)
            values = values.reshape((-1, *(1,) * depth))
            self.axes[key, depth] = Axis(values)
        return self.axes[key, depth]

    def _along(self, body: Expr, v: Basic, axis: Axis, bound: Bound) -> Any:
        """The values of a body along a new axis, even where it is constant."""
        values = self.value(body, {**bound, v: axis})
        shape = np.broadcast_shapes(np.shape(values), np.shape(axis.values))
        return np.broadcast_to(values, shape)

    def _integral(self, expr: Integral, bound: Bound) -> Any:
        *inner, (v, low, high) = expr.limits
        body = Integral(expr.function, *inner) if inner else expr.function
        if low == -oo and high != oo:
            body, low, high = body.xreplace({v: -v}), -high, oo
        if bound and (parts := _parted(body, v)):
            parted = Add(*(c * Integral(b, (v, low, high)) for c, b in parts))
            return self.value(parted, bound)
        if low == -oo:
            return self._line(body, v, bound)
        return self._interval(body, v, bound, low, high)

    def _line(self, body: Expr, v: Symbol, bound: Bound) -> Any:
        """The integral over the line by the trapezoid rule.

        For an analytic integrand that decays like a normal density it errs
        by about e^{-(2 pi sigma / h)^2 / 2}. Source: Trefethen and Weideman,
        The exponentially convergent trapezoidal rule, SIAM Review 56, 2014.
        """
        step, reach = (22, 64) if self.exact else (30, 30)
        h = self.number(step * (1 + self.wide)) / 100
        nodes = (h * i for i in range(-reach, reach + 1))
        axis = self._axis("line", nodes, bound)
        heights = self._along(body, v, axis, bound)
        tolerance = mpmath.mpf(10) ** -20 if self.exact else 1e-6
        if not np.all(abs(heights[0]) + abs(heights[-1]) <= tolerance):
            raise ArithmeticError("the integral over the line diverges")
        return h * heights.sum(axis=0)

    def _interval(
        self, body: Expr, v: Symbol, bound: Bound, low: Expr, high: Expr
    ) -> Any:
        """The integral by the Gauss-Legendre rule with 96 nodes."""
        start = self.value(low, bound)
        end = self.value(low + 14 if high == oo else high, bound)
        half = (end - start) / 2
        nodes, weights = (
            self._axis(i, column, bound).values
            for i, column in enumerate(_legendre())
        )
        key = (low, high, frozenset(bound.items()))
        if key not in self.axes:
            self.axes[key] = Axis(start + half * (nodes + 1))
        values = weights * self._along(body, v, self.axes[key], bound)
        return half * values.sum(axis=0)

    def _series(self, expr: Sum, bound: Bound) -> Any:
        """Terms, until three in a row are negligible."""
        *inner, (v, low, high) = expr.limits
        body = Sum(expr.function, *inner) if inner else expr.function
        if high != oo or low == oo:
            raise ArithmeticError(f"{expr} is no series")
        both = low == -oo
        first = 1 if both else int(low)
        total: Any = 0
        if both:
            total = self.value(body.xreplace({v: Integer(0)}), bound)
        tiny: Any = +mpmath.eps if self.exact else np.finfo(float).eps
        small = 0
        for i in range(first, first + (5000 if self.exact else 200), BLOCK):
            terms: Any = 0
            for sign in (1, -1) if both else (1,):
                numbers = range(sign * i, sign * (i + BLOCK), sign)
                axis = self._axis((sign, i), numbers, bound)
                terms = terms + self._along(body, v, axis, bound)
            for new in terms:
                total = total + new
                small = small + 1 if np.max(abs(new)) < tiny else 0
                if small == 3:
                    return total
        raise ArithmeticError(f"the series of {body} does not converge")

    def _derivative(self, expr: Derivative, bound: Bound) -> Any:
        """Cauchy's formula: f'(v) is the mean of f(v + r t) / rt on a circle.

        It is taken at 8 points; those below the axis add the conjugates.
        """
        *inner, v = expr.variables
        body = Derivative(expr.expr, *inner) if inner else expr.expr
        radius = self.number(1) / (10**5 if self.exact else 50)
        angles = (mpmath.mpf(i) / 8 for i in (1, 3, 5, 7))
        kind = object if self.exact else complex
        turns = np.array([mpmath.expjpi(a) for a in angles], dtype=kind)
        turns = turns.reshape((-1, *(1,) * _depth(bound)))
        key = ("circle", v, frozenset(bound.items()))
        if key not in self.axes:
            self.axes[key] = Axis(self.value(v, bound) + radius * turns)
        moved = self._along(body, v, self.axes[key], bound) / turns
        return self.real(moved.sum(axis=0)) / (4 * radius)


def _depth(bound: Bound) -> int:
    """How many axes there are."""
    return max((np.ndim(axis.values) for axis in bound.values()), default=0)


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
def _legendre() -> tuple[Any, Any]:
    """The nodes and their weights."""
    with mpmath.workdps(WORKING_DIGITS):
        rule = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp)
        nodes, weights = zip(*rule.calc_nodes(6, mpmath.mp.prec), strict=True)
    return nodes, weights
