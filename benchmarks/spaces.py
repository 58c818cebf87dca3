"""Latent spaces for comparison: cylinder, sphere and Klein bottle.

    Cylinder     S^1 x R,  p uniform x N(0, 1), q a wrapped normal x a normal
    Sphere       S^2,      p uniform,           q von Mises and Fisher's
    KleinBottle  the torus modulo (a, b) ~ (a + pi, -b), distributions of the
                 torus, a decoder that sees functions invariant under this

The KL divergence on the torus is an upper bound of that on the Klein bottle
(by at most log 2), so that the ELBO stays a bound; log p(x) is exact.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Size, Tensor
from torch.distributions import (
    Distribution,
    Normal,
    constraints,
    kl_divergence,
    register_kl,
)
from torch.nn.functional import normalize, softplus

from aevb.distributions import TAU, CircleUniform, WrappedNormal, wrap
from aevb.spaces import FlatTorus, LatentSpace

SCALAR = Size()


class Joint(Distribution):
    """Independent univariate distributions, one for each coordinate.

    Args:
        parts: d distributions of one batch shape; the event shape is (d,).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts
        shape = torch.broadcast_shapes(*(p.batch_shape for p in parts))
        super().__init__(shape, Size([len(parts)]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.stack([p.mean for p in self.parts], dim=-1)

    def rsample(self, sample_shape: Any = SCALAR) -> Tensor:
        shape = Size(sample_shape)
        return torch.stack([p.rsample(shape) for p in self.parts], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        pairs = zip(self.parts, value.unbind(-1), strict=True)
        return torch.stack([p.log_prob(v) for p, v in pairs]).sum(0)

    def icdf(self, value: Tensor) -> Tensor:
        """The coordinates below which shares (..., d) lie."""
        pairs = zip(self.parts, value.unbind(-1), strict=True)
        return torch.stack([p.icdf(v) for p, v in pairs], dim=-1)


@register_kl(Joint, Joint)
def _kl_joint_joint(p: Joint, q: Joint) -> Tensor:
    pairs = zip(p.parts, q.parts, strict=True)
    return torch.stack([kl_divergence(a, b) for a, b in pairs]).sum(0)


class SphereUniform(Distribution):
    """The uniform distribution on the sphere S^2, density 1 / (4 pi)."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self) -> None:
        super().__init__(SCALAR, Size([3]), validate_args=False)

    def rsample(self, sample_shape: Any = SCALAR) -> Tensor:
        shape = self._extended_shape(Size(sample_shape))
        return normalize(torch.randn(shape), dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.full_like(value[..., 0], -math.log(2 * TAU))


class VonMisesFisher(Distribution):
    """Density kappa / (4 pi sinh kappa) exp(kappa mu . z) on S^2.

    On S^2 the cosine w = mu . z has a distribution function that inverts,
    w = 1 + log(u + (1 - u) exp(-2 kappa)) / kappa, u uniform, so that samples
    are reparameterised exactly (Fisher 1953; Jakob 2012).

    Args:
        loc: unit vectors mu, (..., 3).
        concentration: kappa > 0, (...).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real_vector,
        "concentration": constraints.positive,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor) -> None:
        self.loc, self.concentration = loc, concentration
        super().__init__(concentration.shape, Size([3]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean direction mu."""
        return self.loc

    def rsample(self, sample_shape: Any = SCALAR) -> Tensor:
        shape = self._extended_shape(Size(sample_shape))
        kappa = self.concentration.expand(shape[:-1])
        u = torch.rand_like(kappa).clamp(min=1e-7)
        gap = -torch.log(u + (1 - u) * torch.exp(-2 * kappa)) / kappa
        aside = torch.randn(shape, dtype=kappa.dtype, device=kappa.device)
        aside = aside - (aside * self.loc).sum(-1, keepdim=True) * self.loc
        sine = (gap * (2 - gap)).clamp(min=1e-12).sqrt().unsqueeze(-1)
        ahead = (1 - gap).unsqueeze(-1) * self.loc
        return ahead + sine * normalize(aside, dim=-1)

    def log_normaliser(self) -> Tensor:
        """log (4 pi sinh kappa / kappa)."""
        kappa = self.concentration
        log_sinh = kappa + torch.log(-torch.expm1(-2 * kappa)) - math.log(2)
        return math.log(2 * TAU) + log_sinh - kappa.log()

    def log_prob(self, value: Tensor) -> Tensor:
        cosine = (value * self.loc).sum(-1)
        return self.concentration * cosine - self.log_normaliser()


@register_kl(VonMisesFisher, SphereUniform)
def _kl_vmf_uniform(p: VonMisesFisher, q: SphereUniform) -> Tensor:
    """log 4 pi - log normaliser + kappa coth kappa - 1."""
    kappa = p.concentration
    turn = kappa / torch.tanh(kappa) - 1
    return math.log(2 * TAU) - p.log_normaliser() + turn


class Cylinder(LatentSpace):
    """S^1 x R, an angle and a height."""

    outputs, inputs = 5, 3

    def prior(self, device: Any = None) -> Joint:
        return Joint([CircleUniform(), Normal(0.0, 1.0)])

    def posterior(self, h: Tensor) -> Joint:
        cos, sin, spread, mean, logvar = h.unbind(-1)
        scale = softplus(spread - 1) + 1e-3
        angle = WrappedNormal(torch.atan2(sin, cos), scale, False)
        return Joint([angle, Normal(mean, torch.exp(0.5 * logvar))])

    def embed(self, z: Tensor) -> Tensor:
        angle, height = z.unbind(-1)
        return torch.stack([angle.cos(), angle.sin(), height], dim=-1)

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        way = z1 - z0
        return torch.stack([wrap(way[..., 0]), way[..., 1]], dim=-1)

    def quantile(self, shares: Tensor) -> Tensor:
        return self.prior().icdf(shares)


class Sphere(LatentSpace):
    """S^2, unit vectors."""

    outputs, inputs = 4, 3

    def prior(self, device: Any = None) -> SphereUniform:
        return SphereUniform()

    def posterior(self, h: Tensor) -> VonMisesFisher:
        scale = softplus(h[..., 3] - 1) + 1e-2
        return VonMisesFisher(normalize(h[..., :3], dim=-1), scale**-2)

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        """The tangent of the great circle, as long as its arc."""
        cosine = (z0 * z1).sum(-1, keepdim=True)
        return torch.acos(cosine.clamp(-1, 1)) * normalize(
            z1 - cosine * z0, dim=-1
        )

    def interpolate(self, z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
        way = self.difference(z0, z1)
        arc = way.norm(dim=-1, keepdim=True)
        return (t * arc).cos() * z0 + (t * arc).sin() * normalize(way, dim=-1)

    def quantile(self, shares: Tensor) -> Tensor:
        """Archimedes' map, which keeps areas: height and longitude."""
        height, turn = 2 * shares[..., 0] - 1, TAU * shares[..., 1]
        ring = (1 - height.square()).clamp(min=0).sqrt()
        return torch.stack([ring * turn.cos(), ring * turn.sin(), height], -1)


class KleinBottle(FlatTorus):
    """Two angles, (a, b) and (a + pi, -b) the same point."""

    inputs = 5

    def embed(self, z: Tensor) -> Tensor:
        """Functions that generate the invariant ones."""
        a, b = z.unbind(-1)
        even = [(2 * a).cos(), (2 * a).sin(), b.cos()]
        return torch.stack([*even, a.cos() * b.sin(), a.sin() * b.sin()], -1)

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        """The shorter of the ways to both images of z1."""
        image = torch.stack([z1[..., 0] + math.pi, -z1[..., 1]], dim=-1)
        one, two = wrap(z1 - z0), wrap(image - z0)
        nearer = one.norm(dim=-1, keepdim=True) <= two.norm(
            dim=-1, keepdim=True
        )
        return torch.where(nearer, one, two)
