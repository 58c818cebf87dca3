"""The likelihood of a binary pixel, from its logit."""

from sympy import Derivative, exp, log

from proofs.derivation import Derivation, Step
from proofs.vocabulary import Ratio, ell, plus, times, x
from proofs.worlds import LINE


def sigmoid(logit):  # type: ignore[no-untyped-def]
    return Ratio(1, plus(1, exp(-logit)))


softplus = log(plus(1, exp(ell)))

LIKELIHOOD = Derivation(
    name="bernoulli-logit",
    title="The log likelihood of a pixel from its logit",
    statement="Let a pixel $x$ be 1 with probability"
    " $\\frac{1}{1 + e^{-\\ell}}$, the sigmoid of the decoder's logit"
    " $\\ell$, and 0 otherwise. Its log likelihood is",
    idea="Multiply numerator and denominator by $e^{\\ell}$; the weights"
    " $x$ and $1 - x$ sum to one.",
    start=plus(
        times(x, log(sigmoid(ell))),
        times(plus(1, -x), log(plus(1, -sigmoid(ell)))),
    ),
    steps=(
        Step(
            plus(
                times(x, log(Ratio(exp(ell), plus(1, exp(ell))))),
                times(plus(1, -x), log(Ratio(1, plus(1, exp(ell))))),
            ),
            "algebra",
        ),
        Step(plus(times(x, ell), -softplus), "logarithm"),
    ),
    worlds=(LINE,),
)

SOFTPLUS = Derivation(
    name="bernoulli-softplus",
    title="No exponential need overflow",
    statement="For a logit $\\ell > 0$ the last logarithm is computed as",
    closing="and for $\\ell \\le 0$ as $-\\log \\frac{1}{1 + e^{\\ell}}$: in"
    " both cases $\\max(\\ell, 0)$ less the logarithm of the sigmoid of"
    " $|\\ell|$, which is between $\\frac{1}{2}$ and 1.",
    idea="Take $e^{\\ell}$ out of the sum.",
    start=softplus,
    steps=(
        Step(plus(ell, log(plus(1, exp(-ell)))), "logarithm"),
        Step(plus(ell, -log(sigmoid(ell))), "reciprocal"),
    ),
    worlds=(LINE,),
)

GRADIENT = Derivation(
    name="bernoulli-gradient",
    title="The gradient by the logit",
    statement="The log likelihood rises with the logit at the rate",
    closing="which is the pixel less its expectation.",
    idea="Differentiate term by term.",
    start=Derivative(plus(times(x, ell), -softplus), ell),
    steps=(
        Step(plus(x, -Ratio(exp(ell), plus(1, exp(ell)))), "chain rule"),
        Step(plus(x, -sigmoid(ell)), "algebra"),
    ),
    worlds=(LINE,),
)

DERIVATIONS = (LIKELIHOOD, SOFTPLUS, GRADIENT)
