"""What helped the model of the likelihood chapter, one change at a time.

    PYTHONPATH=code python benchmarks/likelihood.py [--full]

trains the report's `vae_best` for a few epochs, once more with each of its
settings changed, and once with each idea of variants.py, and writes
code/aevb/measured/likelihood.json; with --full, the few trials of FULL at the
cost of the report's own training, into likelihood_full.json. The report shows
both as tables. Every trial takes as many epochs as fit into `--seconds` of
processor time, so that a change is judged by what it brings for its cost; as
many run at once as there are cores, one thread each. The differences are
paired: the same test images, in the same binarisation.
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from variants import VARIANTS

from aevb import data, evaluation, results
from aevb.checkpoints import write_json
from aevb.experiments import EXPERIMENTS
from aevb.models import VAE
from aevb.settings import VAEConfig
from aevb.tasks import VAETask, binary_test_images
from aevb.training import Trainer

MEASURED = Path("code/aevb/measured")
CPU = torch.device("cpu")
IMAGES, SAMPLES = 2000, 200

TRIALS: dict[str, dict[str, Any]] = {
    "the model as it is": {},
    "AdamW in place of Muon, half its batch and rate": {
        "optimizer": "adamw",
        "batch_size": 512,
        "lr": 0.5,
    },
    "GELU in place of products": {"bilinear": False},
    "sticking the landing in place of the closed-form KL": {
        "estimator": "stl"
    },
    "SGVB in place of the closed-form KL": {"estimator": "sgvb"},
    "width 256": {
        "hidden_dims": (256, 256, 256, 256, 80),
        "decoder_dims": (256,) * 7,
    },
    "width 128": {
        "hidden_dims": (128, 128, 128, 128, 80),
        "decoder_dims": (128,) * 7,
    },
    "four blocks in the decoder": {"decoder_dims": (192,) * 5},
    "ten blocks in the decoder": {"decoder_dims": (192,) * 11},
    "no blocks": {"hidden_dims": (192, 80), "decoder_dims": (192,)},
    "batch 512, half the rate": {"batch_size": 512, "lr": 0.5},
    "batch 2048": {"batch_size": 2048},
    "learning rate halved": {"lr": 0.5},
    "last weights, no average": {"ema": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "weight decay three times": {"weight_decay": 3.0},
    "20 latents": {"hidden_dims": (192, 192, 192, 192, 40)},
    "no image deformed": {"deformed": 0.0},
    "twice as many images deformed": {"deformed": 0.4},
}
"""A name for people, and the settings that differ. `lr` and `weight_decay`
are factors."""
FULL = (
    "the model as it is",
    "GELU in place of products",
    "sticking the landing in place of the closed-form KL",
    "width 256",
    "no image deformed",
)
"""What the report says of the model's design rests on these."""


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
    model: Any = trainer.result.eval()
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
    config: VAEConfig, budget: float, task: type[VAETask] = VAETask
) -> tuple[dict[str, Any], evaluation.Bounds]:
    """Train for `budget` seconds of processor time, and measure."""
    epoch = seconds_per_epoch(Trainer(task(config), CPU))
    epochs = max(round(budget / epoch), 1)
    config = VAEConfig(**{**config.model_dump(), "epochs": epochs})
    start = time.process_time()
    model = trained(Trainer(task(config), CPU))
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


def perform(
    job: tuple[str, float],
) -> tuple[dict[str, Any], evaluation.Bounds]:
    """The trial of a name and of seconds of processor time, on one core."""
    name, budget = job
    torch.set_num_threads(1)
    base: Any = EXPERIMENTS["vae_best"].config
    config = changed(base, TRIALS.get(name, {}))
    row, test = trial(config, budget, VARIANTS.get(name, VAETask))
    row = {"name": name, **row}
    print(row, flush=True)
    return row, test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=float)
    asked = parser.parse_args()
    names = FULL if asked.full else [*TRIALS, *VARIANTS]
    budget = asked.seconds or (400.0 if asked.full else 60.0)
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(os.cpu_count()) as pool:
        jobs = [(name, budget) for name in names]
        found = pool.map(perform, jobs, chunksize=1)
    first = found[0][1]
    write_json(
        MEASURED / f"likelihood{'_full' if asked.full else ''}.json",
        {
            "trials": [{**row, **versus(test, first)} for row, test in found],
            "images": IMAGES,
            "samples": SAMPLES,
            "seconds": budget,
            "provenance": results.provenance(),
        },
    )


if __name__ == "__main__":
    main()
