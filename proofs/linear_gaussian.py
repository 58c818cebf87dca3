"""A whole model by hand: the linear-Gaussian variational auto-encoder."""

from sympy import Integer, Symbol, log, pi, sqrt

from proofs.derivation import Derivation, Step
from proofs.elbo import elbo
from proofs.kernel import Use
from proofs.vocabulary import (
    KL,
    Expectation,
    Let,
    Normal,
    Over,
    Ratio,
    encoder,
    evidence,
    half,
    likelihood,
    mu,
    plus,
    posterior,
    prior,
    s,
    sigma,
    times,
    w,
    x,
    z,
)
from proofs.worlds import LINE, MODEL

q = encoder()
total = plus(w**2, s**2)
middle = Let(Symbol("m", real=True), Ratio(times(w, x), total))
width = Let(Symbol("v", positive=True), Ratio(s, sqrt(total)))
of_x = Normal(x, 0, sqrt(total))
of_z = Normal(z, middle, width)
GAUSSIAN = "normal density, logarithm, reparameterisation, linearity, mass one"

EVIDENCE = Derivation(
    name="linear-evidence",
    title="The evidence of the linear model",
    statement="Let $z$ be standard normal and $x$ normal about $w z$. Then",
    lets=(*MODEL, middle, width),
    idea="The exponent is quadratic in $z$; completing the square leaves a"
    " normal density of $z$ and a factor without $z$.",
    start=evidence(),
    steps=(
        Step(
            Over(times(likelihood(), prior()), z),
            "marginal density, product rule",
        ),
        Step(Over(times(of_z, of_x), z), "normal density"),
        Step(of_x, "mass one"),
    ),
    worlds=(LINE,),
)

POSTERIOR = Derivation(
    name="linear-posterior",
    title="Its posterior",
    statement="In the same model",
    lets=(*MODEL, middle, width),
    idea="Insert the last result; the density of $x$ cancels.",
    start=posterior(),
    steps=(
        Step(
            Ratio(times(likelihood(), prior()), evidence()),
            "Bayes, product rule",
        ),
        Step(
            of_z,
            "evidence, normal density",
            uses={"evidence": Use(EVIDENCE)},
        ),
    ),
    worlds=(LINE,),
)

square = plus(x, -times(w, mu)) ** 2
constant = times(-half, log(2 * pi * s**2))
closed_kl = times(half, plus(1, log(sigma**2), -(mu**2), -(sigma**2)))
closed_elbo = plus(
    constant,
    -Ratio(plus(square, times(w**2, sigma**2)), 2 * s**2),
    closed_kl,
)

BOUND = Derivation(
    name="linear-elbo",
    title="Its bound",
    statement="In the same model",
    lets=(*MODEL, elbo),
    idea="The residual has mean $x - w \\mu$ and variance $w^2 \\sigma^2$.",
    start=elbo,
    steps=(
        Step(
            plus(Expectation(log(likelihood()), q), -KL(q, prior())),
            "product rule, logarithm, linearity",
        ),
        Step(closed_elbo, f"{GAUSSIAN}, moments, logarithm"),
    ),
    worlds=(LINE,),
)

ratio = Ratio(sigma**2, width**2)
closed_gap = times(
    half,
    plus(
        Ratio(plus(sigma**2, plus(mu, -middle) ** 2), width**2),
        -1,
        -log(ratio),
    ),
)

GAP = Derivation(
    name="linear-gap",
    title="Its gap",
    statement="In the same model",
    lets=(*MODEL, middle, width),
    idea="The second moment of $z$ about $m$ is that about $\\mu$ and the"
    " squared distance of $\\mu$ from $m$.",
    start=KL(q, posterior()),
    steps=(
        Step(
            Expectation(log(Ratio(q, of_z)), q),
            "posterior",
            uses={"posterior": Use(POSTERIOR)},
        ),
        Step(closed_gap, f"{GAUSSIAN}, moments, logarithm"),
    ),
    worlds=(LINE,),
)

evidence_found = Let(Symbol("A"), log(of_x))
bound_found = Let(Symbol("B"), closed_elbo)
gap_found = Let(Symbol("C"), closed_gap)

WHOLE = Derivation(
    name="linear-sum",
    title="Evidence, bound and gap balance",
    kind="thm",
    lets=(*MODEL, evidence_found, bound_found, gap_found),
    statement="In the linear model",
    idea="Insert the three results and write $m$ and $v$ out.",
    start=plus(log(evidence()), -elbo, -KL(q, posterior())),
    steps=(
        Step(
            plus(evidence_found, -bound_found, -gap_found),
            "evidence, bound, gap",
            uses={
                "evidence": Use(EVIDENCE),
                "bound": Use(BOUND),
                "gap": Use(GAP),
            },
        ),
        Step(Integer(0), "normal density, logarithm"),
    ),
    worlds=(LINE,),
)

DERIVATIONS = (EVIDENCE, POSTERIOR, BOUND, GAP, WHOLE)
