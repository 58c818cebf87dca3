"""The likelihood of a binary pixel, from its logit."""

from sympy import exp, log

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

DERIVATIONS = (LIKELIHOOD,)
