"""The wrapped normal density of problem 4(c), and the world it lives in."""

from sympy import Sum, Symbol, exp, oo, pi

from proofs.vocabulary import Let, Normal, mu, sigma, t, theta
from proofs.worlds import Line

rho = Let(Symbol("rho", positive=True), exp(-(sigma**2) / 2))
_LETTERS = {theta: r"\theta", t: "t"}


def wrapped(at: Symbol) -> Let:
    """The wrapped normal density at an angle, as a sum over images."""
    index = Symbol("j", integer=True)
    images = Normal(at + 2 * pi * index, mu, sigma)
    return Let(
        Symbol(rf"f({_LETTERS[at]})", positive=True),
        Sum(images, (index, -oo, oo)),
    )


CIRCLE = Line("images on the line", wide=True, seeds=(1,))
