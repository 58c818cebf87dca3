"""What the ELBO costs: bounds over the plane, the best normal, the gaps."""

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributions import Normal
from torch.testing import assert_close

from aevb import evaluation, gaps
from aevb.errors import UserError
from aevb.figures import exact as figures
from aevb.gaps import Lattice
from aevb.models import VAE


def conjugate(mean, deviation, step=0.1):
    """A Lattice whose posteriors are known normals, log p(x) = -3."""
    plane = Lattice.__new__(Lattice)
    plane.step = step
    half = round(5 / step)
    plane.axis = step * torch.arange(-half, half + 1.0)
    plane.points = torch.cartesian_prod(plane.axis, plane.axis)
    normal = Normal(mean.unsqueeze(1), deviation.unsqueeze(1))
    plane.log_pxz = normal.log_prob(plane.points).sum(dim=2) - 3
    return plane


def test_the_bound_of_a_normal_posterior_is_tight():
    mean = torch.tensor([[0.3, -1.0], [2.0, 0.5]])
    deviation = torch.tensor([[0.2, 0.6], [0.1, 0.3]])
    plane = conjugate(mean, deviation)
    assert_close(plane.log_px(), torch.full((2,), -3.0))
    truth = torch.stack([mean, 2 * deviation.log()])
    # elsewhere the bound is lower by the divergence between two normals
    q = torch.stack([mean + 0.1, truth[1] + 0.4])
    kl = torch.distributions.kl_divergence(
        Normal(q[0], (0.5 * q[1]).exp()), Normal(mean, deviation)
    ).sum(dim=1)
    both = torch.stack([truth, q], dim=2)
    expected = -3 - torch.stack([0 * kl, kl], dim=1)
    assert_close(plane.elbo(both), expected)
    found = plane.best_normal(both[:, :, 1:], 50)
    assert_close(found[:, :, 0], truth, atol=0.02, rtol=0)
    assert (plane.elbo(found) > -3.001).all()


def test_the_plane_is_the_quadrature(vae, x):
    plane = Lattice(vae, x, 0.05)
    expected = evaluation.log_px_by_quadrature(vae, x, 0.05)
    assert_close(plane.log_px(), expected)
    q = torch.stack(vae.encode(x)).detach()
    generator = torch.Generator().manual_seed(0)
    likelihood = evaluation.bernoulli(vae, x, "float32")
    found = evaluation.bounds(*q, likelihood, 20_000, generator)
    elbo = plane.elbo(q.unsqueeze(2)).squeeze(1)
    assert_close(elbo, found.elbo, atol=0.15, rtol=0)
    weights = (plane.log_pxz + 2 * math.log(0.05)).exp().sum(dim=1)
    assert_close(weights, expected.exp())


def test_one_latent_dimension_has_its_gaps_and_their_figure(x):
    model = VAE(x.shape[1], [16, 2])
    found = gaps.inference(model, x, 0.05, 20)
    expected = evaluation.log_px_by_quadrature(model, x, 0.05)
    assert_close(found["log_px"], expected)
    assert (found["elbo"] <= found["best_elbo"]).all()
    assert (found["best_elbo"] <= found["log_px"] + 1e-4).all()
    few = gaps.posteriors(model, x[:2], found["q"][:, :2])
    few["best_q"] = found["best_q"][:, :2]
    images = torch.zeros(2, 784)
    figure = figures.posteriors(images, {"one": few})
    figure.savefig(io.BytesIO(), format="png", dpi=60)
    density = figure.axes[2].lines[0].get_ydata()  # a normal's
    z = figure.axes[2].lines[0].get_xdata()
    assert math.isclose(np.trapezoid(density, z), 1, abs_tol=0.05)


def test_the_gaps_of_more_latent_dimensions_are_refused(x):
    with pytest.raises(UserError, match="one or two latent dimensions, not 3"):
        gaps.inference(VAE(x.shape[1], [16, 6]), x, 0.5, 2)


def test_the_gaps_add_up(vae, x, monkeypatch):
    monkeypatch.setattr(gaps, "binary_test_images", lambda device, n: x[:n])
    other = VAE(12, [8, 4], decoder_dims=[8, 8]).eval()
    runs = (SimpleNamespace(model=m) for m in (vae, other))
    found = gaps.gaps(*runs, images=5, step=0.1, iterations=20, shown=2)
    summary = found["summary"]
    parts = [summary["vae_kl"][k] for k in ("approximation", "amortisation")]
    parts.append(summary["model"])
    total = sum(p["value"] for p in parts)
    assert summary["total"]["value"] == pytest.approx(total, abs=1e-3)
    assert summary["total"]["n"] == 5
    for name in ("vae_kl", "vae_exact"):
        gap = summary[name]
        assert gap["approximation"]["value"] > 0
        assert gap["amortisation"]["value"] > 0
        between = gap["negative_elbo"]["value"] - gap["nll"]["value"]
        both = gap["approximation"]["value"] + gap["amortisation"]["value"]
        assert between == pytest.approx(both, abs=1e-3)
        assert found[name]["log_pxz"].shape == (2, 120, 120)


def test_the_best_normal_is_the_better_of_two(vae, x):
    found = gaps.inference(vae, x, step=0.1, iterations=3)
    plane, q = Lattice(vae, x, 0.1), torch.stack(vae.encode(x)).detach()
    for mean in (q[0], plane.modes()):
        start = torch.stack([mean, q[1]]).unsqueeze(2)
        one = plane.elbo(plane.best_normal(start, 3)).squeeze(1)
        assert (found["best_elbo"] >= one - 1e-4).all()


@torch.no_grad()
def test_the_square_that_is_drawn_holds_the_posterior(vae, x):
    q = torch.stack(vae.encode(x))
    found = gaps.posteriors(vae, x, q)
    spacing = found["axes"][:, :, 1] - found["axes"][:, :, 0]
    mass = found["log_pxz"].flatten(1).logsumexp(1) + spacing.log().sum(1)
    lost = evaluation.log_px_by_quadrature(vae, x) - mass
    assert (lost.abs() < 0.05).all()


def test_the_figure_shows_posterior_and_normals():
    z = torch.linspace(-1, 1, 20)
    one = Normal(0.5, 0.1).log_prob(z)  # z1 = 0.5
    other = Normal(-0.5, 0.3).log_prob(z)  # z2 = -0.5
    q = torch.tensor([[[0.5, -0.5]], [[0.1, 0.3]]])
    q[1] = 2 * q[1].log()
    found = {
        "axes": z.expand(1, 2, 20),
        "log_pxz": (one.unsqueeze(1) + other).unsqueeze(0),
        "q": q,
        "best_q": q,
    }
    figure = figures.posteriors(torch.zeros(1, 784), {"model": found})
    figure.savefig(io.BytesIO(), format="png")
    axes = figure.axes[1]
    density = axes.images[0].get_array()
    row, column = divmod(int(density.argmax()), 20)
    assert z[column] == pytest.approx(0.5, abs=0.06)
    assert z[row] == pytest.approx(-0.5, abs=0.06)
    ellipse = axes.patches[0]
    assert ellipse.center == pytest.approx((0.5, -0.5))
    assert ellipse.width == pytest.approx(0.2)
    assert ellipse.height == pytest.approx(0.6)
