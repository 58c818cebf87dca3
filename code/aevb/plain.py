r"""The training loop that a first reading needs, and nothing more.

`training.fit` does the same with a schedule of the learning rate, an average
of the weights, Muon, bfloat16 products and checkpoints.
"""

from collections.abc import Callable

import torch


def minimize(
    model: torch.nn.Module,
    images: torch.Tensor,
    loss: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
    epochs: int = 1,
    batch_size: int = 128,
    lr: float = 1e-3,
) -> list[float]:
    """Minimise the mean of `loss(model, batch)`; return it for each epoch.

    Args:
        model: its parameters are changed.
        images: (N, D); the last batch of an epoch may be a smaller one.
        loss: a mean over the batch, 0-d.
        epochs, batch_size, lr: passes over the images, rows in a step, and
            AdamW's learning rate (Loshchilov and Hutter 2019).
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(images)).split(batch_size):
            value = loss(model, images[rows])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.item() * len(rows)
        history.append(total / len(images))
    return history
