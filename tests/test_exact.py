"""The plane, exactly: the lattice, its bound, its gradient, the gaps."""

import pytest
import torch
from torch.distributions import Normal
from torch.testing import assert_close

from aevb import augmented, evaluation, exact, tasks
from aevb.exact import ExactTask, lattice
from aevb.objectives import bernoulli_log_likelihood, negative_elbo
from aevb.settings import ExactConfig


def log_px_by_lattice(decoder, x, z):
    return exact.log_mean_exp(exact.log_likelihoods(decoder, x, z))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_lattice_points_are_spread_like_the_prior(size):
    torch.manual_seed(0)
    z = lattice(4096, size)
    assert z.shape == (4096, size)
    assert z.dtype == torch.float32
    u = Normal(0.0, 1.0).cdf(z).sort(dim=0).values
    even = (torch.arange(4096) + 0.5) / 4096
    # independent points are 0.01 away from the uniform distribution
    assert (u - even.unsqueeze(1)).abs().max() < 1.5e-3
    assert (z.T @ z / 4096 - torch.eye(size)).abs().max() < 0.02


def test_each_shift_is_another_and_reproducible():
    torch.manual_seed(3)
    one, other = lattice(8, 2), lattice(8, 2)
    torch.manual_seed(3)
    assert torch.equal(lattice(8, 2), one)
    assert not torch.equal(one, other)
    # one shift for all points: their differences in u stay
    u, v = (Normal(0.0, 1.0).cdf(z.double()) for z in (one, other))
    moved = (u - v + 1) % 1
    assert (moved - moved[0]).abs().max() < 1e-6


def test_a_point_at_the_edge_is_finite(monkeypatch):
    monkeypatch.setattr(
        torch, "rand", lambda n, dtype: torch.zeros(n).to(dtype)
    )
    assert lattice(4, 2).isfinite().all()


def test_likelihoods_are_those_of_the_logits(vae, x):
    z = torch.randn(5, 2)
    found = exact.log_likelihoods(vae.decoder, x, z)
    for g in range(5):
        logits = vae.decoder(z[g]).expand_as(x)
        expected = bernoulli_log_likelihood(logits, x)
        assert_close(found[:, g], expected)


def test_the_gradient_is_that_of_the_plain_formula(vae, x):
    z = lattice(64, 2)
    weights = list(vae.decoder.parameters())
    value = log_px_by_lattice(vae.decoder, x, z).sum()
    p = torch.sigmoid(vae.decoder(z)).unsqueeze(0)  # (1, G, D)
    pixels = torch.where(x.unsqueeze(1) == 1, p, 1 - p)
    plain = pixels.prod(dim=2).mean(dim=1).log().sum()
    assert_close(value, plain)
    found, want = (torch.autograd.grad(v, weights) for v in (value, plain))
    assert_close(found, want, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_mean_estimate_is_a_bound_that_tightens(vae, x):
    integral = evaluation.log_px_by_quadrature(vae, x, 0.05)
    torch.manual_seed(0)
    gaps = []
    for points in (4, 32, 512):
        draws = torch.stack(
            [
                log_px_by_lattice(vae.decoder, x, lattice(points, 2))
                for _ in range(200)
            ]
        )
        # unbiased before the logarithm, below after it
        ratio = (draws - integral).exp()
        error = ratio.std(dim=0) / 200**0.5
        assert ((ratio.mean(dim=0) - 1).abs() < 5 * error + 1e-4).all()
        gaps.append((integral - draws.mean(dim=0)).mean().item())
    assert gaps[0] > 3 * gaps[1] > 9 * abs(gaps[2])


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_each_network_follows_its_own_objective(small, share):
    task = ExactTask(ExactConfig(hidden_dims=(8, 4), points=16))
    torch.manual_seed(0)
    model = task.model()
    batch = (torch.rand(8, tasks.PIXELS) > 0.5).float()
    task.draw(torch.zeros(2, tasks.PIXELS, dtype=torch.uint8), share)
    torch.manual_seed(1)
    terms = task.loss(model, batch)
    terms["loss"].backward()
    torch.manual_seed(1)
    z = lattice(16, 2)
    log_px_z = exact.log_likelihoods(model.decoder, batch, z)
    nll = -exact.log_mean_exp(log_px_z).mean()
    if share < 0.5:
        known = batch[:4], z, log_px_z[:4]
        encoder = -exact.log_q_of_posterior(model, *known).mean()
    else:
        encoder = negative_elbo(model, batch[:4])["loss"]
    assert terms["nll"] == nll
    assert_close(terms["loss"], nll + encoder)
    for network, objective in ((model.decoder, nll), (model.encoder, encoder)):
        weights = list(network.parameters())
        expected = torch.autograd.grad(objective, weights, retain_graph=True)
        assert_close([w.grad for w in weights], [*expected])


@torch.no_grad()
def test_draws_have_the_moments_of_the_posterior(vae, x):
    """The mean of log q at the draws is its mean under the posterior."""
    z = lattice(512, 2)
    log_px_z = exact.log_likelihoods(vae.decoder, x, z)
    torch.manual_seed(0)
    found = torch.stack(
        [exact.log_q_of_posterior(vae, x, z, log_px_z) for _ in range(2000)]
    )
    step = 0.05
    axis = torch.arange(-6, 6, step)
    grid = torch.cartesian_prod(axis, axis)
    log_pz = Normal(0.0, 1.0).log_prob(grid).sum(dim=1)
    log_pxz = exact.log_likelihoods(vae.decoder, x, grid) + log_pz
    posterior = log_pxz.softmax(dim=1)
    mean, logvar = vae.encode(x)
    q = Normal(mean.unsqueeze(1), (0.5 * logvar).exp().unsqueeze(1))
    expected = (posterior * q.log_prob(grid).sum(dim=2)).sum(dim=1)
    error = found.std(dim=0) / 2000**0.5
    assert ((found.mean(dim=0) - expected).abs() < 5 * error + 0.02).all()


@pytest.mark.parametrize(
    ("deformed", "share", "expected"),
    [(0.0, 0.0, 0), (0.6, 0.0, 60), (0.6, 0.8, 60), (0.6, 0.9, 30)],
)
def test_fewer_images_are_deformed_at_the_end(
    deformed, share, expected, monkeypatch
):
    used = []
    monkeypatch.setattr(
        augmented, "deform", lambda rows, a: used.append(a) or 255 - rows
    )
    task = ExactTask(ExactConfig(deformed=deformed, bend=0.5))
    rows = torch.zeros(100, tasks.PIXELS, dtype=torch.uint8)
    rows[:, 0] = 255
    drawn = task.draw(rows, share)
    found = drawn[:, 1] == 1
    assert found.sum() == len(used[0]) == expected
    assert torch.equal(drawn[~found], rows[~found] / 255)
    assert torch.equal(drawn[found], 1 - rows[found] / 255)
    assert not expected or 0.4 < used[0][:, 6:].std() < 0.6
