"""What the latent space does, and what the input does: two by two.

    PYTHONPATH=code:. python -m benchmarks.torus_comparison

trains each latent space (plane, torus) with each input (the course's sines
and cosines, the bare point) from several seeds, on the report's cloud, and
writes code/aevb/measured/torus_comparison.json. Networks and trainings are
smaller than the report's, alike in all four cells.
"""

import argparse
from typing import Any

import torch

from aevb import torus_measures
from aevb.torus import Torus
from aevb.torus_vae import SPACES, PointVAE, interpolate, random_pairs
from benchmarks.together import Settings, train, write

HIDDEN = [64, 64]


def measure(model: PointVAE, torus: Torus) -> dict[str, Any]:
    """The measures that depend on the latent space or the input."""
    cloud = torus.cloud()
    paths = interpolate(model, *random_pairs(cloud, 300))
    found = torus_measures.winding(model, torus)
    if abs(found["winding_determinant"].value) == 1:
        found |= torus_measures.forms(model, torus)
    found |= torus_measures.distances(model, torus, cloud, paths)
    return {k: v.value for k, v in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torus, rows = Torus(), []
    settings = Settings(arguments.seeds, arguments.epochs, noise_min=0.01)
    for latent, space in SPACES.items():
        for frequencies in (10, 0):
            models = train(
                lambda s=space, f=frequencies: PointVAE(s(), HIDDEN, f),
                torus.cloud(),
                settings,
            )
            cell = {"latent": latent, "frequencies": frequencies}
            for seed, model in enumerate(models):
                rows.append({**cell, "seed": seed, **measure(model, torus)})
            write(
                "torus_comparison", rows, hidden=HIDDEN, **settings._asdict()
            )


if __name__ == "__main__":
    main()
