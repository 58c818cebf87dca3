"""What an object prints is tied to what it means."""

import itertools

import mpmath
import numpy as np
import pytest
import scipy.stats
from sympy import Integer, Symbol, log, symbols

from proofs import witness
from proofs.vocabulary import (
    KL,
    D,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Over,
    PositiveFunction,
    Ratio,
    TangentGap,
    Term,
    TestFunction,
    Variance,
    encoder,
    evidence,
    joint,
    latex,
    likelihood,
    mus,
    posterior,
    prior,
    sigmas,
    z,
    zs,
)
from proofs.worlds import LINE, POINTS, mean

a, b = symbols("a b", positive=True)
WEIGHTS = {
    name: [Symbol(f"{name}_{i}", positive=True) for i in range(3)]
    for name in ("prior", "likelihood", "encoder")
}
P = [w / sum(WEIGHTS["prior"]) for w in WEIGHTS["prior"]]
Q = [w / sum(WEIGHTS["encoder"]) for w in WEIGHTS["encoder"]]
JOINT = [p * w for p, w in zip(P, WEIGHTS["likelihood"], strict=True)]
F = [Symbol(f"f_{i}", positive=True) for i in range(3)]
f = PositiveFunction(z)
MEAN = sum(q * v for q, v in zip(Q, F, strict=True))

# an object, what it prints, what it is on three points
CASES = [
    (prior(Integer(1)), "p(1)", P[1]),
    (likelihood(Integer(1)), r"p(x \mid 1)", WEIGHTS["likelihood"][1]),
    (encoder(Integer(1)), r"q(1 \mid x)", Q[1]),
    (joint(Integer(1)), "p(x, 1)", JOINT[1]),
    (evidence(), "p(x)", sum(JOINT)),
    (posterior(Integer(1)), r"p(1 \mid x)", JOINT[1] / sum(JOINT)),
    (Ratio(a, b), r"\frac{a}{b}", a / b),
    (Let(Symbol("c"), a * b), "c", a * b),
    (TangentGap(a, b), r"\delta(a, b)", log(b) + (a - b) / b - log(a)),
    (Over(f * prior(), z), r"\int p(z) f(z) \, dz",
     sum(p * v for p, v in zip(P, F, strict=True))),
    (Expectation(f, encoder()),
     r"\mathbb{E}_{q(z \mid x)}\left[ f(z) \right]", MEAN),
    (Variance(f, encoder()),
     r"\operatorname{Var}_{q(z \mid x)}\left[ f(z) \right]",
     sum(q * (v - MEAN) ** 2 for q, v in zip(Q, F, strict=True))),
    (KL(encoder(), prior()),
     r"D_{\mathrm{KL}}\left( q(z \mid x) \,\|\, p(z) \right)",
     sum(q * log(q / p) for q, p in zip(Q, P, strict=True))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("term", "printed", "value"), CASES, ids=[c[1] for c in CASES]
)
def test_what_is_printed_is_meant(term, printed, value):
    assert latex(term) == printed
    assert witness.equal(mean(term, POINTS), value)


def test_a_normal_density_is_that_of_scipy():
    density = mean(Normal(Symbol("y"), 2, Integer(3)), LINE)
    found = [float(density.subs("y", y)) for y in (-1, 0, 4)]
    np.testing.assert_allclose(found, scipy.stats.norm(2, 3).pdf([-1, 0, 4]))
    printed = latex(Normal(z, Symbol("mu"), Symbol("sigma", positive=True)))
    assert printed == r"\mathcal{N}(z;\, \mu, \sigma^{2})"


def test_a_diagonal_normal_density_is_that_of_scipy():
    density = DiagonalNormal(zs, mus, sigmas, D)
    values = {zs: [0.3, -1.0], mus: [1.0, 0.5], sigmas: [2.0, 0.7]}
    point = {
        base[i + 1]: v
        for base, row in values.items()
        for i, v in enumerate(row)
    }
    found = float(mean(density, LINE).subs(point))
    expected = scipy.stats.multivariate_normal(
        values[mus], np.diag(np.square(values[sigmas]))
    ).pdf(values[zs])
    assert found == pytest.approx(expected)
    assert r"\operatorname{diag}(\sigma^2)" in latex(density)


def test_a_test_function_and_its_derivative():
    assert latex(TestFunction(z)) == "f(z)"
    assert latex(TestFunction(z, slope=True)) == "f'(z)"
    value = mean(TestFunction(z), LINE)
    assert value.diff(z) == mean(TestFunction(z, slope=True), LINE).expand()
    assert value.diff(z, 5) == 0 != value.diff(z, 4)


def test_every_object_of_the_vocabulary_is_tied():
    tied = {type(term) for term, _, _ in CASES}
    tied |= {Normal, DiagonalNormal, TestFunction, PositiveFunction}
    found, queue = set(), [Term]
    while queue:
        subclasses = queue.pop().__subclasses__()
        found.update(subclasses)
        queue += subclasses
    assert found == tied


def test_quadrature_has_its_digits():
    """Against closed forms: a normal moment and an elliptic integral."""
    y, c = Symbol("y", real=True), Symbol("c", positive=True)
    from sympy import Integral, exp, oo, sqrt

    moment = Integral(y**4 * exp(-(y**2) / (2 * c**2)), (y, -oo, oo))
    with mpmath.workdps(witness.WORKING_DIGITS):
        found = witness.precise(moment, 1)
        at = witness.point(moment, 1)[c]
        expected = 3 * at**5 * mpmath.sqrt(2 * mpmath.pi)
        assert abs(found - expected) < 1e-30
        root = Integral(1 / sqrt(1 + y**2), (y, 0, 1))
        assert abs(witness.precise(root, 1) - mpmath.asinh(1)) < 1e-30


def test_a_divergent_integral_has_no_value():
    from sympy import Integral, oo

    y = Symbol("y", real=True)
    odd = Integral(y**3, (y, -oo, oo))
    with pytest.raises(ArithmeticError, match="diverges"):
        witness.precise(odd, 1)
    assert witness.differ(odd, Integer(0))


def test_points_lie_inside_the_assumptions():
    expr = a + Symbol("r", real=True) + Symbol("n", integer=True)
    for seed, wide in itertools.product(range(20), (False, True)):
        drawn = witness.point(expr, seed, wide)
        assert drawn[a] > 0
        assert drawn[Symbol("n", integer=True)] % 1 == 0
    assert witness.point(expr, 1) == witness.point(expr, 1)
