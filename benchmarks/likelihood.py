"""What helped the model of the likelihood chapter, one change at a time.

    PYTHONPATH=code python benchmarks/likelihood.py

trains the report's `vae_best` for a few epochs and once more with each of
its settings, its objective, images or optimizer changed, one thread each,
and writes code/aevb/measured/likelihood.json, which the report shows as a
table. Every trial takes as many epochs as fit into `--seconds` of processor
time, so that a change is judged by what it brings for its cost. The
differences are paired: the same test images, in the same binarisation.
"""

import argparse
import functools
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aevb import data, evaluation, results
from aevb.checkpoints import write_json
from aevb.experiments import EXPERIMENTS
from aevb.mnist import PIXELS, VAEConfig, VAETask, binary_test_images
from aevb.models import VAE
from aevb.objectives import bernoulli_log_likelihood, log_normal_pdf
from aevb.training import Trainer

TARGET = Path("code/aevb/measured/likelihood.json")
CPU = torch.device("cpu")
IMAGES, SAMPLES = 2000, 200

TRIALS: dict[str, dict[str, Any]] = {
    "as in the report": {},
    "closed-form KL in place of sticking the landing": {"estimator": "kl"},
    "SGVB in place of sticking the landing": {"estimator": "sgvb"},
    "width 512": {
        "hidden_dims": (512, 512, 512, 80),
        "decoder_dims": (512, 512, 512, 512, 512),
    },
    "width 128": {
        "hidden_dims": (128, 128, 128, 80),
        "decoder_dims": (128, 128, 128, 128, 128),
    },
    "two blocks in the decoder": {"decoder_dims": (256, 256, 256)},
    "no blocks": {"hidden_dims": (256, 80), "decoder_dims": (256,)},
    "batch 128": {"batch_size": 128},
    "batch 1024": {"batch_size": 1024},
    "learning rate halved": {"lr": 0.5},
    "last weights, no average": {"ema": 0.0},
    "weight decay a tenth": {"weight_decay": 0.1},
    "weight decay three times": {"weight_decay": 3.0},
    "20 latents": {"hidden_dims": (256, 256, 256, 40)},
}
"""A name for people, and the settings that differ. `lr` and `weight_decay`
are factors."""


class ImportanceWeighted(VAETask):
    """The bound of two samples (Burda et al. 2016, eq. 8); its gradient is
    doubly reparameterised (Tucker et al. 2019, eq. 8)."""

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        x = batch if batch.is_floating_point() else data.binarize(batch)
        mean, logvar = model.encode(x)
        z = mean + torch.exp(0.5 * logvar) * torch.randn(2, *mean.shape)
        zero = torch.zeros(())
        log_w = bernoulli_log_likelihood(model.decoder(z), x)
        log_w = log_w + log_normal_pdf(z, zero, zero, -1)
        log_w = log_w - log_normal_pdf(z, mean.detach(), logvar.detach(), -1)
        w = torch.softmax(log_w.detach(), dim=0)
        if z.requires_grad:
            z.register_hook(lambda gradient: w.unsqueeze(-1) * gradient)
        return {"loss": -(w * log_w).sum(dim=0).mean()}


class Shifted(VAETask):
    """Three batches of ten are moved by at most a pixel each way."""

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        training_batch = not batch.is_floating_point()
        if training_batch and torch.rand(()).item() < 0.3:
            down, right = torch.randint(-1, 2, (2,)).tolist()
            images = batch.view(-1, 28, 28)
            batch = images.roll((down, right), (1, 2)).view(-1, PIXELS)
        return super().loss(model, batch)


class Together:
    """Optimizers that step together."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers
        self.param_groups = [g for o in optimizers for g in o.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()


class MuonTrainer(Trainer):
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for
    the rest. Its steps are scaled to those of AdamW, so one rate does."""

    def __init__(self, task: Any, device: torch.device) -> None:
        super().__init__(task, device)
        adam: Any = self.optimizer
        matrices = adam.param_groups[0]
        square = [w for w in matrices["params"] if w.shape[0] == w.shape[1]]
        chosen = {id(w) for w in square}
        matrices["params"] = [
            w for w in matrices["params"] if id(w) not in chosen
        ]
        muon = torch.optim.Muon(
            square,
            weight_decay=self.config.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        together: Any = Together(adam, muon)
        self.optimizer = together


METHODS: dict[str, tuple[type[VAETask], type[Trainer]]] = {
    "the bound of two samples, doubly reparameterised": (
        ImportanceWeighted,
        Trainer,
    ),
    "images moved by a pixel, in three batches of ten": (Shifted, Trainer),
    "Muon for the blocks": (VAETask, MuonTrainer),
}
"""A name for people, and another objective or optimizer."""


def changed(base: VAEConfig, change: dict[str, Any]) -> VAEConfig:
    """The settings of a trial."""
    scaled = {
        k: v * getattr(base, k) if k in ("lr", "weight_decay") else v
        for k, v in change.items()
    }
    return VAEConfig(**{**base.model_dump(), **scaled})


def seconds_per_epoch(trainer: Trainer, steps: int = 60) -> float:
    """Processor time of an epoch, from a few steps of it."""
    batches = trainer.batches()
    for _ in range(10):
        trainer.take_step(next(batches))
    start = time.process_time()
    for _ in range(steps):
        trainer.take_step(next(batches))
    step = (time.process_time() - start) / steps
    return step * trainer.steps_per_epoch


def trained(trainer: Trainer) -> VAE:
    """The averaged weights after all steps."""
    for batch in trainer.batches():
        trainer.take_step(batch)
    trainer.check("no checkpoint was asked for")
    model: Any = trainer.average.module.eval()
    return model


def likelihoods(model: VAE, x: Tensor) -> evaluation.Bounds:
    """Bounds of binary images x, IMAGES or fewer."""
    mean, logvar = model.encode(x)
    parts = []
    for images, m, v in zip(
        *(t.split(evaluation.IMAGES) for t in (x, mean, logvar)), strict=True
    ):
        generator = torch.Generator().manual_seed(0)
        likelihood = evaluation.bernoulli(model, images)
        parts.append(evaluation.bounds(m, v, likelihood, SAMPLES, generator))
    fields = ("log_px", "distortion", "rate")
    return evaluation.Bounds(
        *(torch.cat([getattr(p, f) for p in parts]) for f in fields)
    )


def trial(
    config: VAEConfig,
    budget: float,
    task: type[VAETask] = VAETask,
    trainer: type[Trainer] = Trainer,
) -> tuple[dict[str, Any], evaluation.Bounds]:
    """Train for `budget` seconds of processor time, and measure."""
    epoch = seconds_per_epoch(trainer(task(config), CPU))
    epochs = max(round(budget / epoch), 1)
    config = VAEConfig(**{**config.model_dump(), "epochs": epochs})
    start = time.process_time()
    model = trained(trainer(task(config), CPU))
    seconds = time.process_time() - start
    test = likelihoods(model, binary_test_images(CPU, IMAGES))
    images = data.load_mnist().train.images
    seen = likelihoods(model, data.binarize(images, "fixed")[:IMAGES])
    row = {
        "epochs": epochs,
        "seconds": round(seconds, 1),
        "weights": sum(w.numel() for w in model.parameters()),
        "test_elbo": evaluation.mean(test.elbo).to_json(),
        "test_nll": evaluation.mean(-test.log_px).to_json(),
        "train_elbo": evaluation.mean(seen.elbo).to_json(),
    }
    return row, test


@torch.no_grad()
def versus(test: evaluation.Bounds, base: evaluation.Bounds) -> dict[str, Any]:
    """Paired differences to the first trial."""
    return {
        "elbo_gain": evaluation.mean(test.elbo - base.elbo).to_json(),
        "nll_gain": evaluation.mean(test.log_px - base.log_px).to_json(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=50.0)
    budget = parser.parse_args().seconds
    torch.set_num_threads(1)
    base: Any = EXPERIMENTS["vae_best"].config
    trials = {
        name: functools.partial(trial, changed(base, change), budget)
        for name, change in TRIALS.items()
    } | {
        name: functools.partial(trial, base, budget, task, trainer)
        for name, (task, trainer) in METHODS.items()
    }
    rows: list[dict[str, Any]] = []
    first = None
    for name, measure in trials.items():
        row, test = measure()
        first = first or test
        rows.append({"name": name, **row, **versus(test, first)})
        print(rows[-1], flush=True)
    write_json(
        TARGET,
        {
            "trials": rows,
            "images": IMAGES,
            "samples": SAMPLES,
            "seconds": budget,
            "provenance": results.provenance(),
        },
    )


if __name__ == "__main__":
    main()
