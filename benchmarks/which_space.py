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
from torch import Tensor
from torch.distributions import kl_divergence

from aevb.distributions import TAU
from aevb.spaces import FlatTorus, LatentSpace, Plane
from aevb.torus import Torus
from aevb.torus_measures import latent_lattice
from aevb.torus_vae import PointVAE
from benchmarks.spaces import Cylinder, KleinBottle, Sphere
from benchmarks.together import Settings, train, write

NAME = "which_space"
NOISE = 0.05
"""Standard deviation of the clouds' noise, in each coordinate."""
NODES = 2**14
"""Points of the lattice over the latent space."""
HIDDEN = [64, 64]
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
    settings = Settings(
        arguments.seeds, arguments.epochs, noise_min=NOISE, batch=500
    )
    rows: list[dict[str, Any]] = []
    for surface in CLOUDS:
        held_out = cloud(surface, 1000, 99)
        truth = float(
            log_px(shape(surface, _shares(NODES)), held_out, NOISE).mean()
        )
        for name, space in SPACES.items():
            models = train(
                lambda s=space: PointVAE(s(), HIDDEN),
                cloud(surface, 3000, 1),
                settings,
            )
            for seed, model in enumerate(models):
                where = {"cloud": surface, "space": name, "seed": seed}
                found = judge(model, held_out, NOISE)
                rows.append({**where, **found, "truth": truth})
            write(NAME, rows, hidden=HIDDEN, nodes=NODES, **settings._asdict())


def _shares(n: int) -> Tensor:
    """The lattice of `latent_lattice` before it is spread."""
    k = torch.arange(n, dtype=torch.float64) + 0.5
    return torch.stack([k / n, (k * (5**0.5 - 1) / 2) % 1], dim=1).float()


if __name__ == "__main__":
    main()
