"""Identities of the circle's two distributions, most of them in float64."""

import math

import mpmath as mp
import pytest
import torch
from torch.distributions import kl_divergence
from torch.testing import assert_close

from aevb.distributions import TAU, CircleUniform, WrappedNormal, wrap
from conftest import double

SIGMAS = [0.01, 0.1, 0.3, 0.399, 0.4, 0.7, 1.0, 1.7, 2.5, 2.51, 4.0, 10.0]


def grid(sigma: float, n: int = 20_001) -> torch.Tensor:
    """Angles around the mean 0 out to where the density vanishes."""
    edge = min(math.pi, 12 * sigma)
    return torch.linspace(-edge, edge, n, dtype=torch.float64)


def images(angle: float, sigma: float) -> mp.mpf:
    """The definition, with far more images than any sigma here needs."""
    return mp.fsum(
        mp.npdf(angle + 2 * mp.pi * k, 0, sigma) for k in range(-40, 41)
    )


@pytest.mark.parametrize("sigma", SIGMAS)
def test_density_is_the_sum_over_images(sigma):
    angles = grid(sigma, 7) + 0.3 * sigma
    ours = WrappedNormal(double(2.9), double(sigma)).log_prob(angles + 2.9)
    want = double([mp.log(images(float(a), sigma)) for a in angles])
    assert_close(ours, want, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-9)]
)
def test_mass_is_one_and_kl_and_entropy_are_their_integrals(
    sigma, dtype, tolerance
):
    angles = grid(sigma)
    log_f = WrappedNormal(double(0.0), double(sigma)).log_prob(angles)
    mass = float(torch.trapezoid(log_f.exp(), angles))
    assert mass == pytest.approx(1, abs=1e-9)
    ratio = log_f + math.log(TAU)
    integral = float(torch.trapezoid(log_f.exp() * ratio, angles))
    scale = torch.tensor(sigma, dtype=dtype)
    q = WrappedNormal(0 * scale, scale)
    ours = kl_divergence(q, CircleUniform())
    assert ours.dtype == dtype
    assert float(ours) == pytest.approx(integral, abs=tolerance)
    entropy = math.log(TAU) - integral
    assert float(q.entropy()) == pytest.approx(entropy, abs=2 * tolerance)


def test_rsample_has_the_moments_of_a_wrapped_normal():
    sigma = double(0.8)
    q = WrappedNormal(double(3.0), sigma)
    angles = q.rsample((200_000,))
    assert (angles >= -math.pi).all()
    assert (angles <= math.pi).all()
    for m in (1, 2):  # E cos m(theta - mu) = exp(-m^2 sigma^2 / 2)
        moment = torch.cos(m * (angles - 3.0)).mean()
        want = torch.exp(-(m**2) * sigma**2 / 2)
        assert float(moment) == pytest.approx(float(want), abs=5e-3)
    assert float(q.variance) == pytest.approx(1 - math.exp(-0.32), abs=1e-12)


def test_rsample_is_reparameterised():
    loc = torch.tensor(3.1, requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    torch.manual_seed(2)
    sample = WrappedNormal(loc, scale).rsample((50,))
    torch.manual_seed(2)
    eps = torch.randn(50)
    sample.sum().backward()
    assert float(loc.grad) == pytest.approx(50)
    assert float(scale.grad) == pytest.approx(float(eps.sum()), rel=1e-5)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_gradcheck(sigma):
    loc = double([0.4], requires_grad=True)
    scale = double([sigma], requires_grad=True)
    value = double([0.4 + 0.7 * min(sigma, 2)])

    def kl(scale):
        return kl_divergence(WrappedNormal(0.0, scale), CircleUniform())

    def log_prob(loc, scale):
        return WrappedNormal(loc, scale).log_prob(value)

    # a step that does not straddle the switches at 0.4 and sqrt(2 pi)
    eps = 1e-7 * sigma
    assert torch.autograd.gradcheck(kl, scale, eps=eps, atol=1e-6)
    assert torch.autograd.gradcheck(
        log_prob, (loc, scale), eps=eps, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("sigma", [1e-4, 1e-2, 0.5, 2.5, 30.0, 300.0])
def test_gradients_are_finite_far_outside_the_common_range(sigma):
    scale = torch.tensor(sigma, requires_grad=True)
    q = WrappedNormal(torch.tensor(0.0), scale)
    value = kl_divergence(q, CircleUniform()) + q.log_prob(torch.tensor(3.0))
    (grad,) = torch.autograd.grad(value, scale)
    assert torch.isfinite(value)
    assert torch.isfinite(grad)


def test_nothing_changes_when_both_angles_turn_once():
    loc, value = torch.rand(2, 100, 2, dtype=torch.float64) * TAU
    scale = torch.rand(100, 2, dtype=torch.float64) + 0.1
    still = WrappedNormal(loc, scale).log_prob(value)
    turned = WrappedNormal(loc + TAU, scale).log_prob(value - TAU)
    assert_close(turned, still)
    prior = CircleUniform(torch.Size([2]))
    assert_close(prior.log_prob(value + TAU), prior.log_prob(value))


def test_uniform_is_uniform():
    p = CircleUniform()
    angles = p.sample((100_000,))
    assert float(angles.abs().max()) <= math.pi
    assert float(torch.cos(angles).mean()) == pytest.approx(0, abs=0.01)
    assert float(torch.cos(2 * angles).mean()) == pytest.approx(0, abs=0.01)
    assert float(p.entropy()) == pytest.approx(math.log(TAU))
    assert p.log_prob(angles).shape == angles.shape


def test_wrap_keeps_the_angle_and_its_gradient():
    angle = torch.linspace(-20, 20, 101, dtype=torch.float64)
    angle.requires_grad_()
    wrapped = wrap(angle)
    assert (wrapped >= -math.pi).all()
    assert (wrapped < math.pi).all()
    assert_close(wrapped.cos(), angle.cos())
    wrapped.sum().backward()
    assert (angle.grad == 1).all()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_sigma_must_be_positive(scale):
    with pytest.raises(ValueError, match="scale"):
        WrappedNormal(torch.tensor(0.0), torch.tensor(scale))


def test_expand():
    q = WrappedNormal(torch.tensor(1.0), torch.tensor(0.3)).expand((4, 2))
    assert q.batch_shape == (4, 2)
    assert q.entropy().shape == (4, 2)
    assert CircleUniform().expand((3,)).entropy().shape == (3,)
