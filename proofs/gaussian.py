"""Problems 2(c) and 2(d): reparameterisation and the normal density."""

from sympy import (
    Derivative,
    IndexedBase,
    Integer,
    Integral,
    Product,
    Rational,
    Sum,
    Symbol,
    exp,
    log,
    oo,
    pi,
    sqrt,
)

from proofs.derivation import Derivation, Step
from proofs.vocabulary import (
    D,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Ratio,
    TestFunction,
    d,
    epsilon,
    mu,
    mus,
    plus,
    sigma,
    sigmas,
    t,
    times,
    z,
    zs,
)
from proofs.worlds import LINE

noise = Normal(epsilon, 0, 1)
sample = plus(mu, times(sigma, epsilon))


def bell(at, centre, deviation):  # type: ignore[no-untyped-def]
    """The normal density, written out."""
    square = Ratio(plus(at, -centre) ** 2, times(2, deviation**2))
    return times(Ratio(1, times(deviation, sqrt(2 * pi))), exp(-square))


REPARAMETERISATION = Derivation(
    name="reparameterisation",
    title="The reparameterised sample has the right density",
    assumptions="Let $\\epsilon$ be standard normal and $\\sigma > 0$. The"
    " sample $\\mu + \\sigma \\epsilon$ is at most $z$ exactly if $\\epsilon$"
    " is at most $(z - \\mu) / \\sigma$.",
    statement="So its distribution function is the left side of",
    closing="and its density at $z$ is $\\mathcal{N}(z;\\, \\mu, \\sigma^2)$.",
    start=Integral(noise, (epsilon, -oo, Ratio(plus(z, -mu), sigma))),
    steps=(
        Step(
            Integral(
                times(
                    Normal(Ratio(plus(t, -mu), sigma), 0, 1),
                    Ratio(1, sigma),
                ),
                (t, -oo, z),
            ),
            "change of variables",
            "Substitute $\\epsilon \\mapsto (t - \\mu) / \\sigma$, which"
            " increases because $\\sigma$ is positive. Its derivative is"
            " $1 / \\sigma$.",
        ),
        Step(
            Integral(bell(t, mu, sigma), (t, -oo, z)),
            "definition",
            "Write out the standard normal density.",
        ),
        Step(
            Integral(Normal(t, mu, sigma), (t, -oo, z)),
            "definition",
            "This is the normal density with mean $\\mu$ and variance"
            " $\\sigma^2$. A distribution function determines its density.",
        ),
    ),
    worlds=(LINE,),
)

POLYNOMIAL_NOTE = (
    "Checked for every polynomial $f$ of degree four or less. For other"
    " functions the exchange of derivative and integral needs a dominating"
    " integrable function, which polynomial growth of $f'$ provides."
)


def gradient(parameter, name, of, slope, text):  # type: ignore[no-untyped-def]
    """The derivation for the derivative by mu or by sigma."""
    return Derivation(
        name=f"gradient-{name}",
        title=f"The gradient by the {of} passes inside",
        assumptions="Let $f$ be differentiable, with a derivative of at most"
        " polynomial growth.",
        statement="Then",
        start=Derivative(
            Expectation(TestFunction(z), Normal(z, mu, sigma)), parameter
        ),
        steps=(
            Step(
                Derivative(
                    Expectation(TestFunction(sample), noise, epsilon),
                    parameter,
                ),
                "reparameterisation",
                "Draw $z$ as $\\mu + \\sigma \\epsilon$. The density no longer"
                " depends on the parameters.",
            ),
            Step(
                Expectation(
                    Derivative(TestFunction(sample), parameter), noise, epsilon
                ),
                "exchange",
                "So the derivative passes through the integral.",
            ),
            Step(Expectation(slope, noise, epsilon), "chain rule", text),
        ),
        notes=(POLYNOMIAL_NOTE,),
        worlds=(LINE,),
    )


GRADIENT_MEAN = gradient(
    mu,
    "mean",
    "mean",
    TestFunction(sample, slope=True),
    "The sample moves with $\\mu$ at rate one.",
)
GRADIENT_DEVIATION = gradient(
    sigma,
    "deviation",
    "standard deviation",
    times(TestFunction(sample, slope=True), epsilon),
    "The sample moves with $\\sigma$ at rate $\\epsilon$.",
)

variances = sigmas[d] ** 2
logvar = Let(IndexedBase("lambda", real=True)[d], log(variances))
coordinate = Normal(zs[d], mus[d], sigmas[d])
square = plus(zs[d], -mus[d]) ** 2

LOG_NORMAL = Derivation(
    name="log-normal",
    title="The log density of a diagonal normal",
    kind="thm",
    assumptions="Let $z$ have $D$ coordinates, a mean $\\mu$ and a diagonal"
    " covariance with entries $\\sigma_d^2 > 0$.",
    lets=(logvar,),
    statement="Then",
    start=log(DiagonalNormal(zs, mus, sigmas, D)),
    steps=(
        Step(
            log(Product(coordinate, (d, 1, D))),
            "diagonal covariance",
            "The determinant of a diagonal matrix is the product of its"
            " entries and its inverse is diagonal, so the density is a"
            " product over coordinates.",
        ),
        Step(
            Sum(log(coordinate), (d, 1, D)),
            "log of a product",
            "The logarithm turns the product into a sum.",
        ),
        Step(
            Sum(log(bell(zs[d], mus[d], sigmas[d])), (d, 1, D)),
            "definition",
            "Write out the density of one coordinate.",
        ),
        Step(
            times(
                -Rational(1, 2),
                Sum(
                    plus(
                        log(2 * pi), log(variances), Ratio(square, variances)
                    ),
                    (d, 1, D),
                ),
            ),
            "logarithm",
            "The logarithm undoes the exponential.",
        ),
        Step(
            times(
                -Rational(1, 2),
                Sum(
                    plus(log(2 * pi), logvar, times(square, exp(-logvar))),
                    (d, 1, D),
                ),
            ),
            "log variance",
            "The network gives the logarithm of the variance, which may be"
            " any real number.",
        ),
    ),
    notes=(
        "Checked from the general formula, with determinant and inverse, for"
        " two dimensions. The steps treat every coordinate alike.",
    ),
    worlds=(LINE,),
)

density = Let(Symbol("q(z)"), DiagonalNormal(zs, mus, sigmas, D))
unit_density = Let(Symbol("p(z)"), DiagonalNormal(zs, 0, 1, D))

LOG_RATIO = Derivation(
    name="log-ratio",
    title="What one sample contributes besides the reconstruction",
    assumptions="Let every $\\sigma_d$ be positive.",
    lets=(density, unit_density, logvar),
    statement="Then",
    start=log(Ratio(unit_density, density)),
    steps=(
        Step(
            plus(log(unit_density), -log(density)),
            "log of a fraction",
            "The logarithm of the fraction is a difference.",
        ),
        Step(
            plus(
                times(
                    -Rational(1, 2),
                    Sum(plus(log(2 * pi), zs[d] ** 2), (d, 1, D)),
                ),
                times(
                    Rational(1, 2),
                    Sum(
                        plus(log(2 * pi), logvar, times(square, exp(-logvar))),
                        (d, 1, D),
                    ),
                ),
            ),
            "log densities",
            "Insert the log density of a diagonal normal twice.",
        ),
        Step(
            times(
                Rational(1, 2),
                Sum(
                    plus(logvar, times(square, exp(-logvar)), -(zs[d] ** 2)),
                    (d, 1, D),
                ),
            ),
            "collecting",
            "The constants cancel.",
        ),
    ),
    worlds=(LINE,),
)

a, b, r, angle = (Symbol(name, real=True) for name in ["a", "b", "r", "phi"])

NORMAL_MASS = Derivation(
    name="normal-mass",
    title="The normal density has mass one",
    assumptions="Let $\\sigma > 0$.",
    statement="Then the square of the mass is one:",
    closing="The mass is positive, so it is one; and a diagonal normal in"
    " $D$ dimensions, a product of such densities, has mass one too.",
    start=Integral(Normal(z, mu, sigma), (z, -oo, oo)) ** 2,
    steps=(
        Step(
            Integral(noise, (epsilon, -oo, oo)) ** 2,
            "change of variables",
            "Substitute $z \\mapsto \\mu + \\sigma \\epsilon$.",
        ),
        Step(
            times(
                Ratio(1, 2 * pi),
                Integral(
                    exp(-Ratio(plus(a**2, b**2), 2)),
                    (a, -oo, oo),
                    (b, -oo, oo),
                ),
            ),
            "Fubini",
            "The square of an integral is a double integral.",
        ),
        Step(
            times(
                Ratio(1, 2 * pi),
                Integral(
                    times(r, exp(-Ratio(r**2, 2))),
                    (r, 0, oo),
                    (angle, 0, 2 * pi),
                ),
            ),
            "polar coordinates",
            "In polar coordinates the area element is $r \\, dr \\, d\\phi$.",
        ),
        Step(
            times(Ratio(1, 2 * pi), Integral(Integer(1), (angle, 0, 2 * pi))),
            "antiderivative",
            "The inner integrand is the derivative of $-e^{-r^2 / 2}$.",
        ),
        Step(Integer(1), "length", "The circle has length $2 \\pi$."),
    ),
    worlds=(LINE,),
)

DERIVATIONS = (
    REPARAMETERISATION,
    GRADIENT_MEAN,
    GRADIENT_DEVIATION,
    LOG_NORMAL,
    LOG_RATIO,
    NORMAL_MASS,
)
