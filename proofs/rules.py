"""The axioms: each a sentence for the page and a rewriting of one node.

A rule returns None where it does not apply. Conditions that it needs it asks
of the argument, which raises where they do not follow from what is assumed.
"""

from __future__ import annotations

from typing import Any

from sympy import (
    Add,
    Derivative,
    Expr,
    Indexed,
    IndexedBase,
    Integer,
    Integral,
    Mul,
    Pow,
    Product,
    Sum,
    Symbol,
    cos,
    expand,
    factor,
    factorial2,
    limit,
    log,
    oo,
    pi,
    sin,
    together,
)  # fmt: skip
from sympy.core.basic import Basic

from proofs.exact import rational
from proofs.kernel import (
    Argument,
    canonical,
    free,
    plain,
    polynomial,
    rule,
    split,
    terms,
)  # fmt: skip
from proofs.vocabulary import (
    NOISE,
    NOISES,
    Boundary,
    Condition,
    D,
    Density,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Output,
    Over,
    TestFunction,
    Vector,
    d,
    entry,
    epsilon,
    epsilons,
    evidence,
    moved,
    phi,
    theta,
)  # fmt: skip


@rule("linearity", (Expectation, Over), "Expectation and integral are linear"
      " where the parts are finite; so are sums.")  # fmt: skip
def _linearity(e: Any, a: Argument, under: Any) -> Expr | None:
    body, *rest = e.args
    variable, parts, varying, sums = rest[-1], [], [], False
    for term in terms(body):
        constant, inner = split(term, variable)
        if isinstance(inner, Sum) and oo not in inner.limits[0]:
            part = e.func(inner.function, *rest)
            parts.append(constant * Sum(part, *inner.limits))
            sums = True
        else:
            part = e.func(inner, *rest)
            parts.append(constant * part)
        if variable in free(inner):
            varying.append(part)
    for part in varying if sums or len(varying) > 1 else ():
        a.need("finite", part)
    return Add(*parts)


@rule("mass one", (Expectation, Over, Integral), "A density has mass one, and"
      " a normal one also when it is wrapped around the circle.")  # fmt: skip
def _mass(e: Any, a: Argument, under: Any) -> Expr | None:
    if isinstance(e, Expectation):
        body, density, variable = e.args
        one = variable not in free(body) and _is_density(density, variable)
        return body if one else None
    if isinstance(e, Integral):
        if [ends for _, *ends in e.limits] != [[-oo, oo]]:
            return None
        variable = e.variables[0]
    else:
        variable = e.args[1]
    constant, body = split(e.args[0], variable)
    return constant if _is_density(body, variable) else None


def _is_density(e: Expr, variable: Basic) -> bool:
    """Whether this is a density of that variable, and no multiple of one."""
    if isinstance(e, Product):  # over the entries of an indexed variable
        ((index, *_),) = e.limits
        return isinstance(variable, IndexedBase) and _is_density(
            e.function, variable[index]
        )
    if isinstance(e, Density):
        roles = ("prior", "encoder", "posterior", "weighted")
        return str(e.args[0]) in roles and e.args[1] == variable
    if isinstance(e, Let):
        return _is_density(e.args[1], variable)
    if isinstance(e, Sum):  # a normal density wrapped around the circle
        ((index, *ends),) = e.limits
        turned = variable + 2 * pi * index
        wrapped = variable == theta and ends == [-oo, oo]
        return wrapped and _is_density(e.function, turned)
    normal = isinstance(e, (Normal, DiagonalNormal))
    return normal and e.args[0] in (variable, -variable)


@rule("expectation", Expectation, "An expectation under a density is the"
      " integral against it. To divide by the density needs that it is"
      " positive wherever the integrand is.")  # fmt: skip
def _expectation(e: Any, a: Argument, under: Any) -> Expr | None:
    body, density, variable = e.args
    inside = body * density
    if isinstance(density, Density) and 1 / density in Mul.make_args(body):
        a.need("where", density, inside)
    if variable == theta:  # an angle
        return Integral(inside, (theta, -pi, pi))
    if isinstance(density, Normal) and isinstance(variable, Symbol):
        return Integral(inside, (variable, -oo, oo))
    return Over(inside, variable)


@rule("marginal density", Density, "The density of x is the integral of the"
      " joint density over z.")  # fmt: skip
def _marginal(e: Any, a: Argument, under: Any) -> Expr | None:
    return e.formula() if str(e.args[0]) == "evidence" else None


@rule("product rule", Density, "The joint density is the likelihood times the"
      " prior.")  # fmt: skip
def _product(e: Any, a: Argument, under: Any) -> Expr | None:
    return plain(e.formula(), a) if str(e.args[0]) == "joint" else None


@rule("Bayes", Density, "The posterior is the joint density over p(x), where"
      " that is positive.")  # fmt: skip
def _bayes(e: Any, a: Argument, under: Any) -> Expr | None:
    if str(e.args[0]) != "posterior":
        return None
    if "likelihood" not in a.model:
        a.need("positive", evidence(e.args[2]))
    return e.formula()


@rule("logarithm", log, "The logarithm of a product of positive factors is the"
      " sum of their logarithms; it undoes the exponential.")  # fmt: skip
def _logarithm(e: Any, a: Argument, under: Any) -> Expr | None:
    total = Add()
    inside = e.args[0]
    if not isinstance(inside, Product):
        inside = factor(together(inside))
    for part in Mul.make_args(inside):
        base, power = part.as_base_exp()
        holder = next((q for q in under if a.follows("where", base, q)), None)
        if holder is None:
            a.need("positive", base)
        elif base.has(Density) and base != holder:
            a.needed.append(Condition("where", (base, holder)))
        if isinstance(base, Product):
            body = _logarithm(log(base.function), a, under)
            total += power * Sum(body, *base.limits)
        else:
            total += power * log(base)
    return total


@rule("reciprocal", log, "The logarithm of a reciprocal has the opposite sign,"
      " in $[0, \\infty]$ too.")  # fmt: skip
def _reciprocal(e: Any, a: Argument, under: Any) -> Expr | None:
    quotient = e.args[0].as_numer_denom()[1] != 1
    return -log(1 / e.args[0]) if quotient else None


@rule("independence", Expectation, "Under a product density the expectation of"
      " what depends on one factor's variable is that under the factor"
      " (Tonelli, Fubini).")  # fmt: skip
def _independence(e: Any, a: Argument, under: Any) -> Expr | None:
    body, density, base = e.args
    if not isinstance(base, IndexedBase):
        return None
    entries = {v for v in free(body) if isinstance(v, Indexed)}
    entries = {v for v in entries if v.base == base}
    if len(entries) != 1 or base in free(
        body.xreplace({v: Symbol("other") for v in entries})
    ):
        return None
    (one,) = entries
    if isinstance(density, Product):
        ((index, *_),) = density.limits
        of_one = density.function.xreplace({index: one.indices[0]})
    elif isinstance(density, DiagonalNormal):
        of_one = density.factor(one.indices[0])
    else:
        return None
    found = Expectation(body, of_one, one)
    a.need("finite", found)
    return found


@rule("diagonal covariance", DiagonalNormal, "A normal density with a diagonal"
      " covariance is the product of the densities of its entries: the"
      " determinant is the product of the diagonal, and the inverse is"
      " diagonal.")  # fmt: skip
def _diagonal(e: Any, a: Argument, under: Any) -> Expr | None:
    if isinstance(e.args[0], Symbol):
        return None
    return Product(e.factor(d), (d, 1, D))


@rule("normal density", Normal, "The normal density is written out.")
def _normal(e: Any, a: Argument, under: Any) -> Expr | None:
    return e.formula()


@rule("change of variables", (Over, Sum, Expectation), "An integral over the"
      " line, or over D of them, may be taken over epsilon with z = mu + sigma"
      " epsilon, sigma > 0, and a factor sigma for every variable; noise may"
      " turn its sign.")  # fmt: skip
def _change(e: Any, a: Argument, under: Any) -> Expr | None:
    if isinstance(e, Over):
        body, v = e.args
        for q in body.atoms(DiagonalNormal, Normal):
            at, mean, deviation = q.args
            if isinstance(at, Indexed) and (at.base, *at.indices) == (v, d):
                new = moved(Vector(at, mean), Vector(at, deviation))
                a.need("positive", deviation)
                scale = Product(deviation, (d, 1, D))
                return Over(_inserted(body, v, new) * scale, epsilons)
            if at == v:
                a.need("positive", deviation)
                moved_body = body.xreplace({v: mean + deviation * epsilon})
                return Over(moved_body * deviation, epsilon)
    if isinstance(e, Sum) and isinstance(e.function, Integral):
        return _shifted(e)
    if isinstance(e, Expectation) and e.args[1] == Normal(e.args[2], 0, 1):
        return e.func(e.args[0].xreplace({e.args[2]: -e.args[2]}), *e.args[1:])
    return None


def _shifted(e: Sum) -> Expr:
    """Integrals of images, each moved by 2 pi k; cosines do not notice."""
    (index, *_), inner = e.limits[0], e.function
    ((v, low, high),) = inner.limits
    body = inner.function.xreplace({v: v - 2 * pi * index})
    body = canonical(body).replace(cos, lambda b: cos(_turned(b)))
    ends = (low + 2 * pi * index, high + 2 * pi * index)
    return Sum(Integral(body, (v, *ends)), *e.limits)


def _turned(angle: Expr) -> Expr:
    """An angle without the terms that are whole turns."""
    return Add(*(t for t in terms(angle) if not (t / (2 * pi)).is_integer))


@rule("reparameterisation", Expectation, "Under a normal density z may"
      " be $\\mu + \\sigma \\epsilon$.", "reparameterisation")  # fmt: skip
def _reparameterise(e: Any, a: Argument, under: Any) -> Expr | None:
    body, density, v = e.args
    if density.args[1:] == (0, 1):
        return None
    if isinstance(density, DiagonalNormal) and density.args[0] == v:
        new = moved(*density.args[1:])
        a.need("positive", entry(density.args[2], d))
        return Expectation(_inserted(body, v, new), NOISES, epsilons)
    if isinstance(density, Normal) and density.args[0] == v:
        _, mean, deviation = density.args
        a.need("positive", deviation)
        new = mean + deviation * epsilon
        return Expectation(body.xreplace({v: new}), NOISE, epsilon)
    return None


def _inserted(body: Expr, base: Basic, new: Vector) -> Expr:
    entries = {
        v: entry(new, v.indices[0])
        for v in body.atoms(Indexed)
        if v.base == base
    }
    return body.xreplace(entries).xreplace({base: new})


@rule("moments", Expectation, "A standard normal variable has the moments 0"
      " (odd), 1, 3, 15, ... (even).", "normal-moments")  # fmt: skip
def _moments(e: Any, a: Argument, under: Any) -> Expr | None:
    body, density, v = e.args
    power = body.as_base_exp()[1]
    unit = density == Normal(v, 0, 1) and body == v**power
    if not (unit and power.is_Integer and power > 0):
        return None
    return Integer(0 if power % 2 else factorial2(power - 1))


@rule("Gaussian tails", Boundary, "Powers are integrable under a normal"
      " density; a power times the density vanishes at infinity.")  # fmt: skip
def _tails(e: Any, a: Argument, under: Any) -> Expr | None:
    body, v = e.args
    normals = [q for q in Mul.make_args(body) if isinstance(q, Normal)]
    if len(normals) == 1:
        at, *others = normals[0].args
        slope = at.diff(v)
        if slope.is_nonzero and all(
            v not in free(e) for e in [slope, *others]
        ):
            base, power = split(body / normals[0], v)[1].as_base_exp()
            simple = polynomial(base, v) and v not in free(power)
            return Integer(0) if simple else None
    return None if v in free(body) else Integer(0)


@rule("fundamental theorem", (Boundary, Integral), "The integral of a"
      " derivative is the difference of the values at the ends.")  # fmt: skip
def _fundamental(e: Any, a: Argument, under: Any) -> Expr | None:
    if isinstance(e, Boundary):
        body, v = e.args
        density = Normal(v, 0, 1)
        slope = (body / density * density.formula()).diff(v)
        inside = rational(slope / density.formula())
        return Expectation(inside, density, v)
    f = a.antiderivative
    *outer, (v, *ends) = e.limits[::-1]
    if f is None or rational(f.diff(v) - e.function) != 0:
        return None
    low, high = (
        limit(f, v, oo) if b == oo else f.xreplace({v: b}) for b in ends
    )
    return Integral(high - low, *outer[::-1]) if outer else high - low


@rule("differentiation under the integral", Derivative, "The derivative by a"
      " parameter passes inside, if near every value of it one integrable"
      " function dominates the derivative of the integrand.")  # fmt: skip
def _exchange(e: Any, a: Argument, under: Any) -> Expr | None:
    if not isinstance(e.expr, (Expectation, Over)):
        return None
    body, *rest = e.expr.args
    (parameter,) = e.variables
    if any(parameter in free(r) for r in rest):
        return None
    a.need("dominated", Derivative(body, parameter), parameter)
    return e.expr.func(Derivative(body, parameter), *rest)


@rule("chain rule", Derivative, "Derivatives of sums, products and"
      " compositions.")  # fmt: skip
def _chain(e: Any, a: Argument, under: Any) -> Expr | None:
    found, (v,) = e.expr, e.variables
    if found.has(Expectation, Over):
        return None
    for (inside,) in (part.args for part in found.atoms(log)):
        if not any(a.follows("where", inside, q) for q in under):
            a.need("positive", inside)
    if isinstance(found, log):
        return Derivative(found.args[0], v) / found.args[0]
    if isinstance(found, TestFunction):
        at = entry(found.args[0], d)
        by_entry = TestFunction(found.args[0], d)
        inner = Sum(by_entry * _by_weight(at), (d, 1, D))
        return inner + TestFunction(found.args[0], phi)
    if found.has(Density, TestFunction):
        constant, rest = split(found, v)
        if constant == 1 or rest == 1:
            return Integer(0) if rest == 1 else None
        inside = Derivative(rest, v)
        return constant * (_chain(inside, a, under) or inside)
    return found.diff(v)


def _by_weight(expr: Expr) -> Expr:
    """The derivative by the weight, on which the outputs depend."""
    dummies = {o: Symbol(f"o{i}") for i, o in enumerate(expr.atoms(Output))}
    inside = expr.xreplace(dummies)
    return Add(
        *(
            inside.diff(dummy) * Output(o.args[0], 1)
            for o, dummy in dummies.items()
        )
    ).xreplace({dummy: o for o, dummy in dummies.items()})


@rule("Fubini", (Pow, Expectation, Over, Integral, Sum), "Sums and integrals"
      " of absolutely convergent families may be exchanged.")  # fmt: skip
def _fubini(e: Any, a: Argument, under: Any) -> Expr | None:
    if isinstance(e, Pow) and isinstance(e.base, Integral) and e.exp == 2:
        ((v, *ends),) = e.base.limits
        one, two = Symbol("a", real=True), Symbol("b", real=True)
        f = e.base.function
        product = f.xreplace({v: one}) * f.xreplace({v: two})
        return Integral(product, (one, *ends), (two, *ends))
    if isinstance(e, (Expectation, Over, Integral)):
        body = e.args[0]
        series = [b for b in Mul.make_args(body) if isinstance(b, Sum)]
        if len(series) == 1 and oo in series[0].limits[0]:
            rest = body / series[0]
            inside = e.func(rest * series[0].function, *e.args[1:])
            found = Sum(inside, *series[0].limits)
            a.need("summable", found)
            return found
    if isinstance(e, Sum) and len(e.limits) == 2:
        found = Sum(e.function, *e.limits[::-1])
        a.need("summable", found)
        return found
    return None


@rule("polar coordinates", Integral, "In the plane the area element is"
      " $r \\, dr \\, d\\phi$.")  # fmt: skip
def _polar(e: Any, a: Argument, under: Any) -> Expr | None:
    if [ends for _, *ends in e.limits] != [[-oo, oo], [-oo, oo]]:
        return None
    one, two = e.variables
    r, angle = Symbol("r", real=True), Symbol("phi", real=True)
    turned = {one: r * cos(angle), two: r * sin(angle)}
    body = expand(e.function.xreplace(turned)).replace(
        lambda b: b.is_Pow and b.base == sin(angle) and b.exp == 2,
        lambda b: 1 - cos(angle) ** 2,
    )
    return Integral(expand(body) * r, (r, 0, oo), (angle, 0, 2 * pi))


@rule("tiling", Sum, "An integral over the line is the sum of those over"
      " intervals end to end, if it converges absolutely.")  # fmt: skip
def _tiling(e: Any, a: Argument, under: Any) -> Expr | None:
    (index, *ends), inner = e.limits[0], e.function
    if not isinstance(inner, Integral) or ends != [-oo, oo]:
        return None
    ((v, first, last),) = inner.limits
    body = canonical(inner.function)
    meet = expand(first.xreplace({index: index + 1}) - last) == 0
    if index in free(body) or not meet:
        return None
    a.need("summable", e)
    return Integral(body, (v, -oo, oo))


# the rules of inequalities, which `below` and `sign` apply, rewrite nothing
rule("order", (), "Expectation, integral and sum keep the order of what is"
     " inside; where both sides are finite, they are equal only if the insides"
     " are almost everywhere.")(None)  # fmt: skip
rule("one of many", (), "A series of positive terms is more than each of them,"
     " and the logarithm increases.")(None)  # fmt: skip
rule("tangent", (), "The logarithm lies below its tangents, and touches them"
     " at one point.", "log-concave")(None)  # fmt: skip
