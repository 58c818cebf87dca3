r"""The few mathematical objects that the proofs speak of.

An object is a sympy expression with two readings. `_latex` says how a
textbook prints it; `meaning` says what it stands for in terms of simpler
objects and, at the bottom, of a world (see `worlds`), where densities are
concrete and integrals can be computed. LaTeX is only ever written from these
objects, never read.

Notation: x is an observation, z a latent variable, p(z) the prior,
p(x | z) the likelihood, q(z | x) the approximate posterior, mu and sigma a
mean and a standard deviation, epsilon a standard normal variable.
Logarithms are natural, information is in nats.
"""

from __future__ import annotations

from collections.abc import Callable
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
d, j, D, L = (
    Symbol(name, integer=True, positive=True) for name in ["d", "j", "D", "L"]
)
k, n = (Symbol(name, integer=True) for name in ["k", "n"])
zs = IndexedBase("z", real=True)
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
    """An object of the vocabulary: a real number with a name."""

    is_commutative = True
    is_extended_real = True
    is_finite = True

    def __new__(cls, *args: Any) -> Any:
        return Expr.__new__(
            cls, *(a if isinstance(a, Basic) else Rational(a) for a in args)
        )

    def meaning(self, world: World) -> Expr:
        """What the term stands for, in simpler terms."""
        raise NotImplementedError

    def _latex(self, printer: LatexPrinter) -> str:
        raise NotImplementedError


class Let(Term):
    """A symbol that abbreviates an expression."""

    def meaning(self, world: World) -> Expr:
        return self.args[1]

    def _eval_is_positive(self) -> bool | None:
        return self.args[1].is_positive

    def _latex(self, printer: LatexPrinter) -> str:
        return printer.doprint(self.args[0])


class Ratio(Term):
    """A quotient that is printed as a fraction and not cancelled."""

    def meaning(self, world: World) -> Expr:
        return self.args[0] / self.args[1]

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _latex(self, printer: LatexPrinter) -> str:
        above, below = (printer.doprint(a) for a in self.args)
        return rf"\frac{{{above}}}{{{below}}}"


class Density(Term):
    """A probability density of the model, at a value of its latent variable.

    A world supplies the prior, the likelihood and q. The others are defined
    by these: p(x, z) = p(x | z) p(z), the evidence p(x) is the integral of
    p(x, z) over z, and the posterior is p(z | x) = p(x, z) / p(x).
    """

    is_positive = True

    PRINTED = {  # noqa: RUF012
        "prior": "p({z})",
        "likelihood": r"p(x \mid {z})",
        "encoder": r"q({z} \mid x)",
        "joint": "p(x, {z})",
        "evidence": "p(x)",
        "posterior": r"p({z} \mid x)",
    }
    DEFINED: dict[str, Callable[[Basic], Expr]] = {  # noqa: RUF012
        "joint": lambda z: likelihood(z) * prior(z),
        "evidence": lambda z: Over(joint(z), z),
        "posterior": lambda z: joint(z) / evidence(),
    }

    def meaning(self, world: World) -> Expr:
        role, latent = self.args
        if str(role) in self.DEFINED:
            return self.DEFINED[str(role)](latent)
        return world.density(role, latent)

    def _latex(self, printer: LatexPrinter) -> str:
        role, latent = (printer.doprint(a) for a in self.args)
        return self.PRINTED.get(role, role + "({z})").replace("{z}", latent)


def prior(latent: Basic = z) -> Density:
    return Density(Symbol("prior"), latent)


def likelihood(latent: Basic = z) -> Density:
    return Density(Symbol("likelihood"), latent)


def encoder(latent: Basic = z) -> Density:
    return Density(Symbol("encoder"), latent)


def joint(latent: Basic = z) -> Density:
    return Density(Symbol("joint"), latent)


def posterior(latent: Basic = z) -> Density:
    return Density(Symbol("posterior"), latent)


def evidence() -> Density:
    return Density(Symbol("evidence"), z)


class TestFunction(Term):
    """An arbitrary function f, or its derivative, at a point."""

    __test__ = False  # no case for pytest

    def __new__(cls, at: Basic, slope: bool = False) -> TestFunction:
        return super().__new__(cls, at, int(slope))

    def meaning(self, world: World) -> Expr:
        return world.function(self.args[0], bool(self.args[1]))

    def _latex(self, printer: LatexPrinter) -> str:
        prime = "'" if self.args[1] else ""
        return f"f{prime}({printer.doprint(self.args[0])})"


class PositiveFunction(TestFunction):
    """An arbitrary positive function f at a point."""

    is_positive = True

    def meaning(self, world: World) -> Expr:
        return world.positive(self.args[0])


class Normal(Term):
    r"""The normal density N(z; mu, sigma^2); sigma a standard deviation."""

    is_positive = True

    def meaning(self, world: World) -> Expr:
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

    It stands for the general formula, with determinant and inverse of the
    covariance matrix.
    """

    is_positive = True

    def meaning(self, world: World) -> Expr:
        at, mean, deviation, size = self.args
        number = world.size(size)
        gap = Matrix(
            [_entry(at, i) - _entry(mean, i) for i in range(1, number + 1)]
        )
        covariance = Matrix(
            number,
            number,
            lambda i, j: _entry(deviation, i + 1) ** 2 if i == j else 0,
        )
        (square,) = gap.T * covariance.inv() * gap
        return exp(-square / 2) / sqrt((2 * pi) ** number * covariance.det())

    def _latex(self, printer: LatexPrinter) -> str:
        at, mean, deviation, _ = self.args
        inside = (
            "I"
            if deviation == 1
            else rf"\operatorname{{diag}}({printer.doprint(deviation)}^2)"
        )
        where, centre = printer.doprint(at), printer.doprint(mean)
        return rf"\mathcal{{N}}({where};\, {centre}, {inside})"


def _entry(vector: Basic, index: int) -> Expr:
    return vector[index] if isinstance(vector, IndexedBase) else vector


class Over(Term):
    r"""The integral over all of latent space, a sum where z is discrete.

    The variable is z, or the vector (z_1, ..., z_size).
    """

    def __new__(cls, body: Any, variable: Basic, size: Any = 1) -> Over:
        return super().__new__(cls, body, variable, size)

    def meaning(self, world: World) -> Expr:
        body, variable, size = self.args
        if not isinstance(variable, IndexedBase):
            return world.over(body, variable)
        for i in range(1, world.size(size) + 1):
            body = world.over(body, variable[i])
        return body

    def _eval_is_nonnegative(self) -> bool | None:
        return self.args[0].is_nonnegative

    def _latex(self, printer: LatexPrinter) -> str:
        body, variable = (printer.doprint(a) for a in self.args[:2])
        return rf"\int {body} \, d{variable}"


class Expectation(Term):
    r"""The expectation E_q[body] over the variable of the density q."""

    def __new__(
        cls, body: Any, density: Basic, variable: Basic = z, size: Any = 1
    ) -> Expectation:
        return super().__new__(cls, body, density, variable, size)

    def meaning(self, world: World) -> Expr:
        body, density, variable, size = self.args
        return Over(density * body, variable, size)

    def _eval_is_nonnegative(self) -> bool | None:
        return self.args[0].is_nonnegative

    def _latex(self, printer: LatexPrinter) -> str:
        body, density = (printer.doprint(a) for a in self.args[:2])
        return rf"\mathbb{{E}}_{{{density}}}\left[ {body} \right]"


class Variance(Expectation):
    """The variance E[body^2] - E[body]^2 under a density."""

    def meaning(self, world: World) -> Expr:
        body, *rest = self.args
        return Expectation(body**2, *rest) - Expectation(body, *rest) ** 2

    def _latex(self, printer: LatexPrinter) -> str:
        body, density = (printer.doprint(a) for a in self.args[:2])
        return rf"\operatorname{{Var}}_{{{density}}}\left[ {body} \right]"


class KL(Term):
    """The Kullback-Leibler divergence of a density q from a density p.

    It is E_q[log(q / p)]. That it is not negative is the derivation
    `kl-nonnegative`.
    """

    is_nonnegative = True

    def __new__(
        cls, q: Basic, p: Basic, variable: Basic = z, size: Any = 1
    ) -> KL:
        return super().__new__(cls, q, p, variable, size)

    def meaning(self, world: World) -> Expr:
        q, p, variable, size = self.args
        return Expectation(log(q / p), q, variable, size)

    def _latex(self, printer: LatexPrinter) -> str:
        q, p = (printer.doprint(a) for a in self.args[:2])
        return rf"D_{{\mathrm{{KL}}}}\left( {q} \,\|\, {p} \right)"


class TangentGap(Term):
    """How far log u lies below its tangent at m > 0.

    It is log m + (u - m) / m - log u. That it is not negative is the
    derivation `log-concave`.
    """

    is_nonnegative = True

    def meaning(self, world: World) -> Expr:
        u, m = self.args
        return log(m) + (u - m) / m - log(u)

    def _latex(self, printer: LatexPrinter) -> str:
        return rf"\delta({', '.join(map(printer.doprint, self.args))})"


class Printer(LatexPrinter):
    """sympy's LaTeX printer with a textbook's habits."""

    SIMPLE = (
        Density,
        DiagonalNormal,
        Expectation,
        Let,
        Normal,
        Over,
        Ratio,
        Symbol,
        TestFunction,
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
        return f"{base}_{{{','.join(indices)}}}"


def latex(expr: Basic) -> str:
    """LaTeX for an expression that may hold objects of the vocabulary."""
    return Printer().doprint(expr)
