"""Problem 4(c): the wrapped normal density on the circle."""

from sympy import Integral, Sum, Symbol, cos, log, oo, pi

from proofs.derivation import Derivation, Step
from proofs.vocabulary import (
    KL,
    Expectation,
    Let,
    Normal,
    Ratio,
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
from proofs.worlds import (
    CIRCLE,
    HARMONICS,
    ONE_IMAGE,
    SERIES,
    TRIGONOMETRIC,
    rho,
    wrapped,
)

f = wrapped(theta)
uniform = Let(Symbol("u"), 1 / (2 * pi))


def wave(at):  # type: ignore[no-untyped-def]
    return cos(times(n, plus(at, -mu)), evaluate=False)


def image(at):  # type: ignore[no-untyped-def]
    return Normal(plus(at, times(2, pi, k)), mu, sigma)


MOMENTS = Derivation(
    name="wrapped-moments",
    title="The cosine moments of the wrapped normal",
    assumptions="A normal variable with mean $\\mu$ and deviation $\\sigma$"
    " is read as an angle: all points that differ by a multiple of $2 \\pi$"
    " are one. Its density on the circle is the sum over these images.",
    lets=(f, rho),
    statement="Then for every integer $n$",
    closing="For $n = 0$ this says that the density has mass one.",
    start=Integral(times(wave(theta), f), (theta, -pi, pi)),
    steps=(
        Step(
            Sum(
                Integral(times(wave(theta), image(theta)), (theta, -pi, pi)),
                (k, -oo, oo),
            ),
            "Fubini",
            "Integrate the sum term by term. The sum of the absolute values"
            " converges, so the order does not matter.",
        ),
        Step(
            Sum(
                Integral(
                    times(wave(t), Normal(t, mu, sigma)),
                    (t, times(plus(2 * k, -1), pi), times(plus(2 * k, 1), pi)),
                ),
                (k, -oo, oo),
            ),
            "change of variables",
            "Shift the $k$-th image by $2 \\pi k$. The cosine has that"
            " period and does not notice.",
        ),
        Step(
            Integral(times(wave(t), Normal(t, mu, sigma)), (t, -oo, oo)),
            "tiling the line",
            "The intervals lie end to end and cover the line.",
        ),
        Step(
            rho ** (n**2),
            "characteristic function",
            "What is left is the real part of the characteristic function of"
            " a normal variable.",
        ),
    ),
    notes=(
        "The exchange of sum and integral and the union of countably many"
        " intervals are applied as rules, after sympy has checked that the"
        " shifted integrand does not depend on $k$ and that each interval"
        " ends where the next begins.",
    ),
    worlds=(CIRCLE,),
)

coefficient = Integral(times(wave(t), wrapped(t)), (t, -pi, pi))
FOURIER = Derivation(
    name="wrapped-fourier",
    title="Its Fourier series",
    lets=(f, rho),
    statement="Then",
    closing="The sum over images converges fast for small $\\sigma$, this one"
    " for large.",
    start=f,
    steps=(
        Step(
            times(
                Ratio(1, 2 * pi),
                plus(
                    1,
                    times(2, Sum(times(wave(theta), coefficient), (n, 1, oo))),
                ),
            ),
            "Fourier series",
            "The density is a smooth function with period $2 \\pi$, even"
            " about $\\mu$ and of mass one. So it is its cosine series.",
        ),
        Step(
            times(
                Ratio(1, 2 * pi),
                plus(
                    1,
                    times(
                        2, Sum(times(rho ** (n**2), wave(theta)), (n, 1, oo))
                    ),
                ),
            ),
            "cosine moments",
            "Insert the cosine moments.",
        ),
    ),
    notes=(
        "A continuous function is determined by its Fourier coefficients."
        " sympy compares the first four of each line; the numbers compare the"
        " lines themselves, point by point.",
    ),
    worlds=HARMONICS,
)

product_part = Sum(log(plus(1, -(rho ** (2 * n)))), (n, 1, oo))
sign = (-1) ** (n + 1)

EXACT_KL = Derivation(
    name="wrapped-kl",
    title="The divergence from the uniform density",
    kind="thm",
    lets=(f, uniform, rho),
    statement="Then",
    start=KL(f, uniform, theta),
    steps=(
        Step(
            Expectation(log(times(2, pi, f)), f, theta),
            "definition",
            "The uniform density is $1 / (2 \\pi)$ everywhere.",
        ),
        Step(
            plus(
                product_part,
                Expectation(
                    Sum(
                        log(
                            plus(
                                1,
                                times(2, rho ** (2 * n - 1), cos(theta - mu)),
                                rho ** (4 * n - 2),
                            )
                        ),
                        (n, 1, oo),
                    ),
                    f,
                    theta,
                ),
            ),
            "triple product",
            "The Fourier series of the density is a theta function. Jacobi's"
            " triple product turns it into a product, and the logarithm of"
            " that is a sum. Its first part does not depend on the angle.",
        ),
        Step(
            plus(
                product_part,
                Expectation(
                    Sum(
                        times(
                            Ratio(
                                2 * sign * rho**n,
                                times(n, plus(1, -(rho ** (2 * n)))),
                            ),
                            wave(theta),
                        ),
                        (n, 1, oo),
                    ),
                    f,
                    theta,
                ),
            ),
            "two series",
            "Each bracket is $|1 + \\rho^{2n-1} e^{i (\\theta - \\mu)}|^2$."
            " Expand its logarithm in cosines, and sum the powers of $\\rho$"
            " as geometric series.",
        ),
        Step(
            plus(
                product_part,
                Sum(
                    times(
                        Ratio(
                            2 * sign * rho**n,
                            times(n, plus(1, -(rho ** (2 * n)))),
                        ),
                        Expectation(wave(theta), f, theta),
                    ),
                    (n, 1, oo),
                ),
            ),
            "Fubini",
            "The series converges absolutely, so the expectation can be taken"
            " term by term.",
        ),
        Step(
            plus(
                product_part,
                Sum(
                    Ratio(
                        2 * sign * rho ** (n**2 + n),
                        times(n, plus(1, -(rho ** (2 * n)))),
                    ),
                    (n, 1, oo),
                ),
            ),
            "cosine moments",
            "Insert the cosine moments.",
        ),
    ),
    notes=(
        "The triple product is cited, not proved: it is theorem 352 of Hardy"
        " and Wright, An Introduction to the Theory of Numbers. sympy"
        " compares the lines as power series in $\\rho$, to order six; the"
        " numbers compare them in full.",
    ),
    worlds=(SERIES,),
)

straight = Normal(t, mu, sigma)


one = Let(Symbol(r"g_{k}(\theta)", positive=True), image(theta))


def over_images(body):  # type: ignore[no-untyped-def]
    return Sum(Integral(times(one, body), (theta, -pi, pi)), (k, -oo, oo))


KL_BOUND = Derivation(
    name="wrapped-kl-bound",
    title="A lower bound that is sharp for small deviations",
    lets=(f, uniform, one),
    statement="Then",
    closing="So wrapping loses entropy. The loss vanishes faster than any"
    " power of $\\sigma$ as $\\sigma$ goes to zero.",
    start=KL(f, uniform, theta),
    steps=(
        Step(
            Expectation(log(times(2, pi, f)), f, theta),
            "definition",
            "The uniform density is $1 / (2 \\pi)$ everywhere.",
            worlds=(SERIES,),
        ),
        Step(
            over_images(log(times(2, pi, f))),
            "Fubini",
            "Insert the sum over images and integrate it term by term.",
            worlds=(TRIGONOMETRIC,),
        ),
        Step(
            over_images(log(times(2, pi, one))),
            "one of many",
            "Inside the logarithm one image is less than the sum of all.",
            relation=">=",
            gap=over_images(log(Ratio(f, one))),
            equal=None,
            worlds=(ONE_IMAGE,),
        ),
        Step(
            Integral(
                times(straight, log(times(2, pi, straight))), (t, -oo, oo)
            ),
            "tiling",
            "Shift the images. The intervals lie end to end.",
        ),
        Step(
            plus(
                log(2 * pi),
                times(-half, log(times(2, pi, sigma**2))),
                -half,
            ),
            "normal entropy",
            "The expectation of the log density is minus the entropy of the"
            " normal density.",
        ),
    ),
    notes=(
        "sympy checks the exchange of sum and integral for trigonometric"
        " polynomials in place of the logarithm, and the inequality at every"
        " angle for any positive number in place of the other images.",
    ),
    worlds=(CIRCLE,),
)

DERIVATIONS = (MOMENTS, FOURIER, EXACT_KL, KL_BOUND)
