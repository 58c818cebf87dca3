r"""The latent plane, exactly: a decoder trained on log p(x) itself.

In few latent dimensions the marginal likelihood needs no encoder. With G
points z_g that are spread like the prior N(0, I),

    log p(x) ~ log 1/G sum_g p(x | z_g),        p(z_g | x) ~ p(x | z_g) / sum,

is one matrix product for a whole batch, since the points are decoded once
a step and serve all of its images. They are a lattice: u_g = (u_0 + g alpha)
mod 1 with alpha_j = phi^-j and phi^(L+1) = phi + 1, which fills the unit cube
evenly for any G (Roberts 2018; the golden ratio in one dimension), carried
to the plane by the inverse normal distribution function. The shift u_0 is
uniform and new at each step (Cranley and Patterson 1976). Then every u_g is
uniform, the sum is unbiased for p(x), and by Jensen's inequality the mean
of its logarithm is below log p(x), by less as G grows. Decoders were trained
so by Correia et al. (2023), with an N(0, I) prior and no encoder.

The encoder then has one use, to approximate the posterior, and no weight of
the decoder depends on it. First it maximises

    E_p(z | x)[log q(z | x)],        z drawn among the z_g by their p(z_g | x),

which has no local optimum in q and finds the place of any image (the wake
phase for q of Bornschein and Bengio 2015); but where the posterior has two
modes, this q covers both and what lies between. So later it maximises the
ELBO under a decoder that is held constant, and comes as near to the
posterior in KL(q(z | x) || p(z | x)) as the encoders that it is compared to.
The ELBO alone, from the start, leaves images at the wrong mode.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from aevb import objectives
from aevb.augmented import UntoldTask
from aevb.models import VAE
from aevb.settings import ExactConfig
from aevb.tasks import REGULARIZERS

FAR = 8.0
"""Where the normal distribution ends; a lattice point at 0 goes here."""


def lattice(points: int, size: int) -> Tensor:
    """Points (G, L) that are spread like N(0, I), randomly shifted.

    Each by itself is a draw from N(0, I); together they are far more even
    than independent draws. From torch's global generator.
    """
    phi = 2.0
    for _ in range(50):
        phi = (1 + phi) ** (1 / (size + 1))
    steps = phi ** -torch.arange(1, size + 1, dtype=torch.float64)
    numbers = torch.arange(points, dtype=torch.float64).unsqueeze(1)
    u = (torch.rand(size, dtype=torch.float64) + numbers * steps) % 1
    return torch.special.ndtri(u).clamp(-FAR, FAR).float()


def log_likelihoods(decoder: Any, x: Tensor, z: Tensor) -> Tensor:
    """log p(x_b | z_g) of binary images (B, D) at latents (G, L), (B, G).

    The logits are l_g = W h_g + c, so that

        log p(x_b | z_g) = (x_b W) h_g + x_b c - sum_i softplus(l_gi),

    with inner products as long as h_g and not as long as an image. The
    decoder is a `torch.nn.Sequential`, linear at its end.
    """
    last = decoder[-1]
    h = decoder[:-1](z)  # (G, width)
    black = x.new_zeros(x.shape[1])
    constant = objectives.bernoulli_log_likelihood(last(h), black)  # (G,)
    product = torch.addmm(constant, x @ last.weight, h.T)
    return product + (x @ last.bias).unsqueeze(1)


def log_mean_exp(log_px_z: Tensor) -> Tensor:
    """log 1/G sum_g p(x_b | z_g) from its logarithms (B, G), (B,)."""
    return objectives.log_sum_exp(log_px_z) - math.log(log_px_z.shape[1])


def log_q_of_posterior(
    model: VAE, x: Tensor, z: Tensor, log_px_z: Tensor
) -> Tensor:
    """log q(z | x_b) at one z ~ p(z | x_b) among the lattice points, (B,).

    Args:
        model: its encoder is used.
        x: binary images, (B, D).
        z: lattice points, (G, L).
        log_px_z: their log p(x_b | z_g), (B, G).
    """
    below = log_px_z.detach().softmax(dim=1).cumsum(dim=1)
    u = torch.rand_like(below[:, :1]) * below[:, -1:]
    drawn = torch.searchsorted(below, u).squeeze(1)
    return objectives.log_normal_pdf(z[drawn], *model.encode(x))


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """What is computed in this block has no gradient for the weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


class ExactTask(UntoldTask):
    """`UntoldTask` with -log p(x) in place of the ELBO, for the decoder.

    Its `loss` adds two objectives that share no weight: -log p(x) moves the
    decoder, and the encoder's is that of the module's docstring. One lattice
    serves all images of a batch, so that the decoder cannot be conditioned on
    how each is deformed.
    """

    config: ExactConfig
    matches = True

    def draw(self, rows: Tensor, share: float) -> Tensor:
        self.matches = share < self.config.matching
        return super().draw(rows, share)

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        z = lattice(self.config.points, model.z_size).to(batch.device)
        log_px_z = log_likelihoods(model.decoder, batch, z)
        nll = -log_mean_exp(log_px_z).mean()
        n = math.ceil(self.config.encoded * len(batch))
        x, known = batch[:n], log_px_z[:n]
        if self.matches:
            encoder = -log_q_of_posterior(model, x, z, known).mean()
        else:
            how = REGULARIZERS[self.config.estimator], self.config.coeff
            with frozen(model.decoder):
                encoder = objectives.negative_elbo(model, x, *how)["loss"]
        return {"loss": nll + encoder, "nll": nll, "encoder": encoder}
