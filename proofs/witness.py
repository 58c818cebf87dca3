"""Two witnesses: exact algebra, and numbers to thirty digits.

`vanishes` asks sympy to reduce an expression to zero. `number` evaluates an
expression by quadrature and summation and shares nothing with the algebra:
it never sees an antiderivative.
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

import mpmath
import numpy
from sympy import (
    QQ,
    Add,
    Derivative,
    Dummy,
    Expr,
    Function,
    Indexed,
    Integer,
    Integral,
    Mul,
    Poly,
    PolynomialError,
    Pow,
    Sum,
    Symbol,
    binomial,
    cancel,
    cos,
    erf,
    exp,
    expand,
    expand_log,
    expand_power_base,
    factor,
    integrate,
    lambdify,
    log,
    oo,
    pi,
    powsimp,
    sqrt,
    together,
)
from sympy.core.basic import Basic

# --- the exact witness ------------------------------------------------------


def equal(a: Expr, b: Expr) -> bool:
    """Whether sympy reduces the difference of two values to zero."""
    return settle(a - b) == 0


def settle(expr: Expr) -> Expr:
    """A normal form for rational functions of symbols, logs and exponentials.

    Each logarithm, exponential or root of an irreducible argument counts as
    a further variable of a field of rational functions, where equality with
    zero is decided. A second pass meets the squares of roots as numbers.
    """
    once = _as_rational(expr)
    return once and _as_rational(once)


def _as_rational(expr: Expr) -> Expr:
    expr = powsimp(expand_logs(expr), combine="exp")
    for kind in (exp, erf):
        expr = expr.replace(
            kind, lambda inside, kind=kind: kind(cancel(inside))
        )
    atoms = {
        a: Dummy()
        for a in expr.atoms(Function, Pow, Indexed, Integral, Sum) | {pi}
        if not (isinstance(a, Pow) and a.exp.is_Integer)
    }
    plain = expr.xreplace(atoms)
    if not plain.free_symbols:
        return plain
    field = QQ.frac_field(*plain.free_symbols)
    return field.to_sympy(field.from_sympy(plain)).xreplace(
        {dummy: a for a, dummy in atoms.items()}
    )


def expand_logs(expr: Expr) -> Expr:
    """Logarithms of products as sums of logarithms of irreducible factors."""
    return expr.replace(
        log,
        lambda inside: expand_log(
            log(expand_power_base(factor(together(inside))))
        ),
    )


@cache
def calculate(expr: Expr) -> Expr:
    """The expression with its derivatives and integrals carried out."""
    if not expr.has(Integral, Derivative):
        return expr
    if isinstance(expr, Sum):
        return _unwrapped(expr)
    if isinstance(expr, Derivative):
        return Derivative(calculate(expr.expr), *expr.variables).doit()
    if isinstance(expr, Integral):
        factors = Mul.make_args(expr.function)
        sums = [a for a in factors if isinstance(a, Sum)]
        if len(sums) == 1:  # integrate term by term
            rest = Mul(*(a for a in factors if a != sums[0]))
            inside = Integral(rest * sums[0].function, *expr.limits)
            return calculate(Sum(inside, *sums[0].limits))
        value = calculate(expr.function)
        for limits in expr.limits:
            value = _integral(value, *limits)
        return value
    return expr.func(*map(calculate, expr.args))


def _unwrapped(expr: Sum) -> Expr:
    """A sum over k of integrals over intervals that tile the line.

    Either they do already, or a shift of the variable by 2 pi k makes them.
    The integrand must not depend on k then.
    """
    ((k, low, high),) = expr.limits
    if isinstance(expr.function, Integral) and (low, high) == (-oo, oo):
        ((v, start, end),) = expr.function.limits
        for shift in (0, 2 * pi * k, -2 * pi * k):
            body = expr.function.function.xreplace({v: v - shift})
            body = body.replace(cos, lambda a: cos(expand(a)))
            body = body.replace(exp, lambda a: exp(expand(a)))
            first, last = start + shift, end + shift
            beyond = {k: k + 1}
            meet = 0 in (
                expand(first.xreplace(beyond) - last),
                expand(last.xreplace(beyond) - first),
            )
            if not body.has(k) and meet:
                return calculate(Integral(body, (v, -oo, oo)))
    return expr


def _integral(body: Expr, variable: Symbol, low: Expr, high: Expr) -> Expr:
    try:
        if low == -oo:
            return _gaussian(body, variable, high)
    except (ValueError, PolynomialError):  # no rule: it stays as it is
        return Integral(body, (variable, low, high))
    return integrate(body, (variable, low, high))


def _gaussian(body: Expr, v: Symbol, high: Expr) -> Expr:
    r"""The integral up to `high` of polynomials times normal densities.

    Completing the square reduces every term to moments of the standard
    normal density, and those sympy integrates: with a mean m = b / 2a and
    a deviation r = 1 / sqrt(2a),
    int v^k e^{-a v^2 + b v + c} dv
        = e^{c + b^2 / 4a} r int (m + r y)^k e^{-y^2 / 2} dy.
    """
    total = Add()
    for coefficient, power, exponent in _terms(body, v) if body else ():
        square = Poly(exponent, v)
        a, b, c = (square.coeff_monomial(v**i) for i in (2, 1, 0))
        a = factor(together(-a))
        if square.degree() != 2 or not a.is_positive:
            raise ValueError(f"{exponent} is no negative square")
        middle, width = b / (2 * a), 1 / expand_power_base(sqrt(2 * a))
        moment = Add(
            *(
                binomial(power, i)
                * middle ** (power - i)
                * width**i
                * _moment(i, oo if high == oo else END)
                for i in range(power + 1)
            )
        )
        moment = moment.xreplace({END: (high - middle) / width})
        total += coefficient * moment * width * exp(c + b**2 / (4 * a))
    return total


def _terms(body: Expr, v: Symbol) -> Iterable[tuple[Expr, int, Expr]]:
    """The body as a sum of terms coefficient * v^power * e^exponent."""
    body = powsimp(expand_logs(body).rewrite(cos, exp), combine="exp")
    exps = {e: Dummy() for e in body.atoms(exp) if e.has(v)}
    for powers, coefficient in Poly(
        body.xreplace(exps), v, *exps.values()
    ).terms():
        exponent = Add(
            *(p * e.exp for p, e in zip(powers[1:], exps, strict=True))
        )
        yield coefficient, powers[0], exponent


END = Symbol("y", real=True)


@cache
def _moment(power: int, high: Expr) -> Expr:
    """The integral of y^power e^{-y^2 / 2} up to `high`, done by sympy."""
    v = Symbol("v", real=True)
    return integrate(v**power * exp(-(v**2) / 2), (v, -oo, high))


# --- the numerical witness --------------------------------------------------

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
            raise ArithmeticError(f"{expr} has no value")
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
        ((v, low, high),) = expr.limits
        if high != oo or low == oo:
            raise ArithmeticError(f"{expr} is no series")
        values = self.fixed(expr.function, v, values)
        if low == -oo:
            both = expr.function + expr.function.xreplace({v: -v})
            zero = expr.function.xreplace({v: Integer(0)})
            return self.number(zero, values) + self.series(both, v, values, 1)
        return self.series(expr.function, v, values, int(low))

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
