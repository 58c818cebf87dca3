"""What `toy_devices` trains, read in the processes that train alone."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from aevb import evaluation, training
from toy_devices import slowly


class Small(training.Task):
    """Noisy rows to themselves, through one number."""

    def __init__(self, config):
        self.config = config

    def model(self):
        return nn.Sequential(nn.Linear(6, 1), nn.Linear(1, 6))

    def data(self, device):
        if dist.is_initialized():  # not in the process of the tests
            training.CHECKPOINT_SECONDS = 0.05
            Path(f"rank-{dist.get_rank()}").write_text(f"{os.getpid()}")
        rows = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
        return rows, rows[:8]

    def loss(self, model, batch):
        slowly()
        noisy = batch + 0.1 * torch.randn_like(batch)
        return {"loss": (model(noisy) - batch).square().mean()}

    def evaluate(self, model):
        weight = model[0].weight.detach()
        return {"weight": evaluation.mean(weight.flatten())}
