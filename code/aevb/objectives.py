r"""The evidence lower bound and its two estimators.

For one image x and a sample z ~ q(z | x),

    ELBO(x) = E_q[log p(x | z)] + E_q[log p(z) - log q(z | x)]
            = E_q[log p(x | z)] - KL(q(z | x) || p(z)).

The second expectation is estimated from the same sample (`loss_SGVB`,
Kingma and Welling 2014, eq. 6) or written in closed form (`loss_KL_wo_E`,
their eq. 7 and appendix B). Both are a lower bound's regulariser, so they
carry the sign of the ELBO; minus the ELBO is distortion plus rate, in nats.

The functions that the course names use nothing but `torch` and `np`, so
that their source also runs where it is pasted into its notebook.
"""

from collections.abc import Callable

import numpy as np
import torch

from aevb.errors import UserError
from aevb.models import VAE, check_rows

Regularizer = Callable[[dict[str, torch.Tensor]], torch.Tensor]


def log_normal_pdf(
    sample: torch.Tensor,
    mean: torch.Tensor,
    logvar: torch.Tensor,
    raxis: int = 1,
) -> torch.Tensor:
    """Log density of a diagonal normal, summed over the axis `raxis`.

    log N(z; mu, sigma^2) = -1/2 (log 2 pi + log sigma^2
                                  + (z - mu)^2 / sigma^2)

    Args:
        sample: z, (B, L).
        mean, logvar: mu and log sigma^2, (B, L) or 0-d tensors.

    Returns:
        (B,), in nats.
    """
    squared = (sample - mean) ** 2 * torch.exp(-logvar)
    return -0.5 * (np.log(2 * np.pi) + logvar + squared).sum(dim=raxis)


def loss_SGVB(output: dict[str, torch.Tensor]) -> torch.Tensor:
    """log p(z) - log q(z | x) at the sample `output["z"]`, (B,), in nats.

    Its expectation over z is minus the KL divergence to the prior N(0, I).
    """
    z, mean, logvar = output["z"], output["mean"], output["logvar"]
    zero = torch.zeros((), dtype=z.dtype, device=z.device)
    log_prior = log_normal_pdf(z, zero, zero)
    return log_prior - log_normal_pdf(z, mean, logvar)


def loss_KL_wo_E(output: dict[str, torch.Tensor]) -> torch.Tensor:
    """Minus KL(N(mu, sigma^2) || N(0, I)), (B,), in nats.

    -KL = 1/2 sum_d (1 + log sigma_d^2 - mu_d^2 - sigma_d^2)
    """
    mean, logvar = output["mean"], output["logvar"]
    return 0.5 * (1 + logvar - mean**2 - torch.exp(logvar)).sum(dim=1)


def loss_STL(output: dict[str, torch.Tensor]) -> torch.Tensor:
    """`loss_SGVB` with the score term left out of its gradient, (B,).

    "Sticking the landing" (Roeder, Wu and Duvenaud 2017): the same value,
    but log q sees mu and sigma as constants, so that the gradient's
    variance goes to zero as q approaches the true posterior.
    """
    constants = {k: output[k].detach() for k in ("mean", "logvar")}
    return loss_SGVB({"z": output["z"], **constants})


def log_sum_exp(terms: torch.Tensor) -> torch.Tensor:
    """log sum_g exp(t_bg) of terms (B, G), (B,).

    For any column k it is t_bk - log softmax(t_b)_k; here k is the largest
    term's. A processor computes this in a sixth of the time of
    `torch.logsumexp`, which slows down at terms whose exponential is no
    normal float32, as most terms of an integral over the latent space are.
    """
    k = terms.detach().argmax(dim=1, keepdim=True)
    found = terms.gather(1, k) - terms.log_softmax(dim=1).gather(1, k)
    return found.squeeze(1)


def bernoulli_log_likelihood(
    logits: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """log p(x | z) of binary pixels, summed over them, in nats.

    sum_i x_i log p_i + (1 - x_i) log(1 - p_i) with p = sigmoid(logits),
    computed from the logits, so that it stays finite where p rounds to 0
    or 1, in the precision of x.

    Args:
        logits: (..., D).
        x: (D,), or with as many of the leading axes, from the right, as it
            has; the same x serves all of the others.

    Returns:
        (...).

    Raises:
        TypeError: x is no tensor of floats.
        ValueError: the shapes do not fit; or, where no gradient is asked
            for, so outside a training step, x is not binary.
    """
    check_rows(x, logits.shape[-1])
    if logits.shape[logits.ndim - x.ndim :] != x.shape:
        raise ValueError(
            f"logits of shape {tuple(logits.shape)} do not fit images of "
            f"shape {tuple(x.shape)}"
        )
    if not (torch.is_grad_enabled() or ((x == 0) | (x == 1)).all()):
        raise ValueError("the images are not binary; use data.binarize first")
    return -torch.nn.functional.binary_cross_entropy_with_logits(
        logits.to(x.dtype), x.expand_as(logits), reduction="none"
    ).sum(dim=-1)


def negative_elbo(
    model: VAE,
    x: torch.Tensor,
    regularizer: Regularizer = loss_KL_wo_E,
    coeff: float = 1.0,
) -> dict[str, torch.Tensor]:
    """Minus the ELBO of binary images x (B, D), one sample an image.

    loss = distortion + coeff * rate, where the distortion is
    -log p(x | z) and the rate is minus `regularizer`: `loss_SGVB`,
    `loss_KL_wo_E` or `loss_STL`. With coeff = 1 it is a bound on
    -log p(x); other values trace the rate-distortion curve (Higgins et
    al. 2017; Alemi et al. 2018).

    It is a step of a training, so only what costs nothing is checked;
    `evaluation.check(model, x)` refuses other models and images.

    Returns:
        dict of 0-d means over the batch: loss, rate, distortion (nats).

    Raises:
        UserError: the batch is empty, or `coeff` is more than one number.
        TypeError, ValueError: those of `bernoulli_log_likelihood`.
    """
    if len(x) == 0:
        raise UserError("the batch is empty; give at least one image")
    if getattr(coeff, "ndim", 0):
        raise UserError("coeff must be one number")
    mean, logvar = model.encode(x)
    z = model.reparameterize(mean, logvar)
    output = {"z": z, "mean": mean, "logvar": logvar}
    distortion = -bernoulli_log_likelihood(model.decoder(z), x).mean()
    rate = -regularizer(output).mean()
    return {
        "loss": distortion + coeff * rate,
        "rate": rate,
        "distortion": distortion,
    }
