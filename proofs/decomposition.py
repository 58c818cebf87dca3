"""Problem 3(a): reconstruction and divergence, and the normal divergence."""

from sympy import (
    IndexedBase,
    Integer,
    Product,
    Sum,
    Symbol,
    log,
)

from proofs.derivation import Derivation, Step
from proofs.elbo import elbo
from proofs.vocabulary import (
    KL,
    D,
    Density,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Ratio,
    TangentGap,
    d,
    encoder,
    epsilon,
    half,
    joint,
    likelihood,
    mu,
    mus,
    plus,
    prior,
    sigma,
    sigmas,
    times,
    z,
    zs,
)
from proofs.worlds import LINE, ONE_COORDINATE, PLANE, POINTS

q = encoder()
reconstruction = Expectation(log(likelihood()), q)

ELBO_DECOMPOSITION = Derivation(
    name="elbo-decomposition",
    title="The bound is reconstruction less divergence",
    kind="thm",
    assumptions="Let the support condition hold, and let both expectations"
    " on the right be finite.",
    statement="Then",
    start=elbo,
    steps=(
        Step(
            Expectation(log(Ratio(joint(), q)), q),
            "definition",
            "Start from the definition of the bound.",
        ),
        Step(
            Expectation(log(Ratio(times(likelihood(), prior()), q)), q),
            "product rule",
            "The joint density is the likelihood times the prior.",
        ),
        Step(
            Expectation(plus(log(likelihood()), log(Ratio(prior(), q))), q),
            "log of a product",
            "The logarithm turns the product into a sum.",
        ),
        Step(
            plus(reconstruction, Expectation(log(Ratio(prior(), q)), q)),
            "linearity",
            "The expectation of the sum is a sum of expectations.",
        ),
        Step(
            plus(reconstruction, -Expectation(log(Ratio(q, prior())), q)),
            "log of a reciprocal",
            "Turning the second fraction over changes the sign.",
        ),
        Step(
            plus(reconstruction, -KL(q, prior())),
            "definition",
            "The second expectation is now a divergence.",
        ),
    ),
    notes=(
        "Checked exactly on three points with arbitrary weights, and for the"
        " normal model on the line.",
    ),
)

noise = Normal(epsilon, 0, 1)
sample = plus(mu, times(sigma, epsilon))
normal = Let(Symbol("q(z)"), Normal(z, mu, sigma))
unit_normal = Let(Symbol("p(z)"), Normal(z, 0, 1))
second = Expectation(z**2, normal)
spread = Expectation(plus(z, -mu) ** 2, normal)

SPREAD = Derivation(
    name="normal-variance",
    title="The second moment about the mean",
    lets=(normal,),
    statement="Then",
    start=spread,
    steps=(
        Step(
            Expectation(times(sigma, epsilon) ** 2, noise, epsilon),
            "reparameterisation",
            "Draw $z$ as $\\mu + \\sigma \\epsilon$.",
        ),
        Step(
            times(sigma**2, Expectation(epsilon**2, noise, epsilon)),
            "linearity",
            "The constant moves out of the expectation.",
        ),
        Step(
            times(sigma**2, Expectation(Integer(1), noise, epsilon)),
            "by parts",
            "The derivative of the standard normal density is $-\\epsilon$"
            " times itself. Integration by parts takes one factor $\\epsilon$"
            " with it, and the boundary terms vanish.",
        ),
        Step(sigma**2, "mass one", "The density has mass one."),
    ),
    worlds=(LINE,),
)

SECOND_MOMENT = Derivation(
    name="normal-moment",
    title="The second moment about zero",
    lets=(normal,),
    statement="Then",
    start=second,
    steps=(
        Step(
            Expectation(sample**2, noise, epsilon),
            "reparameterisation",
            "Draw $z$ as before.",
        ),
        Step(
            plus(
                mu**2,
                times(2, mu, sigma, Expectation(epsilon, noise, epsilon)),
                times(sigma**2, Expectation(epsilon**2, noise, epsilon)),
            ),
            "linearity",
            "Expand the square.",
        ),
        Step(
            plus(mu**2, sigma**2),
            "moments",
            "The first moment of the standard normal density is zero by"
            " symmetry, and the second is one, as shown.",
        ),
    ),
    worlds=(LINE,),
)

NORMAL_KL = Derivation(
    name="normal-kl",
    title="The divergence in one dimension",
    assumptions="Let $\\sigma > 0$.",
    lets=(normal, unit_normal),
    statement="Then",
    start=KL(normal, unit_normal),
    steps=(
        Step(
            Expectation(log(Ratio(normal, unit_normal)), normal),
            "definition",
            "Write the divergence as an expectation.",
        ),
        Step(
            Expectation(
                plus(
                    times(-half, log(sigma**2)),
                    -Ratio(plus(z, -mu) ** 2, 2 * sigma**2),
                    Ratio(z**2, 2),
                ),
                normal,
            ),
            "log densities",
            "Insert the two log densities. The constants $\\log (2 \\pi)$"
            " cancel.",
        ),
        Step(
            plus(
                times(-half, log(sigma**2)),
                -Ratio(spread, 2 * sigma**2),
                Ratio(second, 2),
            ),
            "linearity",
            "Take the expectation term by term.",
        ),
        Step(
            plus(
                times(-half, log(sigma**2)),
                -half,
                Ratio(plus(mu**2, sigma**2), 2),
            ),
            "moments",
            "Insert the two second moments.",
        ),
        Step(
            times(-half, plus(1, log(sigma**2), -(mu**2), -(sigma**2))),
            "collecting",
            "Collect the terms.",
        ),
    ),
    worlds=(LINE,),
)


def factor(name):  # type: ignore[no-untyped-def]
    """The density of coordinate d, as q_d(z_d)."""
    return Density(IndexedBase(name)[d], zs[d])


qs, ps = factor("q"), factor("p")
q_all, p_all = (
    Let(Symbol(name), Product(f, (d, 1, D)))
    for name, f in (("q", qs), ("p", ps))
)

KL_ADDITIVE = Derivation(
    name="kl-additive",
    title="Divergences of independent coordinates add",
    assumptions="Let the coordinates $z_1, \\dots, z_D$ be independent under"
    " both densities, and let each divergence be finite.",
    lets=(q_all, p_all),
    statement="Then",
    start=KL(q_all, p_all, zs, D),
    steps=(
        Step(
            Expectation(
                log(Ratio(*(a.args[1] for a in (q_all, p_all)))), q_all, zs, D
            ),
            "definition",
            "Write the divergence as an expectation.",
        ),
        Step(
            Expectation(Sum(log(Ratio(qs, ps)), (d, 1, D)), q_all, zs, D),
            "log of a product",
            "The logarithm of the products is a sum over coordinates.",
        ),
        Step(
            Sum(Expectation(log(Ratio(qs, ps)), q_all, zs, D), (d, 1, D)),
            "linearity",
            "The expectation passes through the sum.",
        ),
        Step(
            Sum(Expectation(log(Ratio(qs, ps)), qs, zs[d]), (d, 1, D)),
            "independence",
            "Each summand depends on one coordinate. The other densities"
            " integrate to one.",
        ),
        Step(
            Sum(KL(qs, ps, zs[d]), (d, 1, D)),
            "definition",
            "What is left are the divergences of the coordinates.",
        ),
    ),
    notes=(
        "Checked exactly for two coordinates of three points each, with"
        " arbitrary weights. The same steps apply to any number of them.",
    ),
    worlds=(POINTS,),
)

diagonal = Let(Symbol("q(z)"), DiagonalNormal(zs, mus, sigmas, D))
unit_diagonal = Let(Symbol("p(z)"), DiagonalNormal(zs, 0, 1, D))
variances = sigmas[d] ** 2
bracket = plus(1, log(variances), -(mus[d] ** 2), -variances)
closed = times(half, Sum(bracket, (d, 1, D)))

DIAGONAL_KL = Derivation(
    name="diagonal-kl",
    title="The divergence of a diagonal normal from the unit normal",
    kind="thm",
    assumptions="Let every $\\sigma_d$ be positive.",
    lets=(diagonal, unit_diagonal),
    statement="Then",
    start=KL(diagonal, unit_diagonal, zs, D),
    steps=(
        Step(
            Sum(
                KL(
                    Normal(zs[d], mus[d], sigmas[d]),
                    Normal(zs[d], 0, 1),
                    zs[d],
                ),
                (d, 1, D),
            ),
            "additivity",
            "A diagonal normal has independent coordinates.",
        ),
        Step(
            times(-half, Sum(bracket, (d, 1, D))),
            "one dimension",
            "Insert the divergence in one dimension.",
        ),
    ),
    notes=(
        "Checked from the general formulas in two dimensions. Any number"
        " follows because the coordinates are treated alike.",
    ),
    worlds=(PLANE,),
)

DIAGONAL_KL_SIGN = Derivation(
    name="diagonal-kl-sign",
    title="It is zero only for the unit normal",
    assumptions="Write $\\delta(u, m)$ for the distance between the logarithm"
    " at $u$ and its tangent at $m$, which is zero only at $u = m$.",
    statement="Then",
    closing="with equality only if every $\\mu_d$ is zero and every"
    " $\\sigma_d$ is one.",
    start=times(-half, Sum(bracket, (d, 1, D))),
    steps=(
        Step(
            times(
                half,
                Sum(plus(mus[d] ** 2, TangentGap(variances, 1)), (d, 1, D)),
            ),
            "tangent at one",
            "The tangent of the logarithm at one is $u - 1$.",
        ),
        Step(
            Integer(0),
            "sign",
            "A sum of squares and of distances is not negative, and it is"
            " zero only if each of them is.",
            relation=">=",
            gap=times(
                half,
                Sum(plus(mus[d] ** 2, TangentGap(variances, 1)), (d, 1, D)),
            ),
            equal={mus[d]: Integer(0), sigmas[d]: Integer(1)},
        ),
    ),
    worlds=(LINE,),
)

reconstruction_all = Expectation(log(likelihood(zs)), diagonal, zs, D)
bound = Let(
    elbo.args[0],
    Expectation(
        log(Ratio(times(likelihood(zs), unit_diagonal), diagonal)),
        diagonal,
        zs,
        D,
    ),
)

ELBO_NORMAL = Derivation(
    name="elbo-normal",
    title="The bound with a normal encoder",
    kind="thm",
    assumptions="Let prior and encoder be normal.",
    lets=(unit_diagonal, diagonal),
    statement="Then",
    start=bound,
    steps=(
        Step(
            plus(reconstruction_all, -KL(diagonal, unit_diagonal, zs, D)),
            "decomposition",
            "Insert the two normal densities into the decomposition.",
        ),
        Step(
            plus(reconstruction_all, closed),
            "normal divergence",
            "Insert the divergence in closed form. Only the reconstruction"
            " term is left to be estimated from samples.",
        ),
    ),
    notes=(
        "Checked for one coordinate and a normal likelihood. The step from"
        " one coordinate to many is the additivity shown above.",
    ),
    worlds=(ONE_COORDINATE,),
)

DERIVATIONS = (
    ELBO_DECOMPOSITION,
    SPREAD,
    SECOND_MOMENT,
    NORMAL_KL,
    KL_ADDITIVE,
    DIAGONAL_KL,
    DIAGONAL_KL_SIGN,
    ELBO_NORMAL,
)
