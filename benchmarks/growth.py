"""How time and memory grow with images, width, lattice points and samples.

    PYTHONPATH=code:. python -m benchmarks.growth

writes code/aevb/measured/growth.json: for each size, processor seconds of one
thread and the memory that the process took beyond the images, and the slopes
of their logarithms against the size's. Also draws docs/growth.svg.
"""

import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aevb import data, evaluation, profiles
from aevb.figures import style
from aevb.tasks import binary_test_images
from aevb.training import Trainer
from benchmarks.together import write

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
IMAGES = 10_000  # of an epoch, where something else grows
TESTED = 500
SIZES = {
    "training images": (7_500, 15_000, 30_000, 60_000),
    "width": (128, 256, 512, 1024),
    "lattice points": (512, 1024, 2048, 4096),
    "importance samples": (50, 100, 200, 400),
}


def once(kind: str, size: int) -> None:
    """An epoch of `vae_kl`, or of `vae_exact` where its points grow, or an
    evaluation of the former."""
    name = "vae_exact" if kind == "lattice points" else "vae_kl"
    changed: dict[str, Any] = {"epochs": 1, "train_size": IMAGES}
    if kind == "training images":
        changed["train_size"] = size
    elif kind == "width":
        changed["hidden_dims"] = (size, size, size, 4)
    elif kind == "lattice points":
        changed["points"] = size
    experiment, config = profiles.configure(name, **changed)
    one = Trainer(experiment.task(config), CPU)
    if kind == "importance samples":
        model: Any = one.model.eval()
        evaluation.measure(model, binary_test_images(CPU, TESTED), [0], size)
        return
    for rows in one.batches():
        one.take_step(rows)


def peak() -> float:
    """The most memory that this process has held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cost(kind: str, size: int) -> tuple[float, float]:
    """Processor seconds and MB of `once`, after one of the smallest size."""
    torch.set_num_threads(1)
    data.load_mnist("cpu")
    before = peak()
    once(kind, SIZES[kind][0])
    start = time.process_time()
    once(kind, size)
    return time.process_time() - start, peak() - before


def main() -> None:
    rows: list[dict[str, Any]] = []
    spawn = multiprocessing.get_context("spawn")
    figure, axes = style.figure(2.6, columns=2)
    for kind, sizes in SIZES.items():
        with spawn.Pool(1, maxtasksperchild=1) as pool:
            costs = pool.starmap(cost, [(kind, n) for n in sizes], chunksize=1)
        row: dict[str, Any] = {"grows": kind, "sizes": sizes}
        for ax, name, values in zip(
            axes, ("seconds", "MB"), np.transpose(costs), strict=True
        ):
            slope = np.polyfit(np.log(sizes), np.log(values), 1)[0]
            row[name] = {"values": values.tolist(), "slope": slope}
            ax.loglog(
                np.divide(sizes, sizes[0]),
                values,
                "o-",
                label=f"{kind}, from {sizes[0]:,}: {slope:.2f}",
            )
            ax.set_xlabel("size over the smallest")
            ax.set_ylabel({"seconds": "processor seconds"}.get(name, name))
            ax.legend()
        rows.append(row)
        write("growth", rows, images=IMAGES, tested=TESTED)
    figure.savefig(ROOT / "docs" / "growth.svg")


if __name__ == "__main__":
    main()
