"""The estimator of problem 2: its mean is the bound, and its variance."""

from sympy import Product, Sum, Symbol, log

from proofs.derivation import Derivation, Step
from proofs.elbo import elbo
from proofs.vocabulary import (
    Expectation,
    L,
    Let,
    Normal,
    Ratio,
    Variance,
    encoder,
    epsilon,
    half,
    j,
    joint,
    likelihood,
    mu,
    plus,
    prior,
    s,
    sigma,
    times,
    w,
    x,
    z,
    zs,
)
from proofs.worlds import LINE, MODEL, POINTS


def summand(at):  # type: ignore[no-untyped-def]
    """What one sample contributes to the estimator."""
    return plus(log(likelihood(at)), log(prior(at)), -log(encoder(at)))


q = encoder()
each = encoder(zs[j])
samples = Let(Symbol("q_L"), Product(each, (j, 1, L)))


def average(term):  # type: ignore[no-untyped-def]
    return times(Ratio(1, L), Sum(term, (j, 1, L)))


SGVB_UNBIASED = Derivation(
    name="sgvb-unbiased",
    title="The estimator is unbiased",
    kind="thm",
    assumptions="Let $z_1, \\dots, z_L$ be independent samples of"
    " $q(z \\mid x)$, and let the bound be finite.",
    lets=(samples,),
    statement="Then the mean of the stochastic gradient estimator is the"
    " bound:",
    start=Expectation(average(summand(zs[j])), samples, zs, L),
    steps=(
        Step(
            average(Expectation(summand(zs[j]), samples, zs, L)),
            "linearity",
            "The expectation passes through the sum.",
        ),
        Step(
            average(Expectation(summand(zs[j]), each, zs[j])),
            "independence",
            "Each summand depends on one sample. The other densities"
            " integrate to one.",
        ),
        Step(
            average(Expectation(summand(z), q)),
            "same distribution",
            "All samples have the same distribution, so the name of the"
            " variable does not matter.",
        ),
        Step(
            Expectation(summand(z), q),
            "equal terms",
            "The mean of $L$ equal terms is any of them.",
        ),
        Step(
            Expectation(log(Ratio(joint(), q)), q),
            "log of a product",
            "The first two logarithms make the log of the joint density.",
        ),
        Step(elbo, "definition", "That is the bound."),
    ),
    notes=(
        "Checked exactly for two samples from three points with arbitrary"
        " weights. The same steps apply to any number of samples.",
    ),
    worlds=(POINTS,),
)

noise = Normal(epsilon, 0, 1)
residual = Ratio(times(w, plus(x, -times(w, mu))), s**2)
linear = Let(Symbol("a"), times(sigma, plus(residual, -mu)))
curved = Let(
    Symbol("b"),
    times(
        half,
        plus(1, -times(sigma**2, plus(1, Ratio(w**2, s**2)))),
    ),
)
linear_reconstruction = Let(Symbol("a"), times(sigma, residual))
curved_reconstruction = Let(
    Symbol("b"), -Ratio(times(w**2, sigma**2), times(2, s**2))
)


def spread(name, title, statement, start, a, b, closing):  # type: ignore[no-untyped-def]
    """The variance of a quadratic in a standard normal variable."""
    return Derivation(
        name=name,
        title=title,
        lets=(*MODEL, a, b),
        statement=statement,
        closing=closing,
        start=start,
        steps=(
            Step(
                Variance(
                    plus(times(a, epsilon), times(b, epsilon**2)),
                    noise,
                    epsilon,
                ),
                "reparameterisation",
                "Insert $\\mu + \\sigma \\epsilon$ for $z$. The logarithms"
                " are quadratic in $\\epsilon$, and constants do not vary.",
            ),
            Step(
                plus(
                    times(a**2, Variance(epsilon, noise, epsilon)),
                    times(2, a, b, Expectation(epsilon**3, noise, epsilon)),
                    times(b**2, Variance(epsilon**2, noise, epsilon)),
                ),
                "variance of a sum",
                "Expand the variance of the sum. As $\\epsilon$ has mean"
                " zero, the covariance is a third moment.",
            ),
            Step(
                plus(a**2, times(2, b**2)),
                "moments",
                "The standard normal variable has variance one, third moment"
                " zero and fourth moment three.",
            ),
        ),
        worlds=(LINE,),
    )


SGVB_VARIANCE = spread(
    "sgvb-variance",
    "The variance of the estimator at one sample",
    "Then for one sample",
    Variance(summand(z), q),
    linear,
    curved,
    "Both squares vanish exactly if $q(z \\mid x)$ is the posterior: there"
    " every sample gives the same value.",
)
ANALYTIC_VARIANCE = spread(
    "analytic-variance",
    "The variance with the divergence in closed form",
    "With the divergence computed exactly only the reconstruction varies:",
    Variance(log(likelihood()), q),
    linear_reconstruction,
    curved_reconstruction,
    "This does not vanish at the posterior unless $w$ does. So neither"
    " estimator is always the better one.",
)

DERIVATIONS = (SGVB_UNBIASED, SGVB_VARIANCE, ANALYTIC_VARIANCE)
