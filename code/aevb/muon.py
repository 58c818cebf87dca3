r"""Muon: steps that move a matrix alike in all of its directions.

For a square matrix W with gradient G,

    M <- mu M + (1 - mu) G,        U = mu M + (1 - mu) G,
    W <- (1 - eta lambda) W - 0.2 eta sqrt(n) orth(U),

where orth(U) = U (U^T U)^(-1/2) is U with all its singular values set to 1
(Jordan et al. 2024). The factor of sqrt(n) gives a step the size of AdamW's
(Liu et al. 2025, section 2.2), so that one learning rate eta serves both.

`torch.optim.Muon` multiplies in bfloat16 whatever the hardware, which on a
processor without such products (AVX2) takes tens of times as long as float32;
here the precision is that of the training. It also takes one matrix after the
other, and a tall one whole; here all matrices are stacks of squares, those of
one width are stacked once more, and a batched product does for all of them.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

STEPS = 5
A, B, C = 3.4445, -4.7750, 2.0315
"""Of the polynomial a s + b s^3 + c s^5, which takes five steps from any
singular value s above 0.002 to between 0.68 and 1.2 (Jordan et al. 2024)."""


def orthogonalize(u: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """The orthogonal factor of each matrix, (n, w, w), nearly.

    Five Newton-Schulz steps X <- a X + (b S + c S^2) X, S = X X^T, from
    X = U / |U|: a polynomial in the singular values that leaves the singular
    vectors as they are. Products are done in `dtype`, which is also that of
    what is returned.
    """
    size = u.norm(dim=(-2, -1), keepdim=True)
    x = (u / (size + 1e-7)).to(dtype)
    square, polynomial, out = (torch.empty_like(x) for _ in range(3))
    for _ in range(STEPS):
        torch.bmm(x, x.mT, out=square)
        torch.baddbmm(square, square, square, beta=B, alpha=C, out=polynomial)
        torch.baddbmm(x, polynomial, x, beta=A, out=out)
        x, out = out, x
    return x


class Muon(torch.optim.Optimizer):
    """Muon for matrices (k w, w), each a stack of k squares.

    Args:
        weights: the matrices; those of one width w are a parameter group.
        lr: eta.
        weight_decay: lambda, decoupled.
        momentum: mu.
        dtype: precision of the products.

    Raises:
        ValueError: a weight is no stack of squares.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        by_width: dict[int, list[Tensor]] = {}
        for weight in weights:
            shape = tuple(weight.shape)
            if len(shape) != 2 or shape[0] % shape[1]:
                raise ValueError(f"a weight of {shape} is no stack of squares")
            by_width.setdefault(shape[1], []).append(weight)
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
        }
        super().__init__([{"params": w} for w in by_width.values()], defaults)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step from the gradients that the weights hold."""
        for group in self.param_groups:
            weights = group["params"]
            width = weights[0].shape[1]
            squares = [w.grad.view(-1, width, width) for w in weights]
            gradient = torch.cat(squares)
            # one buffer for the group, kept with its first weight
            state = self.state[weights[0]]
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            buffer = state["momentum"]
            buffer.lerp_(gradient, 1 - group["momentum"])
            u = gradient.lerp_(buffer, group["momentum"])
            update = orthogonalize(u, self.dtype).to(gradient.dtype)
            moves = update.split([len(s) for s in squares])
            torch._foreach_mul_(
                weights, 1 - group["lr"] * group["weight_decay"]
            )
            torch._foreach_add_(
                weights,
                [m.view_as(w) for m, w in zip(moves, weights, strict=True)],
                alpha=-0.2 * group["lr"] * width**0.5,
            )
