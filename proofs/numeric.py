"""The numerical witness: expressions to thirty digits.

`agree` evaluates expressions by quadrature and summation and shares nothing
with the algebra: it never sees an antiderivative.
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import mpmath
import numpy
from sympy import (
    Derivative,
    Dummy,
    Expr,
    Indexed,
    Integer,
    Integral,
    Sum,
    Symbol,
    lambdify,
    oo,
    pi,
)
from sympy.core.basic import Basic

DIGITS = 30
WORKING_DIGITS = 42

Values = Mapping[Basic, Any]


def agree(a: Expr, b: Expr, seed: int = 0, wide: bool = False) -> bool:
    """Whether two expressions agree to DIGITS digits at a random point."""
    tolerance = mpmath.mpf(10) ** -DIGITS
    return _close(precise(a, seed, wide), precise(b, seed, wide), tolerance)


def differ(a: Expr, b: Expr, seed: int = 0, wide: bool = False) -> bool:
    """Whether machine precision already tells two expressions apart.

    An expression without a value (log 0, a divergent integral) differs from
    every other.
    """
    try:
        return not _close(quick(a, seed, wide), quick(b, seed, wide), 1e-6)
    except ArithmeticError:
        return True


@cache
def precise(expr: Expr, seed: int, wide: bool = False) -> Any:
    """The value at a random point in WORKING_DIGITS digits."""
    with mpmath.workdps(WORKING_DIGITS):
        return Precise(wide).number(expr, point(expr, seed, wide))


@cache
def quick(expr: Expr, seed: int, wide: bool = False) -> Any:
    """The value at the same point in machine precision."""
    values = {v: float(x) for v, x in point(expr, seed, wide).items()}
    with numpy.errstate(all="ignore"):
        return Quick(wide).number(expr, values)


def _close(one: Any, two: Any, tolerance: Any) -> bool:
    size = max(1, abs(one), abs(two))
    return bool(abs(one - two) <= tolerance * size < mpmath.inf)


def point(expr: Expr, seed: int, wide: bool = False) -> dict[Basic, Any]:
    """A random value for every free symbol, inside its assumptions.

    Positive symbols fall in [0.6, 1], others in [-1, 1]: the range for which
    the quadrature below has the digits that it promises.
    """
    return {v: _draw(v, seed, wide) for v in unknowns(expr)}


def unknowns(expr: Expr) -> set[Basic]:
    """The free symbols; of an indexed one its entries, not its name."""
    names = {a for v in expr.atoms(Indexed) for a in v.base.free_symbols}
    return expr.free_symbols - names


def _draw(symbol: Basic, seed: int, wide: bool) -> Any:
    generator = random.Random(f"{seed} {symbol}")
    if symbol.is_integer:
        return mpmath.mpf(generator.choice((3, 5)))
    low, high = (1.4, 1.8) if wide else (0.6, 1)
    if not symbol.is_positive:
        low, high = -1, 1
    return mpmath.mpf(round(generator.uniform(low, high), 12))


class Numbers:
    """Evaluates an expression by walking its tree.

    A number system supplies arithmetic, quadrature and summation.
    """

    pi: Any
    functions: Any
    circle: int
    shrink: int

    def __init__(self, wide: bool) -> None:
        self.scale = 2 if wide else 1  # of the nodes on the line

    def rational(self, p: int, q: int) -> Any:
        """The fraction p / q."""
        raise NotImplementedError

    def turn(self, i: int) -> Any:
        """The i-th of `circle` points on the unit circle."""
        raise NotImplementedError

    def line(self, body: Expr, v: Symbol, values: Values) -> Any:
        """The integral over the whole line."""
        raise NotImplementedError

    def interval(
        self, body: Expr, v: Symbol, values: Values, low: Any, high: Any
    ) -> Any:
        """The integral over an interval."""
        raise NotImplementedError

    def series(self, body: Expr, v: Symbol, values: Values, first: int) -> Any:
        """The sum from `first` on."""
        raise NotImplementedError

    def number(self, expr: Expr, values: Values) -> Any:
        """The value of an expression at a point."""
        if expr in values:
            return values[expr]
        if isinstance(expr, (Integral, Sum, Derivative)):
            rule = getattr(self, f"of_{type(expr).__name__.lower()}")
            return rule(expr, values)
        if expr.is_Rational:
            return self.rational(expr.p, expr.q)
        if expr == pi:
            return +self.pi
        if expr.is_Pow and expr.exp.is_Integer:
            return self.number(expr.base, values) ** int(expr.exp)
        args = [self.number(a, values) for a in expr.args]
        if expr.is_Add:
            return sum(args)
        if expr.is_Mul:
            return math.prod(args)
        if expr.is_Pow:
            return args[0] ** args[1]
        function = getattr(self.functions, type(expr).__name__, None)
        if function is None or not args:
            raise ArithmeticError(f"`{expr}` has no value here")
        return function(*args)

    def fixed(self, expr: Expr, bound: Symbol, values: Values) -> dict:
        """The point, and the parts of expr that do not vary with `bound`."""
        found = dict(values)
        for part in expr.atoms(Integral, Sum, Derivative):
            if unknowns(part) <= values.keys() - {bound}:
                found[part] = self.number(part, values)
        return found

    def of_integral(self, expr: Integral, values: Values) -> Any:
        *inner, (v, low, high) = expr.limits
        body = Integral(expr.function, *inner) if inner else expr.function
        values = self.fixed(body, v, values)
        if (low, high) == (-oo, oo):
            return self.line(body, v, values)
        if low == -oo:
            body, low, high = body.xreplace({v: -v}), -high, oo
        start = self.number(low, values)
        end = start + 14 if high == oo else self.number(high, values)
        return self.interval(body, v, values, start, end)

    def of_sum(self, expr: Sum, values: Values) -> Any:
        *inner, (v, low, high) = expr.limits
        body = Sum(expr.function, *inner) if inner else expr.function
        if high != oo or low == oo:
            raise ArithmeticError(f"{expr} is no series")
        values = self.fixed(body, v, values)
        if low == -oo:
            both = body + body.xreplace({v: -v})
            zero = body.xreplace({v: Integer(0)})
            return self.number(zero, values) + self.series(both, v, values, 1)
        return self.series(body, v, values, int(low))

    def of_derivative(self, expr: Derivative, values: Values) -> Any:
        """Cauchy's formula: f'(v) is the mean of f(v + r e^ia) e^-ia / r."""
        if len(expr.variables) > 1:
            *inner, v = expr.variables
            body = Derivative(expr.expr, *inner)
        else:
            body, (v,) = expr.expr, expr.variables
        if v not in values:
            return self.rational(0, 1)
        radius = self.rational(1, self.shrink)
        total: Any = 0
        for i in range(self.circle):
            turn = self.turn(i)
            moved = {**values, v: values[v] + radius * turn}
            total += self.number(body, moved) / turn
        return (total / (radius * self.circle)).real


@cache
def _compiled(body: Expr, given: tuple[Basic, ...]) -> Any:
    """The body as a Python function, or None where integrals are nested."""
    names = [Dummy() for _ in given]
    plain = body.xreplace(dict(zip(given, names, strict=True)))
    if plain.has(Integral, Sum, Derivative):
        return None
    return lambdify(names, plain, "mpmath", cse=True)


def _decays(first: Any, last: Any, tolerance: Any) -> None:
    """An integral over the line is one only if the integrand decays."""
    if not numpy.all(abs(first) + abs(last) <= tolerance):
        raise ArithmeticError("the integral over the line diverges")


@cache
def _legendre() -> Any:
    rule = mpmath.calculus.quadrature.GaussLegendre(mpmath.mp)
    return rule.calc_nodes(6, mpmath.mp.prec)


class Precise(Numbers):
    """Multiple precision: the witness proper."""

    pi, functions = mpmath.pi, mpmath
    circle, shrink = 12, 2000

    def rational(self, p: int, q: int) -> Any:
        return mpmath.mpf(p) / q

    def turn(self, i: int) -> Any:
        return mpmath.expjpi(mpmath.mpf(2 * i) / self.circle)

    def function(self, body: Expr, v: Symbol, values: Values) -> Any:
        """The body as a function of v, compiled where nothing is nested."""
        given = tuple(a for a in values if body.has(a) and a != v)
        compiled = _compiled(body, (v, *given))
        if compiled is None:
            return lambda at: self.number(body, {**values, v: at})
        numbers = [values[a] for a in given]
        return lambda at: compiled(at, *numbers)

    def line(self, body: Expr, v: Symbol, values: Values) -> Any:
        """The trapezoid rule on the line.

        For an analytic integrand that decays like a normal density it errs
        by about e^{-(2 pi sigma / h)^2 / 2}. Source: Trefethen and Weideman,
        The exponentially convergent trapezoidal rule, SIAM Review 56, 2014.
        """
        f = self.function(body, v, values)
        h = self.rational(11 * self.scale, 50)
        heights = [f(h * i) for i in range(-64, 65)]
        _decays(heights[0], heights[-1], mpmath.mpf(10) ** -20)
        return h * mpmath.fsum(heights)

    def interval(
        self, body: Expr, v: Symbol, values: Values, low: Any, high: Any
    ) -> Any:
        """The Gauss-Legendre rule with 96 nodes."""
        f, half = self.function(body, v, values), (high - low) / 2
        return half * mpmath.fsum(
            weight * f(low + half * (node + 1)) for node, weight in _legendre()
        )

    def series(self, body: Expr, v: Symbol, values: Values, first: int) -> Any:
        """Terms from `first` on, until three in a row are negligible."""
        f = self.function(body, v, values)
        total, small = mpmath.mpf(0), 0
        for i in range(first, first + 5000):
            term = f(mpmath.mpf(i))
            total += term
            small = small + 1 if abs(term) < mpmath.eps else 0
            if small == 3:
                return total
        raise ArithmeticError(f"the series of {body} does not converge")


class Quick(Numbers):
    """Machine precision on whole arrays of nodes: enough to tell most wrong
    lines from right ones. Every integral or sum is a further axis."""

    pi, functions = numpy.pi, numpy
    circle, shrink = 8, 50

    def rational(self, p: int, q: int) -> float:
        return p / q

    def turn(self, i: int) -> complex:
        return cmath.exp(2j * cmath.pi * i / self.circle)

    def on(self, nodes: Any, body: Expr, v: Symbol, values: Values) -> Any:
        """The body at the nodes, which run along a new first axis."""
        at = self.axis(nodes, values)
        return self.number(body, {**values, v: at}) + 0 * at

    def axis(self, nodes: Any, values: Values) -> Any:
        """The nodes on an axis before those that are in use."""
        depth = max(numpy.ndim(a) for a in (0, *values.values()))
        missing = depth + 1 - numpy.ndim(nodes)
        return numpy.reshape(nodes, numpy.shape(nodes) + (1,) * missing)

    def line(self, body: Expr, v: Symbol, values: Values) -> Any:
        step = 0.3 * self.scale
        nodes = step * numpy.arange(-30, 31)
        heights = self.on(nodes, body, v, values)
        _decays(heights[0], heights[-1], 1e-6)
        return step * heights.sum(axis=0)

    def interval(
        self, body: Expr, v: Symbol, values: Values, low: Any, high: Any
    ) -> Any:
        nodes, weights = legendre_nodes()
        half = (high - low) / 2
        at = low + half * (self.axis(nodes, values) + 1)
        heights = self.on(at, body, v, values)
        return half * numpy.tensordot(weights, heights, axes=1)

    def series(self, body: Expr, v: Symbol, values: Values, first: int) -> Any:
        nodes = numpy.arange(first, first + 150, dtype=float)
        return self.on(nodes, body, v, values).sum(axis=0)


@lru_cache
def legendre_nodes() -> tuple[Any, Any]:
    return numpy.polynomial.legendre.leggauss(60)
