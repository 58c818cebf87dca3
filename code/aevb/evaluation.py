r"""What a trained model is worth, each number with its standard error."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error, and how many values it is a mean of.

    `standard_error` is None where the number is not a sample mean.
    """

    value: float
    standard_error: float | None = None
    n: int = 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def mean(values: Tensor) -> Estimate:
    """Sample mean of values (N,) with s / sqrt(N), in float64."""
    values = values.double().flatten()
    n = len(values)
    error = (values.std() / n**0.5).item() if n > 1 else None
    return Estimate(values.mean().item(), error, n)


@torch.no_grad()
def squared_error(imgs: Tensor, x: Tensor) -> Tensor:
    """Mean squared error a pixel of each image, (N, D) to (N,)."""
    return (imgs - x).square().mean(dim=1)
