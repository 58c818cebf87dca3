"""Problem 2(a): the evidence lower bound, and its gap exactly."""

from sympy import Integer, Integral, Symbol, log

from proofs.derivation import Derivation, Step
from proofs.kernel import Use
from proofs.vocabulary import (
    KL,
    Expectation,
    Let,
    Over,
    PositiveFunction,
    Ratio,
    TangentGap,
    assume,
    encoder,
    evidence,
    joint,
    likelihood,
    m,
    plus,
    posterior,
    prior,
    times,
    u,
    z,
)
from proofs.worlds import LINE

q = encoder()
v = Symbol("v", positive=True)
between = plus(m, times(v, plus(u, -m)))  # from m to u

tangent = plus(log(m), Ratio(plus(u, -m), m))
remainder = Integral(
    times(plus(1, -v), Ratio(plus(u, -m) ** 2, between**2)), (v, 0, 1)
)

LOG_CONCAVE = Derivation(
    name="log-concave",
    title="The logarithm lies below its tangents",
    statement="Let $u$ and $m$ be positive. Then",
    closing="With $-\\infty$ for the logarithm of zero the inequality holds"
    " at zero as well, and is strict there.",
    idea="Expand the logarithm about $m$ with the remainder as an integral,"
    " which is not negative.",
    start=log(u),
    steps=(
        Step(
            plus(*tangent.args, -remainder),
            "fundamental theorem",
            antiderivative=-u / between - log(between),
        ),
        Step(tangent, "order", relation="<=", gap=remainder, equal={u: m}),
    ),
    worlds=(LINE,),
)

f = PositiveFunction(z)
average = Let(m, Expectation(f, q))

JENSEN = Derivation(
    name="jensen",
    title="Jensen's inequality for the logarithm",
    assumes=(
        assume("nonnegative", f),
        assume("positive", average),
        assume("finite", average),
    ),
    lets=(average,),
    statement="The density $q(z \\mid x)$ is arbitrary. Then",
    idea="At every $z$ the logarithm lies below its tangent at the mean,"
    " strictly so where $f$ is not the mean itself, and expectations keep the"
    " order. This covers an $f$ with zeros: where they have probability, the"
    " left side is $-\\infty$.",
    start=Expectation(log(f), q),
    steps=(
        Step(
            Expectation(
                plus(log(average), Ratio(plus(f, -average), average)), q
            ),
            "tangent",
            relation="<=",
            gap=Expectation(TangentGap(f, average), q),
            equal={f: average},
        ),
        Step(log(Expectation(f, q)), "linearity, mass one"),
    ),
)

fraction = Ratio(joint(), q)
elbo = Let(Symbol(r"\mathrm{ELBO}"), Expectation(log(fraction), q))
SUPPORT = assume("where", q, joint())

ELBO = Derivation(
    name="elbo",
    title="The evidence lower bound",
    kind="thm",
    assumes=(
        assume("positive", evidence()),
        SUPPORT,
    ),
    lets=(elbo,),
    idea="Write the evidence, which is finite as a value of a density, as an"
    " expectation under $q(z \\mid x)$, for which the support condition is"
    " needed, and let the logarithm pass inside by Jensen's inequality. Its"
    " equality means that the fraction is constant: $q(z \\mid x)$ is then"
    " proportional to $p(x, z)$, so it is the posterior.",
    start=log(evidence()),
    steps=(
        Step(log(Over(joint(), z)), "marginal density"),
        Step(log(Over(times(q, fraction), z)), "multiplication by one"),
        Step(log(Expectation(fraction, q)), "expectation"),
        Step(
            Expectation(log(fraction), q),
            "Jensen",
            relation=">=",
            uses={"Jensen": Use(JENSEN, {f: fraction})},
            equal={q: posterior()},
        ),
        Step(elbo, "definition"),
    ),
    remark="Without the support condition the second line loses the mass of"
    " $p(x, z)$ where $q(z \\mid x)$ vanishes, and the bound still holds.",
)

KL_NONNEGATIVE = Derivation(
    name="kl-nonnegative",
    title="The divergence is not negative",
    assumes=(assume("where", q, prior()),),
    lets=(Let(KL(q, prior()), Expectation(log(Ratio(q, prior())), q)),),
    idea="Apply Jensen's inequality to the reciprocal of the fraction. Its"
    " equality means that this is constant, and so one, as both are"
    " densities.",
    start=-KL(q, prior()),
    steps=(
        Step(Expectation(log(Ratio(prior(), q)), q), "reciprocal, linearity"),
        Step(
            log(Expectation(Ratio(prior(), q), q)),
            "Jensen",
            relation="<=",
            uses={"Jensen": Use(JENSEN, {f: Ratio(prior(), q)})},
            equal={q: prior()},
        ),
        Step(log(Over(prior(), z)), "expectation"),
        Step(Integer(0), "mass one"),
    ),
)

FINITE = (
    assume("where", likelihood(), q),
    assume("where", prior(), q),
    assume("finite", elbo),
)

ELBO_GAP = Derivation(
    name="elbo-gap",
    title="The gap of the bound is a divergence",
    kind="thm",
    assumes=(assume("positive", evidence()), *FINITE),
    lets=(elbo,),
    closing="So to raise the bound over $q(z \\mid x)$ is to lower its"
    " divergence from the posterior.",
    idea="Take the expectation of a constant, and write the constant by"
    " Bayes' rule.",
    start=log(evidence()),
    steps=(
        Step(Expectation(log(evidence()), q), "mass one"),
        Step(Expectation(log(Ratio(joint(), posterior())), q), "Bayes"),
        Step(
            Expectation(log(times(fraction, Ratio(q, posterior()))), q),
            "multiplication by one",
        ),
        Step(
            plus(
                Expectation(log(fraction), q),
                Expectation(log(Ratio(q, posterior())), q),
            ),
            "logarithm, linearity",
        ),
        Step(plus(elbo, KL(q, posterior())), "definition"),
    ),
)

DERIVATIONS = (LOG_CONCAVE, JENSEN, ELBO, KL_NONNEGATIVE, ELBO_GAP)
