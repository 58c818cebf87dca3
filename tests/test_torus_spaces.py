"""Latent spaces: each an instance of the same few laws."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from aevb.distributions import TAU
from aevb.spaces import FlatTorus, Plane
from aevb.torus import Torus
from benchmarks import torus_bounds, torus_surface
from benchmarks.spaces import (
    Cylinder,
    KleinBottle,
    Sphere,
    SphereUniform,
    VonMisesFisher,
)
from benchmarks.torus_stress import NOISE, anchors, observations, stress
from benchmarks.which_space import CLOUDS, log_px
from conftest import double

SPACES = [Plane(), FlatTorus(), Cylinder(), Sphere(), KleinBottle()]
every = pytest.mark.parametrize(
    "space", SPACES, ids=lambda s: type(s).__name__
)


@every
def test_sizes_fit_and_the_divergence_is_its_mean(space):
    q = space.posterior(torch.randn(3, space.outputs).double())
    p = space.prior()
    assert q.batch_shape == (3,)
    assert p.batch_shape == ()
    assert q.event_shape == p.event_shape == q.mean.shape[1:]
    z = q.rsample((40_000,))
    assert space.embed(z).shape[-1] == space.inputs
    drawn = q.log_prob(z) - p.log_prob(z)
    error = 5 * float(drawn.std()) / 200
    found, want = kl_divergence(q, p).double(), drawn.mean(0).double()
    assert_close(found, want, atol=error, rtol=0)


@every
def test_a_way_ends_where_it_should(space):
    torch.manual_seed(1)
    z0, z1 = space.prior().sample((2, 50)).double()
    t = double([0.0, 1.0]).reshape(2, 1, 1)
    ends = space.embed(space.interpolate(z0, z1, t))
    want = space.embed(torch.stack([z0, z1]))
    assert_close(ends, want, atol=1e-6, rtol=0)
    there, back = space.difference(z0, z1), space.difference(z1, z0)
    assert_close(there.norm(dim=-1), back.norm(dim=-1))


@every
def test_shares_are_spread_as_the_prior(space):
    shares = torch.rand(40_000, 2)
    ours = space.embed(space.quantile(shares))
    drawn = space.embed(space.prior().sample((40_000,)))
    for power in (1, 2):
        found, want = (x.pow(power).mean(0) for x in (ours, drawn))
        assert_close(found, want, atol=0.03, rtol=0)


def test_the_klein_bottles_decoder_sees_both_images_alike():
    space, (a, b) = KleinBottle(), torch.rand(2, 20).double() * TAU
    one, two = torch.stack([a, b], 1), torch.stack([a + math.pi, -b], 1)
    assert_close(space.embed(one), space.embed(two))
    assert space.difference(one, two).norm(dim=1).max() < 1e-6


@pytest.mark.parametrize("kappa", [0.1, 1.0, 10.0, 1000.0])
def test_von_mises_fisher_by_quadrature(kappa):
    """Total 1, and the divergence, over the cosine w: 2 pi f(w) dw."""
    north = double([0.0, 0.0, 1.0])
    q = VonMisesFisher(north, double(kappa))
    w = 1 - torch.logspace(-9, math.log10(2), 200_001).double()
    z = torch.stack([(1 - w**2).clamp(min=0).sqrt(), 0 * w, w], dim=1)
    log_f = q.log_prob(z)

    def integral(values):
        return float(-TAU * torch.trapezoid(values, w))

    assert integral(log_f.exp()) == pytest.approx(1, abs=2e-6)
    kl = integral(log_f.exp() * (log_f + math.log(2 * TAU)))
    ours = float(kl_divergence(q, SphereUniform()))
    assert ours == pytest.approx(kl, abs=1e-5)


def test_log_p_of_x_by_quadrature_is_a_normals():
    """The prior through an affine decoder is a normal in closed form."""
    k = torch.arange(20_000).double() + 0.5
    shares = torch.stack([k / 20_000, (k * (5**0.5 - 1) / 2) % 1], 1)
    z = Plane().quantile(shares)
    decoded = torch.stack([z[:, 0], 2 * z[:, 1], 0 * z[:, 0]], dim=1)
    x = double([[0.3, -0.5, 0.1]])
    deviations = (double([1, 2, 0]) ** 2 + 0.2**2).sqrt()
    want = Normal(0.0, deviations).log_prob(x).sum(1)
    assert_close(log_px(decoded, x, 0.2), want, atol=1e-3, rtol=0)


def test_stress_does_not_see_the_scale():
    far = double([1.0, 2.0, 3.0])
    assert stress(far, 7 * far) == pytest.approx(0, abs=1e-12)
    # both have mean 2: sqrt((1 + 0 + 1) / 14)
    assert stress(far, double([2.0, 2.0, 2.0])) == pytest.approx(
        (2 / 14) ** 0.5
    )


def test_the_posterior_mean_finds_the_angles_again(monkeypatch):
    monkeypatch.setattr(torus_bounds, "NODES", (384, 64))
    angles = double([[0.3, 2.0], [-1.0, -3.1]])
    x = torus_bounds.clean(angles) + NOISE * torch.randn(2, 50)
    off = torus_bounds.wrap(torus_bounds.posterior_mean(x) - angles)
    assert off.abs().max() < 0.5


def test_the_first_rows_are_the_points_nearest_to_the_grid():
    angles, x = observations()
    assert x.shape == (2016, 50)
    first = torch.arange(16)
    others = angles[16:-400]
    assert torch.equal(angles[first], others[anchors(others)])
    assert len(torch.unique(angles[first], dim=0)) == 16


def test_a_surface_grows_about_a_curve_and_finds_the_angles(monkeypatch):
    monkeypatch.setattr(torus_surface, "NODES", (40, 20))
    grid = torch.cartesian_prod(*[torch.arange(4) * TAU / 4] * 2)
    angles = torch.cat([grid, torch.rand(300, 2) * TAU])
    x = Torus(2.0, 0.8).chart(angles) + 0.05 * torch.randn(316, 3)
    surface = torus_surface.fit(angles[:16], x, 1, 0.05)
    found, _ = surface.locate(x)
    assert torus_bounds.wrap(found - angles).abs().mean() < 0.1


def test_a_surface_that_is_a_point_has_a_normals_likelihood():
    surface = torus_surface.Surface(torch.ones(1, 3), (0, 0), 0.3)
    x = torch.tensor([[0.5, 1.0, 1.2]])
    want = Normal(1.0, 0.3).log_prob(x).sum()
    assert surface.locate(x)[1] == pytest.approx(float(want), abs=1e-5)


def test_clouds_have_the_shape_of_their_space():
    shares = torch.rand(500, 2)
    cylinder, ball = CLOUDS["cylinder"](shares), CLOUDS["sphere"](shares)
    assert_close(cylinder[:, :2].norm(dim=1), torch.ones(500))
    assert_close(ball.norm(dim=1), torch.ones(500))
    assert all(c(shares).shape == (500, 3) for c in CLOUDS.values())
