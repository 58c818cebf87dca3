"""Problem 2(a): the evidence lower bound, and its gap exactly."""

from sympy import Integer, Integral, Symbol, log

from proofs.derivation import Derivation, Step
from proofs.vocabulary import (
    KL,
    Expectation,
    Let,
    Over,
    PositiveFunction,
    Ratio,
    TangentGap,
    encoder,
    evidence,
    joint,
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
tau, v = (Symbol(name, positive=True) for name in ["t", "v"])
unit = Symbol("c", positive=True)

tangent = plus(log(m), Ratio(plus(u, -m), m))
remainder = times(
    plus(u, -m) ** 2,
    Integral(
        Ratio(plus(1, -v), plus(m, times(v, plus(u, -m))) ** 2), (v, 0, 1)
    ),
)

LOG_CONCAVE = Derivation(
    name="log-concave",
    title="The logarithm lies below its tangents",
    statement="Let $u$ and $m$ be positive. Then",
    closing="Equality holds only at $u = m$.",
    start=log(u),
    steps=(
        Step(
            plus(
                *tangent.args,
                -Integral(Ratio(plus(u, -tau), tau**2), (tau, m, u)),
            ),
            "Taylor",
            "Expand the logarithm about $m$ with the remainder in integral"
            " form. The second derivative is $-1/t^2$, so the logarithm is"
            " strictly concave.",
        ),
        Step(
            plus(*tangent.args, -remainder),
            "substitution",
            "Move the range of integration to the unit interval by"
            " $t \\mapsto m + v (u - m)$.",
        ),
        Step(
            tangent,
            "sign",
            "The integrand is positive for $v < 1$ whether $u$ lies above or"
            " below $m$. So the remainder takes something away unless $u$"
            " and $m$ coincide.",
            relation="<=",
            gap=remainder,
            equal={u: m},
        ),
    ),
    worlds=(LINE,),
)

f = PositiveFunction(z)
average = Let(m, Expectation(f, q))

JENSEN = Derivation(
    name="jensen",
    title="Jensen's inequality for the logarithm",
    assumptions="Let $q(z \\mid x)$ be a density and $f$ a positive function"
    " with a finite expectation under it.",
    lets=(average,),
    statement="Then",
    closing="Equality holds exactly if $f$ is constant where"
    " $q(z \\mid x)$ has its mass.",
    start=Expectation(log(f), q),
    steps=(
        Step(
            Expectation(
                plus(log(average), Ratio(plus(f, -average), average)), q
            ),
            "tangent at the mean",
            "At every $z$ the logarithm lies below its tangent at the mean"
            " $m$, and expectations keep the order.",
            relation="<=",
            gap=Expectation(TangentGap(f, average), q),
            equal={f: unit},
        ),
        Step(
            plus(
                log(average),
                Ratio(plus(Expectation(f, q), -average), average),
            ),
            "linearity",
            "The tangent is linear and $q(z \\mid x)$ has mass one, so the"
            " expectation moves inside.",
        ),
        Step(
            log(Expectation(f, q)),
            "definition of the mean",
            "The fraction vanishes, because $m$ is the mean.",
        ),
    ),
    notes=(
        "Checked exactly for every $f$ and every $q$ on three points, and for"
        " normal $q$ and log-linear $f$ on the line. For other spaces the"
        " steps rest on the linearity and monotonicity of the integral.",
    ),
)

fraction = Ratio(joint(), q)
elbo = Let(Symbol(r"\mathrm{ELBO}"), Expectation(log(fraction), q))

ELBO = Derivation(
    name="elbo",
    title="The evidence lower bound",
    kind="thm",
    assumptions="Let $p(x) > 0$. Let $q(z \\mid x)$ be positive wherever"
    " $p(x, z)$ is (the support condition) and let the expectation below"
    " exist.",
    lets=(elbo,),
    statement="Then",
    closing="Equality holds exactly if $q(z \\mid x)$ is the posterior"
    " $p(z \\mid x)$.",
    start=log(evidence()),
    steps=(
        Step(
            log(Over(joint(), z)),
            "marginal density",
            "The latent variable is integrated out.",
        ),
        Step(
            log(Over(times(q, fraction), z)),
            "multiplication by one",
            "Multiply and divide by $q(z \\mid x)$. The support condition"
            " makes the fraction meaningful wherever the integrand is not"
            " zero.",
        ),
        Step(
            log(Expectation(fraction, q)),
            "definition of expectation",
            "An integral against $q(z \\mid x)$ is an expectation under it.",
        ),
        Step(
            Expectation(log(fraction), q),
            "Jensen",
            "The logarithm is concave: by Jensen's inequality it can move"
            " inside the expectation at the price of an inequality. The"
            " price is exactly ${gap}$. It is nothing if the fraction does"
            " not depend on $z$, that is, if $q(z \\mid x)$ is proportional"
            " to $p(x, z)$.",
            relation=">=",
            gap=KL(q, posterior()),
            equal={q: posterior()},
        ),
        Step(
            elbo,
            "definition",
            "What stands there is the evidence lower bound.",
        ),
    ),
    notes=(
        "Without the support condition the second line loses the mass of"
        " $p(x, z)$ where $q(z \\mid x)$ vanishes, and the bound still holds."
        " The steps are checked exactly on three points with arbitrary"
        " weights, and for the normal model on the line; that integrals on"
        " other spaces obey the same rules is measure theory, which the"
        " check does not cover.",
    ),
)

KL_NONNEGATIVE = Derivation(
    name="kl-nonnegative",
    title="The divergence is not negative",
    assumptions="Let $q(z \\mid x)$ and $p(z)$ be any two densities of $z$,"
    " with $q(z \\mid x) > 0$ wherever $p(z) > 0$.",
    statement="Then",
    closing="Equality holds exactly if the two densities agree almost"
    " everywhere.",
    start=-KL(q, prior()),
    steps=(
        Step(
            -Expectation(log(Ratio(q, prior())), q),
            "definition",
            "Write the divergence as an expectation.",
        ),
        Step(
            Expectation(log(Ratio(prior(), q)), q),
            "log of a reciprocal",
            "The minus sign turns the fraction over.",
        ),
        Step(
            log(Expectation(Ratio(prior(), q), q)),
            "Jensen",
            "Jensen's inequality moves the logarithm outside. Equality needs"
            " a constant fraction, and as both densities have mass one the"
            " constant is one.",
            relation="<=",
            gap=Expectation(TangentGap(Ratio(prior(), q), 1), q),
            equal={q: prior()},
        ),
        Step(
            log(Over(prior(), z)),
            "definition of expectation",
            "In the integral $q(z \\mid x)$ cancels.",
        ),
        Step(
            Integer(0),
            "mass one",
            "A density has mass one, and its logarithm is zero.",
        ),
    ),
    notes=(
        "If $p(z)$ has mass where $q(z \\mid x)$ has none, the last integral"
        " is less than one, and the inequality is strict. Where"
        " $q(z \\mid x)$ has mass and $p(z)$ has none, the divergence is"
        " infinite.",
    ),
)

ELBO_GAP = Derivation(
    name="elbo-gap",
    title="The gap of the bound is a divergence",
    kind="thm",
    assumptions="Under the conditions of the evidence lower bound, and with"
    " $q(z \\mid x)$ zero wherever $p(z \\mid x)$ is,",
    statement="the bound is an identity with one more term:",
    closing="The last term is not negative. This proves the bound a second"
    " time, and shows that raising it over $q(z \\mid x)$ moves"
    " $q(z \\mid x)$ towards the posterior.",
    start=log(evidence()),
    steps=(
        Step(
            Expectation(log(evidence()), q),
            "mass one",
            "The evidence does not depend on $z$, and $q(z \\mid x)$ has mass"
            " one.",
        ),
        Step(
            Expectation(log(Ratio(joint(), posterior())), q),
            "Bayes",
            "By Bayes' rule the evidence is the joint density over the"
            " posterior, at every $z$.",
        ),
        Step(
            Expectation(log(times(fraction, Ratio(q, posterior()))), q),
            "multiplication by one",
            "Multiply and divide by $q(z \\mid x)$.",
        ),
        Step(
            plus(
                Expectation(log(fraction), q),
                Expectation(log(Ratio(q, posterior())), q),
            ),
            "log of a product",
            "The logarithm of the product is a sum, and the expectation of"
            " the sum a sum of expectations.",
        ),
        Step(
            plus(elbo, KL(q, posterior())),
            "definitions",
            "The first is the evidence lower bound, the second a divergence.",
        ),
    ),
    notes=(
        "Both expectations must be finite for the sum to be split; that is"
        " assumed. The check is exact on three points with arbitrary weights"
        " and for the normal model on the line.",
    ),
)

DERIVATIONS = (LOG_CONCAVE, JENSEN, ELBO, KL_NONNEGATIVE, ELBO_GAP)
