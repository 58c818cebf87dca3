"""All trainings and measurements of the report, as many at once as cores.

Each is done in a process of its own, of one thread. Whatever ends the
parent, SIGKILL included, ends the processes too: each watches the pipe that
closes with its parent. Their checkpoints are kept.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import (
    active_children,
    get_context,
    parent_process,
    resource_tracker,
)
from statistics import median
from typing import Any

import torch

from aevb import experiments, profiles, progress, runs, training
from aevb.errors import UserError

Job = tuple[str, str]
"""The kind, "run" or "study", and the name."""

RATE = 50.0
"""GFLOP/s of a core to which the costs in the table are measured."""
BFLOAT16_GAIN = 3.0
"""How many times faster a training is, coarsely, where the hardware
multiplies in bfloat16."""


def missing() -> list[Job]:
    """What the report needs and is not there yet."""
    kept = {"run": runs.finished, "study": runs.measured}
    every = [("run", n) for n in experiments.EXPERIMENTS]
    every += [("study", n) for n in experiments.STUDIES]
    return [(kind, name) for kind, name in every if kept[kind](name) is None]


def on_gpu() -> bool:
    return training.resolve_device("auto").type != "cpu"


def number(jobs: Sequence[Job]) -> int:
    """How many processes work at once; on a GPU they take turns."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return 1 if on_gpu() else max(1, min(cores, len(jobs)))


# ---- how long it will take


def product_rate(seconds: float = 2.0) -> float:
    """GFLOP/s of float32 matrix products on one thread, measured."""
    threads, size = torch.get_num_threads(), 512
    torch.set_num_threads(1)
    a, b = torch.rand(2, size, size)
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 2e-9 * size**3 / median(times)


def cost(job: Job) -> float:
    """What the table says of a job's work, under the current profile."""
    kind, name = job
    if profiles.profile() == "quick":
        return experiments.QUICK_COST
    if kind == "study":
        return experiments.STUDIES[name].cost
    experiment, config = profiles.configure(name)
    return experiment.cost * config.epochs / experiment.config.epochs


def estimate(jobs: Sequence[Job]) -> str:
    """How long the jobs will take here, coarsely, in words."""
    if on_gpu():
        return "how long a GPU takes was not measured"
    rate = product_rate()
    costs = [cost(job) for job in jobs]
    seconds = max(sum(costs) / number(jobs), *costs, 0.0) * RATE / rate
    if training.has_fast_bfloat16(torch.device("cpu")):
        seconds /= BFLOAT16_GAIN
    time_ = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return (
        f"about {time_} on this machine ({number(jobs)} at once, float32 "
        f"products at {rate:.0f} GFLOP/s a core)"
    )


# ---- the parent


def make(jobs: Sequence[Job]) -> None:
    """Do all jobs; a study begins once its runs are finished.

    Raises:
        UserError: one of them failed; the others are stopped, and go on
            from their checkpoints at the next call.
    """
    waiting = list(jobs)
    making: dict[Future[None], Job] = {}
    with _pool(number(jobs)) as (pool, inbox), _Bars(len(jobs)) as bars:
        while waiting or making:
            unfinished = {*waiting, *making.values()}
            ready = [j for j in waiting if unfinished.isdisjoint(_needs(j))]
            with _signals_held():
                making |= {pool.submit(_make, j): j for j in ready}
            waiting = [j for j in waiting if j not in ready]
            done, _ = wait_for(making, 0.5, FIRST_COMPLETED)
            while not inbox.empty():
                bars.show(*inbox.get())
            for future in done:
                future.result()
                bars.finish(making.pop(future))


def _needs(job: Job) -> list[Job]:
    kind, name = job
    names = experiments.STUDIES[name].runs if kind == "study" else ()
    return [("run", n) for n in names]


@contextmanager
def _pool(size: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """Processes that end with this block, at once where it is left early,
    and the queue of their messages.

    Raises:
        UserError: one of them was killed.
    """
    context = get_context("spawn")
    inbox = context.SimpleQueue()
    pool = ProcessPoolExecutor(size, context, _begin, (inbox,))
    try:
        yield pool, inbox
    except BrokenProcessPool:
        raise UserError(
            "a process was killed (is there too little memory?); what was "
            f"done is kept in {profiles.runs_folder()}{os.sep}, and the "
            "same command goes on from there"
        ) from None
    finally:
        # end the workers only on failure; their checkpoints make that safe
        if sys.exc_info()[0]:
            for child in active_children():
                child.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back what a terminal sends while processes start.

    They inherit this: a terminal sends Ctrl-C, and a hang-up as it closes,
    to all of them, and the parent alone is to answer.
    """
    if os.name != "posix":
        yield
        return
    resource_tracker.ensure_running()  # its start would undo the mask
    held = {signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


class _Bars:
    """A bar for each job at work; redirected, a line a minute for all."""

    def __init__(self, total: int) -> None:
        self.states: dict[Job, progress.State] = {}
        self.bars: dict[Job, Any] = {}
        self.done, self.total = 0, total
        self.told = time.monotonic()

    def show(self, job: Job, state: progress.State) -> None:
        known = self.states.get(job)
        self.states[job] = state
        if progress.watched():
            if known is None or known.label != state.label:
                self._close(job)
                label = f"{job[1]}: {state.label}"
                self.bars[job] = progress.bar(label, state.total, leave=False)
            self.bars[job].n = state.done
            self.bars[job].set_postfix_str(state.note)
        elif time.monotonic() - self.told > progress.LINE_SECONDS:
            self.told = time.monotonic()
            at_work = [f"{j[1]}: {s}" for j, s in self.states.items()]
            progress.line(f"{self.done} of {self.total} done", *at_work)

    def finish(self, job: Job) -> None:
        self.done += 1
        self.states.pop(job, None)
        self._close(job)

    def _close(self, job: Job) -> None:
        if job in self.bars:
            self.bars.pop(job).close()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        for job in list(self.bars):
            self._close(job)


# ---- a worker

_job: Job = ("", "")


def _begin(inbox: Any) -> None:
    """Make a process one of several: of one thread, with no bar of its own,
    and at an end with its parent."""
    torch.set_num_threads(1)
    progress.send = lambda state: inbox.put((_job, state))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # at once; what is on disk is whole


def _make(job: Job) -> None:
    global _job
    _job = job
    kind, name = job
    getattr(runs, kind)(name)
