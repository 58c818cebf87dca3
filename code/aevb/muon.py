r"""Muon: steps that move a matrix alike in all of its directions.

For a square matrix W with gradient G,

    M <- mu M + (1 - mu) G,        U = mu M + (1 - mu) G,
    W <- (1 - eta lambda) W - eta rho sqrt(n) orth(U),

where orth(U) = U (U^T U)^(-1/2) is U with all its singular values set to 1
(Jordan et al. 2024). The root mean square of the entries of a step is eta rho,
and with rho = 0.2 about that of AdamW's steps (Liu et al. 2025, section 2.2),
so that one learning rate eta serves both.

`torch.optim.Muon` multiplies in bfloat16 whatever the hardware, which on a
processor without such products (AVX2) takes tens of times as long as float32;
here the precision is that of the training. It also takes a tall matrix whole;
here all matrices are stacks of squares, and on a GPU one batched product does
for all of those of one width.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

POLYNOMIALS = (
    (8.4703, -25.1081, 18.6293),
    (4.1828, -3.1087, 0.5806),
    (3.9619, -2.9541, 0.5630),
)
"""(a, b, c) of a s + b s^3 + c s^5. Each is the closest to 1 on an interval:
the first on [0.001, 1], the others on where that before them leads (Amsel et
al. 2025). Together they multiply a small s by 140, and end between 0.14 and
1.86."""


def orthogonalize(u: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """The orthogonal factor of each matrix, (n, w, w), nearly.

    A polynomial of X = U / r in its singular values s, which leaves the
    singular vectors as they are: X <- a X + (b S + c S^2) X, S = X X^T. The
    scale r is |U U^T|^(1/2), a fourth root of the sum of s^4, at least the
    largest s, and closer to it than |U|, the root of the sum of squares.
    Most s are small, so that the largest factor in the fewest products is
    what counts. Products are done in `dtype`, which is also that of what is
    returned.
    """
    x = (u / (u.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    square, polynomial, out = (torch.empty_like(x) for _ in range(3))
    for step, (a, b, c) in enumerate(POLYNOMIALS):
        torch.bmm(x, x.mT, out=square)
        if step == 0:
            size = square.norm(dim=(-2, -1), keepdim=True) + 1e-7
            square /= size
            x /= size.sqrt()
        torch.baddbmm(square, square, square, beta=b, alpha=c, out=polynomial)
        torch.baddbmm(x, polynomial, x, beta=a, out=out)
        x, out = out, x
    return x


class Muon(torch.optim.Optimizer):
    """Muon for matrices (k w, w), each a stack of k squares.

    Args:
        weights: the matrices; those of one width w are a parameter group.
        lr: eta.
        weight_decay: lambda, decoupled.
        momentum: mu.
        rms: rho.
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
        rms: float = 0.2,
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
            "rms": rms,
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
            # one at a time on a CPU, whose cache then holds what it needs
            parts = u.split(1 if u.device.type == "cpu" else len(u))
            found = [orthogonalize(part, self.dtype) for part in parts]
            update = torch.cat(found).to(u.dtype)
            moves = update.split([len(s) for s in squares])
            torch._foreach_mul_(
                weights, 1 - group["lr"] * group["weight_decay"]
            )
            torch._foreach_add_(
                weights,
                [m.view_as(w) for m, w in zip(moves, weights, strict=True)],
                alpha=-group["lr"] * group["rms"] * width**0.5,
            )
