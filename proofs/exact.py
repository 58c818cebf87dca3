"""The normal form of rational functions, which is sympy's arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, reduce
from math import prod
from operator import add
from typing import Any

from sympy import (
    ZZ,
    Dummy,
    Expr,
    Pow,
    Rational,
    cancel,
    exp,
    powsimp,
    together,
)


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
        if any(isinstance(a, (exp, Pow)) for a in _opaque(expr)):
            expr = together(powsimp(expr, combine="exp"))
        expr = expr.replace(exp, _exponential)
    atoms = list(_opaque(expr))
    if not atoms:
        return expr
    letters = sorted(map(_letter, atoms), key=lambda dummy: dummy.dummy_index)
    field = ZZ.frac_field(*dict.fromkeys(letters)).field
    value = _element(expr, field)
    found = field.new(value.numer, value.denom).as_expr()
    return found.xreplace({_letter(a): a for a in atoms})


@cache
def _exponential(exponent: Expr) -> Expr:
    return exp(cancel(exponent))


@cache  # the same order of variables every time, and so one normal form
def _letter(atom: Expr) -> Dummy:
    return Dummy()


def _opaque(expr: Expr) -> Iterator[Expr]:
    """The parts that are variables of the field."""
    if expr.is_Add or expr.is_Mul:
        for a in expr.args:
            yield from _opaque(a)
    elif expr.is_Pow and expr.exp.is_Integer:
        yield from _opaque(expr.base)
    elif not expr.is_Rational:
        yield expr


def _element(expr: Expr, field: Any) -> Any:
    """The expression in the field, where it need not be cancelled."""
    if expr.is_Add:
        sums: dict[Any, Any] = {}  # those of one denominator are not cancelled
        for part in (_element(a, field) for a in expr.args):
            sums[part.denom] = sums.get(part.denom, 0) + part.numer
        return reduce(add, (field.raw_new(n, d) for d, n in sums.items()))
    if expr.is_Mul:
        parts = [_element(a, field) for a in expr.args]
        above, below = (
            prod(a.numer for a in parts),
            prod(a.denom for a in parts),
        )
        return field.raw_new(above, below)
    if expr.is_Pow and expr.exp.is_Integer:
        base, power = _element(expr.base, field), int(expr.exp)
        ends = (base.numer, base.denom)[:: 1 if power > 0 else -1]
        return field.raw_new(*(end ** abs(power) for end in ends))
    if expr.is_Rational:
        return field.raw_new(*map(field.ring, (expr.p, expr.q)))
    return field.raw_new(field.ring(_letter(expr)))
