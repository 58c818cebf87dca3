"""The code is a third reader of the proofs: it computes their last lines."""

import numpy as np
import pytest
import torch
from sympy import Indexed, Integer, Sum, lambdify, oo
from torch.distributions import kl_divergence

from aevb.distributions import CircleUniform, WrappedNormal
from aevb.objectives import (
    bernoulli_log_likelihood,
    log_normal_pdf,
    loss_KL_wo_E,
    loss_SGVB,
)
from proofs import DERIVATIONS
from proofs.vocabulary import D, ell, mus, sigma, sigmas, x, zs
from proofs.worlds import Line, interpret

SIZE = 3
WORLD = Line("three coordinates", sizes=((D, SIZE),))


@pytest.fixture
def output() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    names = ("z", "mean", "logvar")
    return {
        name: torch.randn(50, SIZE, generator=generator, dtype=torch.float64)
        for name in names
    }


def last_line(name: str, output: dict[str, torch.Tensor]) -> np.ndarray:
    """The last line of a derivation, at every row of the output."""
    expr = interpret(DERIVATIONS[name].last, WORLD)
    vectors = {
        zs: output["z"],
        mus: output["mean"],
        sigmas: torch.exp(output["logvar"] / 2),
    }
    values = {
        Indexed(base, Integer(i + 1)): tensor[:, i].numpy()
        for base, tensor in vectors.items()
        for i in range(SIZE)
    }
    return lambdify(list(values), expr, "numpy")(*values.values())


@pytest.mark.parametrize(
    ("name", "call", "sign"),
    [
        ("log-normal", lambda o: log_normal_pdf(*o.values()), 1),
        ("diagonal-kl", loss_KL_wo_E, -1),
        ("log-ratio", loss_SGVB, 1),
    ],
)
def test_densities_and_terms_are_last_lines(name, call, sign, output):
    expected = sign * last_line(name, output)
    np.testing.assert_allclose(call(output), expected, rtol=1e-11)


def test_pixel_likelihood_is_the_last_line():
    logits = torch.linspace(-9, 9, 37, dtype=torch.float64)
    line = interpret(DERIVATIONS["bernoulli-logit"].last, WORLD)
    for pixel in (0.0, 0.3, 1.0):
        x_d = torch.full_like(logits, pixel)
        found = bernoulli_log_likelihood(logits[:, None], x_d[:, None])
        expected = lambdify([ell, x], line, "numpy")(logits.numpy(), pixel)
        np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("wrapped-kl", s) for s in (0.5, 1.0, 2.5)]
    + [("wrapped-kl-bound", s) for s in (0.01, 0.1, 0.3)],  # narrow ones
)
def test_wrapped_normal_divergence_is_the_series_or_its_bound(name, deviation):
    """The series cut where its terms are below 1e-17."""
    expr = interpret(DERIVATIONS[name].last, WORLD).replace(
        lambda e: isinstance(e, Sum),
        lambda e: Sum(e.function, (e.limits[0][0], 1, 200)),
    )
    assert not expr.has(oo)
    expected = lambdify(sigma, expr, "mpmath")(deviation)
    scale = torch.tensor(deviation, dtype=torch.float64)
    found = kl_divergence(
        WrappedNormal(torch.zeros_like(scale), scale), CircleUniform()
    )
    assert found.item() == pytest.approx(float(expected), abs=1e-11)
