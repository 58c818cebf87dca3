r"""The few mathematical objects that the proofs speak of.

An object is a sympy expression with three readings. `_latex` says how a
textbook prints it; `definition` says what it abbreviates, which is all that
the kernel knows of it; `meaning` says what it stands for in a world (see
`worlds`), where densities are concrete and integrals can be computed. LaTeX
is only ever written from these objects, never read.

Notation: x is an observation, z a latent variable, p(z) the prior,
p(x | z) the likelihood, q(z | x) the approximate posterior, mu and sigma a
mean and a standard deviation, epsilon a standard normal variable.
Logarithms are natural, information is in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympy import (
    Add,
    Expr,
    IndexedBase,
    Integral,
    Matrix,
    Mul,
    Product,
    Rational,
    Symbol,
    exp,
    log,
    pi,
    sqrt,
)
from sympy.core.basic import Basic
from sympy.printing.latex import LatexPrinter

if TYPE_CHECKING:
    from proofs.worlds import World

x, z, w, mu, t = (
    Symbol(name, real=True) for name in ("x", "z", "w", "mu", "t")
)
theta, epsilon, ell = (
    Symbol(name, real=True) for name in ("theta", "epsilon", "ell")
)
sigma, s, u, m = (
    Symbol(name, positive=True) for name in ["sigma", "s", "u", "m"]
)
d, i, j, D, L, N = (
    Symbol(name, integer=True, positive=True) for name in "dijDLN"
)
k, n = (Symbol(name, integer=True) for name in ["k", "n"])
order = Symbol("n", integer=True, nonnegative=True)  # of a moment
phi = Symbol("phi", real=True)  # a weight of the encoder
zs, epsilons = (
    IndexedBase(name, shape=(D,), real=True) for name in ("z", "epsilon")
)
drawn = IndexedBase("z", shape=(L,), real=True)  # L samples of z
data = IndexedBase("x", shape=(N,), real=True)  # N observations
mus = IndexedBase("mu", real=True)
sigmas = IndexedBase("sigma", positive=True)
half = Rational(1, 2)


def plus(*terms: Any) -> Expr:
    """The sum of the terms, in the order in which they are written."""
    return Add(*terms, evaluate=False)


def times(*factors: Any) -> Expr:
    """The product of the factors, in the order in which they are written."""
    return Mul(*factors, evaluate=False)


class Term(Expr):
    """An object of the vocabulary: a real number with a name.

    A term is either an abbreviation, with a `definition` in simpler terms,
    or a primitive, which kernel and worlds each read in their own way.
    """

    is_commutative = True
    is_extended_real = True
    is_finite = True

    def __new__(cls, *args: Any) -> Any:
        return Expr.__new__(
            cls, *(a if isinstance(a, Basic) else Rational(a) for a in args)
        )

    def definition(self) -> Expr | None:
        """What the term abbreviates; None for a primitive."""
        return None

    def meaning(self, world: World) -> Expr:
        """What the term stands for in a world."""
        found = self.definition()
        if found is None:
            raise NotImplementedError(f"{type(self).__name__} has no meaning")
        return found

    def _latex(self, printer: LatexPrinter) -> str:
        raise NotImplementedError


PHRASES = {
    "positive": "${} > 0$",
    "nonnegative": r"${} \ge 0$",
    "where": "${} > 0$ wherever ${} > 0$",
    "finite": "${}$ is finite",
    "dominated": r"for ${1}$ near any value ${0}$ is dominated by one"
    " integrable function",
    "summable": "${}$ converges absolutely",
}


@dataclass(frozen=True)
class Condition:
    """What a rule needs or a statement assumes.

    "where" (p, q) says that p > 0 wherever q > 0, almost everywhere.
    """

    kind: str
    args: tuple[Expr, ...]
    text: str = ""  # for the page, where the formula would be long

    def __str__(self) -> str:
        return self.text or PHRASES[self.kind].format(*map(latex, self.args))


def assume(kind: str, *args: Expr, text: str = "") -> Condition:
    return Condition(kind, args, text)


class Let(Term):
    """A symbol that abbreviates an expression."""

    def definition(self) -> Expr:
        return self.args[1]

    def _eval_is_positive(self) -> bool | None:
        return self.args[1].is_positive

    def _latex(self, printer: LatexPrinter) -> str:
        return printer.doprint(self.args[0])


class Ratio(Term):
    """A quotient that is printed as a fraction and not cancelled."""

    def definition(self) -> Expr:
        return self.args[0] / self.args[1]

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _latex(self, printer: LatexPrinter) -> str:
        above, below = (printer.doprint(a) for a in self.args)
        return rf"\frac{{{above}}}{{{below}}}"


class Density(Term):
    """A probability density of the model, at a value of its latent variable.

    The prior p(z), the likelihood p(x | z) and the encoder q(z | x) are
    arbitrary. The joint density p(x, z), the evidence p(x) and the posterior
    p(z | x) follow from them by rules. The observation is x or, say, x_i; for
    an encoder as a function of a weight, that weight stands in its place.
    """

    is_positive = True

    PRINTED = {  # noqa: RUF012
        "prior": "p({z})",
        "likelihood": r"p({x} \mid {z})",
        "encoder": r"q({z} \mid {x})",
        "joint": "p({x}, {z})",
        "evidence": "p({x})",
        "posterior": r"p({z} \mid {x})",
        "weighted": r"q_{{x}}({z} \mid x)",  # {x} is a weight here
    }
    DEFINED: dict[str, Callable[[Basic, Basic], Expr]] = {  # noqa: RUF012
        "joint": lambda z, x: likelihood(z, x) * prior(z),
        "evidence": lambda _, x: Over(joint(z, x), z),
        "posterior": lambda z, x: joint(z, x) / evidence(x),
    }

    def __new__(cls, role: Basic, latent: Basic, data: Basic = x) -> Density:
        return super().__new__(cls, role, latent, data)

    def meaning(self, world: World) -> Expr:
        if str(self.args[0]) in self.DEFINED:
            return self.formula()
        return world.density(*self.args)

    def formula(self) -> Expr:
        """A joint density, evidence or posterior by those it follows from."""
        role, latent, data = self.args
        return self.DEFINED[str(role)](latent, data)

    def _latex(self, printer: LatexPrinter) -> str:
        role, latent, data = (printer.doprint(a) for a in self.args)
        form = self.PRINTED.get(role, role + "({z})")
        return form.replace("{z}", latent).replace("{x}", data)


def prior(latent: Basic = z) -> Density:
    return Density(Symbol("prior"), latent)


def likelihood(latent: Basic = z, data: Basic = x) -> Density:
    return Density(Symbol("likelihood"), latent, data)


def encoder(latent: Basic = z, data: Basic = x) -> Density:
    return Density(Symbol("encoder"), latent, data)


def joint(latent: Basic = z, data: Basic = x) -> Density:
    return Density(Symbol("joint"), latent, data)


def posterior(latent: Basic = z, data: Basic = x) -> Density:
    return Density(Symbol("posterior"), latent, data)


def evidence(data: Basic = x) -> Density:
    return Density(Symbol("evidence"), Rational(0), data)


class Vector(Term):
    """A vector in D dimensions with a name, given by its entry number d."""

    def __new__(cls, name: Basic, entry: Basic) -> Vector:
        return super().__new__(cls, name, entry)

    def _latex(self, printer: LatexPrinter) -> str:
        return printer.doprint(self.args[0])


def entry(vector: Basic, index: Any) -> Expr:
    """The entry of a vector; a number stands for D equal entries."""
    if isinstance(vector, Vector):
        return vector.args[1].xreplace({d: index})
    return vector[index] if isinstance(vector, IndexedBase) else vector


class Output(Term):
    """An output of the encoder, as a function of a weight phi.

    The second argument is the order of the derivative by the weight.
    """

    def __new__(cls, symbol: Basic, order: Any = 0, by: Any = phi) -> Output:
        return super().__new__(cls, symbol, order, by)

    def meaning(self, world: World) -> Expr:
        return world.output(*self.args)

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_positive if self.args[1] == 0 else None

    def _latex(self, printer: LatexPrinter) -> str:
        symbol, order, _ = self.args
        return (r"\partial_\phi " if order else "") + printer.doprint(symbol)


class TestFunction(Term):
    r"""An arbitrary function f(z; phi) at a point, or a derivative of it.

    `by` is 0 for the value, the weight phi for the derivative by it at a
    fixed point, or the number d of an entry of z.
    """

    __test__ = False  # no case for pytest

    def __new__(
        cls, at: Basic, by: Any = 0, weight: Basic = phi
    ) -> TestFunction:
        return super().__new__(cls, at, by, weight)

    def meaning(self, world: World) -> Expr:
        return world.function(*self.args)

    def _latex(self, printer: LatexPrinter) -> str:
        at, by, _ = (printer.doprint(a) for a in self.args)
        sign = "" if self.args[1] == 0 else rf"\partial_{{{by}}} "
        return sign + rf"f({at};\, \phi)"


class PositiveFunction(Term):
    """An arbitrary function f >= 0 at a point."""

    is_positive = True

    def meaning(self, world: World) -> Expr:
        return world.positive(self.args[0])

    def _latex(self, printer: LatexPrinter) -> str:
        return f"f({printer.doprint(self.args[0])})"


class Normal(Term):
    r"""The normal density N(z; mu, sigma^2); sigma a standard deviation."""

    is_positive = True

    def meaning(self, world: World) -> Expr:
        return self.formula()

    def formula(self) -> Expr:
        at, mean, deviation = self.args
        if not deviation.is_positive:
            raise ValueError(f"the deviation {deviation} is not positive")
        square = (at - mean) ** 2 / (2 * deviation**2)
        return exp(-square) / (sqrt(2 * pi) * deviation)

    def _latex(self, printer: LatexPrinter) -> str:
        at, mean, deviation = self.args
        at, mean, variance = map(printer.doprint, (at, mean, deviation**2))
        return rf"\mathcal{{N}}({at};\, {mean}, {variance})"


class DiagonalNormal(Term):
    r"""The normal density in D dimensions with covariance diag(sigma^2).

    In a world it stands for the general formula, with determinant and
    inverse of the covariance matrix.
    """

    is_positive = True

    def meaning(self, world: World) -> Expr:
        at, mean, deviation = self.args
        number = world.size(D)
        if not entry(deviation, 1).is_positive:
            raise ValueError(f"the deviation {deviation} is not positive")
        gap = Matrix(
            [entry(at, i) - entry(mean, i) for i in range(1, number + 1)]
        )
        covariance = Matrix(
            number,
            number,
            lambda i, j: entry(deviation, i + 1) ** 2 if i == j else 0,
        )
        (square,) = gap.T * covariance.inv() * gap
        return exp(-square / 2) / sqrt((2 * pi) ** number * covariance.det())

    def factor(self, index: Basic) -> Expr:
        """The density of one coordinate of a vector."""
        if not isinstance(self.args[0], (IndexedBase, Vector)):
            raise ValueError(f"{self.args[0]} has no entries")
        return Normal(*(entry(a, index) for a in self.args))

    def _latex(self, printer: LatexPrinter) -> str:
        at, mean, deviation = self.args
        inside = (
            "I"
            if deviation == 1
            else rf"\operatorname{{diag}}({printer.doprint(deviation)}^2)"
        )
        where, centre = printer.doprint(at), printer.doprint(mean)
        return rf"\mathcal{{N}}({where};\, {centre}, {inside})"


class Over(Term):
    r"""The integral over all of latent space, a sum where z is discrete.

    The variable is z, or a vector: an indexed one with its size as shape.
    """

    def meaning(self, world: World) -> Expr:
        body, variable = self.args
        if not isinstance(variable, IndexedBase):
            return world.over(body, variable)
        for i in range(1, world.size(variable.shape[0]) + 1):
            body = world.over(body, variable[i])
        return body

    def _eval_is_nonnegative(self) -> bool | None:
        return self.args[0].is_nonnegative

    def _latex(self, printer: LatexPrinter) -> str:
        body, variable = (printer.doprint(a) for a in self.args)
        return rf"\int {body} \, d{variable}"


class Expectation(Term):
    r"""The expectation E_q[body] over the variable of the density q."""

    def __new__(
        cls, body: Any, density: Basic, variable: Basic = z
    ) -> Expectation:
        return super().__new__(cls, body, density, variable)

    def meaning(self, world: World) -> Expr:
        body, density, variable = self.args
        normal = isinstance(density, (Normal, DiagonalNormal))
        if not isinstance(density, (Term, Product)) or (
            normal and density.args[0] != variable
        ):
            raise ValueError(f"{density} is no density of {variable}")
        return Over(density * body, variable)

    def _eval_is_nonnegative(self) -> bool | None:
        return self.args[0].is_nonnegative

    def _latex(self, printer: LatexPrinter) -> str:
        body, density = (printer.doprint(a) for a in self.args[:2])
        return rf"\mathbb{{E}}_{{{density}}}\left[ {body} \right]"


class Variance(Expectation):
    """The variance E[body^2] - E[body]^2 under a density."""

    def definition(self) -> Expr:
        body, *rest = self.args
        return Expectation(body**2, *rest) - Expectation(body, *rest) ** 2

    def meaning(self, world: World) -> Expr:
        return self.definition()

    def _latex(self, printer: LatexPrinter) -> str:
        body, density = (printer.doprint(a) for a in self.args[:2])
        return rf"\operatorname{{Var}}_{{{density}}}\left[ {body} \right]"


class KL(Term):
    """The Kullback-Leibler divergence of a density q from a density p.

    It is E_q[log(q / p)]. That it is not negative is the derivation
    `kl-nonnegative`.
    """

    is_nonnegative = True

    def __new__(cls, q: Basic, p: Basic, variable: Basic = z) -> KL:
        return super().__new__(cls, q, p, variable)

    def definition(self) -> Expr:
        q, p, variable = self.args
        return Expectation(log(Ratio(q, p)), q, variable)

    def _latex(self, printer: LatexPrinter) -> str:
        q, p = (printer.doprint(a) for a in self.args[:2])
        return rf"D_{{\mathrm{{KL}}}}\left( {q} \,\|\, {p} \right)"


class TangentGap(Term):
    """How far log u lies below its tangent at m > 0.

    It is log m + (u - m) / m - log u. That it is not negative is the
    derivation `log-concave`.
    """

    is_nonnegative = True

    def definition(self) -> Expr:
        u, m = self.args
        return log(m) + (u - m) / m - log(u)

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\delta({', '.join(map(printer.doprint, self.args))})"


class Boundary(Term):
    """A function of a variable at infinity, less that at minus infinity.

    It holds a normal density.
    """

    def _latex(self, printer: LatexPrinter) -> str:
        body, variable = (printer.doprint(a) for a in self.args)
        ends = rf"{{{variable} = -\infty}}^{{{variable} = \infty}}"
        return rf"\left[ {body} \right]_{ends}"


NOISE = Normal(epsilon, 0, 1)
NOISES = DiagonalNormal(epsilons, 0, 1)


def moved(mean: Basic, deviation: Basic) -> Vector:
    r"""The vector mu + sigma * epsilon."""
    inside = entry(mean, d) + entry(deviation, d) * epsilons[d]
    name = r"\mu + \sigma \cdot \epsilon"
    return Vector(Symbol(name), inside)


class Printer(LatexPrinter):
    """sympy's LaTeX printer with a textbook's habits."""

    SIMPLE = (
        Density,
        DiagonalNormal,
        Expectation,
        Let,
        Normal,
        Output,
        Over,
        PositiveFunction,
        Ratio,
        Symbol,
        TestFunction,
        Vector,
    )

    def __init__(self) -> None:
        super().__init__({"order": "none", "long_frac_ratio": 1})

    def _print_log(self, expr: Basic, exp: str | None = None) -> str:
        (inside,) = expr.args
        text = self._print(inside)
        power = f"^{{{exp}}}" if exp else ""
        simple = isinstance(inside, self.SIMPLE) or (
            (inside.is_Pow and inside.exp == 2) or isinstance(inside, Product)
        )
        return (
            rf"\log{power} {text}"
            if simple
            else rf"\log{power} \left( {text} \right)"
        )

    def _print_Integral(self, expr: Integral) -> str:
        body, measure = self._print(expr.function), ""
        signs = ""
        for variable, *bounds in expr.limits:
            ends = [self._print(bound) for bound in bounds]
            signs = r"\int" + "_{%s}^{%s}" % tuple(ends) + " " + signs  # noqa: UP031
            measure += rf" \, d{self._print(variable)}"
        if expr.function.is_Add:
            body = rf"\left( {body} \right)"
        return signs + body + measure

    def _print_Indexed(self, expr: Basic) -> str:
        base, *indices = (self._print(a) for a in expr.args)
        base, *outer = base.replace("_{", "_").rstrip("}").split("_")
        return f"{base}_{{{','.join(outer + indices)}}}"


def latex(expr: Basic) -> str:
    """LaTeX for an expression that may hold objects of the vocabulary."""
    return Printer().doprint(expr)
