"""Which space is it? Five latent spaces by four clouds.

    PYTHONPATH=code:. python -m benchmarks.which_space

Noisy points of a torus, a sphere, a cylinder and a patch of a plane are given
to models that differ in the latent space alone. Each is judged by log p(x) of
held-out points, by quadrature over the latent space: the average of N(x; g(z),
s^2 I) over a lattice that the prior's distribution function spreads, which in
two dimensions is exact for practical purposes (`halved` is the change of the
mean when half the lattice is used). Writes
code/aevb/measured/which_space.json.
"""

import argparse
import math
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.distributions import kl_divergence

from aevb import training
from aevb.distributions import TAU
from aevb.spaces import FlatTorus, LatentSpace, Plane
from aevb.torus import Torus
from aevb.torus_measures import latent_lattice
from aevb.torus_vae import PointVAE, TorusConfig, TorusTask
from benchmarks.spaces import Cylinder, KleinBottle, Sphere
from benchmarks.torus_comparison import write

NAME = "which_space"
NOISE = 0.05
"""Standard deviation of the clouds' noise, in each coordinate."""
NODES = 2**14
"""Points of the lattice over the latent space."""
SPACES: dict[str, type[LatentSpace]] = {
    "plane": Plane,
    "cylinder": Cylinder,
    "torus": FlatTorus,
    "sphere": Sphere,
    "Klein bottle": KleinBottle,
}
CLOUDS = ("plane", "cylinder", "torus", "sphere")


def shape(name: str, shares: Tensor) -> Tensor:
    """Points of a surface of shares (n, 2) of the unit square, (n, 3):
    uniform by area, on the torus by angle."""
    a, b = shares.unbind(-1)
    if name == "plane":
        return torch.stack([2 * a - 1, 2 * b - 1, 0 * a], dim=-1)
    if name == "torus":
        return Torus().point(TAU * a, TAU * b)
    if name == "sphere":
        return Sphere().quantile(shares)
    return torch.stack([(TAU * a).cos(), (TAU * a).sin(), 2 * b - 1], dim=-1)


def cloud(name: str, n: int, seed: int) -> Tensor:
    """n points of a surface with noise, (n, 3)."""
    generator = torch.Generator().manual_seed(seed)
    x = shape(name, torch.rand(n, 2, generator=generator))
    return x + NOISE * torch.randn(n, 3, generator=generator)


class CloudConfig(TorusConfig):
    """Settings of a model of a noisy cloud."""

    surface: str = "torus"
    space: str = "torus"
    size: int = Field(default=3000, gt=0)


class CloudTask(TorusTask):
    """A noisy cloud, and a likelihood whose noise is the clouds' own, so
    that the models differ in nothing but the latent space."""

    config: CloudConfig

    def model(self) -> PointVAE:
        space = SPACES[self.config.space]()
        return PointVAE(space, list(self.config.hidden_dims))

    def data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        config = self.config
        rows = cloud(config.surface, config.size, config.cloud_seed)
        return rows, cloud(config.surface, 500, config.cloud_seed + 1)


@torch.no_grad()
def log_px(decoded: Tensor, x: Tensor, noise: float) -> Tensor:
    """log of the mean over nodes (G, 3) of N(x; node, noise^2 I), (n,)."""
    scale = 1.5 * math.log(TAU * noise**2) + math.log(len(decoded))
    parts = [
        torch.logsumexp(-torch.cdist(rows, decoded).square() / 2 / noise**2, 1)
        for rows in x.split(100)
    ]
    return torch.cat(parts) - scale


@torch.no_grad()
def judge(model: PointVAE, x: Tensor, noise: float) -> dict[str, float]:
    """Mean log p(x), its error, the lattice's, and the ELBO's gap."""
    decoded = model.decode(latent_lattice(model, NODES))
    exact = log_px(decoded, x, noise)
    half = log_px(model.decode(latent_lattice(model, NODES // 2)), x, noise)
    rate = kl_divergence(model.posterior(x), model.space.prior())
    return {
        "log_px": float(exact.mean()),
        "error": float(exact.std() / len(x) ** 0.5),
        "halved": float((exact - half).mean()),
        "rate": float(rate.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings: Any = {
        "epochs": arguments.epochs,
        "batch_size": 250,
        "hidden_dims": (64, 64),
        "trials": 2,
        "trial_epochs": 10,
        "noise_min": NOISE,
    }
    rows: list[dict[str, Any]] = []
    for seed in range(arguments.seeds):
        for surface in CLOUDS:
            held_out = cloud(surface, 1000, 99)
            exact = shape(surface, _shares(NODES))
            best = float(log_px(exact, held_out, NOISE).mean())
            for space in SPACES:
                config = CloudConfig(
                    surface=surface, space=space, seed=seed, **settings
                )
                model, _, _ = training.fit(
                    CloudTask(config), torch.device("cpu")
                )
                found = judge(model, held_out, NOISE)
                where = {"cloud": surface, "space": space, "seed": seed}
                rounded = {k: round(v, 4) for k, v in found.items()}
                rows.append({**where, **rounded, "truth": round(best, 4)})
                write(NAME, rows, **settings, held_out=1000, nodes=NODES)


def _shares(n: int) -> Tensor:
    """The lattice of `latent_lattice` before it is spread."""
    k = torch.arange(n, dtype=torch.float64) + 0.5
    return torch.stack([k / n, (k * (5**0.5 - 1) / 2) % 1], dim=1).float()


if __name__ == "__main__":
    main()
