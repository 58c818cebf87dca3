"""Problem 4(c): the wrapped normal density on the circle."""

from sympy import Integral, Sum, Symbol, cos, log, oo, pi

from proofs.circle import CIRCLE, rho, wrapped
from proofs.derivation import Cited, Derivation, Step
from proofs.kernel import Use
from proofs.vocabulary import (
    KL,
    Expectation,
    Let,
    Normal,
    PositiveFunction,
    Ratio,
    assume,
    half,
    k,
    mu,
    n,
    plus,
    sigma,
    t,
    theta,
    times,
)

f = wrapped(theta)
uniform = Let(Symbol("u"), 1 / (2 * pi))
straight = Normal(t, mu, sigma)


def wave(at, order=n):  # type: ignore[no-untyped-def]
    return cos(times(order, plus(at, -mu)), evaluate=False)


def image(at):  # type: ignore[no-untyped-def]
    return Normal(plus(at, times(2, pi, k)), mu, sigma)


def series(body, index=n):  # type: ignore[no-untyped-def]
    return Sum(body, (index, 1, oo))


CHARACTERISTIC = Cited(
    "characteristic function",
    "The characteristic function of a normal density.",
    Integral(times(wave(t), straight), (t, -oo, oo)),
    rho ** (n**2),
)

MOMENTS = Derivation(
    name="wrapped-moments",
    title="The cosine moments of the wrapped normal",
    lets=(f, rho),
    statement="A normal variable, read as an angle, has the sum of its images"
    " as density. For every integer $n$",
    closing="For $n = 0$ this says that the density has mass one.",
    idea="Integrate term by term, move each image to its place on the line,"
    " and read off the characteristic function.",
    start=Integral(times(wave(theta), f), (theta, -pi, pi)),
    steps=(
        Step(
            Sum(
                Integral(times(wave(theta), image(theta)), (theta, -pi, pi)),
                (k, -oo, oo),
            ),
            "Fubini",
        ),
        Step(
            Sum(
                Integral(
                    times(wave(t), straight),
                    (t, times(plus(2 * k, -1), pi), times(plus(2 * k, 1), pi)),
                ),
                (k, -oo, oo),
            ),
            "change of variables",
        ),
        Step(Integral(times(wave(t), straight), (t, -oo, oo)), "tiling"),
        Step(
            rho ** (n**2),
            "characteristic function",
            uses={"characteristic function": Use(CHARACTERISTIC)},
        ),
    ),
    worlds=(CIRCLE,),
)

g = PositiveFunction
FOURIER_SERIES = Cited(
    "Fourier series",
    "A smooth density on the circle that is even about a point is its cosine"
    " series.",
    g(theta),
    times(
        Ratio(1, 2 * pi),
        plus(
            1,
            times(
                2,
                series(
                    times(
                        wave(theta),
                        Integral(times(wave(t), g(t)), (t, -pi, pi)),
                    )
                ),
            ),
        ),
    ),
)
coefficient = Integral(times(wave(t), wrapped(t)), (t, -pi, pi))


def cosines(body):  # type: ignore[no-untyped-def]
    """The cosine series with a coefficient."""
    total = series(times(body, wave(theta)))
    return times(Ratio(1, 2 * pi), plus(1, times(2, total)))


FOURIER = Derivation(
    name="wrapped-fourier",
    title="Its Fourier series",
    statement="For every $\\sigma > 0$",
    lets=(f, rho),
    closing="The sum over images converges fast for small $\\sigma$, this one"
    " for large.",
    idea="A smooth function on the circle is its Fourier series.",
    start=f,
    steps=(
        Step(
            cosines(coefficient),
            "Fourier series",
            uses={
                "Fourier series": Use(
                    FOURIER_SERIES, {g(theta): f, g(t): wrapped(t)}
                )
            },
        ),
        Step(
            cosines(rho ** (n**2)),
            "moments of cosines",
            uses={"moments of cosines": Use(MOMENTS)},
        ),
    ),
    worlds=(CIRCLE,),
)

y, r = Symbol("y", real=True), Symbol("r", positive=True)
product_part = series(log(plus(1, -(rho ** (2 * n)))))


def factor(radius, wave):  # type: ignore[no-untyped-def]
    """|1 + r e^{iy}|^2."""
    return plus(1, times(2, radius, wave), radius**2)


TRIPLE = Cited(
    "triple product",
    "Jacobi's triple product (Hardy and Wright, theorem 352).",
    log(plus(1, times(2, series(times(rho ** (n**2), wave(theta)))))),
    plus(
        product_part,
        series(log(factor(rho ** (2 * n - 1), cos(theta - mu)))),
    ),
)
sign = (-1) ** (k + 1)
LOG_SERIES = Cited(
    "logarithm series",
    "The power series of the logarithm, in the unit disc.",
    log(factor(r, cos(theta - mu))),
    series(Ratio(times(2, sign, r**k, wave(theta, k)), k), k),
)
GEOMETRIC = Cited(
    "geometric series",
    "The geometric series.",
    series(rho ** ((2 * n - 1) * k)),
    Ratio(rho**k, plus(1, -(rho ** (2 * k)))),
)
double = Sum(
    Ratio(times(2, sign, rho ** ((2 * n - 1) * k), wave(theta, k)), k),
    (k, 1, oo),
    (n, 1, oo),
)
outer = series(
    times(
        Ratio(2 * sign, k),
        wave(theta, k),
        series(rho ** ((2 * n - 1) * k)),
    ),
    k,
)


def weight(power):  # type: ignore[no-untyped-def]
    """The coefficient of a cosine in the logarithm, times a power of rho."""
    below = times(k, plus(1, -(rho ** (2 * k))))
    return Ratio(times(2, sign, rho**power), below)


LOG_DENSITY = Derivation(
    name="wrapped-log",
    title="The logarithm of the density",
    assumes=(
        assume(
            "summable",
            Sum(double.function, *double.limits[::-1]),
            text="the double series converges absolutely, as it does for"
            " $\\rho < 1$",
        ),
    ),
    lets=(f, rho),
    idea="The Fourier series is a theta function. Jacobi's triple product"
    " turns it into a product, whose logarithm is a sum; expand that in"
    " cosines and sum the powers of $\\rho$.",
    start=log(times(2, pi, f)),
    steps=(
        Step(
            plus(
                product_part,
                series(log(factor(rho ** (2 * n - 1), cos(theta - mu)))),
            ),
            "Fourier, triple product",
            uses={"Fourier": Use(FOURIER), "triple product": Use(TRIPLE)},
        ),
        Step(
            plus(product_part, double),
            "logarithm series",
            uses={
                "logarithm series": Use(LOG_SERIES, {r: rho ** (2 * n - 1)})
            },
        ),
        Step(plus(product_part, outer), "Fubini"),
        Step(
            plus(product_part, series(times(weight(k), wave(theta, k)), k)),
            "geometric series",
            uses={"geometric series": Use(GEOMETRIC)},
        ),
    ),
    worlds=(CIRCLE,),
)

mean_wave = Expectation(wave(theta, k), f, theta)
EXACT_KL = Derivation(
    name="wrapped-kl",
    title="The divergence from the uniform density",
    kind="thm",
    assumes=(
        *LOG_DENSITY.assumes,
        assume(
            "summable",
            series(Expectation(times(weight(k), wave(theta, k)), f, theta), k),
            text="so does the series of the expectations",
        ),
    ),
    lets=(f, uniform, rho),
    idea="Take the expectation of that series term by term.",
    start=KL(f, uniform, theta),
    steps=(
        Step(Expectation(log(times(2, pi, f)), f, theta), "definition"),
        Step(
            plus(
                product_part,
                Expectation(
                    series(times(weight(k), wave(theta, k)), k), f, theta
                ),
            ),
            "log density, linearity, mass one",
            uses={"log density": Use(LOG_DENSITY)},
        ),
        Step(
            plus(product_part, series(times(weight(k), mean_wave), k)),
            "Fubini, linearity",
        ),
        Step(
            plus(product_part, series(weight(k**2 + k), k)),
            "expectation, moments of cosines",
            uses={"moments of cosines": Use(MOMENTS, {n: k})},
        ),
    ),
    worlds=(CIRCLE,),
)

one = Let(Symbol(r"g_{k}(\theta)", positive=True), image(theta))


def over_images(body):  # type: ignore[no-untyped-def]
    return Sum(Integral(times(one, body), (theta, -pi, pi)), (k, -oo, oo))


tiles = Sum(
    Integral(
        times(straight, log(times(2, pi, straight))),
        (t, times(plus(2 * k, -1), pi), times(plus(2 * k, 1), pi)),
    ),
    (k, -oo, oo),
)

KL_BOUND = Derivation(
    name="wrapped-kl-bound",
    title="A lower bound that is sharp for small deviations",
    assumes=(
        assume(
            "summable",
            over_images(log(times(2, pi, f))),
            text="the sums over images converge absolutely, as they do because"
            " $\\log f$ is bounded on the circle and a normal variable has a"
            " second moment",
        ),
        assume("summable", tiles, text=" "),
    ),
    lets=(f, uniform, one),
    closing="So wrapping loses entropy.",
    idea="Inside the logarithm one image is less than the sum of all.",
    start=KL(f, uniform, theta),
    steps=(
        Step(
            Expectation(log(times(2, pi, f)), f, theta),
            "definition",
        ),
        Step(
            over_images(log(times(2, pi, f))),
            "expectation, Fubini",
        ),
        Step(
            over_images(log(times(2, pi, one))),
            "logarithm",
            relation=">=",
            gap=over_images(log(Ratio(f, one))),
        ),
        Step(
            Expectation(log(times(2, pi, straight)), straight, t),
            "expectation, change of variables, tiling",
        ),
        Step(
            plus(
                log(2 * pi),
                times(-half, log(times(2, pi, sigma**2))),
                -half,
            ),
            "reparameterisation, normal density, logarithm, linearity,"
            " mass one, moments, logarithm",
        ),
    ),
    worlds=(CIRCLE,),
)

DERIVATIONS = (MOMENTS, FOURIER, LOG_DENSITY, EXACT_KL, KL_BOUND)
