"""Which space is it? Five latent spaces by five clouds.

    PYTHONPATH=code:. python -m benchmarks.which_space

Noisy points of a plane, a cylinder, a torus and a sphere are given to models
that differ in the latent space alone. Each cloud is the image of its own
space's prior, so that the right model has a simple map to learn. A fifth
cloud, an evenly filled square, is nobody's: a torus pressed flat covers it as
well as a plane does. Each model is judged by log p(x) of held-out points, by
quadrature over the latent space: the average of N(x; g(z), s^2 I) over a
lattice that the prior's distribution function spreads, which in two dimensions
is exact for practical purposes (`halved` is the change of the mean when half
the lattice is used). Writes code/aevb/measured/which_space.json.
"""

import argparse
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from aevb.distributions import TAU
from aevb.spaces import FlatTorus, LatentSpace, Plane
from aevb.torus import Torus
from aevb.torus_measures import latent_lattice, shares
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


def _flat(x: Tensor) -> Tensor:
    """Points (..., 2) of a plane in space, (..., 3)."""
    return nn.functional.pad(x, (0, 1))


CLOUDS: dict[str, Callable[[Tensor], Tensor]] = {
    "plane": lambda shares: _flat(Plane().quantile(shares) / 2),
    "cylinder": lambda shares: (
        Cylinder().embed(Cylinder().quantile(shares))
        * torch.tensor([1.0, 1.0, 0.5])
    ),
    "torus": lambda shares: Torus().chart(FlatTorus().quantile(shares)),
    "sphere": lambda shares: Sphere().quantile(shares),
    "square": lambda shares: _flat(2 * shares - 1),
}
"""Shares (n, 2) of the unit square to points of each surface, (n, 3)."""


def cloud(name: str, n: int, seed: int) -> Tensor:
    """n points of a surface with noise, (n, 3)."""
    generator = torch.Generator().manual_seed(seed)
    x = CLOUDS[name](torch.rand(n, 2, generator=generator))
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
    """Mean log p(x), its error, the lattice's, and the rate."""
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
    parser.add_argument("--seeds", type=int, default=5)
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
            log_px(CLOUDS[surface](shares(NODES)), held_out, NOISE).mean()
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


if __name__ == "__main__":
    main()
