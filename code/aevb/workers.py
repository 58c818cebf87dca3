"""Jobs in processes of their own, which end with their parent.

Whatever ends the parent, SIGKILL included, ends the processes: each waits
for the pipe that closes with its parent. What they have written stays.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
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
from multiprocessing.process import BaseProcess
from typing import Any

from aevb import profiles, progress
from aevb.errors import UserError

Job = tuple[str, str]
"""The kind, "run" or "study", and the name."""


def make(
    jobs: Sequence[Job],
    do: Callable[[Job], object],
    needs: Callable[[Job], Sequence[Job]],
    size: int,
    tell: bool = True,
) -> None:
    """Do all jobs, each once what it needs is done.

    Args:
        jobs: what is done, those that can begin in this order.
        do: a function of a module, called in another process.
        needs: the jobs that one needs.
        size: how many are done at once.
        tell: whether to say that one is done.

    Raises:
        UserError: one of them failed; the others are stopped, and go on
            from their checkpoints at the next call.
    """
    waiting = list(jobs)
    making: dict[Future[None], Job] = {}
    alive: set[BaseProcess] = set()
    with _pool(size) as pool:
        while waiting or making:
            unfinished = {*waiting, *making.values()}
            ready = [j for j in waiting if unfinished.isdisjoint(needs(j))]
            with _signals_held():
                making |= {pool.submit(_do, do, j): j for j in ready}
            waiting = [j for j in waiting if j not in ready]
            done, _ = wait_for(making, 0.5, FIRST_COMPLETED)
            # the pool does not see the end of the process it started last
            before, alive = alive, set(active_children())
            if before - alive:
                raise BrokenProcessPool
            for future in done:
                future.result()
                _, name = making.pop(future)
                left = len(waiting) + len(making)
                if tell and not progress.watched():
                    progress.line(
                        f"{name} is done, {left} of {len(jobs)} left"
                    )


@contextmanager
def _pool(size: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this block, at once where it is left early.

    Raises:
        UserError: one of them was killed.
    """
    context = get_context("spawn")
    rows = context.SimpleQueue()
    for row in range(size):
        rows.put(row)
    arguments = context.RLock(), rows
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
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # at once; what is on disk is whole


def _do(do: Callable[[Job], object], job: Job) -> None:
    _, progress.job = job
    do(job)
