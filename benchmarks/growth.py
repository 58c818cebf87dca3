"""How the cost grows with images, width, samples and lattice points.

    PYTHONPATH=code python benchmarks/growth.py

writes code/aevb/measured/growth.json: processor seconds of an epoch or of an
evaluation against each size, and the slope of their logarithms.
"""

import time
from pathlib import Path
from typing import Any

import torch
from speed import ours

from aevb import evaluation, results
from aevb.checkpoints import write_json
from aevb.tasks import VAETask, binary_test_images
from aevb.training import Trainer

TARGET = Path("code/aevb/measured/growth.json")
CPU = torch.device("cpu")
SIZES = {
    "images": (5_000, 10_000, 20_000, 40_000),
    "width": (128, 256, 512, 1024),
    "samples": (100, 200, 400, 800),
    "points": (2_500, 10_000, 40_000, 160_000),
}


def seconds(kind: str, size: int) -> float:
    """Processor seconds of an epoch, or of an evaluation of 200 images."""
    if kind in ("images", "width"):
        changed: dict[str, Any] = {"train_size": 10_000}
        changed["train_size" if kind == "images" else "hidden_dims"] = (
            size if kind == "images" else (size, size, 40)
        )
        trainer = Trainer(VAETask(ours(epochs=1, **changed)), CPU)
        start = time.process_time()
        for rows in trainer.batches():
            trainer.take_step(rows)
        return time.process_time() - start
    x = binary_test_images(CPU, 200)
    latents = 40 if kind == "samples" else 4
    model = VAETask(ours(hidden_dims=(256, 256, 256, latents))).model()
    start = time.process_time()
    if kind == "samples":
        evaluation.evaluate_vae(model, x, size)
    else:
        evaluation.log_px_by_quadrature(model, x, 10 / size**0.5)
    return time.process_time() - start


def growth() -> dict[str, Any]:
    """Cost against each size; the slope of its logarithm on the size's."""
    found = {}
    for kind, sizes in SIZES.items():
        cost = [seconds(kind, n) for n in sizes]
        x, y = (torch.tensor(v).log() for v in (sizes, cost))
        slope = ((x - x.mean()) @ y / (x - x.mean()).square().sum()).item()
        found[kind] = {"sizes": sizes, "seconds": cost, "slope": slope}
    return found


def main() -> None:
    torch.set_num_threads(1)
    made = results.provenance()
    write_json(TARGET, {"growth": growth(), "provenance": made})


if __name__ == "__main__":
    main()
