"""What an object prints is tied to what it means."""

import itertools

import mpmath
import numpy as np
import pytest
import scipy.stats
from sympy import Derivative, Integer, Symbol, exp, log, symbols

from proofs import numeric
from proofs.vocabulary import (
    KL,
    Boundary,
    DiagonalNormal,
    Expectation,
    Let,
    Normal,
    Output,
    Over,
    PositiveFunction,
    Ratio,
    TangentGap,
    Term,
    TestFunction,
    Variance,
    Vector,
    d,
    encoder,
    entry,
    epsilons,
    evidence,
    joint,
    latex,
    likelihood,
    moved,
    mus,
    phi,
    posterior,
    prior,
    sigmas,
    z,
    zs,
)
from proofs.worlds import LINE, POINTS, interpret

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
    (likelihood(Integer(1), Symbol("x_2", real=True)), r"p(x_{2} \mid 1)",
     Symbol("likelihood_x_2_1", positive=True)),
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
    for seed in (1, 2):
        assert numeric.agree(interpret(term, POINTS), value, seed)


def test_a_normal_density_is_that_of_scipy():
    density = interpret(Normal(Symbol("y"), 2, Integer(3)), LINE)
    found = [float(density.subs("y", y)) for y in (-1, 0, 4)]
    np.testing.assert_allclose(found, scipy.stats.norm(2, 3).pdf([-1, 0, 4]))
    printed = latex(Normal(z, Symbol("mu"), Symbol("sigma", positive=True)))
    assert printed == r"\mathcal{N}(z;\, \mu, \sigma^{2})"


def test_a_diagonal_normal_density_is_that_of_scipy():
    density = DiagonalNormal(zs, mus, sigmas)
    values = {zs: [0.3, -1.0], mus: [1.0, 0.5], sigmas: [2.0, 0.7]}
    point = {
        base[i + 1]: v
        for base, row in values.items()
        for i, v in enumerate(row)
    }
    found = float(interpret(density, LINE).subs(point))
    expected = scipy.stats.multivariate_normal(
        values[mus], np.diag(np.square(values[sigmas]))
    ).pdf(values[zs])
    assert found == pytest.approx(expected)
    assert r"\operatorname{diag}(\sigma^2)" in latex(density)


def test_a_test_function_and_its_derivatives():
    """On the line it is smooth in its point and in the weight."""
    assert latex(TestFunction(z)) == r"f(z;\, \phi)"
    assert latex(TestFunction(zs, d)) == r"\partial_{d} f(z;\, \phi)"
    value = interpret(TestFunction(zs), LINE)
    for by, variable in ((Integer(2), zs[2]), (phi, phi)):
        found = interpret(TestFunction(zs, by), LINE)
        assert (value.diff(variable) - found).expand() == 0 != found


def test_outputs_are_linear_in_the_weight():
    value, slope = (interpret(Output(mus[1], o), LINE) for o in (0, 1))
    assert value.diff(phi) == slope != 0
    assert latex(Output(mus[d], 1)) == r"\partial_\phi \mu_{d}"


def test_a_boundary_term_is_a_difference_of_limits():
    edge = Boundary(-z * Normal(z, 0, 1), z)
    assert numeric.agree(interpret(edge, LINE), Integer(0), 1)
    with pytest.raises(ValueError, match="no density"):
        interpret(Expectation(z, Normal(2 * z, 0, 1)), LINE)
    assert latex(edge).endswith(r"_{z = -\infty}^{z = \infty}")


def test_a_vector_has_entries_and_a_name():
    vector = moved(mus, sigmas)
    assert entry(vector, 2) == mus[2] + sigmas[2] * epsilons[2]
    assert latex(vector) == r"\mu + \sigma \cdot \epsilon"


def test_every_object_of_the_vocabulary_is_tied():
    tied = {type(term) for term, _, _ in CASES}
    tied |= {Normal, DiagonalNormal, TestFunction, PositiveFunction}
    tied |= {Boundary, Output, Vector}
    found, queue = set(), [Term]
    while queue:
        subclasses = queue.pop().__subclasses__()
        found.update(subclasses)
        queue += subclasses
    assert found == tied


def test_quadrature_has_its_digits():
    """Against closed forms: a normal moment and an elliptic integral."""
    y, c = Symbol("y", real=True), Symbol("c", positive=True)
    from sympy import Integral, oo, sqrt

    moment = Integral(y**4 * exp(-(y**2) / (2 * c**2)), (y, -oo, oo))
    with mpmath.workdps(numeric.WORKING_DIGITS):
        found = numeric.precise(moment, 1)
        at = numeric.draw(c, 1, False)
        expected = 3 * at**5 * mpmath.sqrt(2 * mpmath.pi)
        assert abs(found - expected) < 1e-30
        root = Integral(1 / sqrt(1 + y**2), (y, 0, 1))
        assert abs(numeric.precise(root, 1) - mpmath.asinh(1)) < 1e-30


def test_bound_variables_may_depend_on_each_other():
    """A triangle, and a series and a derivative under an integral."""
    from sympy import Integral, Sum, oo

    y, t = symbols("y t", real=True)
    n = Symbol("n", integer=True)
    for found, value in (
        (Integral(t * y, (t, 0, y), (y, 0, 1)), Integer(1) / 8),
        (Integral(Sum((t / 2) ** n, (n, 0, oo)), (t, 0, 1)), 2 * log(2)),
        (Integral(Derivative(exp(a * t), t), (t, 0, 1)), exp(a) - 1),
    ):
        assert numeric.agree(found, value, 1)
        assert not numeric.differ(found, value, 1)
        assert numeric.differ(found, value + Integer(1) / 100, 1)


def test_a_divergent_integral_has_no_value():
    from sympy import Integral, oo

    y = Symbol("y", real=True)
    odd = Integral(y**3, (y, -oo, oo))
    with pytest.raises(ArithmeticError, match="diverges"):
        numeric.precise(odd, 1)
    assert numeric.differ(odd, Integer(0))


def test_points_lie_inside_the_assumptions():
    n = Symbol("n", integer=True)
    for seed, wide in itertools.product(range(20), (False, True)):
        assert numeric.draw(a, seed, wide) > 0
        assert numeric.draw(n, seed, wide) % 1 == 0
    assert numeric.draw(a, 1, False) == numeric.draw(a, 1, False)


def test_a_derivative_has_its_digits():
    y = Symbol("y", real=True)
    found = Derivative(y * exp(y**2), y)
    for value in (numeric.agree, lambda *e: not numeric.differ(*e)):
        assert value(found, (1 + 2 * y**2) * exp(y**2), 1)
        assert not value(found, (1 + 3 * y**2) * exp(y**2), 1)
