"""The torus in space, and how far a point or a path is from its best.

The surface with major radius R and minor radius r, R > r > 0, is

    x(u, v) = ((R + r cos v) cos u, (R + r cos v) sin u, r sin v):

u turns about the axis, v about the tube. The core circle of the tube is
the circle of radius R in the plane z = 0. A point at distance d from it is
at signed distance d - r from the surface, so everything here is exact.

The metric is ds^2 = (R + r cos v)^2 du^2 + r^2 dv^2. Its geodesics obey
Clairaut's law, (R + r cos v)^2 du/ds = const (do Carmo 1976, section 4-4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aevb.distributions import TAU, wrap
from aevb.errors import UserError

COURSE_SEED = 1234
RAYS, STEP = 360, 0.04
# of the geodesics: how many, and how long a step is in units of r


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

    def geodesic_length(self, a: Tensor, b: Tensor) -> Tensor:
        """Length of a shortest curve on the surface, (B, 3) x 2 to (B,).

        From each a, RAYS geodesics leave over a half circle (the other half
        mirrors it) and are followed until one has passed b at a lateral
        distance small beside its length s. There the distance function has
        unit gradient along the ray (Gauss's lemma), so that it is
        s + tangent . (b - x(s)) to second order; the least is returned.

        Good to two parts in a thousand; never below the straight chord.
        """
        start, end = (self.angles(p.double()) for p in (a, b))
        du, _ = wrap(end - start).unbind(-1)
        target = self.point(du.abs(), end[:, 1])[:, None]  # (B, 1, 3)
        h = STEP * self.r
        best = torch.full_like(du, math.inf)
        for s, x, tangent in self._rays(start[:, 1], h):
            ahead = ((target - x) * tangent).sum(-1)  # (B, RAYS)
            aside = (target - x).square().sum(-1) - ahead.square()
            met = (ahead.abs() <= h) & (aside < (4 * math.pi / RAYS * s) ** 2)
            length = torch.where(met, s + ahead, math.inf).amin(1)
            best = torch.minimum(best, length)
        chord = (a - b).double().norm(dim=1)
        return torch.maximum(best, chord)

    def _rays(
        self, v: Tensor, h: float
    ) -> Iterator[tuple[float, Tensor, Tensor]]:
        """Geodesics of unit speed from u = 0 and v (B,): arc length s,
        points and tangents (B, RAYS, 3), until s reaches pi (R + r).

        Their angles obey Clairaut's law ring^2 u' = c and Newton's
        r^2 v'' = -d/dv (c^2 / (2 ring^2)), ring = R + r cos v; Verlet's
        scheme keeps c exact and the speed to second order in h.
        """
        alpha = math.pi * (torch.arange(RAYS).to(v) / RAYS - 0.5)
        v = v[:, None].expand(-1, RAYS)
        c = (self.R + self.r * torch.cos(v)) * torch.cos(alpha)
        pull = self.r * torch.sin(alpha).expand_as(v)  # r^2 v'
        u = torch.zeros_like(v)
        for i in range(math.ceil(math.pi * (self.R + self.r) / h) + 1):
            yield i * h, self.point(u, v), self._tangent(u, v, c, pull)
            v = v + h / 2 * pull / self.r**2
            ring = self.R + self.r * torch.cos(v)
            u = u + h * c / ring**2
            pull = pull - h * c**2 * self.r * torch.sin(v) / ring**3
            v = v + h / 2 * pull / self.r**2

    def _tangent(
        self, u: Tensor, v: Tensor, c: Tensor, pull: Tensor
    ) -> Tensor:
        """x_u u' + x_v v' of a ray, (..., 3)."""
        turn = c / (self.R + self.r * torch.cos(v))
        inward = -pull / self.r * torch.sin(v)
        return torch.stack(
            [
                inward * torch.cos(u) - turn * torch.sin(u),
                inward * torch.sin(u) + turn * torch.cos(u),
                pull / self.r * torch.cos(v),
            ],
            dim=-1,
        )
