r"""The VAEs for a cloud of points on a torus, and their training.

All have the likelihood p(x | z) = N(x; g(z), s^2 I) and are trained on

    -ELBO = |x - g(z)|^2 / (2 s^2) + D/2 log(2 pi s^2) + KL(q(z | x) || p(z))

with the KL in closed form. They differ in the latent space (`spaces`) and in
what the encoder sees: the bare point, or the course's sines and cosines.

By invariance of domain no continuous map of the torus to the plane is
injective, so the plain model gives one code to places that lie far apart. The
toroidal decoder sees the cosine and the sine of each angle; R and r it must
learn.

The noise s is NOISE_SHARE of the batch's root mean squared error, never below
`noise_min`: training starts hot and cools as the model learns. Once the error
is small, s = noise_min, and the loss is minus an ELBO with that fixed s.

A start by chance can leave a fold in the code, which no small step removes:
the loss has local minima of the wrong topology. So `trials` short trainings
from different weights compete, and the one of least loss goes on.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from aevb import torus_measures, training
from aevb.distributions import TAU
from aevb.evaluation import Estimate
from aevb.models import mlp
from aevb.settings import TorusConfig
from aevb.spaces import FlatTorus, LatentSpace, Plane
from aevb.torus import FRESH_SEED, Torus

NOISE_SHARE = 0.35
"""Deviation of the likelihood over the root mean squared error."""
TRIAL_SEEDS = 1000
"""Distance between the seeds of two runs' short trainings."""
PAIR_SEED = 20240924
"""Seed of the random pairs whose paths are measured."""
SPACES: dict[str, type[LatentSpace]] = {"plane": Plane, "torus": FlatTorus}
"""The latent spaces by their names in the settings."""


class Encoding(nn.Module):
    """The course's sines and cosines of points, (B, D) to (B, 2 D F).

    For each coordinate c and frequency 2^0 .. 2^(F-1): sin and cos of
    frequency times c.
    """

    def __init__(self, frequencies: int = 10) -> None:
        super().__init__()
        self.frequencies = frequencies

    def forward(self, x: Tensor) -> Tensor:
        powers = 2.0 ** torch.arange(self.frequencies, device=x.device)
        phase = x.unsqueeze(-1) * powers  # (B, D, F)
        waves = torch.stack([phase.sin(), phase.cos()], dim=-1)
        return waves.flatten(1)


class PointVAE(nn.Module):
    """A VAE for points of R^D over any latent space, Problem 4.

    Args:
        space: the latent space: prior, posterior, embedding, interpolation.
        hidden_dims: widths of the encoder's hidden layers; the decoder has
            them backwards.
        frequencies: octaves of sines and cosines that the encoder sees; with
            0 it sees the bare point.
        dim: coordinates of a point, D.
    """

    def __init__(
        self,
        space: LatentSpace,
        hidden_dims: list[int],
        frequencies: int = 0,
        dim: int = 3,
    ) -> None:
        super().__init__()
        self.space = space
        self.encoding = Encoding(frequencies) if frequencies else nn.Identity()
        seen = 2 * dim * frequencies or dim
        self.encoder = mlp([seen, *hidden_dims, space.outputs])
        self.decoder = mlp([space.inputs, *hidden_dims[::-1], dim])

    def posterior(self, x: Tensor) -> Distribution:
        """q(z | x), points (B, D) to batch shape (B,)."""
        return self.space.posterior(self.encoder(self.encoding(x)))

    def decode(self, z: Tensor) -> Tensor:
        """Latent points (..., d) to points (..., D)."""
        return self.decoder(self.space.embed(z))

    @torch.no_grad()
    def code(self, x: Tensor) -> Tensor:
        """Means of the posteriors, points (B, D) to (B, d)."""
        return self.posterior(x).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Decoded means of the posteriors, (B, D) to (B, D)."""
        return self.decode(self.code(x))


@torch.no_grad()
def interpolate(
    model: Any, start: Tensor, end: Tensor, steps: int = 101
) -> Tensor:
    """Decoded straight latent lines, (B, D) twice to (B, steps, D)."""
    z0, z1 = (model.code(x).unsqueeze(1) for x in (start, end))
    t = torch.linspace(0, 1, steps).unsqueeze(-1).to(z0)
    return model.decode(model.space.interpolate(z0, z1, t))


def random_pairs(
    cloud: Tensor, n: int, seed: int = PAIR_SEED
) -> tuple[Tensor, Tensor]:
    """n random pairs of points of a cloud, (n, D) each."""
    generator = torch.Generator().manual_seed(seed)
    i, j = torch.randint(len(cloud), (2, n), generator=generator)
    return cloud[i], cloud[j]


def gaussian_distortion(squared: Tensor, noise: Tensor, dim: int) -> Tensor:
    """-log N(x; g, s^2 I) of points of R^dim from |x - g|^2, in nats."""
    variance = noise.square()
    return squared / (2 * variance) + dim / 2 * torch.log(TAU * variance)


class TorusTask(training.Task):
    """The cloud of a torus, with the latent space that the settings name."""

    def __init__(self, config: TorusConfig) -> None:
        self.config = config
        self.torus = Torus(config.R, config.r)

    def model(self) -> PointVAE:
        config = self.config
        space = SPACES[config.latent]()
        return PointVAE(space, list(config.hidden_dims), config.frequencies)

    def data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The cloud, and as held-out rows fresh points of the surface."""
        cloud = self.torus.cloud(self.config.size, self.config.cloud_seed)
        cloud = cloud[: self.config.train_size or None]
        return cloud.to(device), self.torus.cloud(500, FRESH_SEED).to(device)

    def loss(self, model: Any, batch: Tensor) -> dict[str, Tensor]:
        """Minus the ELBO, one sample a point: 0-d means in nats."""
        q, dim = model.posterior(batch), batch.shape[1]
        squared = (model.decode(q.rsample()) - batch).square().sum(dim=1)
        rmse = (squared.detach().mean() / dim).sqrt()
        noise = (NOISE_SHARE * rmse).clamp(min=self.config.noise_min)
        distortion = gaussian_distortion(squared, noise, dim).mean()
        rate = kl_divergence(q, model.space.prior(batch.device)).mean()
        return {
            "loss": distortion + self.config.coeff * rate,
            "rate": rate,
            "distortion": distortion,
            "noise": noise,
        }

    def start(self, model: Any, device: torch.device) -> None:
        """Give `model` the weights of the best of the short trainings."""
        if self.config.trials == 1:
            return
        best = math.inf
        with torch.random.fork_rng():
            for trial in range(self.config.trials):
                changed = {
                    "seed": TRIAL_SEEDS * self.config.seed + trial,
                    "epochs": self.config.trial_epochs,
                    "trials": 1,
                    "ema": 0.0,
                }
                task = type(self)(self.config.model_copy(update=changed))
                rival, history, _ = training.fit(task, device)
                if history["train_loss"][-1] < best:
                    best = history["train_loss"][-1]
                    model.load_state_dict(rival.state_dict())

    @torch.no_grad()
    def evaluate(self, model: Any) -> dict[str, Estimate]:
        """Distances of reconstructions and interpolants, and the shape."""
        model = model.cpu()
        cloud, _ = self.data(torch.device("cpu"))
        pairs = random_pairs(cloud, self.config.pairs)
        paths = interpolate(model, *pairs)
        return torus_measures.evaluate(model, self.torus, cloud, pairs, paths)
