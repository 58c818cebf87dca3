"""Jobs in processes of their own, which end with their parent.

Whatever ends the parent, SIGKILL included, ends the processes: each waits
for the pipe that closes with its parent. What they have written stays.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from itertools import islice
from multiprocessing import active_children, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

from aevb import profiles, progress
from aevb.errors import UserError

Job = tuple[str, str]
"""The kind, "run" or "study", and the name."""


def make(
    jobs: Sequence[Job],
    do: Callable[[Job], object],
    size: int,
    needs: Callable[[Job], Sequence[Job]] = lambda job: [],
    tell: bool = True,
    stop: bool = True,
) -> dict[Job, UserError]:
    """Do all jobs, each once what it needs is done.

    Args:
        jobs: what is done, those that can begin in this order.
        do: a function of a module, called in another process.
        size: how many are done at once.
        needs: the jobs that one needs; none if it is not given.
        tell: whether to say that one is done, and to show a bar of all.
        stop: whether one that fails ends the others.

    Returns:
        Those that failed, each with its fault; none where it stops.

    Raises:
        UserError: one of them failed, or was killed; the others are stopped,
            and go on from their checkpoints at the next call.
    """
    waiting = list(jobs)
    making: dict[Future[None], Job] = {}
    faults: dict[Job, UserError] = {}
    alive: set[BaseProcess] = set()
    bars = progress.Progress("all", len(jobs)) if tell else nullcontext()
    with _pool(size) as pool, bars as bar:
        while waiting or making:
            unfinished = {*waiting, *making.values()}
            # none queues: what becomes ready later may stand before it
            free = size - len(making)
            able = (j for j in waiting if unfinished.isdisjoint(needs(j)))
            ready = list(islice(able, free))
            with _signals_held():
                making |= {pool.submit(_do, do, j): j for j in ready}
            # the pool does not see the end of the process it started last
            alive |= set(active_children())
            waiting = [j for j in waiting if j not in ready]
            done, _ = wait_for(making, 0.5, FIRST_COMPLETED)
            before, alive = alive, set(active_children())
            if before - alive:
                raise BrokenProcessPool
            if bar:
                bar.refresh()
            for future in [f for f in making if f in done]:
                job = making.pop(future)
                try:
                    future.result()
                except UserError as fault:
                    if stop:
                        raise
                    faults[job] = fault
                left = len(waiting) + len(making)
                if bar and progress.watched():
                    bar.update()
                elif bar:
                    how = "failed" if job in faults else "is done"
                    progress.line(
                        f"{job[1]} {how}, {left} of {len(jobs)} left"
                    )
    return faults


@contextmanager
def _pool(size: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this block, at once where it is left early.

    Raises:
        UserError: one of them was killed.
    """
    context = multiprocessing.get_context("spawn")
    rows = context.SimpleQueue()
    for row in range(size):
        rows.put(row + 1)
    arguments = context.RLock(), rows
    progress.share(arguments[0], 0)  # the bar of all, above
    pool = ProcessPoolExecutor(size, context, _begin, arguments)
    try:
        yield pool
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


# ---- in the other process


def _begin(lock: Any, rows: Any) -> None:
    """Draw below the others, and end with the parent."""
    progress.share(lock, rows.get())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # at once; what is on disk is whole


def _do(do: Callable[[Job], object], job: Job) -> None:
    _, progress.job = job
    do(job)
