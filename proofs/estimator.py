"""The estimator of problem 2: its mean is the bound, and its variance."""

from dataclasses import replace

from sympy import Integer, Product, Sum, Symbol, log

from proofs.derivation import Derivation, Step
from proofs.elbo import FINITE, elbo
from proofs.linear_gaussian import middle, of_z, width
from proofs.vocabulary import (
    NOISE,
    Expectation,
    L,
    Let,
    Normal,
    Ratio,
    Variance,
    drawn,
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
)
from proofs.worlds import LINE, MODEL, POINTS


def summand(at):  # type: ignore[no-untyped-def]
    """What one sample contributes to the estimator."""
    return plus(log(likelihood(at)), log(prior(at)), -log(encoder(at)))


q = encoder()
each = encoder(drawn[j])
samples = Let(Symbol("q_L"), Product(each, (j, 1, L)))


def average(term):  # type: ignore[no-untyped-def]
    """The mean of a term over the L samples."""
    return times(Ratio(1, L), Sum(term, (j, 1, L)))


SGVB_UNBIASED = Derivation(
    name="sgvb-unbiased",
    title="The estimator is unbiased",
    kind="thm",
    assumes=FINITE,
    lets=(samples, elbo),
    statement="For any number $L$ of independent samples $z_j$ of"
    " $q(z \\mid x)$",
    idea="An expectation passes through the sum, and each term depends on one"
    " sample.",
    start=Expectation(average(summand(drawn[j])), samples, drawn),
    steps=(
        Step(
            average(Expectation(summand(drawn[j]), samples, drawn)),
            "linearity",
        ),
        Step(
            average(Expectation(summand(drawn[j]), each, drawn[j])),
            "independence",
        ),
        Step(Expectation(summand(z), q), "algebra"),
        Step(
            Expectation(log(Ratio(joint(), q)), q), "product rule, logarithm"
        ),
        Step(elbo, "definition"),
    ),
    worlds=(POINTS,),
)

residual = Ratio(times(w, plus(x, -times(w, mu))), s**2)
slope = times(sigma, plus(residual, -mu))
curve = times(half, plus(1, -times(sigma**2, plus(1, Ratio(w**2, s**2)))))
linear, curved = Let(Symbol("a"), slope), Let(Symbol("b"), curve)
linear_reconstruction = Let(Symbol("a"), times(sigma, residual))
curved_reconstruction = Let(
    Symbol("b"), -Ratio(times(w**2, sigma**2), times(2, s**2))
)


def power(n):  # type: ignore[no-untyped-def]
    return Expectation(epsilon**n, NOISE, epsilon)


posterior = MODEL[2].func(encoder(), of_z)
absent = MODEL[1].func(likelihood(), Normal(x, 0, s))
GAUSSIAN = "normal density, logarithm, linearity, mass one, moments"


def better(name, title, statement, model, start, last, equal, lets=()):  # type: ignore[no-untyped-def]
    """One variance less another, which is a sum of squares."""
    return Derivation(
        name=name,
        title=title,
        kind="cor",
        lets=(*model, *lets),
        statement=statement,
        idea="Both variances are those of quadratics in $\\epsilon$.",
        start=start,
        steps=(
            Step(last, f"reparameterisation, {GAUSSIAN}"),
            Step(Integer(0), "sign", relation=">=", gap=last, equal=equal),
        ),
        worlds=(replace(LINE, model=model),),
    )


both = (Variance(summand(z), q), Variance(log(likelihood()), q))


def squares(mean, deviation):  # type: ignore[no-untyped-def]
    return plus(
        times(mean**2, deviation**2),
        times(half, plus(1, -(deviation**2)) ** 2),
    )


CLOSED_BETTER = better(
    "closed-better",
    "The closed form can be the better one",
    "If $x$ does not depend on $z$, the variance with samples is the larger"
    " one:",
    (MODEL[0], absent, MODEL[2]),
    plus(both[0], -both[1]),
    squares(mu, sigma),
    {mu: Integer(0), sigma: Integer(1)},
)
SAMPLED_BETTER = better(
    "sampled-better",
    "Samples can be the better ones",
    "At the posterior every sample gives the same bound, and the variance with"
    " the divergence in closed form is the larger one:",
    (MODEL[0], MODEL[1], posterior),
    plus(both[1], -both[0]),
    squares(middle, width),
    {w: Integer(0)},
    (middle, width),
)
DERIVATIONS = (
    SGVB_UNBIASED,
    CLOSED_BETTER,
    SAMPLED_BETTER,
)
