"""The studies: what they measure, and that a wrong KL fails loudly."""

import math
from types import SimpleNamespace

import pytest
import torch

from aevb import evaluation, objectives, studies, tasks
from aevb.errors import UserError
from aevb.models import VAE
from aevb.settings import VAEConfig
from aevb.tasks import PIXELS, AETask, VAETask


def finished(**settings):
    """What a study needs of a finished run, without training."""
    config = VAEConfig(hidden_dims=(8, 4), precision="float32", **settings)
    return SimpleNamespace(config=config, model=studies.untrained(config))


def test_the_two_forms_of_the_rate_agree(vae, x):
    """No decoder is needed, and the global noise is left alone."""
    del vae.decoder
    before = torch.get_rng_state()
    found = studies.verify_kl(vae, x, samples=1000)
    assert torch.equal(torch.get_rng_state(), before)
    assert abs(found["difference"]) < 3
    assert found["values"].shape == (1000,)
    gap = found["monte_carlo"] - found["analytical"]
    assert found["difference"] == pytest.approx(gap / found["standard_error"])


def test_more_samples_extend_the_same_draw(vae, x):
    few = studies.monte_carlo_rate(vae, x, 300, seed=3)
    many = studies.monte_carlo_rate(vae, x, 1000, seed=3)
    assert torch.equal(many[:300], few)
    assert not torch.equal(studies.monte_carlo_rate(vae, x, 300, seed=4), few)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda o: -objectives.loss_KL_wo_E(o),  # the sign
        lambda o: 2 * objectives.loss_KL_wo_E(o),  # the half
        lambda o: objectives.loss_KL_wo_E(o) - 0.5,  # the ones
        lambda o: objectives.loss_KL_wo_E(o) * math.nan,
    ],
)
def test_a_wrong_divergence_fails_loudly(vae, x, wrong, monkeypatch):
    monkeypatch.setattr(studies, "loss_KL_wo_E", wrong)
    with pytest.raises(UserError, match=r"standard errors away.*is wrong"):
        studies.verify_kl(vae, x, samples=1000)


def test_a_wrong_sampler_fails_loudly(vae, x, monkeypatch):
    """One that takes the variance for the deviation."""
    right = vae.reparameterize
    monkeypatch.setattr(
        vae, "reparameterize", lambda mean, logvar: right(mean, 2 * logvar)
    )
    with pytest.raises(UserError, match="standard errors away"):
        studies.verify_kl(vae, x, samples=1000)


def test_the_check_of_the_prior_itself_passes(vae, x):
    with torch.no_grad():
        vae.encoder[-1].weight.zero_()
        vae.encoder[-1].bias.zero_()
    found = studies.verify_kl(vae, x, samples=100)
    assert found["analytical"] == found["monte_carlo"] == 0


def test_what_cannot_be_judged_is_refused(vae, x):
    with pytest.raises(UserError, match="at least 30"):
        studies.verify_kl(vae, x, samples=3)
    with pytest.raises(UserError, match="at least one image"):
        studies.verify_kl(vae, x[:0])

    class Unfilled(VAE):
        def encode(self, x):
            pass

    unfilled = Unfilled(12, [8, 4])
    with pytest.raises(UserError, match=r"Unfilled\.encode must return m"):
        studies.verify_kl(unfilled, x)
    with pytest.raises(UserError, match=r"Unfilled\.encode must return m"):
        studies.judge(unfilled, x, x, samples=1)
    with pytest.raises(UserError, match="draws must be at least 20, not 3"):
        studies.total_variance(vae, x, draws=3)


def test_kl_check_covers_untrained_and_trained(small):
    runs = finished(), finished(estimator="sgvb", seed=1)
    found = studies.kl_check(*runs, images=8, samples=200, seed=0)
    for name in ("untrained", "vae_kl", "vae_sgvb"):
        assert abs(found["summary"][name]["difference"]) < 5
        assert len(found["values"][name]) == 200
    assert found["summary"]["images"] == 8


def test_gradients_of_the_parts_are_those_of_the_objective(vae, x):
    torch.manual_seed(5)
    distortion, rates = studies.encoder_gradients(vae, x)
    for name, regularizer in studies.REGULARIZERS.items():
        torch.manual_seed(5)
        loss = objectives.negative_elbo(vae, x, regularizer)["loss"]
        found = torch.autograd.grad(loss, list(vae.encoder.parameters()))
        whole = torch.cat([g.flatten() for g in found])
        assert torch.allclose(distortion + rates[name], whole, atol=1e-5)


def test_all_estimators_have_one_expectation(vae, x):
    draws = [studies.encoder_gradients(vae, x)[1] for _ in range(300)]
    exact = draws[0]["kl"]
    for name in ("sgvb", "stl"):
        values = torch.stack([d[name] for d in draws])
        error = values.std(dim=0) / len(values) ** 0.5
        far = (values.mean(dim=0) - exact).abs() > 4.5 * error + 1e-5
        assert not far.any()


def test_the_analytical_rate_has_no_noise(vae, x):
    found = studies.total_variance(vae, x, draws=60)
    assert torch.all(found["rate"]["kl"] == 0)
    assert torch.all(found["rate"]["sgvb"] > 0)
    assert found["elbo"]["kl"].shape == (10,)
    assert torch.all(found["elbo"]["kl"] > 0)


def test_the_variance_is_that_of_the_whole_objective(vae, x):
    torch.manual_seed(0)
    found = studies.total_variance(vae, x, draws=60)["elbo"]["sgvb"][0]
    torch.manual_seed(0)
    draws = []
    for _ in range(6):
        loss = objectives.negative_elbo(vae, x, objectives.loss_SGVB)["loss"]
        parts = torch.autograd.grad(loss, list(vae.encoder.parameters()))
        draws.append(torch.cat([g.flatten() for g in parts]))
    expected = torch.stack(draws).var(dim=0).sum().item()
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_gradient_variance_names_places_and_ratios(small):
    runs = finished(), finished(estimator="sgvb", seed=1)
    found = studies.gradient_variance(*runs, images=8, draws=20, seed=0)
    end = found["summary"]["vae_kl"]["elbo"]
    assert end["sgvb"]["ratio"]["value"] == 1
    assert end["stl"]["variance"]["n"] == 10
    ratio = end["kl"]["variance"]["value"] / end["sgvb"]["variance"]["value"]
    assert end["kl"]["ratio"]["value"] == pytest.approx(ratio, rel=0.5)


def test_coeff_of_a_squared_error_is_a_variance():
    assert studies.equivalent_variance(1e-3) == pytest.approx(0.392)
    # minus the ELBO with that variance is the objective, scaled
    variance = studies.equivalent_variance(0.01, pixels=5)
    x, g = torch.rand(2, 5, dtype=torch.float64)
    log_p = torch.distributions.Normal(g, variance**0.5).log_prob(x).sum()
    log_p -= torch.distributions.Normal(x, variance**0.5).log_prob(x).sum()
    squared = (x - g).square().mean()
    assert -log_p * 2 * variance / 5 == pytest.approx(squared.item())


def test_rate_distortion_measures_each_coeff(small):
    training = {"epochs": 1, "batch_size": 32, "hidden_dims": (8, 4)}
    found = studies.rate_distortion(
        (0.5, 4.0), 1e-3, test_size=16, samples=3, device="cpu", **training
    )["summary"]
    assert [p["coeff"] for p in found["points"]] == [0.5, 4.0]
    for point in [*found["points"], found["course"]]:
        assert point["rate"]["value"] >= 0
        assert point["distortion"]["n"] == 16


@pytest.mark.parametrize("widths", [(8, 4), (784, 8, 4)])
def test_a_vae_on_mnist_starts_at_the_mean_training_image(small, widths):
    images = tasks.load_mnist("cpu").train.images
    images[:, :5] = 0  # with a finite logit all the same
    model = VAETask(VAEConfig(hidden_dims=widths)).model()
    found = torch.sigmoid(model.decoder[-1].bias)
    mean = images.float().mean(dim=0) / 255
    torch.testing.assert_close(found, mean.clamp(1e-3, 1 - 1e-3))


def test_the_course_task_has_the_course_objective(small):
    config = VAEConfig(hidden_dims=(8, 4), coeff=1e-3)
    task = studies.CourseTask(config)
    model, grey = VAETask(config).model(), torch.rand(4, PIXELS)
    torch.manual_seed(1)
    terms = task.loss(model, grey)
    torch.manual_seed(1)
    output = model(grey)
    error = torch.mean((output["imgs"] - grey) ** 2)
    kl = -objectives.loss_KL_wo_E(output).mean()
    assert torch.allclose(terms["loss"], error + 1e-3 * kl)


def test_comparison_is_by_image_with_the_same_noise(small):
    one, other = finished(), finished(seed=1)
    same = studies.comparison(one, one, images=16, samples=3)["summary"]
    assert same["elbo"]["value"] == same["elbo"]["standard_error"] == 0
    found = studies.comparison(one, other, images=16, samples=3)["summary"]
    parts = found["rate"]["value"] + found["distortion"]["value"]
    assert found["elbo"]["value"] == pytest.approx(-parts, abs=1e-3)
    assert found["elbo"]["n"] == 16


def test_importance_sampling_closes_on_the_integral(small):
    found = studies.importance_sampling(
        finished(), images=8, samples=(1, 300), step=0.25
    )["summary"]
    first, last = found["points"]
    assert abs(last["gap"]["value"]) < abs(first["gap"]["value"])
    assert abs(last["mixture_gap"]["value"]) < 0.1
    assert "mixture_gap" not in first  # one sample cannot be halved
    assert abs(found["coarser"]["value"]) < 0.01


def test_rounding_compares_two_precisions(small):
    found = studies.rounding(finished(), images=16, samples=3)["summary"]
    assert found["elbo"]["n"] == 16
    assert 0 < abs(found["elbo"]["value"]) < 0.05


@pytest.mark.parametrize(
    ("task", "metrics", "words"),
    [
        (AETask, {"test_mse": 0.04}, None),
        (AETask, {"test_mse": 0.625}, "0.625 a pixel is no less than the"),
        (VAETask, {"test_nll": 130.0, "active_units": 2}, None),
        (VAETask, {"test_nll": 130.0, "active_units": 0}, "no latent"),
        (VAETask, {"test_nll": 206.5, "active_units": 2}, "206.5 nats is no"),
    ],
)
def test_a_training_that_has_failed_says_so(task, metrics, words):
    found = {k: evaluation.Estimate(v) for k, v in metrics.items()}
    said = task(None).failure(found)
    assert said is None if words is None else words in said
