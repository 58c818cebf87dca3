"""Beside van Hulst et al. (2026, arXiv 2606.07058): torus, 50 dimensions.

    PYTHONPATH=code:. python -m benchmarks.torus_stress

Their data by their description: angles uniform, a torus with R = 2 and r =
0.8 sent to 50 dimensions by a fixed random network of widths 30, 40, 50 (tanh,
leaky ReLU with slope 0.2, tanh; weights of deviation 0.8, 0.5, 0.3), noise of
deviation 0.1; 1600 points to train on, 400 to test. Their measures: the root
mean square of the test reconstruction, the KL divergence in nats, and
Kruskal's stress-1 of latent distances against the true ones, both on the flat
torus, both divided by their means, over 500 random pairs. Here the pairs, the
weights and the noise are drawn from our own seeds. Two models, which differ
in the divergence alone: the exact one, and the clamp max(0, log 2 pi - H(N)).
Writes code/aevb/measured/torus_stress.json.
"""

import argparse
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from aevb.distributions import TAU, wrap
from aevb.spaces import FlatTorus
from aevb.torus import Torus
from aevb.torus_vae import PointVAE
from benchmarks.together import Settings, train, write

NAME = "torus_stress"
DIM, POINTS, TRAINED, PAIRS = 50, 2000, 1600, 500
NOISE = 0.1
HIDDEN = [128, 128]


def observations(seed: int = 42) -> tuple[Tensor, Tensor]:
    """The angles (n, 2) and the points (n, 50)."""
    random = np.random.RandomState(seed)
    angles = torch.tensor(random.uniform(-math.pi, math.pi, (2, POINTS)).T)
    x = Torus(2.0, 0.8).chart(angles).numpy()
    one, two, three = (
        deviation * random.randn(n, k)
        for n, k, deviation in ((30, 3, 0.8), (40, 30, 0.5), (DIM, 40, 0.3))
    )
    h = np.tanh(x @ one.T) @ two.T
    x = np.tanh(np.where(h > 0, h, 0.2 * h) @ three.T)
    x = x + NOISE * random.randn(POINTS, DIM)
    return angles, torch.tensor(x).float()


def stress(truth: Tensor, found: Tensor) -> float:
    """Kruskal's stress-1 of distances (n,), both divided by their means."""
    truth, found = truth / truth.mean(), found / found.mean()
    return float(
        ((truth - found).square().sum() / truth.square().sum()).sqrt()
    )


def clamp(q: Any, p: Any) -> Tensor:
    """Their divergence: max(0, log 2 pi - H) of the normal before wrapping."""
    normal = (math.log(TAU) - 1) / 2 - q.base_dist.scale.log()
    return normal.clamp(min=0).sum(-1)


@torch.no_grad()
def measure(model: PointVAE, seed: int) -> dict[str, float]:
    """Root mean square errors, exact KL and stress of the test points."""
    angles, x = observations()
    train, x, angles = x[:TRAINED], x[TRAINED:], angles[TRAINED:]
    random = np.random.RandomState(seed)
    i, j = torch.tensor(random.randint(len(x), size=(2, PAIRS)))
    z = model.code(x)
    ours, true = (wrap(a[i] - a[j]).norm(dim=1) for a in (z, angles))
    kl = kl_divergence(model.posterior(x), model.space.prior())
    return {
        "train_rms": float(
            (model.reconstruct(train) - train).square().mean() ** 0.5
        ),
        "test_rms": float((model.reconstruct(x) - x).square().mean() ** 0.5),
        "kl": float(kl.mean()),
        "stress": stress(true, ours.double()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings(
        arguments.seeds, arguments.epochs, noise_min=NOISE, batch=200
    )
    rows: list[dict[str, Any]] = []
    for name, divergence in (("exact", kl_divergence), ("clamp", clamp)):
        models = train(
            lambda: PointVAE(FlatTorus(), HIDDEN, dim=DIM),
            observations()[1][:TRAINED],
            settings,
            divergence,
        )
        for seed, model in enumerate(models):
            found = measure(model, seed)
            rows.append({"divergence": name, "seed": seed, **found})
        write(NAME, rows, hidden=HIDDEN, **settings._asdict())


if __name__ == "__main__":
    main()
