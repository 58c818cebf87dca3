"""Exact algebra: normal forms of rational functions, and integrals.

Kernel and worlds share the normal forms, which are sympy's arithmetic of
polynomials. `calculate`, which integrates, serves the worlds alone. The
numbers of `numeric` share neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sympy import (
    QQ,
    Add,
    Derivative,
    Dummy,
    Expr,
    Integral,
    Mul,
    Poly,
    PolynomialError,
    Rational,
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
    log,
    oo,
    pi,
    powsimp,
    sqrt,
    together,
)


def equal(a: Expr, b: Expr) -> bool:
    """Whether sympy reduces the difference of two values to zero.

    Logarithms of products count as sums.
    """
    return settle(a - b) == 0


def settle(expr: Expr) -> Expr:
    """`rational` with every logarithm of a product as a sum."""
    return rational(expand_logs(expr))


@cache
def rational(expr: Expr) -> Expr:
    """The normal form of an expression as a rational function.

    Whatever is no sum, product or integer power counts as a variable of the
    field. A second pass meets the squares of roots as numbers.
    """
    once = _pass(expr)
    roots = once.has(Rational(1, 2), Rational(-1, 2))
    return _pass(once) if roots else once


def _pass(expr: Expr) -> Expr:
    if expr.has(exp):
        expr = together(powsimp(expr, combine="exp"))
    for kind in (exp, erf):
        if expr.has(kind):
            expr = expr.replace(kind, lambda a, kind=kind: kind(cancel(a)))
    atoms: dict[Expr, Any] = {}
    plain = _opened(expr, atoms)
    if not atoms:
        return plain
    field = QQ.frac_field(*(atoms[a] for a in sorted(atoms, key=str)))
    value = field.to_sympy(field.from_sympy(plain))
    return value.xreplace({dummy: a for a, dummy in atoms.items()})


def _opened(expr: Expr, atoms: dict[Expr, Any]) -> Expr:
    """The expression with a new variable for everything that is opaque."""
    if expr.is_Rational:
        return expr
    if expr.is_Add or expr.is_Mul:
        return expr.func(*(_opened(a, atoms) for a in expr.args))
    if expr.is_Pow and expr.exp.is_Integer:
        return _opened(expr.base, atoms) ** expr.exp
    return atoms.setdefault(expr, Dummy())


def expand_logs(expr: Expr) -> Expr:
    """Logarithms of products as sums of logarithms of irreducible factors."""
    return expr.replace(
        log,
        lambda inside: expand_log(
            log(expand_power_base(factor(together(inside))))
        ),
    )


# --- integrals, for the worlds ----------------------------------------------


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
