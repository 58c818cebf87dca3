"""What a second process gives: another seed, half of each batch, or a part
of an evaluation; and what it costs to add up the gradients by gloo.

    PYTHONPATH=code:. python -m benchmarks.devices

writes code/aevb/measured/devices.json: seconds of a step, the least and the
median, and the processor's. Two minutes of two cores, which should be idle:
`load` says how many processes wanted them at the start and at the end. It
also draws docs/devices.svg: what n processes give, measured for 1 and 2 and on
paper to 64, with a core for each. There

    seeds      n trainings in the time of one beside another,
    devices    a step of a + b / n + 2 (n - 1) / n c seconds, with a and b from
               the two that were measured and c for a ring's sum of gradients.
"""

import multiprocessing
import os
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist

from aevb import evaluation, profiles
from aevb.figures import style
from aevb.split import Split
from aevb.tasks import binary_test_images
from aevb.training import Trainer
from benchmarks.together import write

NAMES = ("ae", "vae_kl")
STEPS, WARM = 10, 3
CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[1]


def times(call: Any, n: int) -> dict[str, float]:
    """Least and median seconds of a step, and the processor's."""
    for _ in range(WARM):
        call()
    walls, start = [], time.process_time()
    for _ in range(n):
        begun = time.perf_counter()
        call()
        walls.append(time.perf_counter() - begun)
    used = (time.process_time() - start) / n
    return {"least": min(walls), "median": median(walls), "processor": used}


def trainer(name: str, split: bool) -> Trainer:
    experiment, config = profiles.configure(name)
    task = experiment.task(config)
    return Trainer(Split(task, dist.get_rank(), 2) if split else task, CPU)


def seed(name: str, rank: int) -> dict[str, float]:
    """A step of a training of its own."""
    torch.set_num_threads(1)
    one = trainer(name, False)
    rows = one.batches()
    return times(lambda: one.take_step(next(rows)), STEPS)


def half(name: str, address: str, rank: int) -> dict[str, Any]:
    """A step on half of each batch, and its sum of gradients alone."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=address, rank=rank, world_size=2
    )
    one = trainer(name, True)
    rows = one.batches()
    task: Any = one.task
    for optimizer in one.optimizers:
        optimizer.register_step_pre_hook(task.average)
    step = times(lambda: one.take_step(next(rows)), STEPS)
    flat = torch.zeros(sum(w.numel() for w in one.model.parameters()))
    reduce = times(lambda: dist.all_reduce(flat), 5 * STEPS)
    dist.destroy_process_group()
    return {"step": step, "all_reduce": reduce, "parameters": len(flat)}


def part(name: str, rank: int) -> dict[str, float]:
    """A block of the evaluation, one thread, in a model that is untrained."""
    torch.set_num_threads(1)
    one = trainer(name, False)
    x = binary_test_images(CPU, evaluation.IMAGES)
    samples = one.config.importance_samples
    model: Any = one.model.eval()
    with mock.patch("os.cpu_count", return_value=1):
        return times(lambda: evaluation.measure(model, x, [0], samples), 2)


def at_once(n: int, call: Any) -> Any:
    """What the first of n processes measured while all were at it."""
    with multiprocessing.get_context("fork").Pool(n) as pool:
        return pool.map(call, range(n), chunksize=1)[0]


def draw(row: dict[str, Any], steps: int, path: Path) -> None:
    """Trainings per hour of `steps` steps against the number of processes."""
    n = 2.0 ** np.arange(7)
    alone, half = row["alone"]["median"], row["step"]["median"]
    share = row["all_reduce"]["median"]
    divided = 2 * (alone - (half - share))
    split = alone - divided + divided / n + 2 * (n - 1) / n * share
    seeds = np.where(n == 1, alone, row["two_seeds"]["median"]) / n
    figure, axes = style.figure(2.8)
    for label, seconds in (("a seed each", seeds), ("one training", split)):
        rate = 3600 / (steps * seconds)
        (line,) = axes.loglog(n[:2], rate[:2], "o-", base=2, label=label)
        axes.loglog(n[1:], rate[1:], ":", base=2, color=line.get_color())
    axes.set_xlabel("processes, a core each (dotted: on paper)")
    axes.set_ylabel(f"trainings per hour, {row['name']}")
    axes.set_xticks(n, [f"{k:g}" for k in n])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Measure each training, and write after each."""
    rows: list[dict[str, Any]] = []
    torch.set_num_threads(1)
    for name in NAMES:
        before = os.getloadavg()[0]
        row: dict[str, Any] = {"name": name}
        row["alone"] = at_once(1, partial(seed, name))
        row["two_seeds"] = at_once(2, partial(seed, name))
        with TemporaryDirectory() as folder:
            address = (Path(folder) / "meet").as_uri()
            row |= at_once(2, partial(half, name, address))
        if name != "ae":
            row["block"] = at_once(1, partial(part, name))
            row["two_blocks"] = at_once(2, partial(part, name))
        row["load"] = [before, os.getloadavg()[0]]
        rows.append(row)
        write("devices", rows, steps=STEPS, warm=WARM)
    _, config = profiles.configure(NAMES[-1])
    steps = config.epochs * (60_000 // config.batch_size)
    draw(rows[-1], steps, ROOT / "docs" / "devices.svg")


if __name__ == "__main__":
    main()
