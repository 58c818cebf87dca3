"""Problems 2(c) and 2(d): reparameterisation and the normal density."""

from sympy import (
    Derivative,
    IndexedBase,
    Integer,
    Integral,
    Product,
    Sum,
    Symbol,
    exp,
    log,
    oo,
    pi,
)

from proofs.derivation import Derivation, Step
from proofs.vocabulary import (
    NOISE,
    NOISES,
    Boundary,
    D,
    Density,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Output,
    Over,
    Ratio,
    TestFunction,
    Vector,
    assume,
    d,
    epsilon,
    epsilons,
    half,
    moved,
    mus,
    order,
    phi,
    plus,
    sigmas,
    times,
    z,
    zs,
)
from proofs.worlds import LINE, ONE_COORDINATE, PLANE

means, deviations = (
    Vector(Symbol(name), base[d])
    for name, base in (("mu", mus), ("sigma", sigmas))
)
sample = moved(means, deviations)
density = DiagonalNormal(zs, means, deviations)
diagonal = Let(Symbol("q(z)"), density)
unit_diagonal = Let(Symbol("p(z)"), DiagonalNormal(zs, 0, 1))
coordinate = Normal(zs[d], mus[d], sigmas[d])


def over_all(body):  # type: ignore[no-untyped-def]
    """The product over the coordinates."""
    return Product(body, (d, 1, D))


REPARAMETERISATION = Derivation(
    name="reparameterisation",
    title="The reparameterised sample has the right density",
    kind="thm",
    statement="Let every $\\sigma_d$ be positive. For every function $f$ for"
    " which one side exists",
    closing="So $\\mu + \\sigma \\cdot \\epsilon$ has the density"
    " $\\mathcal{N}(z;\\, \\mu, \\operatorname{diag}(\\sigma^2))$.",
    idea="Substitute in the integral, one coordinate at a time.",
    start=Expectation(TestFunction(zs), density, zs),
    steps=(
        Step(
            Over(times(TestFunction(zs), over_all(coordinate)), zs),
            "expectation, diagonal covariance",
        ),
        Step(
            Over(
                times(
                    TestFunction(sample),
                    over_all(
                        times(
                            sigmas[d],
                            Normal(
                                plus(mus[d], times(sigmas[d], epsilons[d])),
                                mus[d],
                                sigmas[d],
                            ),
                        )
                    ),
                ),
                epsilons,
            ),
            "change of variables",
        ),
        Step(
            Over(
                times(
                    TestFunction(sample), over_all(Normal(epsilons[d], 0, 1))
                ),
                epsilons,
            ),
            "normal density",
        ),
        Step(
            Expectation(TestFunction(sample), NOISES, epsilons),
            "expectation, diagonal covariance",
        ),
    ),
    worlds=(ONE_COORDINATE,),
)

outputs = Vector(Symbol("mu"), Output(mus[d]))
scales = Vector(Symbol("sigma"), Output(sigmas[d]))
drawn_here = moved(outputs, scales)
inside = TestFunction(drawn_here)

GRADIENT = Derivation(
    name="gradient",
    title="The gradient passes through the sample",
    kind="thm",
    statement="Let $\\phi$ be any weight of the encoder, and let $\\mu$,"
    " $\\sigma > 0$ and $f$ itself, which may depend on it, be continuously"
    " differentiable, and the expectation finite. Then",
    closing="where $\\partial_\\phi f$ is the derivative at a fixed first"
    " argument. With $\\mu_d$ or $\\sigma_d$ for $\\phi$ these are the"
    " gradients by mean and deviation.",
    assumes=(assume("dominated", Derivative(inside, phi), phi),),
    idea="The density of $\\epsilon$ does not depend on the weight, so the"
    " derivative passes inside; there it meets $f$ by way of $z$ and, in the"
    " direct term, as it is.",
    start=Derivative(
        Expectation(TestFunction(zs), DiagonalNormal(zs, outputs, scales), zs),
        phi,
    ),
    steps=(
        Step(
            Derivative(Expectation(inside, NOISES, epsilons), phi),
            "reparameterisation",
        ),
        Step(
            Expectation(Derivative(inside, phi), NOISES, epsilons),
            "differentiation under the integral",
        ),
        Step(
            Expectation(
                plus(
                    Sum(
                        times(
                            TestFunction(drawn_here, d),
                            plus(
                                Output(mus[d], 1),
                                times(epsilons[d], Output(sigmas[d], 1)),
                            ),
                        ),
                        (d, 1, D),
                    ),
                    TestFunction(drawn_here, phi),
                ),
                NOISES,
                epsilons,
            ),
            "chain rule",
        ),
    ),
    worlds=(ONE_COORDINATE,),
)

weighted = Density(Symbol("weighted"), z, phi)

SCORE = Derivation(
    name="score",
    title="The direct term of the log density has mean zero",
    statement="For any density $q_\\phi(z \\mid x)$, differentiable in a"
    " weight $\\phi$,",
    closing="So a gradient of the bound may leave this term out.",
    assumes=(assume("dominated", Derivative(weighted, phi), phi),),
    idea="Its integral is the derivative of a mass, which is constant.",
    start=Expectation(Derivative(log(weighted), phi), weighted),
    steps=(
        Step(
            Over(Derivative(weighted, phi), z),
            "chain rule, expectation",
        ),
        Step(
            Derivative(Over(weighted, z), phi),
            "differentiation under the integral",
        ),
        Step(Integer(0), "mass one, chain rule"),
    ),
)

logvar = Let(IndexedBase("lambda", real=True)[d], log(sigmas[d] ** 2))
square = plus(zs[d], -mus[d]) ** 2


def halves(body, sign=1):  # type: ignore[no-untyped-def]
    """Half of a sum over the coordinates."""
    return times(sign * half, Sum(body, (d, 1, D)))


LOG_NORMAL = Derivation(
    name="log-normal",
    title="The log density of a diagonal normal",
    kind="thm",
    statement="Let every $\\sigma_d$ be positive. Then",
    lets=(logvar,),
    idea="The density is a product over coordinates, so its logarithm is a"
    " sum; the network gives the log variance, which may be any number.",
    start=log(density),
    steps=(
        Step(
            Sum(log(coordinate), (d, 1, D)),
            "diagonal covariance, logarithm",
        ),
        Step(
            halves(
                plus(
                    log(2 * pi),
                    log(sigmas[d] ** 2),
                    Ratio(square, sigmas[d] ** 2),
                ),
                -1,
            ),
            "normal density, logarithm",
        ),
        Step(
            halves(plus(log(2 * pi), logvar, times(square, exp(-logvar))), -1),
            "algebra",
        ),
    ),
    worlds=(PLANE,),
)

log_ratio = halves(
    plus(log(sigmas[d] ** 2), Ratio(square, sigmas[d] ** 2), -(zs[d] ** 2))
)

LOG_RATIO = Derivation(
    name="log-ratio",
    title="What one sample contributes besides the reconstruction",
    statement="Let every $\\sigma_d$ be positive. Then",
    lets=(diagonal, unit_diagonal),
    idea="The constants of the two log densities cancel.",
    start=log(Ratio(unit_diagonal, diagonal)),
    steps=(
        Step(plus(log(unit_diagonal), -log(diagonal)), "logarithm"),
        Step(
            log_ratio,
            "diagonal covariance, logarithm, normal density, logarithm",
        ),
    ),
    worlds=(PLANE,),
)

powers = -(epsilon ** plus(order, 1))

MOMENTS = Derivation(
    name="normal-moments",
    title="The moments of the noise",
    statement="Let $\\epsilon$ be standard normal and $n \\ge 0$ an integer."
    " Then",
    closing="As the mean is zero and the mass one,"
    " the moments are 0, 1, 0, 3 and so on.",
    idea="Integrate by parts: the derivative of the density is $-\\epsilon$"
    " times itself.",
    start=Expectation(epsilon ** plus(order, 2), NOISE, epsilon),
    steps=(
        Step(
            plus(
                Boundary(times(powers, NOISE), epsilon),
                times(
                    plus(order, 1),
                    Expectation(epsilon**order, NOISE, epsilon),
                ),
            ),
            "fundamental theorem, linearity",
        ),
        Step(
            times(plus(order, 1), Expectation(epsilon**order, NOISE, epsilon)),
            "Gaussian tails",
        ),
    ),
    worlds=(LINE,),
)

FIRST_MOMENT = Derivation(
    name="first-moment",
    title="The mean of the noise",
    statement="Let $\\epsilon$ be standard normal. Then",
    idea="The integrand is a derivative.",
    start=Expectation(epsilon, NOISE, epsilon),
    steps=(
        Step(
            Boundary(-NOISE, epsilon),
            "fundamental theorem",
        ),
        Step(Integer(0), "Gaussian tails"),
    ),
    worlds=(LINE,),
)

a, b, r = (Symbol(name, real=True) for name in ["a", "b", "r"])
angle = Symbol("phi", real=True)
quarter = Ratio(1, 2 * pi)

NORMAL_MASS = Derivation(
    name="normal-mass",
    title="The normal density has mass one",
    statement="Let $\\epsilon$ be standard normal. The square of the mass of"
    " its density is",
    closing="The mass is positive, so it is one. By the change of variables"
    " the mass of any normal density is one, and so is that of a product.",
    idea="The square is an integral over the plane; take it in polar"
    " coordinates.",
    start=Integral(NOISE, (epsilon, -oo, oo)) ** 2,
    steps=(
        Step(
            times(
                quarter,
                Integral(
                    exp(-Ratio(plus(a**2, b**2), 2)),
                    (a, -oo, oo),
                    (b, -oo, oo),
                ),
            ),
            "normal density, Fubini",
        ),
        Step(
            times(
                quarter,
                Integral(
                    times(r, exp(-Ratio(r**2, 2))),
                    (r, 0, oo),
                    (angle, 0, 2 * pi),
                ),
            ),
            "polar coordinates",
        ),
        Step(
            times(quarter, Integral(Integer(1), (angle, 0, 2 * pi))),
            "fundamental theorem",
            antiderivative=-exp(-(r**2) / 2),
        ),
        Step(Integer(1), "fundamental theorem", antiderivative=angle),
    ),
    worlds=(LINE,),
)

DERIVATIONS = (
    REPARAMETERISATION,
    GRADIENT,
    SCORE,
    NORMAL_MASS,
    FIRST_MOMENT,
    MOMENTS,
    LOG_NORMAL,
    LOG_RATIO,
)
