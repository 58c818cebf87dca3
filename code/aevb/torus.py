"""The torus in space, and how far a point or a path is from its best.

The surface with major radius R and minor radius r, R > r > 0, is

    x(u, v) = ((R + r cos v) cos u, (R + r cos v) sin u, r sin v):

u turns about the axis, v about the tube. The core circle of the tube is
the circle of radius R in the plane z = 0. A point at distance d from it is
at signed distance d - r from the surface, so everything here is exact.

The metric is ds^2 = (R + r cos v)^2 du^2 + r^2 dv^2, and the Gaussian
curvature K = cos v / (r (R + r cos v)) (do Carmo 1976, section 3-3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aevb.distributions import TAU
from aevb.errors import UserError
from aevb.geometry import length, shortest_curves

COURSE_SEED = 1234
FRESH_SEED = 4321
"""Seed of points on the torus that no model was trained on."""


@dataclass(frozen=True)
class Torus:
    """A torus of revolution about the z axis.

    Args:
        R: major radius, from the axis to the core circle of the tube.
        r: minor radius, of the tube.

    Raises:
        UserError: unless R > r > 0 and both are finite.

    >>> Torus(1.0, 0.5).distance(torch.tensor([0.0, 1.0, 0.0]))
    tensor(-0.5000)
    """

    R: float = 1.0
    r: float = 0.5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.R) and self.R > self.r > 0):
            raise UserError(
                f"R = {self.R} and r = {self.r} make no torus; take R > r > 0"
            )

    def point(self, u: Tensor, v: Tensor) -> Tensor:
        """The point (..., 3) of two angles (...), in radians."""
        ring = self.R + self.r * torch.cos(v)
        return torch.stack(
            [ring * torch.cos(u), ring * torch.sin(u), self.r * torch.sin(v)],
            dim=-1,
        )

    def angles(self, points: Tensor) -> Tensor:
        """(u, v) of the nearest surface point, (..., 3) to (..., 2).

        In [-pi, pi]; the inverse of `point` on the surface. Where no
        nearest point is unique (on the axis, on the core circle) it is
        one of them.
        """
        x, y, z = points.unbind(-1)
        out = torch.hypot(x, y) - self.R
        return torch.stack([torch.atan2(y, x), torch.atan2(z, out)], dim=-1)

    def distance(self, points: Tensor) -> Tensor:
        """Signed distance from the surface, (..., 3) to (...).

        sqrt((sqrt(x^2 + y^2) - R)^2 + z^2) - r, negative in the tube.
        """
        x, y, z = points.unbind(-1)
        return torch.hypot(torch.hypot(x, y) - self.R, z) - self.r

    def curvature(self, points: Tensor) -> Tensor:
        """Gauss's curvature at the nearest surface point, (..., 3) to (...):
        cos v / (r (R + r cos v))."""
        cos = torch.cos(self.angles(points)[..., 1])
        return cos / (self.r * (self.R + self.r * cos))

    def cloud(self, size: int = 3000, seed: int = COURSE_SEED) -> Tensor:
        """`size` random points, uniform by angle, float32 (size, 3).

        The course's own: u and v are each the first draws of NumPy's
        legacy generator, u from `seed` and v from `seed` + 1.

        Raises:
            UserError: the size is not positive or the seed is negative.
        """
        if size < 1:
            raise UserError(f"size = {size} must be at least 1")
        if not 0 <= seed < 2**32 - 1:
            raise UserError(f"seed = {seed} must be in 0 .. 2^32 - 2")
        u, v = (
            np.random.RandomState(s).uniform(0, TAU, size)
            for s in (seed, seed + 1)
        )
        return self.point(torch.tensor(u), torch.tensor(v)).float()

    def generators(self, n: int = 400, at: float = 0.3) -> Tensor:
        """The two loops that generate the torus' fundamental group.

        Row 0 goes once about the axis, row 1 once about the tube; each is
        closed, its last point its first: (2, n + 1, 3). `at` is the angle
        that stays.
        """
        t = torch.linspace(0, TAU, n + 1, dtype=torch.float64)
        still = torch.full_like(t, at)
        loops = torch.stack([self.point(t, still), self.point(still, t)])
        return loops.float()

    def chart(self, z: Tensor) -> Tensor:
        """`point` of angles (..., 2), in their dtype: a chart of geometry."""
        return self.point(z[..., 0], z[..., 1])

    def geodesics(self, a: Tensor, b: Tensor) -> Tensor:
        """Shortest curves on the surface, (B, 3) x 2 to (B, k, 3), float64.

        Minima of the energy; where two ways differ in length by less than a
        percent or so, the longer may be taken.
        """
        start, end = (self.angles(p.double()) for p in (a, b))
        return self.chart(shortest_curves(self.chart, start, end))

    def geodesic_length(self, a: Tensor, b: Tensor) -> Tensor:
        """Length of a shortest curve on the surface, (B, 3) x 2 to (B,)."""
        return length(self.geodesics(a, b))
