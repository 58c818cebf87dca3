"""What deformed images are worth, and to be given how they are deformed.

    PYTHONPATH=code python benchmarks/augmentation.py

trains the report's `vae_best` anew in two other ways, with no image deformed,
and with as many deformed but the networks not given how (their share then
falls to nothing in the last fifth, so that their law is forgotten); takes the
report's own run as the third; and writes code/aevb/measured/augmentation.json:
each one's NLL on the test images and on as many training images (100 samples
of the fitted normal), and its paired difference to the report's run, in nats.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aevb import evaluation, profiles, results, runs, training
from aevb.augmented import UntoldTask
from aevb.checkpoints import write_json
from aevb.data import binarize, load_mnist
from aevb.tasks import VAETask, binary_test_images

TARGET = Path("code/aevb/measured/augmentation.json")
IMAGES, SAMPLES = 10_000, 100
CPU = torch.device("cpu")


def log_px(model: Any, x: Tensor) -> Tensor:
    """log p(x) of each of the images, (IMAGES,)."""
    every = range(-(-len(x) // evaluation.IMAGES))
    found = evaluation.measure(model, x, every, SAMPLES)
    return torch.cat([block["log_px"] for block in found])


def main() -> None:
    _, config = profiles.configure("vae_best", device="cpu")
    ways: dict[str, type[VAETask]] = {"none": VAETask, "untold": UntoldTask}
    models = {k: training.fit(way(config), CPU)[0] for k, way in ways.items()}
    models["given"] = runs.run("vae_best", device="cpu").model
    trained = binarize(load_mnist("cpu").train.images, "fixed")[:IMAGES]
    test = binary_test_images(CPU, IMAGES)
    found = {
        name: {"test": log_px(model, test), "training": log_px(model, trained)}
        for name, model in models.items()
    }
    best = found["given"]["test"]
    rows = {
        name: {
            "nll": evaluation.mean(-values["test"]).to_json(),
            "training_nll": evaluation.mean(-values["training"]).to_json(),
            "over_given": evaluation.mean(best - values["test"]).to_json(),
        }
        for name, values in found.items()
    }
    content = {"samples": SAMPLES, "config": config.model_dump()}
    content |= {"rows": rows, "provenance": results.provenance()}
    write_json(TARGET, content)


if __name__ == "__main__":
    main()
