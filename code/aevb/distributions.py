"""Distributions on the circle: the wrapped normal and the uniform.

Wrap the real line around the circle, and a normal variable becomes an
angle: theta = mu + sigma * eps (mod 2 pi) with eps ~ N(0, 1). This is the
reparameterisation trick word for word, which torch's own von Mises lacks.
The density has two series (Mardia and Jupp 2000, section 3.5.7),

    f(theta) = sum_k N(theta + 2 pi k; mu, sigma^2)                   images
             = (1 + 2 sum_m rho^(m^2) cos m(theta - mu)) / (2 pi),   Fourier

with rho = exp(-sigma^2 / 2) and m >= 1. They are Poisson summations of one
another: the first converges fast for small sigma, the second for large, and
at sigma^2 = 2 pi they are equally good.

The entropy needs E[log f]. Jacobi's triple product turns log f into a sum,

    log 2 pi f = sum_n log(1 - rho^(2n))
        + 2 sum_m (-1)^(m+1) / m * rho^m / (1 - rho^(2m)) cos m(theta - mu)

whose expectation is term by term E[cos m(theta - mu)] = rho^(m^2). Hence

    KL(WN(mu, sigma) || U) = log 2 pi - H = sum_n log(1 - rho^(2n))
        + 2 sum_m (-1)^(m+1) / m * rho^(m^2 + m) / (1 - rho^(2m)).

The product converges fast for large sigma only; Dedekind's transformation
of it, sum_n log(1 - e^(-nt)) = log(2 pi / t) / 2 + t / 24 - pi^2 / (6 t)
+ sum_n log(1 - e^(-4 pi^2 n / t)), covers the rest.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, constraints, register_kl
from torch.distributions.utils import broadcast_all

TAU = 2 * math.pi
SCALAR = Size()

# Below this sigma the two ends of the wrapped line meet at a density so low
# that the entropy is the normal's to 1e-13.
NARROW = 0.4
# Images on each side, Fourier terms, product terms: each series is used where
# the first term left out is below 1e-12.
IMAGES, FOURIER, PRODUCT = 3, 3, 4
# Terms of the entropy series: exp(-NARROW^2 * 22 * 23 / 2) is 1e-17.
SERIES = 21


def wrap(angle: Tensor) -> Tensor:
    """The representative of `angle` in [-pi, pi); its gradient is 1."""
    return angle - TAU * torch.floor((angle + math.pi) / TAU)


class CircleUniform(Distribution):
    """The uniform distribution on the circle, p(theta) = 1 / (2 pi).

    Angles are real numbers modulo 2 pi; samples lie in [-pi, pi).

    >>> CircleUniform().entropy().exp() / math.pi
    tensor(2.0000)
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real
    has_rsample = True

    def __init__(
        self, batch_shape: Size = SCALAR, validate_args: bool | None = None
    ) -> None:
        super().__init__(Size(batch_shape), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> CircleUniform:
        return CircleUniform(Size(batch_shape))

    def rsample(self, sample_shape: Any = SCALAR) -> Tensor:
        shape = self._extended_shape(Size(sample_shape))
        return TAU * torch.rand(shape) - math.pi

    def log_prob(self, value: Tensor) -> Tensor:
        """-log 2 pi wherever, shape of `value` and batch broadcast."""
        if self._validate_args:
            self._validate_sample(value)
        zero = torch.zeros(self.batch_shape, device=value.device)
        return zero - math.log(TAU) + 0 * value

    def icdf(self, value: Tensor) -> Tensor:
        """The angle in [-pi, pi] below which a share `value` lies."""
        return TAU * value - math.pi

    def entropy(self) -> Tensor:
        """log 2 pi, the largest entropy on the circle."""
        return torch.full(self.batch_shape, math.log(TAU))


class WrappedNormal(Distribution):
    """A normal wrapped around the circle: theta = loc + scale * eps mod 2 pi.

    Args:
        loc: mean direction mu, any real number of radians.
        scale: sigma > 0 in radians, before wrapping.

    `loc` and `scale` broadcast to the batch shape. Samples lie in
    [-pi, pi); `log_prob` takes any representative of an angle. Accurate to
    1e-6 in float32 and 1e-12 in float64 from sigma = 0.01 to 10.

    Source: Mardia and Jupp, Directional Statistics (2000), section 3.5.7.

    >>> narrow = WrappedNormal(torch.zeros(2), torch.tensor(0.1))
    >>> narrow.log_prob(torch.tensor([0.0, 2 * math.pi])).exp()
    tensor([3.9894, 3.9894])
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> WrappedNormal:
        shape = Size(batch_shape)
        return WrappedNormal(
            self.loc.expand(shape), self.scale.expand(shape), False
        )

    @property
    def mean(self) -> Tensor:
        """The mean direction arg E[exp(i theta)], in [-pi, pi)."""
        return wrap(self.loc)

    @property
    def variance(self) -> Tensor:
        """The circular variance 1 - |E[exp(i theta)]|, between 0 and 1."""
        return -torch.expm1(-self.scale.square() / 2)

    def rsample(self, sample_shape: Any = SCALAR) -> Tensor:
        shape = self._extended_shape(Size(sample_shape))
        eps = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return wrap(self.loc + self.scale * eps)

    def log_prob(self, value: Tensor) -> Tensor:
        """log f(value), with period 2 pi in `value`."""
        if self._validate_args:
            self._validate_sample(value)
        delta = wrap(value - self.loc)
        return torch.where(
            self.scale.square() < TAU,
            _log_images(delta, self.scale),
            _log_fourier(delta, self.scale),
        )

    def entropy(self) -> Tensor:
        """H = log 2 pi - KL(WN || U), in nats."""
        return math.log(TAU) - _kl_to_uniform(self.scale)


@register_kl(WrappedNormal, CircleUniform)
def _kl_wrapped_normal_circle_uniform(
    p: WrappedNormal, q: CircleUniform
) -> Tensor:
    shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    return _kl_to_uniform(p.scale).expand(shape)


def _log_images(delta: Tensor, scale: Tensor) -> Tensor:
    """log sum_k N(delta + 2 pi k; 0, scale^2), |delta| <= pi."""
    k = torch.arange(-IMAGES, IMAGES + 1).to(delta)
    standard = (delta.unsqueeze(-1) + TAU * k) / scale.unsqueeze(-1)
    log_sum = torch.logsumexp(-standard.square() / 2, dim=-1)
    return log_sum - scale.log() - math.log(TAU) / 2


def _log_fourier(delta: Tensor, scale: Tensor) -> Tensor:
    """log (1 + 2 sum_m rho^(m^2) cos(m delta)) / 2 pi, if scale^2 >= 2 pi."""
    m = torch.arange(1, FOURIER + 1, device=delta.device)
    t = scale.square().clamp(min=TAU / 2).unsqueeze(-1)
    waves = torch.exp(-t * m.square() / 2) * torch.cos(m * delta.unsqueeze(-1))
    return torch.log1p(2 * waves.sum(-1)) - math.log(TAU)


def _kl_to_uniform(scale: Tensor) -> Tensor:
    """KL(WN(., scale) || U); it does not depend on the mean direction."""
    normal = (math.log(TAU) - 1) / 2 - scale.log()  # log 2 pi - H(normal)
    wide = scale >= NARROW
    return normal.masked_scatter(wide, _kl_wide(scale[wide]))


def _kl_wide(scale: Tensor) -> Tensor:
    """The series, for scale >= NARROW.

    It is a small difference of numbers near 10, so it is summed in float64;
    Apple's GPU has none and loses a digit.
    """
    t = scale if scale.device.type == "mps" else scale.double()
    return (_log_euler(t.square()) + _entropy_series(t.square())).to(scale)


def _log_euler(t: Tensor) -> Tensor:
    """log prod_n (1 - exp(-n t)), by the side that converges fast."""
    n = torch.arange(1, PRODUCT + 1, device=t.device)
    large = t.clamp(min=TAU / 2)  # where it is not used, it is finite,
    small = t.clamp(max=TAU * 2)  # and so is its gradient
    dual = TAU**2 / small
    return torch.where(
        t < TAU,
        torch.log(TAU / small) / 2
        + (small - dual) / 24  # pi^2 / (6 t) = dual / 24
        + _log_product(dual.unsqueeze(-1) * n),
        _log_product(large.unsqueeze(-1) * n),
    )


def _log_product(exponents: Tensor) -> Tensor:
    """sum log(1 - exp(-x)) over the last axis."""
    return torch.log1p(-torch.exp(-exponents)).sum(-1)


def _entropy_series(t: Tensor) -> Tensor:
    """2 sum_m (-1)^(m+1) / m * rho^(m^2 + m) / (1 - rho^(2m)), t = sigma^2."""
    m = torch.arange(1, SERIES + 1, device=t.device)
    sign = 1 - 2 * ((m + 1) % 2)
    x = t.unsqueeze(-1) * m
    terms = torch.exp(-x * (m + 1) / 2) / -torch.expm1(-x)
    return 2 * (sign * terms / m).sum(-1)
