r"""What a trained model is worth, each number with its standard error.

With S samples z_s ~ q(z | x) of an image x, the weights

    w_s = p(x | z_s) p(z_s) / q(z_s | x)

estimate the marginal likelihood without bias, E[w_s] = p(x), so that

    log p(x) ~ log 1/S sum_s w_s            (Burda et al. 2016, eq. 8),

a lower bound whose gap closes as S grows. The mean of log w_s is the ELBO.
One pass over the samples gives both. The sum over s is kept as a running
log-sum-exp, so memory does not depend on S.

Standard errors are over images: the test set is a sample of all images.
What the samples add to them is far smaller.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from aevb.errors import UserError
from aevb.models import VAE
from aevb.objectives import loss_KL_wo_E
from aevb.progress import Progress
from aevb.training import autocast

LogLikelihood = Callable[[Tensor], Tensor]
"""Latents (S, B, L) of B images to log p(x | z), (S, B)."""

IMAGES = 500
"""Images that are evaluated at once."""

ACTIVE = 0.01
"""Least variance of a posterior mean that is in use (Burda et al. 2016)."""


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error, and how many values it is a mean of.

    `standard_error` is None where the number is not a sample mean.
    """

    value: float
    standard_error: float | None = None
    n: int = 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def mean(values: Tensor) -> Estimate:
    """Sample mean of values (N,) with s / sqrt(N), in float64.

    Raises:
        UserError: there are no values.
    """
    values = values.double().flatten()
    n = len(values)
    if n == 0:
        raise UserError("cannot average over no images; give at least one")
    error = (values.std() / n**0.5).item() if n > 1 else None
    return Estimate(values.mean().item(), error, n)


@torch.no_grad()
def squared_error(imgs: Tensor, x: Tensor) -> Tensor:
    """Mean squared error a pixel of each image, (N, D) to (N,)."""
    return (imgs - x).square().mean(dim=1)


@dataclass(frozen=True)
class Bounds:
    """What S posterior samples tell of each image, (B,) each, in nats."""

    log_px: Tensor
    """log p(x), estimated by importance sampling."""
    distortion: Tensor
    """-E_q[log p(x | z)], the mean over the samples."""
    rate: Tensor
    """KL(q(z | x) || p(z)), in closed form."""

    @property
    def elbo(self) -> Tensor:
        return -self.distortion - self.rate


@torch.no_grad()
def bounds(
    mean: Tensor,
    logvar: Tensor,
    log_likelihood: LogLikelihood,
    samples: int,
    generator: torch.Generator,
    chunk: int = 8,
    note: Callable[[int], None] = lambda n: None,
) -> Bounds:
    """Importance sampling with the posterior as the proposal.

    Args:
        mean, logvar: the posterior q(z | x) of each image, (B, L).
        log_likelihood: log p(x | z) of latents (S, B, L), as (S, B).
        samples: importance samples an image, S.
        generator: of the noise; on the device of `mean`.
        chunk: samples an image that are held at once.
        note: told of each chunk how many latents it held.

    Raises:
        UserError: fewer than one sample is asked for.
    """
    if samples < 1:
        raise UserError(f"importance_samples must be positive, not {samples}")
    sigma = torch.exp(0.5 * logvar)
    log_sum = torch.full_like(mean[:, 0], -math.inf)
    total = torch.zeros_like(log_sum)
    for done in range(0, samples, chunk):
        shape = (min(chunk, samples - done), *mean.shape)
        noise = torch.empty(shape, dtype=mean.dtype, device=mean.device)
        z = mean + sigma * noise.normal_(generator=generator)
        log_px_z = log_likelihood(z)  # (S', B)
        # log p(z) - log q(z | x): the squares of noise and z, nothing else
        log_ratio = 0.5 * (noise**2 + logvar - z**2).sum(dim=-1)
        log_w = log_px_z + log_ratio
        log_sum = torch.logaddexp(log_sum, log_w.logsumexp(dim=0))
        total += log_px_z.sum(dim=0)
        note(log_w.numel())
    rate = -loss_KL_wo_E({"mean": mean, "logvar": logvar})
    return Bounds(log_sum - math.log(samples), -total / samples, rate)


def bernoulli(model: VAE, x: Tensor, precision: str = "auto") -> LogLikelihood:
    """log p(x | z) of binary images x (B, D) under a model's decoder.

    sum_i x_i l_i - log(1 + exp(l_i)) for logits l: equal to
    `objectives.bernoulli_log_likelihood`, with one product for the first
    term. Matrix products in `precision`, everything else in float32.
    """

    def log_likelihood(z: Tensor) -> Tensor:
        with autocast(z.device, precision):
            logits = model.decoder(z)
        logits = logits.to(x.dtype)  # (S, B, D)
        linear = torch.einsum("sbd,bd->sb", logits, x)
        return linear - torch.nn.functional.softplus(logits).sum(dim=-1)

    return log_likelihood


@torch.no_grad()
def evaluate_vae(
    model: VAE,
    x: Tensor,
    importance_samples: int = 1000,
    precision: str = "auto",
    seed: int = 0,
) -> dict[str, Estimate]:
    """The test numbers of a VAE on binary images x (N, D).

    Returns:
        test_elbo, test_rate, test_distortion and test_nll in nats an
        image, with standard errors over the N images; `gap`, NLL to ELBO;
        `active_units`, the latent dimensions whose posterior mean has a
        variance over the images above 0.01 (Burda et al. 2016); and
        `importance_samples`, which ELBO and NLL are both computed from.
        The noise has its own generator: the numbers depend on `seed`, not
        on what ran before.

    Raises:
        UserError: no images, or no samples.
    """
    generator = torch.Generator(x.device).manual_seed(seed)
    parts = []
    total = len(x) * importance_samples
    with Progress("evaluate", total) as bar:
        for images in x.split(IMAGES):
            mu, logvar = model.encode(images)
            parts.append(
                bounds(
                    mu,
                    logvar,
                    bernoulli(model, images, precision),
                    importance_samples,
                    generator,
                    note=bar.update,
                )
            )
    log_px = torch.cat([p.log_px for p in parts])
    rate = torch.cat([p.rate for p in parts])
    distortion = torch.cat([p.distortion for p in parts])
    elbo = -distortion - rate
    return {
        "test_elbo": mean(elbo),
        "test_rate": mean(rate),
        "test_distortion": mean(distortion),
        "test_nll": mean(-log_px),
        "gap": mean(log_px - elbo),
        "active_units": active_units(model.encode(x)[0]),
        "importance_samples": Estimate(importance_samples),
    }


def active_units(mu: Tensor) -> Estimate:
    """Latent dimensions in use: Var_x(E[z | x]) > 0.01, from mu (N, L)."""
    active = mu.double().var(dim=0) > ACTIVE
    return Estimate(int(active.sum()), None, len(mu))
