"""Bounds and likelihoods against models whose likelihood is known."""

import itertools
import math
import threading
import time

import pytest
import torch

from aevb import evaluation
from aevb.errors import UserError
from aevb.evaluation import (
    active_units,
    bernoulli,
    bounds,
    evaluate_vae,
    importance_sampling,
    log_px_by_mixture,
    log_px_by_quadrature,
)
from aevb.models import VAE
from conftest import PATIENCE

F64 = torch.float64


@pytest.fixture
def cheap(monkeypatch):
    """Many latents in one product, which is faster for a small model; and a
    coarse grid where the integral is not what is tested."""
    monkeypatch.setattr(evaluation, "LATENTS", 100_000)
    monkeypatch.setattr(evaluation, "STEP", 0.25)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small_vae(latents, inputs=8):
    """A VAE with a decoder far from constant and a fair encoder."""
    torch.manual_seed(latents)
    model = VAE(inputs, [16, 2 * latents]).to(F64)
    with torch.no_grad():
        model.decoder[-1].weight.mul_(3)
    return model.eval()


def every_image(inputs=8):
    images = itertools.product((0.0, 1.0), repeat=inputs)
    return torch.tensor(list(images), dtype=F64)


@pytest.mark.parametrize("latents", [1, 2])
def test_quadrature_gives_probabilities_that_sum_to_one(latents):
    log_px = log_px_by_quadrature(small_vae(latents), every_image(), 0.25, 8.0)
    assert abs(log_px.exp().sum() - 1) < 1e-10


def test_quadrature_takes_a_decoder_that_does_not_end_in_a_linear_layer():
    model, x = small_vae(1), every_image()
    plain = log_px_by_quadrature(model, x, 0.25)
    model.decoder = torch.nn.Sequential(model.decoder)
    torch.testing.assert_close(log_px_by_quadrature(model, x, 0.25), plain)


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("latents", [1, 2])
def test_importance_sampling_agrees_with_quadrature(latents):
    model, x = small_vae(latents), every_image()
    exact = log_px_by_quadrature(model, x, 0.25, 8.0).mean()
    found = [evaluate_vae(model, x, 800, "float32", seed=i) for i in range(12)]
    nll = torch.tensor([f["test_nll"].value for f in found], dtype=F64)
    elbo = torch.tensor([f["test_elbo"].value for f in found], dtype=F64)
    error = nll.std() / len(nll) ** 0.5
    assert abs(nll.mean() + exact) < 3 * error
    assert elbo.max() < exact - 0.01


def repeated(estimate, exact, model, x, *proposal, n=15):
    """Mean relative error of an estimate of p(x) over n seeds, and its
    standard error: of p(x), for which it is unbiased, not of log p(x)."""
    likelihood = bernoulli(model, x, "float32")
    found = (estimate(*proposal, likelihood, 800, seeded(i)) for i in range(n))
    errors = torch.stack([torch.expm1(f - exact).mean() for f in found])
    return errors.mean(), errors.std() / n**0.5


def test_the_bound_tightens_with_more_samples():
    model, x = small_vae(2), every_image()
    posterior, likelihood = model.encode(x), bernoulli(model, x)
    means = []
    for samples in (1, 10, 100):
        found = bounds(*posterior, likelihood, samples, seeded())
        means.append(found.log_px.mean())
    means.append(log_px_by_quadrature(model, x, 0.25, 8.0).mean() + 0.01)
    assert means == sorted(means)


def test_a_proposal_of_any_shape_gives_the_likelihood_on_average():
    model, x = small_vae(2), every_image()[::4]
    exact = log_px_by_quadrature(model, x, 0.25, 8.0)
    mean = torch.full((len(x), 2), 0.1, dtype=F64)
    scale = torch.tensor([[1.3, 0.0], [0.9, 0.8]], dtype=F64)

    def estimate(*args):
        return importance_sampling(*args)[0]

    proposal = mean, scale.expand(len(x), 2, 2)
    error, spread = repeated(estimate, exact, model, x, *proposal)
    assert abs(error) < 3 * spread < 0.01


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("latents", [1, 2])
def test_the_mixture_finds_what_the_encoder_misses(latents):
    model, x = small_vae(latents), every_image()[::4]
    exact = log_px_by_quadrature(model, x, 0.25, 8.0)
    mean = torch.full((len(x), latents), 1.5, dtype=F64)  # a wrong encoder
    logvar = torch.full_like(mean, math.log(0.05))
    error, spread = repeated(log_px_by_mixture, exact, model, x, mean, logvar)
    assert abs(error) < 3 * spread < 0.01
    miss, _ = repeated(
        lambda *args: bounds(*args).log_px, exact, model, x, mean, logvar
    )
    assert miss < -0.05


def test_a_hundred_samples_of_a_fitted_proposal_do_where_q_fails():
    """Images of a deep decoder, by an encoder that knows nothing."""
    torch.manual_seed(1)
    model = VAE(40, [64, 64, 16], bilinear=True)
    with torch.no_grad():
        model.decoder[-1].weight.mul_(2)
        x = torch.bernoulli(model.decode(torch.randn(100, 8)))
        mean, logvar = model.encode(x)
    args = mean, logvar, seeded()
    proposal = evaluation.fitted(model, x, *args)
    likelihood = bernoulli(model, x, "float32")
    few, many = (
        importance_sampling(*proposal, likelihood, n, seeded())[0].mean()
        for n in (100, 2000)
    )
    assert abs(few - many) < 0.05
    by_q = bounds(mean, logvar, likelihood, 100, seeded()).log_px.mean()
    assert by_q < few - 0.1


def test_quadrature_refuses_three_dimensions():
    with pytest.raises(UserError, match=r"1 or 2 latent dimensions, not 3"):
        log_px_by_quadrature(small_vae(3), every_image())


def test_the_parts_add_up():
    metrics = evaluate_vae(small_vae(2), every_image(), 20, "float32")
    value = {k: v.value for k, v in metrics.items()}
    elbo = -value["test_rate"] - value["test_distortion"]
    assert value["test_elbo"] == pytest.approx(elbo, abs=1e-12)
    gap = -value["test_nll"] - value["test_elbo"]
    assert value["test_gap"] == pytest.approx(gap, abs=1e-12)
    assert gap > 0
    assert metrics["test_nll"].n == 256
    assert value["importance_samples"] == 20


def test_a_known_integral_and_elbo_are_found_in_little_memory():
    held = []

    def log_likelihood(z):
        held.append(z.shape[0] * z.shape[1])
        return -z.square().sum(dim=-1)

    mean = torch.full((3, 2), 0.5, dtype=F64)
    found = bounds(mean, 0 * mean, log_likelihood, 100_000, seeded())
    assert sum(held) == 300_000
    assert max(held) <= evaluation.LATENTS
    # a dimension: E exp(-z^2) = 3^-1/2, E_q z^2 = 5 / 4, KL = 1 / 8
    for value, expected in ((found.log_px, -math.log(3)), (found.elbo, -2.75)):
        assert value.tolist() == pytest.approx([expected] * 3, abs=0.01)


def test_standard_error_is_that_of_the_mean():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    estimate = evaluation.mean(values)
    assert estimate.value == 2.5
    assert estimate.standard_error == pytest.approx(math.sqrt(5 / 3) / 2)
    assert estimate.n == 4
    assert evaluation.mean(values[:1]).standard_error is None


def test_the_likelihood_of_latents_is_that_of_their_pixels():
    model, x = small_vae(2), every_image()[::7]
    z = torch.randn(3, len(x), 2, dtype=F64, generator=seeded())
    pixels = torch.distributions.Bernoulli(logits=model.decoder(z))
    expected = pixels.log_prob(x.expand(3, -1, -1)).sum(dim=-1)
    found = bernoulli(model, x, "float32")(z)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def test_bfloat16_moves_the_elbo_by_less_than_a_twentieth_of_a_nat():
    model = VAE(784, [64, 64, 16], decoder_dims=[64, 64, 64]).eval()
    with torch.no_grad():
        x = torch.bernoulli(model.decode(torch.randn(200, 8)))
    fine, coarse = (
        evaluate_vae(model, x, 20, precision)
        for precision in ("float32", "bfloat16")
    )
    for name in ("test_elbo", "test_nll"):
        assert fine[name] != coarse[name]
        assert abs(fine[name].value - coarse[name].value) < 0.05


@pytest.mark.parametrize(
    ("x", "samples", "message"),
    [
        (torch.rand(4, 8), 10, "not binary"),
        (torch.full((4, 8), math.nan), 10, "not binary"),
        (torch.ones(0, 8), 10, "no images"),
        (torch.ones(4, 8, dtype=torch.uint8), 10, r"floats \(N, D\), not .*8"),
        (torch.ones(4, 2, 4), 10, r"floats \(N, D\), not .* \(4, 2, 4\)"),
        (torch.ones(4, 8), 0, "importance_samples must be positive"),
    ],
)
def test_faulty_input_is_named(x, samples, message):
    with pytest.raises(UserError, match=message):
        evaluate_vae(small_vae(2).float(), x, samples)
    if samples:
        with pytest.raises(UserError, match=message):
            log_px_by_quadrature(small_vae(2).float(), x)


def ends_in_a_sigmoid(model):
    model.decoder.append(torch.nn.Sigmoid())
    model.use_sigmoid = False


def test_a_model_may_decode_to_logits():
    model, x = small_vae(2), every_image()
    expected = log_px_by_quadrature(model, x, 0.25)
    model.use_sigmoid = False
    assert torch.equal(log_px_by_quadrature(model, x, 0.25), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (ends_in_a_sigmoid, "let the decoder end in a linear layer"),
        (lambda m: delattr(m, "decoder"), "VAE has no decoder"),
        (lambda m: setattr(m, "encode", lambda x: None), "encode must return"),
        (lambda m: setattr(m, "encode", lambda x: x[:, :2]), "encode must"),
        (lambda m: setattr(m, "z_size", 3), "L = z_size = 3"),
        (lambda m: m.decoder.pop(-1), r"decoder must map \(N, L\) to"),
    ],
)
def test_a_model_that_is_not_what_is_assumed_is_refused(change, message):
    model = small_vae(2)
    change(model)
    for judge in (evaluate_vae, log_px_by_quadrature):
        with pytest.raises(UserError, match=message):
            judge(model, every_image())


def test_active_units_counts_dimensions_that_vary():
    mu = torch.randn(1000, 3, generator=seeded())
    mu *= torch.tensor([1.0, 0.2, 0.05])  # variances 1, 0.04, 0.0025
    assert active_units(mu).value == 2


def test_the_numbers_depend_on_the_seed_alone(monkeypatch):
    """Not on what ran before nor on the number of cores."""
    model, x = small_vae(3), every_image()
    monkeypatch.setattr(evaluation, "IMAGES", 60)
    before = torch.get_rng_state()
    expected = evaluate_vae(model, x, 5)
    assert torch.equal(torch.get_rng_state(), before)
    assert evaluate_vae(model, x, 5, seed=1) != expected
    for cores in (1, 3, None):
        torch.rand(7)
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert evaluate_vae(model, x, 5) == expected


def test_blocks_of_images_have_noise_of_their_own(monkeypatch):
    monkeypatch.setattr(evaluation, "IMAGES", 1)
    twice = every_image()[[99, 99]]
    found = evaluate_vae(small_vae(3), twice, 5)
    assert found["test_elbo"].standard_error > 0


def test_a_stop_reaches_all_threads_of_an_evaluation():
    running, notes = threading.Barrier(2, timeout=PATIENCE), []

    def measure(i, note):
        running.wait()
        if i == 0:
            raise KeyboardInterrupt
        while len(notes) < 100_000:
            note(1)
            notes.append(1)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        evaluation._at_once(measure, 2, 2, lambda n: None)
    assert len(notes) < 100_000
