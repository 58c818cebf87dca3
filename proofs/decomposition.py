"""Problem 3(a): reconstruction and divergence, and the normal divergence."""

from sympy import IndexedBase, Integer, Product, Sum, Symbol, log

from proofs.derivation import Derivation, Step
from proofs.elbo import FINITE, elbo
from proofs.gaussian import (
    LOG_RATIO,
    diagonal,
    log_ratio,
    unit_diagonal,
)
from proofs.kernel import Use
from proofs.vocabulary import (
    KL,
    NOISES,
    D,
    DiagonalNormal,
    Expectation,
    L,
    Let,
    N,
    Normal,
    Ratio,
    TangentGap,
    Vector,
    assume,
    d,
    data,
    encoder,
    epsilons,
    half,
    i,
    j,
    likelihood,
    mus,
    plus,
    prior,
    sigmas,
    times,
    z,
    zs,
)
from proofs.worlds import LINE, ONE_COORDINATE

q = encoder()
reconstruction = Expectation(log(likelihood()), q)

ELBO_DECOMPOSITION = Derivation(
    name="elbo-decomposition",
    title="The bound is reconstruction less divergence",
    kind="thm",
    assumes=(
        *FINITE[:2],
        assume("finite", reconstruction),
        assume("finite", KL(q, prior())),
    ),
    lets=(elbo,),
    statement="For any $q(z \\mid x)$",
    idea="Factor the joint density, and let the logarithm make a sum of it.",
    start=elbo,
    steps=(
        Step(
            Expectation(log(Ratio(times(likelihood(), prior()), q)), q),
            "product rule",
        ),
        Step(
            plus(reconstruction, Expectation(log(Ratio(prior(), q)), q)),
            "logarithm, linearity",
        ),
        Step(
            plus(reconstruction, -Expectation(log(Ratio(q, prior())), q)),
            "reciprocal, linearity",
        ),
        Step(plus(reconstruction, -KL(q, prior())), "definition"),
    ),
)

variances = sigmas[d] ** 2
bracket = plus(1, log(variances), -(mus[d] ** 2), -variances)
closed = times(half, Sum(bracket, (d, 1, D)))
moment = Normal(epsilons[d], 0, 1)


def noisy(power):  # type: ignore[no-untyped-def]
    """A moment of one entry of the noise."""
    return Expectation(epsilons[d] ** power, moment, epsilons[d])


DIAGONAL_KL = Derivation(
    name="diagonal-kl",
    title="The divergence of a diagonal normal from the unit normal",
    kind="thm",
    statement="Let every $\\sigma_d$ be positive. In any number $D$ of"
    " dimensions",
    lets=(diagonal, unit_diagonal),
    idea="Insert the log densities, draw $z$ as $\\mu + \\sigma \\cdot"
    " \\epsilon$, and take the first two moments of $\\epsilon$.",
    start=KL(diagonal, unit_diagonal, zs),
    steps=(
        Step(
            -Expectation(log_ratio, diagonal, zs),
            "reciprocal, log ratio, linearity",
            uses={"log ratio": Use(LOG_RATIO)},
        ),
        Step(
            times(
                half,
                Expectation(
                    Sum(
                        plus(
                            plus(mus[d], times(sigmas[d], epsilons[d])) ** 2,
                            -(epsilons[d] ** 2),
                            -log(variances),
                        ),
                        (d, 1, D),
                    ),
                    NOISES,
                    epsilons,
                ),
            ),
            "reparameterisation, linearity, linearity",
        ),
        Step(
            times(
                half,
                Sum(
                    plus(
                        mus[d] ** 2,
                        times(2, mus[d], sigmas[d], noisy(1)),
                        times(plus(variances, -1), noisy(2)),
                        -log(variances),
                    ),
                    (d, 1, D),
                ),
            ),
            "linearity, independence, linearity, mass one",
        ),
        Step(times(-half, Sum(bracket, (d, 1, D))), "moments"),
    ),
    worlds=(ONE_COORDINATE,),
)

sign = times(half, Sum(plus(mus[d] ** 2, TangentGap(variances, 1)), (d, 1, D)))

DIAGONAL_KL_SIGN = Derivation(
    name="diagonal-kl-sign",
    title="It is zero only for the unit normal",
    statement="Let every $\\sigma_d$ be positive, and let $\\delta(u, m)$ be"
    " the distance of the logarithm at $u$ below its tangent at $m$. Then",
    idea="The tangent of the logarithm at one is $u - 1$.",
    start=times(-half, Sum(bracket, (d, 1, D))),
    steps=(
        Step(sign, "definition"),
        Step(
            Integer(0),
            "tangent",
            relation=">=",
            gap=sign,
            equal={mus[d]: Integer(0), variances: Integer(1)},
        ),
    ),
    worlds=(LINE,),
)

reconstruction_all = Expectation(log(likelihood(zs)), diagonal, zs)
bound = Let(
    elbo.args[0],
    Expectation(
        log(Ratio(times(likelihood(zs), unit_diagonal), diagonal)),
        diagonal,
        zs,
    ),
)

ELBO_NORMAL = Derivation(
    name="elbo-normal",
    title="The bound with a normal encoder",
    kind="thm",
    assumes=(
        assume("where", likelihood(zs), diagonal),
        assume("finite", reconstruction_all),
    ),
    statement="Let every $\\sigma_d$ be positive. Then",
    lets=(bound, diagonal, unit_diagonal),
    idea="Only the reconstruction is left to be estimated from samples.",
    start=bound,
    steps=(
        Step(
            plus(reconstruction_all, -KL(diagonal, unit_diagonal, zs)),
            "logarithm, linearity",
        ),
        Step(
            plus(reconstruction_all, closed),
            "divergence",
            uses={"divergence": Use(DIAGONAL_KL)},
        ),
    ),
    worlds=(ONE_COORDINATE,),
)

# image i of N, with L samples of its encoder
means, deviations = (
    Vector(Symbol(rf"\{name}_i"), base[i, d])
    for name, base in (("mu", mus), ("sigma", sigmas))
)
drawn = IndexedBase("z_i", shape=(L,), real=True)


def of_image(at):  # type: ignore[no-untyped-def]
    """The encoder's density for image i."""
    return DiagonalNormal(at, means, deviations)


pixels = log(likelihood(drawn[j], data[i]))
variance = sigmas[i, d] ** 2
bracket_i = plus(1, log(variance), -(mus[i, d] ** 2), -variance)
closed_i = times(half, Sum(bracket_i, (d, 1, D)))
samples_i = Let(Symbol(r"q_{i}^{L}"), Product(of_image(drawn[j]), (j, 1, L)))
encoder_i = Let(Symbol(r"q_{i}(z)"), of_image(z))
expected = Expectation(log(likelihood(z, data[i])), encoder_i)
divergence = KL(Let(Symbol(r"q_{i}(z)"), of_image(zs)), unit_diagonal, zs)
one_sample = Let(Symbol(r"q_{i}(z_{i,j})"), of_image(drawn[j]))


def over_images(body):  # type: ignore[no-untyped-def]
    return Sum(body, (i, 1, N))


ELBO_ESTIMATE = Derivation(
    name="elbo-estimate",
    title="What the problem set prints",
    kind="thm",
    assumes=(assume("finite", expected),),
    statement="Let image $x_i$, with $i$ up to $N$, have the encoder"
    " $\\mathcal{N}(z;\\, \\mu_i, \\operatorname{diag}(\\sigma_i^2))$ and"
    " $L$ samples $z_{i,j}$ of it. The line of the problem set, summed over"
    " the images, has the expectation",
    closing="These are the bounds of all images. So the second equals sign of"
    " the problem set is an estimate, correct on average; it leaves out"
    " $1 / L$, as $L$ is one there.",
    lets=(samples_i, encoder_i, unit_diagonal),
    idea="The first sum is the divergence; the second is unbiased as before.",
    start=over_images(
        Expectation(
            plus(closed_i, times(Ratio(1, L), Sum(pixels, (j, 1, L)))),
            samples_i,
            drawn,
        )
    ),
    steps=(
        Step(
            over_images(
                plus(
                    closed_i,
                    times(
                        Ratio(1, L),
                        Sum(
                            Expectation(pixels, one_sample, drawn[j]),
                            (j, 1, L),
                        ),
                    ),
                )
            ),
            "linearity, mass one, independence",
        ),
        Step(over_images(plus(closed_i, expected)), "algebra"),
        Step(
            over_images(plus(-divergence, expected)),
            "divergence",
            uses={
                "divergence": Use(
                    DIAGONAL_KL,
                    {mus[d]: mus[i, d], sigmas[d]: sigmas[i, d]},
                )
            },
        ),
    ),
    worlds=(ONE_COORDINATE,),
)

DERIVATIONS = (
    ELBO_DECOMPOSITION,
    DIAGONAL_KL,
    DIAGONAL_KL_SIGN,
    ELBO_NORMAL,
    ELBO_ESTIMATE,
)
