"""Progress of what takes long, in whatever place it is watched.

On a terminal and in Jupyter it is a bar that shows the latest loss; where
standard error is redirected, a line a minute. Processes at work side by side
have a bar each (see `share`). TQDM_DISABLE in the environment silences all.
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm.auto import tqdm

LINE_SECONDS = 60.0
"""Seconds between two lines where standard error is no terminal."""
SOON = 1.0
"""Seconds after which a bar is shown."""
job = ""
"""What a worker process is at, with which its labels begin."""
_row = 0


def share(lock: Any, row: int) -> None:
    """Draw the bars of this process in a row of their own.

    Args:
        lock: of multiprocessing, common to all that draw.
        row: below the first one.
    """
    global _row
    tqdm.set_lock(lock)
    _row = row


def silent() -> bool:
    """Whether nobody wants to hear."""
    return bool(os.environ.get("TQDM_DISABLE"))


def watched() -> bool:
    """Whether standard error can show a bar: a terminal, or Jupyter."""
    jupyter = type(sys.stderr).__module__.startswith("ipykernel")
    return (sys.stderr.isatty() or jupyter) and not silent()


class Progress:
    """How far something is, shown after a second.

    >>> with Progress("train", total=2) as bar:
    ...     bar.update()
    """

    def __init__(self, label: str, total: int, initial: int = 0) -> None:
        self.label = f"{job}: {label}" if job else label
        self.done, self.total, self.loss = initial, total, ""
        self.told = time.monotonic()
        self.bar = None
        if watched():
            self.bar = tqdm(
                desc=self.label,
                total=total,
                initial=initial,
                position=_row,
                leave=not job,
                delay=SOON,
                smoothing=0.0,  # jobs end in pairs: the pace of all is meant
                dynamic_ncols=True,
                bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
            )

    def update(self, n: int = 1) -> None:
        self.done += n
        if self.bar is not None:
            self.bar.update(n)
        elif time.monotonic() - self.told > LINE_SECONDS:
            self.told = time.monotonic()
            share = f"{self.done / max(self.total, 1):.0%}"
            line(f"{self.label} {share}" + f" ({self.loss})" * bool(self.loss))

    def refresh(self) -> None:
        """Draw the time anew."""
        if self.bar is not None:
            self.bar.refresh()

    def note(self, values: Mapping[str, float]) -> None:
        """Show the latest loss beside the bar."""
        shown = [f"{k} {v:.4g}" for k, v in values.items() if "loss" in k]
        self.loss = ", ".join(shown)
        if self.bar is not None:
            self.bar.set_postfix_str(self.loss, refresh=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def line(text: str) -> None:
    """Print how far things are, unless nobody wants to hear."""
    if not silent():
        print(text, file=sys.stderr, flush=True)
