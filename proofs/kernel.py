r"""The kernel: what is trusted, and nothing else decides that a step holds.

Densities and functions are uninterpreted here, the space is any space, and
sizes such as D and L are symbols. A step names rules. Each rule rewrites an
expression at every place where it applies (`RULES` holds them, and their
sentences are the axioms that the page prints). A step holds if its rules
turn one line into the other: both are compared after them as rational
functions whose variables are the expressions that are no sums, products or
powers, with bound variables renamed.

A rule that needs a condition says so: that a density is positive where
another is, that an expectation is finite. A condition must follow from what
the statement assumes, or the step does not hold. An inequality rests on the
tangent of the logarithm and on the order of expectations alone.

What is trusted besides this file: `exact` (sympy's arithmetic of polynomials
and its `together`, `factor`, `cancel`, `powsimp`), sympy's differentiation
and limits, and the definitions in `vocabulary`. An expectation that is
written is taken to exist; log 0 is minus infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sympy import (
    Add,
    Derivative,
    Expr,
    Idx,
    Indexed,
    IndexedBase,
    Integer,
    Integral,
    Mul,
    Pow,
    Product,
    Rational,
    Sum,
    Symbol,
    cos,
    exp,
    expand,
    factor,
    log,
    oo,
    pi,
    together,
)
from sympy.core.basic import Basic
from sympy.core.containers import Tuple

from proofs.exact import rational
from proofs.vocabulary import (
    Condition,
    Density,
    DiagonalNormal,
    Expectation,
    Normal,
    Over,
    PositiveFunction,
    Ratio,
    TangentGap,
    Term,
    Vector,
    d,
    evidence,
    joint,
    latex,
    x,
    z,
)

KNOWN = (
    Term, Add, Mul, Pow, Rational, Symbol, Indexed, IndexedBase, Idx, Tuple,
    log, exp, cos, Sum, Product, Integral, Derivative,
)  # fmt: skip
BINDERS = (Sum, Product, Integral)


class Unproved(Exception):
    """A step that the kernel does not accept, in one sentence."""


# --- terms ------------------------------------------------------------------


def unknown(expr: Basic) -> str | None:
    """The name of a part of an expression that the kernel does not know."""
    if expr in (pi, oo, -oo):
        return None
    if not isinstance(expr, KNOWN):
        return f"`{expr}` ({type(expr).__name__})"
    return next(filter(None, map(unknown, expr.args)), None)


@cache
def free(expr: Basic) -> frozenset[Basic]:
    """The variables that an expression depends on; vectors count as one."""
    if isinstance(expr, (Symbol, IndexedBase)):
        return frozenset({expr})
    if isinstance(expr, Indexed):
        return frozenset({expr, expr.base}).union(*map(free, expr.indices))
    if isinstance(expr, (Expectation, Over)):
        *inside, variable = expr.args
        dummy = _fresh(variable, "bound")
        parts = (free(a.xreplace({variable: dummy})) for a in inside)
        return frozenset[Basic]().union(*parts) - {dummy}
    if isinstance(expr, Vector):
        return free(expr.args[1]) - {d}
    if isinstance(expr, Density):
        return free(expr.args[1]) | free(expr.args[2])
    if isinstance(expr, BINDERS):
        found = free(expr.function)
        for v, *ends in expr.limits:
            found = (found - {v}).union(*map(free, ends))
        return found
    return frozenset[Basic]().union(*map(free, expr.args))


def _fresh(variable: Basic, name: str) -> Basic:
    if isinstance(variable, IndexedBase):
        return IndexedBase(name, shape=variable.shape, real=True)
    return Symbol(name, real=True)


@cache
def canonical(expr: Basic) -> Basic:
    """The normal form: rational, and with the bound variables renamed."""
    if isinstance(expr, (Expectation, Over)):
        *inside, variable = expr.args
        return expr.func(*_named(inside, variable))
    if isinstance(expr, BINDERS):
        body, limits = expr.function, []
        for v, *ends in expr.limits:
            body, v = _named([body], v)
            ends = [e if e in (oo, -oo) else canonical(e) for e in ends]
            limits.append((v, *ends))
            if isinstance(expr, Sum):
                body = rational(_sum(body, v, ends))
        if isinstance(expr, Sum):
            return body
        parts = Mul.make_args(body)
        if isinstance(expr, Product):
            return Mul(*(Product(a, *limits) for a in parts))
        bound = {v for v, *_ in limits}
        fixed = [a for a in parts if not bound & free(a)]
        rest = Mul(*(a for a in parts if bound & free(a)))
        return rational(Mul(*fixed) * Integral(rest, *limits))
    if isinstance(expr, Derivative):
        return Derivative(canonical(expr.expr), *expr.variables)
    if expr.is_Pow and expr.base.is_Rational and expr.exp.is_Add:
        return rational(Mul(*(expr.base**a for a in expr.exp.args)))
    if expr.is_Add or expr.is_Mul or expr.is_Pow:
        return rational(_arithmetic(expr))
    if isinstance(expr, Vector):  # its name says nothing
        return Vector(Symbol("v"), canonical(expr.args[1]))
    if isinstance(expr, cos):  # an even function
        inside = expand(expr.args[0])
        return cos(inside) if inside.args else expr
    if not expr.args or isinstance(expr, (Indexed, IndexedBase)):
        return expr
    return expr.func(*map(canonical, expr.args))


def _arithmetic(expr: Expr) -> Expr:
    """Sums, products and powers, with canonical parts."""
    if expr.is_Add or expr.is_Mul:
        return expr.func(*map(_arithmetic, expr.args))
    if expr.is_Pow and expr.exp.is_Integer:
        return _arithmetic(expr.base) ** expr.exp
    if expr.is_Pow and not (expr.base.is_Rational and expr.exp.is_Add):
        return canonical(expr.base) ** canonical(expr.exp)
    return canonical(expr)


def _named(inside: list[Any], variable: Basic) -> tuple[Any, ...]:
    """Canonical parts, the variable named by the depth of what it binds."""
    parts = [canonical(a) for a in inside]
    names = {str(a) for p in parts for a in p.atoms(Symbol)}
    names -= {str(variable)}  # which is renamed
    depth = max([int(n[1:]) for n in names if n[0] == "#"], default=0) + 1
    new = _fresh(variable, f"#{depth}")
    return (*(canonical(p.xreplace({variable: new})) for p in parts), new)


def _sum(body: Expr, index: Symbol, ends: list[Expr]) -> Expr:
    """A sum by its terms, constants before it; a series is not split."""
    numerator, denominator = body.as_numer_denom()
    parts = [body]
    if oo not in ends:
        parts = [t / denominator for t in terms(numerator)]
    total = Add()
    for part in parts:
        constant, rest = split(rational(part), index)
        if rest == 1 and oo not in ends:
            total += constant * (ends[1] - ends[0] + 1)
        else:
            rest, v = _named([rest], index)
            total += constant * Sum(rest, (v, *ends))
    return total


def split(term: Expr, variable: Basic) -> tuple[Expr, Expr]:
    """The factors of a term without and with a variable."""
    constant: list[Basic] = []
    rest: list[Basic] = []
    for a in Mul.make_args(term):
        (rest if variable in free(a) else constant).append(a)
    return Mul(*constant), Mul(*rest)


def terms(expr: Expr) -> tuple[Expr, ...]:
    """The terms of an expanded sum."""
    hints = dict.fromkeys(("basic", "log", "power_base", "power_exp"), False)
    return Add.make_args(expand(expr, **hints))


# --- the argument of one step -----------------------------------------------


@dataclass
class Argument:
    """What is assumed while a step is read, and what it needs and uses."""

    assumed: tuple[Condition, ...] = ()
    model: Mapping[str, Expr] = field(default_factory=dict)
    antiderivative: Expr | None = None
    uses: Mapping[str, Use] = field(default_factory=dict)
    rests: set[str] = field(default_factory=set)
    needed: list[Condition] = field(default_factory=list)
    memory: dict[Any, Any] = field(default_factory=dict)
    granted: bool = False

    def rewriting(self) -> Argument:
        """An argument that grants every condition: it only rewrites."""
        return Argument(self.assumed, self.model, granted=True)

    def need(self, kind: str, *args: Expr) -> None:
        """Raises Unproved if a condition does not follow."""
        condition = Condition(kind, args)
        self.needed.append(condition)
        if not self.granted and not self.follows(kind, *args):
            raise Unproved(f"it needs that {condition}, which is not assumed")

    def follows(self, kind: str, *args: Expr) -> bool:
        """Whether it is assumed, or a method of its name derives it."""
        derived = getattr(self, f"_{kind}", None)
        return self.assumes(kind, *args) or bool(derived and derived(*args))

    def assumes(self, kind: str, *args: Expr) -> bool:
        """Whether the statement assumes a condition, word for word."""
        stated = [c.args for c in self.assumed if c.kind == kind]
        return bool(stated) and self._read(args) in map(self._read, stated)

    def _read(self, args: Iterable[Expr]) -> list[Basic]:
        return [canonical(plain(a, self)) for a in args]

    def _positive(self, expr: Expr) -> bool:
        if expr.is_positive and not expr.has(Density, PositiveFunction):
            return True
        parts: Iterable[Expr] = ()
        if isinstance(expr, (Mul, Pow)):
            parts = _bases(expr)
        elif isinstance(expr, Add):
            parts = expr.args
        elif isinstance(expr, (Sum, Product)):
            parts = [expr.function]
        return all(self.follows("positive", e) for e in parts) and bool(
            parts or (isinstance(expr, Expectation) and self._mass(expr))
        )

    def _mass(self, expr: Expr) -> bool:
        """Whether an expectation is the mass of a density."""
        value = rewrite("expectation", expr, self)
        if not isinstance(value, Over):
            return False
        if value.args[0] == joint(value.args[1]):
            return self.assumes("positive", evidence())
        return rewrite("mass one", value, self) == 1

    def _nonnegative(self, expr: Expr) -> bool:
        return all(
            self._nonnegative(a.function)
            if isinstance(a, Product)
            else bool(a.is_nonnegative)
            for a in _bases(expr)
        )

    def _where(self, expr: Expr, density: Expr) -> bool:
        """Whether expr > 0 wherever the density is."""
        if isinstance(expr, (Mul, Pow)):
            parts = _bases(expr)
            return all(self.follows("where", a, density) for a in parts)
        if isinstance(expr, Sum):
            return self.follows("where", expr.function, density)
        if isinstance(expr, Product) and isinstance(density, Product):
            return self.follows("where", expr.function, density.function)
        for part in Mul.make_args(density):
            if isinstance(part, Derivative) and part.expr == expr:
                return True  # where it vanishes it is least: its slope is 0
        inner = _factor_of(density, expr)
        if self.follows("positive", expr) or expr in (density, inner):
            return True
        if not isinstance(expr, Density):
            return False
        role, at, data = expr.args
        if str(role) in ("joint", "posterior"):
            return self.follows("where", expr.formula(), density)
        here = {at: z, data: x}
        return isinstance(inner, Density) and self.assumes(
            "where", expr.xreplace(here), inner.xreplace(here)
        )

    def _finite(self, expr: Expr) -> bool:
        """Whether an expectation converges absolutely.

        That of a polynomial under a normal density does; another one must
        differ from one that is assumed by a factor of -1 or a constant.
        """
        if isinstance(expr, Density):
            return self.assumes("positive", expr)  # a value of a density
        if not isinstance(expr, Expectation):
            return False
        found = rewrite("independence", expr, self.rewriting())
        body, density, variable = found.args
        if isinstance(density, (Normal, DiagonalNormal)):
            rules = ["diagonal covariance", "logarithm", "normal density"]
            body = turned(body, [*rules, "logarithm"], self.rewriting())
            if polynomial(canonical(body), variable):
                self.rests.add("Gaussian tails")
                return True
        mine = self._expanded(found)
        for one, *_ in (c.args for c in self.assumed if c.kind == "finite"):
            other = self._expanded(plain(one, self))
            if isinstance(other, Expectation) and (
                mine.args[1:] == other.args[1:]
            ):
                gaps = (mine.args[0] + s * other.args[0] for s in (1, -1))
                if any(mine.args[2] not in free(canonical(g)) for g in gaps):
                    return True
        return self._mass(expr)

    def _expanded(self, expr: Expr) -> Expr:
        """The expectation by logarithms of single densities."""
        rules = ["product rule", "Bayes", "product rule", "logarithm"]
        return canonical(turned(expr, rules, self.rewriting()))

    def _summable(self, expr: Expr) -> bool:
        """A cosine times the images of a normal density."""
        inside = [Mul.make_args(i.function) for i in expr.atoms(Integral)]
        return bool(inside) and all(
            isinstance(a, (cos, Normal)) for parts in inside for a in parts
        )


def _bases(expr: Expr) -> list[Expr]:
    return [
        a.base if isinstance(a, Pow) else a
        for a in Mul.make_args(expr)
        if not a.is_Rational or a < 0
    ]


def _factor_of(density: Expr, like: Expr) -> Expr:
    """The factor of a product density that has the variable of another."""
    if not isinstance(density, Product):
        return density
    ((index, *_),) = density.limits
    factor = density.function
    for found in free(like):
        if isinstance(found, Indexed):
            return factor.xreplace({index: found.indices[0]})
    return factor


def polynomial(body: Expr, v: Basic) -> bool:
    if v not in free(body):
        return True
    if body.is_Add or body.is_Mul:
        return all(polynomial(a, v) for a in body.args)
    if body.is_Pow:
        return bool(body.exp.is_integer and body.exp.is_nonnegative) and (
            polynomial(body.base, v)
        )
    if isinstance(body, Sum):
        return oo not in body.limits[0] and polynomial(body.function, v)
    return body == v or (isinstance(body, Indexed) and body.base == v)


# --- reading a line ---------------------------------------------------------


def plain(expr: Basic, argument: Argument) -> Basic:
    """The line without abbreviations: definitions and models written out.

    To multiply and divide by a density q needs that it is positive wherever
    the numerator is.
    """
    if isinstance(expr, Density) and str(expr.args[0]) in argument.model:
        role, at, _ = expr.args
        return plain(argument.model[str(role)].xreplace({z: at}), argument)
    if isinstance(expr, Term) and (found := expr.definition()) is not None:
        return plain(found, argument)
    if isinstance(expr, Mul):
        parts = [
            (isinstance(a, Term) and a.definition()) or a for a in expr.args
        ]
        for a in parts:
            for b in parts:
                if isinstance(b, Density) and a.is_Mul and 1 / b in a.args:
                    argument.need("where", b, a * b)
        expr = Mul(*parts, evaluate=False)
    if not expr.args or isinstance(expr, (Indexed, IndexedBase)):
        return expr
    return expr.func(*(plain(a, argument) for a in expr.args))


# --- rules ------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """An axiom: the sentence for the page, and the rewriting of one node.

    It is tried at the nodes of its `kinds`; `node` takes one, the argument
    and the densities around it, and returns None where it does not apply.
    `proved` names the derivation that proves a rule; then it is no axiom.
    """

    kinds: Any
    sentence: str
    node: Any
    proved: str = ""


RULES: dict[str, Rule] = {}


def rule(name: str, kinds: Any, sentence: str, proved: str = "") -> Any:
    def keep(node: Any) -> Any:
        RULES[name] = Rule(kinds, sentence, node, proved)
        return node

    return keep


def rewrite(
    name: str, expr: Any, argument: Argument, under: tuple[Expr, ...] = ()
) -> Any:
    """The expression with a rule applied at every node, innermost first.

    `under` are the densities of the expectations around it; they stay.
    """
    if expr.args and not isinstance(expr, (Indexed, IndexedBase, Density)):
        parts, rest = expr.args, ()
        if isinstance(expr, Expectation):
            parts, rest = expr.args[:1], expr.args[1:]
        inside = (*under, *rest[:1])
        args = tuple(rewrite(name, a, argument, inside) for a in parts)
        if args != parts:
            expr = expr.func(*args, *rest)
    if not isinstance(expr, RULES[name].kinds):
        return expr
    found = RULES[name].node(expr, argument, under)
    return expr if found is None else found


# --- lemmas and steps -------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """A result that a step cites, with what stands for its letters.

    `lemma` is a derivation, or a theorem of others, stated and not proved.
    """

    lemma: Any
    where: Mapping[Any, Any] = field(default_factory=dict)

    def side(self, expr: Expr, a: Argument) -> Expr:
        return plain(expr.xreplace(dict(self.where)), a)

    def granted(self, a: Argument) -> None:
        """Its assumptions must follow from those of the step."""
        for condition in self.lemma.assumes:
            a.need(condition.kind, *(self.side(e, a) for e in condition.args))

    def inside(self, expr: Expr, a: Argument) -> Expr:
        """The expression with the lemma's last line put for its first."""
        old, new = (
            self.side(e, a) for e in (self.lemma.start, self.lemma.last)
        )
        return _replaced(expr, canonical(old), new)


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    if canonical(expr) == old:
        return new
    if not expr.args or isinstance(expr, (Indexed, IndexedBase, Density)):
        return expr
    return expr.func(*(_replaced(a, old, new) for a in expr.args))


def turned(expr: Expr, rules: list[str], a: Argument) -> Expr:
    """A line after the rules, in their order."""
    for name in rules:
        if name in a.uses:
            if a.uses[name].lemma.relation != "=":
                raise Unproved(f"`{name}` is an inequality, no equation")
            expr = a.uses[name].inside(expr, a)
        elif name in RULES:
            expr = rewrite(name, expr, a)
    return expr


def _side(expr: Expr, rules: list[str], a: Argument) -> Expr:
    """The normal form after the rules, remembered with what they needed."""
    key = (expr, *rules)
    if key not in a.memory:
        mine = replace(a, rests=set(), needed=[])
        try:
            found = canonical(turned(plain(expr, mine), rules, mine))
        except Unproved as fault:
            found = str(fault)
        a.memory[key] = (found, mine)
    found, mine = a.memory[key]
    if isinstance(found, str):
        raise Unproved(found)
    a.rests |= mine.rests
    a.needed += mine.needed
    return found


def merged(expr: Expr, a: Argument) -> Expr:
    """A sum of expectations under one density as one expectation.

    All but one must be finite; the sum of the others then says that it is.
    """
    inside: dict[tuple[Any, ...], Expr] = {}
    doubtful = []
    for term in Add.make_args(expr):
        found = [b for b in Mul.make_args(term) if isinstance(b, Expectation)]
        if len(found) != 1:
            return expr
        body, *rest = found[0].args
        if a.follows("finite", found[0]):
            a.needed.append(Condition("finite", (found[0],)))
        else:
            doubtful.append(found[0])
        key = tuple(rest)
        inside[key] = inside.get(key, Integer(0)) + term / found[0] * body
    for one in doubtful[1:]:
        a.need("finite", one)
    return Add(*(Expectation(b, *rest) for rest, b in inside.items()))


def same(before: Expr, after: Expr, rules: list[str], a: Argument) -> None:
    """Raises Unproved unless the rules turn one line into the other.

    They may be applied to the line above, to the line below, to both, or to
    the difference, where its expectations are merged into one if not all of
    them are known to be finite.
    """
    fault = unequal = "the rules do not lead from the line above to this one"
    for one, two in ((rules, []), ([], rules), (rules, rules)):
        trial = replace(a, rests=set(), needed=[])
        try:
            if _side(before, one, trial) == _side(after, two, trial):
                a.rests |= trial.rests
                a.needed += trial.needed
                return
        except Unproved as found:
            fault = str(found)
    if "linearity" in rules and fault != unequal:
        gap = plain(before, a) - plain(after, a)
        if canonical(turned(merged(gap, a), rules, a)) == 0:
            return
    raise Unproved(fault)


def holds(before: Expr, step: Any, a: Argument) -> None:
    """Raises Unproved unless the step holds after the line above."""
    for expr in (before, step.expr, step.gap or Integer(0)):
        if found := unknown(expr):
            raise Unproved(
                f"the kernel does not know {found}: write the line with the"
                " objects of `proofs.vocabulary`"
            )
    rules = step.rule.split(", ")
    for name in rules:
        if name in a.uses:
            a.uses[name].granted(a)
            a.rests.add(a.uses[name].lemma.name)
        elif name in RULES:
            a.rests.add(name)
        elif name not in FREE:
            known = ", ".join((*FREE, *RULES, *a.uses))
            raise Unproved(f"`{name}` is no rule; rules here are {known}")
    if step.relation == "=":
        same(before, step.expr, rules, a)
        return
    low, high = before, step.expr
    if step.relation == ">=":
        low, high = high, low
    pairs = below(low, high, step.gap, rules, a)
    stated = list((step.equal or {}).items()) or [NEVER]
    implied = all(any(alike(p, s, a) for p in pairs) for s in stated)
    imply = all(
        any(alike(p, s, a) for s in stated)
        or canonical((p[0] - p[1]).xreplace(dict(stated))) == 0
        for p in pairs
    )
    if not (implied and imply):
        raise Unproved("the case of equality is not the one that is stated")


FREE = ("algebra", "definition", "sign", "multiplication by one")
Pair = tuple[Expr, Expr]


def below(
    low: Expr, high: Expr, gap: Expr | None, rules: list[str], a: Argument
) -> list[Pair]:
    """When low <= high is an equality; raises Unproved if it is not shown."""
    for use in (a.uses[name] for name in rules if name in a.uses):
        ends = use.lemma.start, use.lemma.last
        if use.lemma.relation != "=":
            if use.lemma.relation == ">=":
                ends = ends[::-1]
            if any(
                canonical(plain(mine, a)) != canonical(use.side(its, a))
                for mine, its in zip((low, high), ends, strict=True)
            ):
                raise Unproved(f"this is not what {use.lemma.name} says")
            return [
                (use.side(one, a), use.side(two, a))
                for step in use.lemma.steps
                for one, two in (step.equal or {}).items()
            ]
    if gap is None:
        raise Unproved("an inequality must state its gap, or cite one")
    sides = [plain(e, a) for e in (low, high, gap)]
    (around, small), (one, large), (two, between) = map(_insides, sides)
    if around is not None and around == one == two:
        difference = turned(small + between - large, rules, a)
        if canonical(difference) != 0:
            raise Unproved("the gap is not the difference of the two sides")
        a.rests.add("order")
    else:
        same(high, low + gap, rules, a)
    return sign(gap, a)


def _insides(e: Expr) -> tuple[Any, Expr]:
    """What stands around an expectation or a sum of integrals, and inside."""
    if isinstance(e, Expectation):
        return e.args[1:], e.args[0]
    if isinstance(e, Sum) and isinstance(e.function, Integral):
        return (e.limits, e.function.limits), e.function.function
    return None, e


def sign(gap: Expr, a: Argument, under: tuple[Expr, ...] = ()) -> list[Pair]:
    """What must be equal where a gap is zero, if it cannot be negative."""
    if isinstance(gap, TangentGap):
        u, m = gap.args
        a.need("nonnegative", plain(u, a))
        if not any(a.follows("where", plain(m, a), q) for q in under):
            a.need("positive", plain(m, a))
        a.rests.add("tangent")
        return [(u, m)]
    if isinstance(gap, Expectation):
        a.rests.add("order")
        return sign(gap.args[0], a, (*under, plain(gap.args[1], a)))
    if isinstance(gap, Sum):
        return sign(gap.function, a, under)
    if isinstance(gap, Integral):
        return sign(_inside(gap, a), a, under)
    if isinstance(gap, Pow) and gap.exp.is_even:
        root = factor(together(plain(gap.base, a)))
        factors = [b for b in _bases(root) if not b.is_positive]
        return [(Mul(*factors), Integer(0))]
    if isinstance(gap, Add):
        return [pair for part in gap.args for pair in sign(part, a, under)]
    if isinstance(gap, Mul):
        doubtful = [part for part in gap.args if not part.is_positive]
        if len(doubtful) == 1:
            return sign(doubtful[0], a, under)
    if isinstance(gap, log) and isinstance(gap.args[0], Ratio):
        whole, part = (plain(b, a) for b in gap.args[0].args)
        if isinstance(whole, Sum) and part in (
            whole.function.xreplace({whole.variables[0]: v})
            for v in free(part)
        ):
            a.need("positive", part)
            a.rests.add("one of many")
            return [NEVER]
    if gap.is_positive:
        return [NEVER]
    raise Unproved(f"nothing shows that ${latex(gap)}$ is not negative")


NEVER = (Integer(0), Integer(1))


def _inside(e: Integral, a: Argument) -> Expr:
    """The integrand; over [0, 1] the variable is 1 / (1 + t), t > 0."""
    ((v, *ends),) = e.limits
    if ends != [0, 1]:
        return e.function
    inside = {v: 1 / (1 + Symbol("t", positive=True))}
    return factor(together(plain(e.function, a).xreplace(inside)))


def alike(one: Pair, two: Pair, a: Argument) -> bool:
    """Whether two equations say the same, where no side vanishes."""
    first, second = (plain(left - right, a) for left, right in (one, two))
    if 0 in (canonical(first - second), canonical(first + second)):
        return True
    if 0 in (one[1], two[1]):
        return False
    rules = ["expectation", "mass one", "Bayes", "marginal density"]
    first, second = (
        canonical(turned(plain(left, a) / plain(right, a), rules, a))
        for left, right in (one, two)
    )
    return first == second or canonical(first * second) == 1
