"""Surfaces and curves whose geometry is known."""

import math

import pytest
import torch
from torch.testing import assert_close

from aevb import geometry
from aevb.distributions import TAU
from aevb.spaces import FlatTorus
from aevb.torus import Torus
from aevb.torus_vae import PointVAE


@pytest.fixture(params=[0.3, 0.5, 0.7])
def torus(request):
    return Torus(1.0, request.param)


def sheared(torus, matrix=((2, 1), (1, 1)), shift=(0.4, -1.0)):
    """The torus by other angles: the same surface, another chart."""
    turn, shift = torch.tensor(matrix).double(), torch.tensor(shift).double()
    return lambda z: torus.chart(z @ turn + shift)


def test_forms_of_the_torus_of_revolution(torus):
    v = geometry.lattice(33)[..., 1]
    found = geometry.surface(torus.chart)
    ring = torus.R + torus.r * v.cos()
    first = torch.zeros(33, 33, 2, 2).double()
    first[..., 0, 0], first[..., 1, 1] = ring**2, torus.r**2
    assert_close(found.first, first)
    assert_close(found.curvature, v.cos() / (torus.r * ring))
    assert_close(found.curvature, torus.curvature(found.x))


@pytest.mark.parametrize("chart", [lambda t: t.chart, sheared])
def test_area_and_total_curvature(torus, chart):
    found = geometry.surface(chart(torus), 51)
    area = float(found.element.sum())
    assert area == pytest.approx(TAU**2 * torus.R * torus.r, rel=1e-6)
    total = float((found.element * found.curvature).sum())
    assert total == pytest.approx(0, abs=1e-4)


def test_conformal_modulus(torus):
    tau = geometry.modulus(geometry.surface(torus.chart))
    want = torus.r / math.sqrt(torus.R**2 - torus.r**2)
    assert tau.imag == pytest.approx(want, rel=1e-9)
    assert tau.real == pytest.approx(0, abs=1e-9)


def test_a_shear_moves_the_modulus_by_a_moebius_map():
    torus = Torus()
    tau = geometry.modulus(geometry.surface(torus.chart))
    chart = sheared(torus, ((1, 0), (1, 1)))  # the second loop turns both
    other = geometry.modulus(geometry.surface(chart, 25))
    assert other == pytest.approx(tau + 1, abs=1e-6)


def test_derivatives_of_a_network_are_right():
    """Gauss and Bonnet hold for any decoder, trained or not; a missing term
    of a second derivative would show."""
    decode = PointVAE(FlatTorus(), [16, 16]).double().decode
    z = torch.rand(5, 2, dtype=torch.float64) * TAU
    x, slope, bend = geometry.jets(decode, z)
    assert_close(x, decode(z))
    for j, e in enumerate(1e-5 * torch.eye(2).double()):
        ahead, behind = (geometry.jets(decode, z + s * e) for s in (1, -1))
        for k, found in enumerate((slope, bend)):
            want = (ahead[k] - behind[k]) / 2e-5
            assert_close(found[..., j], want, atol=1e-7, rtol=1e-6)


def test_shortest_curves_obey_clairaut():
    """(R + r cos v)^2 u' is constant at unit speed (do Carmo 1976, 4-4)."""
    torus = Torus(1.0, 0.5)
    start = torch.tensor([[0.0, 0.5], [0.2, 3.0]]).double()
    end = torch.tensor([[1.5, 2.0], [-1.0, 2.5]]).double()
    z = geometry.shortest_curves(torus.chart, start, end)
    assert_close(z[:, 0], start)
    steps = z.diff(dim=1)
    middle = (z[:, 1:, 1] + z[:, :-1, 1]) / 2
    run = torus.chart(z).diff(dim=1).norm(dim=-1)
    turn = (torus.R + torus.r * middle.cos()) ** 2 * steps[..., 0] / run
    assert ((turn.amax(1) - turn.amin(1)) < 0.005).all()


def test_the_chart_does_not_matter_to_a_shortest_curve():
    torus = Torus(1.0, 0.5)
    a, b = torus.cloud(12).double().reshape(2, 6, 3)
    turn = torch.tensor([[1, 1], [0, 1]]).double()
    start, end = (torus.angles(p) @ torch.linalg.inv(turn) for p in (a, b))
    chart = sheared(torus, ((1, 1), (0, 1)), (0.0, 0.0))
    z = geometry.shortest_curves(chart, start, end)
    assert_close(
        geometry.length(chart(z)),
        torus.geodesic_length(a, b),
        rtol=0.01,
        atol=0,
    )
