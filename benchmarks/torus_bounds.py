"""What a stress means: codes that need no training.

    PYTHONPATH=code:. python -m benchmarks.torus_bounds

On the tested points, the pairs and by the measures of `torus_stress`:

    posterior   mean directions of p(angles | x) under the network that made
                the points, by a sum over a lattice of angles: about the best
                that any code can do
    turned back the true angles, but of the second its absolute value: a code
                that folds the tube flat
    stretched   twice that, so that the fold covers the circle
    equal       all distances alike

Writes code/aevb/measured/torus_bounds.json.
"""

import math

import numpy as np
import torch
from torch import Tensor

from aevb.distributions import TAU, wrap
from benchmarks.together import write
from benchmarks.torus_stress import (
    NETWORK,
    NOISE,
    PAIRS,
    TESTED,
    network,
    observations,
    stress,
)

NAME = "torus_bounds"
NODES = (768, 256)
"""Nodes of the lattice along each angle; the first moves the points faster."""


def clean(angles: Tensor) -> Tensor:
    """The points without noise, angles (n, 2) to (n, 50)."""
    return torch.tensor(network(np.random.RandomState(NETWORK), angles))


def posterior_mean(x: Tensor) -> Tensor:
    """Mean directions of the angles given points (n, 50), (n, 2)."""
    sides = [torch.arange(n).double() * (TAU / n) for n in NODES]
    nodes = torch.cartesian_prod(*sides)
    decoded = clean(nodes)
    means = []
    for rows in x.double().split(25):
        distance = torch.cdist(rows, decoded)
        share = (-distance.square() / (2 * NOISE**2)).softmax(1)
        means.append(torch.atan2(share @ nodes.sin(), share @ nodes.cos()))
    return torch.cat(means)


def main() -> None:
    torch.set_num_threads(1)
    angles, x = (rows[-TESTED:] for rows in observations())
    found = posterior_mean(x)
    back = torch.stack([angles[:, 0], angles[:, 1].abs()], 1)
    codes = {
        "posterior": found,
        "turned back": back,
        "stretched": back * torch.tensor([1, 2]),
    }
    rows = []
    for seed in range(10):
        random = np.random.RandomState(seed)
        i, j = torch.tensor(random.randint(TESTED, size=(2, PAIRS)))
        true = wrap(angles[i] - angles[j]).norm(dim=1)
        apart = {k: wrap(z[i] - z[j]).norm(dim=1) for k, z in codes.items()}
        apart["equal"] = torch.ones(PAIRS).double()
        rows += [
            {"code": k, "seed": seed, "stress": stress(true, d)}
            for k, d in apart.items()
        ]
    rms = math.sqrt((clean(found) - x).square().mean())
    write(NAME, rows, nodes=NODES, pairs=PAIRS, test_rms=round(rms, 6))


if __name__ == "__main__":
    main()
