r"""What a trained model is worth, each number with its standard error.

With S samples z_s ~ r(z) of an image x, the weights

    w_s = p(x | z_s) p(z_s) / r(z_s)

estimate the marginal likelihood without bias, E[w_s] = p(x), so that

    log p(x) ~ log 1/S sum_s w_s            (Burda et al. 2016, eq. 8),

a lower bound whose gap closes as S grows, the sooner the closer r is to the
posterior p(z | x). With r = q(z | x) the mean of log w_s is the ELBO, but
where the encoder errs, thousands of samples leave a gap. For the likelihood
r is therefore `fitted` to each image, after which a hundred samples do.

Standard errors are over images: the test set is a sample of all images.
What the samples add to them is far smaller.
"""

import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn

from aevb.errors import UserError
from aevb.models import VAE
from aevb.objectives import (
    bernoulli_log_likelihood,
    log_normal_pdf,
    log_sum_exp,
    loss_KL_wo_E,
)
from aevb.progress import Progress
from aevb.training import autocast

LogLikelihood = Callable[[Tensor], Tensor]
"""Latents (S, B, L) of B images to log p(x | z), (S, B), in nats."""

IMAGES = 250
"""Images that are evaluated at once."""

ELBO_SAMPLES = 20
"""Samples of q(z | x) an image for the ELBO."""

ASCENTS = 10
"""Steps in which a proposal is fitted to its image."""

LATENTS = 1000
"""Latents that are decoded at once: few enough for a processor's cache."""

GRID = 1000
"""Points of a quadrature that are decoded at once."""

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

    def __str__(self) -> str:
        """`130.42 +- 0.26 (n = 10000)`."""
        if self.standard_error is None:
            return f"{self.value:.6g}"
        error = f"{self.standard_error:.2g}"
        return f"{self.value:.5g} +- {error} (n = {self.n})"


def mean(values: Tensor) -> Estimate:
    """Sample mean of values (N,) with s / sqrt(N), in float64.

    Raises:
        UserError: there are no values.
    """
    values = values.cpu().double().flatten()  # Apple's GPU has no float64
    n = len(values)
    if n == 0:
        raise UserError("cannot average over no images; give at least one")
    error = (values.std() / n**0.5).item() if n > 1 else None
    return Estimate(values.mean().item(), error, n)


@torch.no_grad()
def importance_sampling(
    mean: Tensor,
    scale: Tensor,
    log_likelihood: LogLikelihood,
    samples: int,
    generator: torch.Generator,
    note: Callable[[int], object] = lambda latents: None,
) -> tuple[Tensor, Tensor]:
    """log 1/S sum_s w_s and the mean of log p(x | z_s), (B,) each.

    Args:
        mean, scale: of the proposal N(m, C C^T) of each image, m (B, L) and
            C (B, L, L), triangular.
        log_likelihood: log p(x | z) of latents (S', B, L), as (S', B).
        samples: samples an image, S.
        generator: of the noise; on the device of `mean`.
        note: told of each chunk how many latents it held.

    Raises:
        UserError: fewer than one sample is asked for.
    """
    _check_samples(samples)
    log_det = scale.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
    log_sum = torch.full_like(log_det, -math.inf)
    total = torch.zeros_like(log_det)
    chunk = max(LATENTS // max(len(mean), 1), 1)
    for done in range(0, samples, chunk):
        noise = mean.new_empty(min(chunk, samples - done), *mean.shape)
        noise.normal_(generator=generator)
        z = mean + (scale @ noise.unsqueeze(-1)).squeeze(-1)
        log_px_z = log_likelihood(z)  # (S', B)
        # log p(z) - log r(z): normal constants cancel
        log_ratio = 0.5 * (noise**2 - z**2).sum(dim=-1) + log_det
        log_sum = torch.logaddexp(log_sum, (log_px_z + log_ratio).logsumexp(0))
        total += log_px_z.sum(dim=0)
        note(log_px_z.numel())
    return log_sum - math.log(samples), total / samples


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
) -> Bounds:
    """What samples of the encoder's posterior q(z | x) tell.

    Args:
        mean, logvar: the posterior of each image, (B, L).
        log_likelihood, samples, generator, errors: see importance_sampling.
    """
    scale = torch.diag_embed(torch.exp(0.5 * logvar))
    log_px, log_px_z = importance_sampling(
        mean, scale, log_likelihood, samples, generator
    )
    rate = -loss_KL_wo_E({"mean": mean, "logvar": logvar})
    return Bounds(log_px, -log_px_z, rate)


@torch.no_grad()
def fitted(
    model: VAE,
    x: Tensor,
    mean: Tensor,
    logvar: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """A normal N(m, C C^T) near the true posterior of each binary image.

    It starts from q(z | x). Mean and variances climb the ELBO of each image
    by steps of the natural gradient (Khan and Nielsen 2018, section III),
    from pairs of opposite noise, +-eps, and without the score:

        r = sigma d/dz log p(x, z) + eps   at   z = m + sigma eps,
        m <- m + rho sigma r,    log sigma^2 <- log sigma^2 + rho eps r.

    The covariance is then that of Gauss and Newton,

        C C^T = (I + J^T diag(p (1 - p)) J)^(-1),   p = sigmoid(logits),

    with J the slope of the logits from m to a standard deviation beside it.

    Args:
        x: binary images (B, D).
        mean, logvar: the posterior q(z | x), (B, L) each.
        generator: of the noise; on the device of `mean`.

    Returns:
        m (B, L) and C (B, L, L).
    """
    for step in range(ASCENTS):
        sigma = torch.exp(0.5 * logvar)
        noise = torch.empty_like(mean).normal_(generator=generator)
        eps = torch.stack([noise, -noise])  # (2, B, L)
        z = (mean + sigma * eps).requires_grad_()
        with torch.enable_grad():
            log_px_z = bernoulli_log_likelihood(model.decoder(z), x)
            total = log_px_z.sum() - 0.5 * z.square().sum()
        (slope,) = torch.autograd.grad(total, [z])
        r = (sigma * slope + eps).clamp(-3, 3)  # no step is a leap
        mean = mean + (sigma * r).mean(dim=0) / (2 + step)
        logvar = logvar + (eps * r).mean(dim=0) / (2 + step)
    sigma = torch.exp(0.5 * logvar)
    logits = model.decoder(mean).to(x.dtype)
    slopes = []
    for i in range(model.z_size):
        beside = mean.clone()
        beside[:, i] += sigma[:, i]
        slopes.append((model.decoder(beside) - logits) / sigma[:, i, None])
    j = torch.stack(slopes, dim=1)  # (B, L, D), J transposed
    p = torch.sigmoid(logits).unsqueeze(1)
    one = torch.eye(model.z_size, dtype=x.dtype, device=x.device)
    with torch.autocast(x.device.type, enabled=False):
        root = torch.linalg.cholesky(one + (j * p * (1 - p)) @ j.mT)
    c = torch.linalg.solve_triangular(root.mT, one.expand_as(root), upper=True)
    return mean, c


@torch.no_grad()
def log_px_by_mixture(
    mean: Tensor,
    logvar: Tensor,
    log_likelihood: LogLikelihood,
    samples: int,
    generator: torch.Generator,
) -> Tensor:
    """Importance sampling, half of the samples from the prior, (B,).

    The proposal is r(z) = (q(z | x) + p(z)) / 2 (a defensive mixture,
    Hesterberg 1995), so that no weight is above 2 p(x | z), and a part of
    the posterior that the encoder misses is found all the same:

        p(z) / r(z) = 2 / (1 + q(z | x) / p(z)).

    The estimate is unbiased for p(x), like that of `bounds`, and pays in
    few latent dimensions, where the prior alone finds every part.

    Args, errors: those of `bounds`; an odd number of samples is rounded up.
    """
    _check_samples(samples)
    sigma = torch.exp(0.5 * logvar)
    log_sum = torch.full_like(mean[:, 0], -math.inf)
    half, chunk = (samples + 1) // 2, max(LATENTS // max(2 * len(mean), 1), 1)
    for done in range(0, half, chunk):
        noise = mean.new_empty(2, min(chunk, half - done), *mean.shape)
        from_q, from_p = noise.normal_(generator=generator)
        z = torch.cat([mean + sigma * from_q, from_p])  # (S', B, L)
        log_q_p = 0.5 * (z**2 - ((z - mean) / sigma) ** 2 - logvar).sum(-1)
        log_w = log_likelihood(z) - torch.nn.functional.softplus(log_q_p)
        log_sum = torch.logaddexp(log_sum, log_w.logsumexp(dim=0))
    return log_sum - math.log(half)


def _check_samples(samples: int) -> None:
    if samples < 1:
        raise UserError(f"importance_samples must be positive, not {samples}")


@torch.no_grad()
def check(model: VAE, x: Tensor) -> None:
    """Refuse what is no VAE whose decoder gives logits of images x (N, D).

    Raises:
        UserError: no images, other than float or not binary; a part of the
            model is missing or does not fit; or `decode` gives neither the
            sigmoid of the decoder's outputs nor, outside [0, 1], these
            themselves, so that they are no logits.
    """
    if not x.is_floating_point() or x.ndim != 2:
        raise UserError(
            f"images must be floats (N, D), not {x.dtype} "
            f"{tuple(x.shape)}; data.binarize gives such"
        )
    if len(x) == 0:
        raise UserError("there are no images; give at least one")
    if not torch.all((x == 0) | (x == 1)):
        raise UserError("the images are not binary; use data.binarize first")
    name = type(model).__name__
    for part in ("encode", "decode", "decoder", "z_size"):
        if getattr(model, part, None) is None:
            raise UserError(f"{name} has no {part}; it is yet to be filled in")
    posterior, one = model.encode(x[:1]), (1, model.z_size)
    parts = posterior if isinstance(posterior, tuple) else ()
    if [getattr(h, "shape", None) for h in parts] != [one, one]:
        raise UserError(
            f"{name}.encode must return mean and log variance, (N, L) each, "
            f"with L = z_size = {model.z_size}"
        )
    logits, p = model.decoder(posterior[0]), model.decode(posterior[0])
    if getattr(logits, "shape", None) != x[:1].shape:
        raise UserError(f"{name}.decoder must map (N, L) to (N, D) logits")
    close = (torch.sigmoid(logits) - p).abs().max() < 0.01
    bare = (logits - p).abs().max() == 0 and not torch.all((p >= 0) & (p <= 1))
    if not (close or bare):
        raise UserError(
            f"{name}.decode is not the sigmoid of its decoder, whose outputs "
            "are taken as logits; let the decoder end in a linear layer"
        )


def bernoulli(model: VAE, x: Tensor, precision: str = "auto") -> LogLikelihood:
    """log p(x | z) of binary images x (B, D) under a model's decoder.

    `objectives.bernoulli_log_likelihood` of the decoded latents; matrix
    products in `precision`, the likelihood in that of x.

    Raises:
        UserError: those of `check`.
    """
    check(model, x)

    def log_likelihood(z: Tensor) -> Tensor:
        with autocast(z.device, precision):
            logits = model.decoder(z)  # (S, B, D)
        return bernoulli_log_likelihood(logits, x)

    return log_likelihood


STEP = 0.025
"""Step of the grid of a final number. Half of it moves the NLL by less than
0.001 nats for a model that was trained on the ELBO, and by 0.01 for one that
was trained on log p(x), whose posteriors are narrower."""


def evaluate_vae(
    model: VAE,
    x: Tensor,
    importance_samples: int = 100,
    precision: str = "auto",
    seed: int = 0,
) -> dict[str, Estimate]:
    """The test numbers of a VAE on binary images x (N, D).

    Returns:
        test_elbo, test_rate, test_distortion and test_nll in nats an
        image, with standard errors over the N images; test_gap, from NLL
        to -ELBO; active_units; and importance_samples, the number of
        samples an image of the proposal that is fitted to it. The ELBO is
        that of the encoder, its rate analytical. With one or two latent
        dimensions also test_nll_quadrature, what test_nll comes down to as
        the samples grow in number. Blocks of IMAGES images go to the
        processor's cores, each with a generator of its own: the numbers
        depend on `seed`, not on what ran before nor on how many cores there
        are.

    Raises:
        UserError: no samples, and those of `check`.
    """
    every = range(math.ceil(len(x) / IMAGES))
    found = measure(model, x, every, importance_samples, precision, seed)
    return summary(model, x, found, importance_samples)


Measured = dict[str, Tensor]
"""log_px, elbo, rate and distortion of each image of a block, (B,)."""


@torch.no_grad()
def measure(
    model: VAE,
    x: Tensor,
    which: Sequence[int],
    importance_samples: int,
    precision: str = "auto",
    seed: int = 0,
) -> list[Measured]:
    """What `evaluate_vae` takes its means of, of some blocks of x (N, D).

    Block i holds the images from i IMAGES on, and its noise depends on
    `seed` and i alone: measured here or there, it has the same values.

    Raises:
        UserError: no samples, and those of `check`.
    """
    check(model, x)
    # all, even for a few blocks: a product's rounding depends on its size
    mu, logvar = model.encode(x)
    blocks = list(
        zip(*(t.split(IMAGES) for t in (x, mu, logvar)), strict=True)
    )

    def block(k: int, note: Callable[[int], object]) -> Measured:
        images, means, logvars = blocks[which[k]]
        posterior = means, logvars
        generator = torch.Generator(x.device)
        generator.manual_seed(1_000_003 * seed + which[k])
        likelihood = bernoulli(model, images, precision)
        # weights are rounded to bfloat16 once, not for each chunk of latents
        with autocast(x.device, precision):
            found = bounds(*posterior, likelihood, ELBO_SAMPLES, generator)
            proposal = fitted(model, images, *posterior, generator)
            log_px, _ = importance_sampling(
                *proposal, likelihood, importance_samples, generator, note
            )
        return {
            "log_px": log_px,
            "elbo": found.elbo,
            "rate": found.rate,
            "distortion": found.distortion,
        }

    images = sum(len(blocks[i][0]) for i in which)
    with Progress("evaluate", images * importance_samples) as bar:
        workers = os.cpu_count() or 1 if x.device.type == "cpu" else 1
        return _at_once(block, len(which), workers, bar.update)


@torch.no_grad()
def summary(
    model: VAE,
    x: Tensor,
    parts: Sequence[Measured],
    importance_samples: int,
) -> dict[str, Estimate]:
    """The numbers of `evaluate_vae` from what was measured of all blocks of
    x (N, D), in their order."""
    all_of = {k: torch.cat([p[k] for p in parts]) for k in parts[0]}
    log_px, elbo = all_of["log_px"], all_of["elbo"]
    found = {
        "test_elbo": mean(elbo),
        "test_rate": mean(all_of["rate"]),
        "test_distortion": mean(all_of["distortion"]),
        "test_nll": mean(-log_px),
        "test_gap": mean(log_px - elbo),
        "active_units": active_units(model.encode(x)[0]),
        "importance_samples": Estimate(importance_samples),
    }
    if model.z_size <= 2:
        exact = log_px_by_quadrature(model, x, STEP)
        found["test_nll_quadrature"] = mean(-exact)
    return found


def _at_once(
    measure: Callable[[int, Callable[[int], object]], Any],
    n: int,
    workers: int,
    note: Callable[[int], object],
) -> list[Any]:
    """measure(i, note) for i below n, in threads that end with this one."""
    stopped = threading.Event()

    def noted(latents: int) -> None:
        if stopped.is_set():
            raise CancelledError
        note(latents)

    pool = ThreadPoolExecutor(workers)
    try:
        return list(pool.map(measure, range(n), repeat(noted)))
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def active_units(mu: Tensor) -> Estimate:
    """Latent dimensions in use, from posterior means mu (N, L).

    A dimension is in use if Var_x(E[z | x]) > 0.01 (Burda et al. 2016,
    section 5.2).
    """
    active = mu.cpu().double().var(dim=0) > ACTIVE
    return Estimate(int(active.sum()), None, len(mu))


@torch.no_grad()
def log_px_by_quadrature(
    model: VAE,
    x: Tensor,
    step: float = 0.02,
    half_width: float = 5.0,
) -> Tensor:
    """log p(x) of binary images x (N, D) by the trapezoid rule, (N,).

    log p(x) ~ log sum_g step^L N(z_g; 0, I) p(x | z_g)

    over the grid of latents z_g in [-half_width, half_width]^L. For
    integrands this smooth the rule converges faster than any power of the
    step, once the step is below a posterior's width (Trefethen and
    Weideman 2014). All images share the decoded grid, so with L of 1 or 2
    it is cheaper than sampling; with more it is out of reach. Nothing is
    rounded to less than the precision of x.

    Raises:
        UserError: the latent size is above 2, and those of `check`.
    """
    check(model, x)
    if model.z_size > 2:
        raise UserError(
            f"quadrature is for 1 or 2 latent dimensions, not {model.z_size};"
            " use importance sampling"
        )
    n = round(half_width / step)
    axis = step * torch.arange(-n, n + 1, dtype=x.dtype, device=x.device)
    grid = torch.cartesian_prod(*[axis] * model.z_size)
    grid = grid.reshape(-1, model.z_size)
    log_sum = x.new_full((len(x),), -math.inf)
    zero, black = x.new_zeros(()), x.new_zeros(x.shape[1:])
    inner: Any = model.decoder
    last: Any = nn.Identity()
    projected, offset = x, x.new_zeros(())
    ends = inner[-1] if isinstance(inner, nn.Sequential) else None
    if isinstance(ends, nn.Linear) and ends.bias is not None:
        # logits W h + c: the inner products x W h are as long as h, not as x
        inner, last = inner[:-1], ends
        projected, offset = x @ last.weight, x @ last.bias
    with Progress("integrate", len(grid)) as bar:
        for z in grid.split(GRID):
            h = inner(z)  # (G, H)
            log_pz = log_normal_pdf(z, zero, zero)
            constant = log_pz + bernoulli_log_likelihood(last(h), black)
            log_pxz = torch.addmm(constant, projected, h.T)  # (N, G)
            log_sum = torch.logaddexp(log_sum, log_sum_exp(log_pxz))
            bar.update(len(z))
    return log_sum + offset + model.z_size * math.log(step)
