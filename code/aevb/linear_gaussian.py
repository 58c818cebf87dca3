r"""A variational auto-encoder in one dimension, where all is known.

    z ~ N(0, 1),   x | z ~ N(w z, s^2),   q(z | x) = N(mu, sigma^2)

The evidence is N(x; 0, w^2 + s^2), the posterior normal with mean
w x / (w^2 + s^2) and variance s^2 / (w^2 + s^2) (Bishop 2006, section 2.3.3),
and the ELBO has a closed form (`elbo`), so that log p(x) = ELBO +
KL(q || posterior) can be drawn, and every estimator held against the truth.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence


@dataclass(frozen=True)
class LinearGaussian:
    """The model with slope w and likelihood deviation s > 0.

    >>> model = LinearGaussian(w=1.0, s=1.0)
    >>> posterior = model.posterior(x=2.0)
    >>> posterior.mean
    tensor(1.)
    >>> gap = model.log_evidence(2.0) - model.elbo(2.0, posterior)
    >>> bool(gap.abs() < 1e-6)
    True
    """

    w: float = 1.5
    s: float = 0.8

    def log_evidence(self, x: float) -> Tensor:
        """log p(x) in nats, 0-d."""
        evidence = Normal(0.0, math.hypot(self.w, self.s))
        return evidence.log_prob(torch.tensor(x))

    def posterior(self, x: float) -> Normal:
        """p(z | x), of batch shape ()."""
        total = self.w**2 + self.s**2
        return Normal(
            torch.tensor(self.w * x / total),
            torch.tensor(self.s / math.sqrt(total)),
        )

    def elbo(self, x: float, q: Normal) -> Tensor:
        """E_q[log p(x | z)] - KL(q || N(0, 1)) in nats, of q's batch shape.

        E_q[(x - w z)^2] = (x - w mu)^2 + w^2 sigma^2.
        """
        squared = (x - self.w * q.mean) ** 2 + self.w**2 * q.variance
        constant = math.log(2 * math.pi * self.s**2)
        fit = -0.5 * (squared / self.s**2 + constant)
        return fit - kl_divergence(q, Normal(0.0, 1.0))

    def gradients(self, x: float, q: Normal, draws: int) -> dict[str, Tensor]:
        """Draws of the gradient of E_q[log p(x | z)] by mu, (draws,) each.

        "path": d/dz log p(x | z) at z = mu + sigma epsilon (Kingma and
        Welling 2014, section 2.4). "score": log p(x | z) times
        d/dmu log q(z) = epsilon / sigma (Williams 1992). Both have the same
        mean, w (x - w mu) / s^2.
        """
        generator = torch.Generator().manual_seed(0)
        epsilon = torch.randn(draws, generator=generator, dtype=torch.float64)
        z = q.mean + q.stddev * epsilon
        residual = x - self.w * z
        log_likelihood = Normal(self.w * z, self.s).log_prob(torch.tensor(x))
        return {
            "path": self.w * residual / self.s**2,
            "score": log_likelihood * epsilon / q.stddev,
        }
