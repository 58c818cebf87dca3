"""A trigonometric surface through points, by expectation maximisation.

    x = g(u, v) + s eps,  g = sum_kl c_kl waves_k(u) waves_l(v),

with (u, v) uniform on a lattice (a generative topographic map; Bishop, Svensen
and Williams 1998): log p(x) is a sum, and the step that maximises is linear.
Fitted as one surface from the start, g folds the tube flat. So it grows: first
a closed curve, then an ellipse about it, seeded by the points with known
angles, then finer waves.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from aevb.distributions import TAU

NODES = (64, 24)
"""Nodes of the lattice along each angle."""
FINER = [(6, 1), (6, 2), (6, 3), (8, 4), (8, 6)]
"""Waves along each angle, one pair after another."""
STEPS = 12
SMOOTH = 10.0
"""Weight of the squared frequencies, in units of s^2."""


class Surface(NamedTuple):
    """Coefficients (K, D), waves along each angle, and deviation s."""

    coefficients: Tensor
    degrees: tuple[int, int]
    noise: float

    def __call__(self, angles: Tensor) -> Tensor:
        return waves(angles, self.degrees) @ self.coefficients

    def locate(self, x: Tensor) -> tuple[Tensor, float]:
        """Mean directions of p(u, v | x), (n, 2), and the mean log p(x)."""
        nodes, dim = lattice(), x.shape[1]
        fit = -torch.cdist(x, self(nodes)).square() / (2 * self.noise**2)
        share = fit.softmax(1)
        angles = torch.atan2(share @ nodes.sin(), share @ nodes.cos())
        scale = math.log(len(nodes)) + dim / 2 * math.log(TAU * self.noise**2)
        return angles, float(fit.logsumexp(1).mean()) - scale


def lattice() -> Tensor:
    """All nodes, (n, 2)."""
    return torch.cartesian_prod(*(torch.arange(n) * (TAU / n) for n in NODES))


def waves(angles: Tensor, degrees: tuple[int, int]) -> Tensor:
    """Products of 1, cos(m u), sin(m u) and the same of v, (n, K)."""
    one, two = (
        torch.cat([(a * m).cos(), (a * m[1:]).sin()], 1)
        for a, m in zip(angles.split(1, 1), _frequencies(degrees), strict=True)
    )
    return (one[:, :, None] * two[:, None]).flatten(1)


def _frequencies(degrees: tuple[int, int]) -> list[Tensor]:
    return [torch.arange(d + 1) for d in degrees]


def _ridge(
    design: Tensor,
    weights: Tensor,
    target: Tensor,
    degrees: tuple[int, int],
    smooth: float,
) -> Tensor:
    """Solve (B' W B + smooth (k^2 + l^2)) c = target, in float64."""
    one, two = (torch.cat([m, m[1:]]) for m in _frequencies(degrees))
    power = (one[:, None].square() + two.square()).flatten().double() + 1e-6
    normal = (design * weights[:, None]).T.double() @ design.double()
    normal = normal + smooth * power.diag()
    return torch.linalg.solve(normal, target.double()).float()


def _through(angles: Tensor, x: Tensor, degrees: tuple[int, int]) -> Surface:
    """The smooth surface by points (n, D) of known angles (n, 2)."""
    design, ones = waves(angles, degrees), torch.ones(len(x))
    found = _ridge(design, ones, design.T @ x, degrees, 0.1)
    return Surface(found, degrees, 1.0)


def _improve(
    decoded: Tensor,
    angles: Tensor,
    x: Tensor,
    degrees: tuple[int, int],
    noise_min: float,
    steps: int,
) -> Surface:
    """Steps of expectation and maximisation from decoded nodes (G, D)."""
    design, known = waves(lattice(), degrees), waves(angles, degrees)
    both = torch.cat([design, known])
    near = torch.cdist(x, decoded).amin(1).square().mean() / x.shape[1]
    noise = 1.2 * float(near.sqrt())
    for _ in range(steps):
        squared = torch.cdist(x, decoded).square()
        share = (-squared / (2 * noise**2)).softmax(1)
        mean = (share * squared).sum(1).mean() / x.shape[1]
        noise = max(noise_min, float(mean.sqrt()))
        weights = torch.cat([share.sum(0), torch.ones(len(angles))])
        target = design.T @ (share.T @ x) + known.T @ x[: len(angles)]
        found = _ridge(both, weights, target, degrees, SMOOTH * noise**2)
        decoded = design @ found
    return Surface(found, degrees, noise)


def fit(angles: Tensor, x: Tensor, curve: int, noise_min: float) -> Surface:
    """The surface through x (n, D), of which the first have known angles.

    Args:
        angles: those known, (m, 2).
        curve: waves along u of the curve that it grows from.
        noise_min: least deviation s.
    """
    nodes, first = lattice(), x[: len(angles)]
    surface = _through(angles, first, (1, 0))
    for degree in range(1, curve + 1):
        surface = _improve(
            surface(nodes), angles, x, (degree, 0), noise_min, 8
        )
    tube = _through(angles, first - surface(angles), (1, 1))
    decoded = surface(nodes) + tube(nodes)
    for degrees in FINER:
        surface = _improve(decoded, angles, x, degrees, noise_min, STEPS)
        decoded = surface(nodes)
    return surface
