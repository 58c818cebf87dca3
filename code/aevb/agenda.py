"""What the report needs and is not there yet, and how long it will take."""

import os
import time
import timeit
from collections.abc import Sequence, Sized
from statistics import median
from typing import Any

import torch

from aevb import experiments, profiles, runs, training
from aevb.workers import Job

RATE = 73.0
"""GFLOP/s of a core at which the costs in the table were measured, two
trainings at once."""
BFLOAT16_GAIN = 2.3
"""How many times faster a training is, coarsely, where the hardware
multiplies in bfloat16."""


def missing() -> list[Job]:
    """What the report needs and is not there yet, the longest first, so that
    several at once end together."""
    table, studies = experiments.EXPERIMENTS, experiments.STUDIES
    absent = [("run", n) for n in table if runs.finished(n) is None]
    absent += [("study", n) for n in studies if runs.measured(n) is None]
    return sorted(absent, key=cost, reverse=True)


def on_gpu() -> bool:
    return training.resolve_device("auto").type != "cpu"


def places() -> int:
    """How many processes can work at once; on a GPU they take turns."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return 1 if on_gpu() else cores


def number(jobs: Sized) -> int:
    """How many processes work at these jobs at once."""
    return max(1, min(places(), len(jobs)))


def needs(job: Job) -> list[Job]:
    """The jobs that must be finished before this one."""
    kind, name = job
    names = experiments.STUDIES[name].runs if kind == "study" else ()
    return [("run", n) for n in names]


def do(job: Job) -> None:
    """Make a run or a study on one thread, and keep it."""
    torch.set_num_threads(1)
    kind, name = job
    getattr(runs, kind)(name)


def product_rate() -> float:
    """GFLOP/s of float32 matrix products on one thread, in two seconds."""
    threads, size = torch.get_num_threads(), 512
    torch.set_num_threads(1)
    a, b = torch.rand(2, size, size)
    times = []
    end = time.perf_counter() + 2
    while time.perf_counter() < end:
        times.append(timeit.timeit(lambda: a @ b, number=1))
    torch.set_num_threads(threads)
    return 2e-9 * size**3 / median(times)


def cost(job: Job, **overrides: Any) -> float:
    """What the table says of a job's work, under the current profile and
    with these settings."""
    kind, name = job
    if profiles.profile() == "quick":
        return experiments.QUICK_COST
    if kind == "study":
        return experiments.STUDIES[name].cost
    experiment, config = profiles.configure(name, **overrides)
    return experiment.cost * config.epochs / experiment.config.epochs


def estimate(costs: Sequence[float]) -> str:
    """How long jobs of these costs will take here, coarsely, in words."""
    if on_gpu():
        return "how long a GPU takes was not measured"
    rate = product_rate()
    seconds = max(sum(costs) / number(costs), *costs, 0.0) * RATE / rate
    if training.has_fast_bfloat16(torch.device("cpu")):
        seconds /= BFLOAT16_GAIN
    time_ = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return (
        f"about {time_} on this machine ({number(costs)} at once, float32 "
        f"products at {rate:.0f} GFLOP/s a core)"
    )
