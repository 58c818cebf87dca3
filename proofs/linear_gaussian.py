"""A whole model by hand: the linear-Gaussian variational auto-encoder."""

from sympy import Integer, Symbol, log, pi, sqrt

from proofs.derivation import Derivation, Step
from proofs.elbo import elbo
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

EVIDENCE = Derivation(
    name="linear-evidence",
    title="The evidence of the linear model",
    lets=(*MODEL, middle, width),
    statement="Then",
    start=evidence(),
    steps=(
        Step(
            Over(times(likelihood(), prior()), z),
            "marginal density",
            "Integrate the latent variable out.",
        ),
        Step(
            Over(times(of_z, of_x), z),
            "completing the square",
            "The exponent is quadratic in $z$. Completing the square leaves a"
            " normal density of $z$ and a factor without $z$.",
        ),
        Step(of_x, "mass one", "The first density integrates to one."),
    ),
    worlds=(LINE,),
)

POSTERIOR = Derivation(
    name="linear-posterior",
    title="Its posterior",
    statement="In the same model",
    start=posterior(),
    steps=(
        Step(
            Ratio(times(likelihood(), prior()), evidence()),
            "Bayes",
            "The posterior is the joint density over the evidence.",
        ),
        Step(
            Ratio(times(of_z, of_x), of_x),
            "completing the square",
            "Insert the two results of the last proof.",
        ),
        Step(of_z, "cancelling", "The density of $x$ cancels."),
    ),
    worlds=(LINE,),
)

square = plus(x, -times(w, mu)) ** 2
misfit = Expectation(plus(x, -times(w, z)) ** 2, q)
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
    start=elbo,
    steps=(
        Step(
            plus(Expectation(log(likelihood()), q), -KL(q, prior())),
            "decomposition",
            "Split the bound into reconstruction and divergence.",
        ),
        Step(
            plus(constant, -Ratio(misfit, 2 * s**2), closed_kl),
            "normal densities",
            "Insert the log density of $x$ and the normal divergence.",
        ),
        Step(
            closed_elbo,
            "moments",
            "The residual has mean $x - w \\mu$ and variance $w^2 \\sigma^2$.",
        ),
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
    start=KL(q, posterior()),
    steps=(
        Step(
            Expectation(log(Ratio(q, of_z)), q),
            "definition",
            "Insert the posterior.",
        ),
        Step(
            plus(
                times(-half, log(ratio)),
                -Ratio(Expectation(plus(z, -mu) ** 2, q), 2 * sigma**2),
                Ratio(Expectation(plus(z, -middle) ** 2, q), 2 * width**2),
            ),
            "log densities",
            "Insert the two log densities and take the expectation term by"
            " term.",
        ),
        Step(
            closed_gap,
            "moments",
            "The second moment about $\\mu$ is $\\sigma^2$; about $m$ it is"
            " larger by the squared distance of $\\mu$ from $m$.",
        ),
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
    lets=(evidence_found, bound_found, gap_found),
    statement="Then in the linear model",
    start=plus(log(evidence()), -elbo, -KL(q, posterior())),
    steps=(
        Step(
            plus(evidence_found, -bound_found, -gap_found),
            "closed forms",
            "Insert the results for the evidence, the bound and the gap.",
        ),
        Step(
            Integer(0),
            "algebra",
            "The logarithms cancel, and so do the quadratic terms once $m$"
            " and $v$ are written out.",
        ),
    ),
    worlds=(LINE,),
)

DERIVATIONS = (EVIDENCE, POSTERIOR, BOUND, GAP, WHOLE)
