"""Jobs in processes of their own, which end with their parent.

Whatever ends the parent, SIGKILL included, ends the processes: each waits
for the pipe that closes with its parent. What they have written stays.
"""

import os
import signal
import sys
import threading
import time
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
) -> None:
    """Do all jobs, each once what it needs is done.

    Args:
        jobs: what is done, those that can begin in this order.
        do: a function of a module, called in another process.
        needs: the jobs that one needs.
        size: how many are done at once.

    Raises:
        UserError: one of them failed; the others are stopped, and go on
            from their checkpoints at the next call.
    """
    waiting = list(jobs)
    making: dict[Future[None], Job] = {}
    alive: set[BaseProcess] = set()
    with _pool(size) as (pool, inbox), _Bars(len(jobs)) as bars:
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
            while not inbox.empty():
                bars.show(*inbox.get())
            for future in done:
                future.result()
                bars.finish(making.pop(future))


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


# ---- in the other process

_job: Job = ("", "")


def _begin(inbox: Any) -> None:
    """Send progress to the parent, and end with it."""
    progress.send = lambda state: inbox.put((_job, state))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # at once; what is on disk is whole


def _do(do: Callable[[Job], object], job: Job) -> None:
    global _job
    _job = job
    do(job)
