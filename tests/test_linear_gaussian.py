"""ELBO, divergence and evidence are known here, so they must add up."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from aevb.linear_gaussian import LinearGaussian

MODEL = LinearGaussian(w=-1.3, s=0.7)


@pytest.mark.parametrize("mean", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("deviation", [0.2, 1.0])
def test_elbo_and_divergence_add_up_to_the_evidence(mean, deviation) -> None:
    q = Normal(mean, deviation)
    gap = kl_divergence(q, MODEL.posterior(0.9))
    total = MODEL.elbo(0.9, q) + gap
    assert total.item() == pytest.approx(
        MODEL.log_evidence(0.9).item(), abs=1e-5
    )


def test_the_evidence_is_the_integral() -> None:
    z = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    log_joint = Normal(MODEL.w * z, MODEL.s).log_prob(torch.tensor(0.9))
    density = (log_joint + Normal(0.0, 1.0).log_prob(z)).exp()
    integral = torch.trapezoid(density, z).log().item()
    assert integral == pytest.approx(MODEL.log_evidence(0.9).item(), abs=1e-6)


def test_both_gradients_have_the_mean_of_the_derivative() -> None:
    mean = torch.tensor(0.3, requires_grad=True)
    squared = (0.9 - MODEL.w * mean) ** 2
    (-squared / (2 * MODEL.s**2)).backward()
    found = MODEL.gradients(0.9, Normal(0.3, 0.5), 200_000)
    for draws in found.values():
        error = draws.std().item() / len(draws) ** 0.5
        assert abs(draws.mean().item() - mean.grad.item()) < 4 * error
    assert found["path"].std() < found["score"].std()
