r"""Measurements on models that the report shows beside their training.

- `kl_check`: the Monte Carlo estimate of the rate against its closed form.
- `gradient_variance`: how noisy each estimator's gradient is.
- `rate_distortion`: what the weight `coeff` of the rate does.
- `comparison`: two models on the same images, difference by difference.
- `importance_sampling`: the estimated likelihood against the integral.
- `rounding`: what matrix products in bfloat16 do to the ELBO.

A study takes finished runs and settings and returns a dict. Its entry
"summary" holds JSON values, the numbers that a text states; the other
entries are what figures draw.
"""

from typing import Any

import torch
from torch import Tensor, nn

from aevb import evaluation, objectives
from aevb.data import load_mnist
from aevb.errors import UserError
from aevb.models import VAE
from aevb.objectives import loss_KL_wo_E, loss_SGVB
from aevb.progress import Progress
from aevb.settings import VAEConfig
from aevb.tasks import PIXELS, REGULARIZERS, VAETask, binary_test_images
from aevb.training import fit, resolve_device

TOLERANCE = 5.0
"""Standard errors by which the two forms of the rate may differ."""

LEAST_SAMPLES = 30
"""Least number of samples whose standard error is trusted."""

CHUNK = 100
"""Samples an image that the check holds at once."""


def averaged(values: Tensor) -> dict[str, Any]:
    """Mean of values, its standard error and their number, as JSON."""
    return evaluation.mean(values).to_json()


def untrained(config: VAEConfig) -> VAE:
    """The model of these settings as training finds it."""
    torch.manual_seed(config.seed)
    return VAETask(config).model().eval()


def encoded(model: VAE, x: Tensor) -> list[Tensor]:
    """Mean and log variance of q(z | x), (B, L) each, in float64.

    Raises:
        UserError: the model's `encode` returns no such pair.
    """
    pair = model.encode(x)
    if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] is None:
        raise UserError(
            f"{type(model).__name__}.encode must return mean and log "
            "variance; it is yet to be filled in"
        )
    return [h.cpu().double() for h in pair]


@torch.no_grad()
def monte_carlo_rate(
    model: VAE, x: Tensor, samples: int, seed: int = 0
) -> Tensor:
    """The batch's mean of -`loss_SGVB` for each of S samples, (S,).

    The values are independent, each with the rate as its expectation, so
    that the mean of the first k is the estimate from k samples an image.
    No decoder is needed. Float64, which not every GPU has, so on the CPU;
    in memory independent of S.
    """
    mean, logvar = encoded(model, x)
    values = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for done in range(0, samples, CHUNK):
            n = min(CHUNK, samples - done)
            mu, lv = mean.repeat(n, 1), logvar.repeat(n, 1)  # (n B, L)
            z = model.reparameterize(mu, lv)
            rate = -loss_SGVB({"z": z, "mean": mu, "logvar": lv})
            values.append(rate.view(n, len(x)).mean(dim=1))
    return torch.cat(values)


@torch.no_grad()
def verify_kl(
    model: VAE, x: Tensor, samples: int = 4000, seed: int = 0
) -> dict[str, Any]:
    """Check the analytical KL against Monte Carlo, Problem 3(b).

    Args:
        model: its `encode` and `reparameterize` are used.
        x: one fixed batch, (B, D).
        samples: Monte Carlo samples an image, S.

    Returns:
        dict of analytical, monte_carlo and standard_error (nats an image,
        means over the batch), samples, difference (in standard errors)
        and values, what each sample gave, (S,).

    Raises:
        UserError: the two differ by more than 5 standard errors, or there
            are no images or fewer than 30 samples.
    """
    if len(x) == 0:
        raise UserError("the check needs at least one image")
    if samples < LEAST_SAMPLES:
        raise UserError(
            f"samples must be at least {LEAST_SAMPLES}, not {samples}: the "
            "verdict is in standard errors"
        )
    mean, logvar = encoded(model, x)
    analytical = -loss_KL_wo_E({"mean": mean, "logvar": logvar}).mean().item()
    values = monte_carlo_rate(model, x, samples, seed)
    found = evaluation.mean(values)
    error = found.standard_error or 0.0
    # zero variance: compare up to rounding
    unit = max(error, 1e-12 * max(1.0, abs(analytical)))
    difference = (found.value - analytical) / unit
    if not abs(difference) <= TOLERANCE:  # NaN must fail as well
        raise UserError(
            f"the analytical KL is {analytical:.6g} nats and {samples} "
            f"samples give {found.value:.6g} +- {error:.2g}, "
            f"{abs(difference):.1f} standard errors away: one of loss_SGVB, "
            "loss_KL_wo_E and reparameterize is wrong"
        )
    return {
        "analytical": analytical,
        "monte_carlo": found.value,
        "standard_error": error,
        "samples": samples,
        "difference": difference,
        "values": values,
    }


def kl_check(
    vae_kl: Any, vae_sgvb: Any, images: int, samples: int, seed: int
) -> dict[str, Any]:
    """`verify_kl` of an untrained and of both trained models, on the same
    images, each with noise of its own."""
    x = binary_test_images(next(vae_kl.model.parameters()).device, images)
    models = {
        "untrained": untrained(vae_kl.config).to(x.device),
        "vae_kl": vae_kl.model,
        "vae_sgvb": vae_sgvb.model,
    }
    checks = {
        name: verify_kl(model, x, samples, seed + i)
        for i, (name, model) in enumerate(models.items())
    }
    values = {k: check.pop("values") for k, check in checks.items()}
    return {"summary": {**checks, "images": images}, "values": values}


def encoder_gradients(
    model: VAE, x: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """One draw of the gradients for the encoder's P weights, (P,) each.

    Returns:
        That of the batch's mean distortion, and those of its mean rate by
        each estimator, all from the same noise. The gradient of minus the
        ELBO is the sum of the first and one of the second.
    """
    weights = list(model.encoder.parameters())

    def gradient(loss: Tensor) -> Tensor:
        found = torch.autograd.grad(loss, weights, retain_graph=True)
        return nn.utils.parameters_to_vector(found)

    mean, logvar = model.encode(x)
    z = model.reparameterize(mean, logvar)
    output = {"z": z, "mean": mean, "logvar": logvar}
    log_px_z = objectives.bernoulli_log_likelihood(model.decoder(z), x)
    rates = {k: gradient(-r(output).mean()) for k, r in REGULARIZERS.items()}
    return gradient(-log_px_z.mean()), rates


def total_variance(
    model: VAE, x: Tensor, draws: int, batches: int = 10
) -> dict[str, dict[str, Tensor]]:
    """Trace of the covariance of each estimator's encoder gradient.

    Returns:
        {"rate" or "elbo": {estimator: one unbiased value for each batch of
        draws, (batches,)}}.

    Raises:
        UserError: too few draws, and those of `evaluation.check`.
    """
    evaluation.check(model, x)
    if draws < 2 * batches:
        raise UserError(
            f"draws must be at least {2 * batches}, not {draws}: a variance "
            f"needs two in each of {batches} batches"
        )
    zero = torch.zeros(batches, dtype=torch.float64)
    traces = {
        part: {n: zero.clone() for n in REGULARIZERS}
        for part in ("rate", "elbo")
    }
    for i in range(batches):
        drawn = [encoder_gradients(model, x) for _ in range(draws // batches)]
        distortion = torch.stack([d for d, _ in drawn])  # (n, P)
        for name in REGULARIZERS:
            rate = torch.stack([rates[name] for _, rates in drawn])
            for part, total in (("rate", rate), ("elbo", distortion + rate)):
                traces[part][name][i] = _trace(total)
    return traces


def _trace(vectors: Tensor) -> Tensor:
    """Trace of the covariance of n vectors (n, P), unbiased.

    Shifted by the first vector, so that equal ones give exactly 0.
    """
    n = len(vectors)
    shifted = vectors - vectors[0]
    squares = shifted.square().sum(dim=1).cpu().double().sum()
    total = shifted.sum(dim=0).square().sum().cpu()
    return (squares - total / n) / (n - 1)


def gradient_variance(
    vae_kl: Any, vae_sgvb: Any, images: int, draws: int, seed: int
) -> dict[str, Any]:
    """Noise of the gradient of the encoder's weights, by estimator.

    At the start and at the end of both trainings, for the rate alone and
    for the whole ELBO, on one fixed batch. `variance` is summed over the
    weights; `ratio` is to SGVB's, batch by batch, where the common noise
    cancels. Standard errors are over ten batches of draws.
    """
    x = binary_test_images(next(vae_kl.model.parameters()).device, images)
    models = {
        "start": untrained(vae_kl.config).to(x.device),
        "vae_kl": vae_kl.model,
        "vae_sgvb": vae_sgvb.model,
    }
    weights = sum(w.numel() for w in vae_kl.model.encoder.parameters())
    found: Any = {"images": images, "draws": draws, "weights": weights}
    with Progress("gradients", len(models)) as bar:
        for where, model in models.items():
            torch.manual_seed(seed)
            found[where] = {
                part: {
                    name: {
                        "variance": averaged(trace),
                        "ratio": averaged(trace / traces["sgvb"]),
                    }
                    for name, trace in traces.items()
                }
                for part, traces in total_variance(model, x, draws).items()
            }
            bar.update()
    return {"summary": found}


class CourseTask(VAETask):
    """The objective of the course's notebook: the mean over the pixels of
    the squared error of grey images, plus coeff times the KL."""

    def draw(self, rows: Tensor, share: float) -> Tensor:
        return rows.float() / 255

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        output = model(batch)
        error = nn.functional.mse_loss(output["imgs"], batch)
        rate = -loss_KL_wo_E(output).mean()
        return {"loss": error + self.config.coeff * rate, "rate": rate}


def equivalent_variance(coeff: float, pixels: int = PIXELS) -> float:
    """The Gaussian likelihood's variance behind a squared error.

    With p(x | z) = N(g(z), v I), minus the ELBO is, up to a constant,
    D / (2 v) (MSE + 2 v / D KL) for D pixels, so that coeff = 2 v / D.
    """
    return coeff * pixels / 2


def rate_distortion(
    coeffs: tuple[float, ...],
    course_coeff: float,
    test_size: int,
    samples: int,
    **settings: Any,
) -> dict[str, Any]:
    """Rate and distortion of short trainings with several `coeff`.

    Every training has the same settings but for `coeff`; the last one has
    the course's objective in place of the ELBO, and is judged like the
    others: by -log p(x | z) of binary images, z drawn from the posterior
    (there given the grey image, as it was trained).
    """
    device = resolve_device("auto")
    x = binary_test_images(device, test_size)
    grey = load_mnist(device).test.images[:test_size].float() / 255

    def point(task: Any, coeff: float, inputs: Tensor) -> dict[str, Any]:
        model: Any = fit(task(VAEConfig(coeff=coeff, **settings)), device)[0]
        return {"coeff": coeff, **judge(model, inputs, x, samples)}

    return {
        "summary": {
            "points": [point(VAETask, coeff, x) for coeff in coeffs],
            "course": point(CourseTask, course_coeff, grey),
            "settings": settings,
            "test_size": test_size,
        }
    }


@torch.no_grad()
def comparison(
    vae_kl: Any, vae_sgvb: Any, images: int, samples: int
) -> dict[str, Any]:
    """`vae_sgvb` less `vae_kl`, image by image, with the same noise.

    Means over images vary with the images; differences on the same images
    vary far less. Their standard error speaks of these two trainings, not
    of others from other seeds.
    """
    x = binary_test_images(next(vae_kl.model.parameters()).device, images)
    one, other = (_bounds(r.model, x, x, samples) for r in (vae_kl, vae_sgvb))
    found = {
        k: averaged(getattr(other, k) - getattr(one, k))
        for k in ("elbo", "rate", "distortion")
    }
    return {"summary": {**found, "images": images, "samples": samples}}


def _bounds(
    model: VAE,
    inputs: Tensor,
    x: Tensor,
    samples: int,
    precision: str = "auto",
) -> evaluation.Bounds:
    """The bounds of binary images x, encoded as `inputs`."""
    likelihood = evaluation.bernoulli(model, x, precision)
    mean, logvar = model.encode(inputs)
    generator = torch.Generator(x.device).manual_seed(0)
    return evaluation.bounds(mean, logvar, likelihood, samples, generator)


@torch.no_grad()
def judge(
    model: VAE, inputs: Tensor, x: Tensor, samples: int
) -> dict[str, Any]:
    """Rate and distortion of binary images x, encoded as `inputs`."""
    found = _bounds(model, inputs, x, samples)
    return {k: averaged(getattr(found, k)) for k in ("rate", "distortion")}


@torch.no_grad()
def importance_sampling(
    vae_kl: Any, images: int, samples: tuple[int, ...], step: float
) -> dict[str, Any]:
    """NLL from S samples, for several S, against quadrature.

    The samples are the posterior's, and from two on also the mixture's.
    The latent plane is small enough to integrate over: the trapezoid rule
    gives log p(x) itself. It is done with twice the step once more, to show
    what the step costs.
    """
    precision = vae_kl.config.precision
    x = binary_test_images(next(vae_kl.model.parameters()).device, images)
    exact, coarse = (
        evaluation.log_px_by_quadrature(vae_kl.model, x, h)
        for h in (step, 2 * step)
    )
    mean, logvar = vae_kl.model.encode(x)
    points = []
    for n in samples:
        generator = torch.Generator(x.device).manual_seed(0)
        likelihood = evaluation.bernoulli(vae_kl.model, x, precision)
        args = mean, logvar, likelihood, n, generator
        log_px = evaluation.bounds(*args).log_px
        point = {
            "samples": n,
            "nll": averaged(-log_px),
            "gap": averaged(exact - log_px),
        }
        if n > 1:
            mixed = evaluation.log_px_by_mixture(*args)
            point["mixture_gap"] = averaged(exact - mixed)
        points.append(point)
    return {
        "summary": {
            "exact": averaged(-exact),
            "step": step,
            "coarser": averaged(exact - coarse),
            "points": points,
            "images": images,
        }
    }


@torch.no_grad()
def rounding(vae_best: Any, images: int, samples: int) -> dict[str, Any]:
    """The ELBO with the decoder's products in bfloat16, less in float32.

    Image by image and with the same noise; likelihood and rate are in
    float32 both times.
    """
    model = vae_best.model
    x = binary_test_images(next(model.parameters()).device, images)
    fine, coarse = (
        _bounds(model, x, x, samples, precision).elbo
        for precision in ("float32", "bfloat16")
    )
    found = averaged(coarse - fine)
    return {"summary": {"elbo": found, "images": images, "samples": samples}}
