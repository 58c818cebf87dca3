"""Latent spaces, and what a VAE needs to know of one.

A latent space is a prior p(z), a family of posteriors q(z | x), an embedding
of z that the decoder sees, and a way from one point to another. Two of them
are the report's:

    Plane      z in R^2, p = N(0, I), q = N(mu, diag(sigma^2))
    FlatTorus  z in S^1 x S^1, p uniform, q two wrapped normals

A model that takes its latent space as an argument holds for both.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import softplus

from aevb.distributions import CircleUniform, WrappedNormal, wrap


class LatentSpace:
    """The interface, with the way along a straight line.

    Subclasses give the sizes, `prior`, `posterior` and `embed`, and
    `difference` or `interpolate` where a line is not straight. Latent points
    are tensors (..., d), and their distributions have the event shape (d,).
    """

    outputs: ClassVar[int]
    """Numbers of the encoder's that make a posterior."""
    inputs: ClassVar[int]
    """Numbers of the embedding, which the decoder sees."""

    def prior(self, device: Any = None) -> Distribution:
        """p(z), without a batch shape."""
        raise NotImplementedError

    def posterior(self, h: Tensor) -> Distribution:
        """q(z | x) of the encoder's output (B, outputs), batch shape (B,)."""
        raise NotImplementedError

    def embed(self, z: Tensor) -> Tensor:
        """Latent points (..., d) to what the decoder sees, (..., inputs)."""
        return z

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        """The shortest way from z0 to z1, as a vector (..., d) at z0."""
        return z1 - z0

    def interpolate(self, z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
        """The point at the share t of the shortest way from z0 to z1."""
        return z0 + t * self.difference(z0, z1)

    def quantile(self, shares: Tensor) -> Tensor:
        """Shares (..., 2) of the unit square to latent points (..., d).

        It takes the uniform distribution to the prior, so that an average
        over a lattice of shares is an integral over the prior.
        """
        prior: Any = self.prior(shares.device)
        return prior.base_dist.icdf(shares)


class Plane(LatentSpace):
    """R^2 with the prior and the posterior of Problem 3."""

    outputs, inputs = 4, 2

    def prior(self, device: Any = None) -> Independent:
        zero = torch.zeros(2, device=device)
        return Independent(Normal(zero, zero + 1), 1)

    def posterior(self, h: Tensor) -> Independent:
        """N(mu, sigma^2) of h = (mu, log sigma^2)."""
        mean, logvar = h.chunk(2, dim=-1)
        scale = torch.exp(0.5 * logvar)
        return Independent(Normal(mean, scale, validate_args=False), 1)


class FlatTorus(LatentSpace):
    """S^1 x S^1, two angles.

    The encoder gives a vector of the plane for each angle, of which only the
    direction enters, and a deviation. The decoder sees the cosine and the
    sine of each angle, and so is periodic in both.
    """

    outputs, inputs = 6, 4

    def prior(self, device: Any = None) -> Independent:
        return Independent(CircleUniform(torch.Size([2])), 1)

    def posterior(self, h: Tensor) -> Independent:
        """WN(arg(cos, sin), sigma) of h = (cos, sin, spread)."""
        cos, sin, spread = h.chunk(3, dim=-1)
        scale = softplus(spread - 1) + 1e-3
        return Independent(
            WrappedNormal(torch.atan2(sin, cos), scale, False), 1
        )

    def embed(self, z: Tensor) -> Tensor:
        return torch.cat([z.cos(), z.sin()], dim=-1)

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        """The shorter arc of each angle."""
        return wrap(z1 - z0)
