"""Progress of what takes long, in whatever place it is watched.

On a terminal and in Jupyter it is a bar that shows the latest loss; where
standard error is redirected, a line a minute; in a worker process, messages
to the parent (see `send`). TQDM_DISABLE in the environment silences all.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tqdm.auto import tqdm

LINE_SECONDS = 60.0
"""Seconds between two lines where standard error is no terminal."""
SEND_SECONDS = 0.5
"""Seconds between two messages of a worker."""


class State(NamedTuple):
    """How far something is: `done` of `total` units, and its latest loss."""

    label: str
    done: int
    total: int
    note: str = ""

    def __str__(self) -> str:
        share = f"{self.label} {self.done / max(self.total, 1):.0%}"
        return f"{share} ({self.note})" if self.note else share


send: Callable[[State], object] | None = None
"""Where a worker process sends its states; None elsewhere."""


def silent() -> bool:
    """Whether nobody wants to hear."""
    return bool(os.environ.get("TQDM_DISABLE"))


def watched() -> bool:
    """Whether standard error can show a bar: a terminal, or Jupyter."""
    jupyter = type(sys.stderr).__module__.startswith("ipykernel")
    return (sys.stderr.isatty() or jupyter) and not silent()


def bar(label: str, total: int, initial: int = 0, **options: Any) -> Any:
    """A bar of tqdm on a terminal or in Jupyter."""
    return tqdm(
        desc=label,
        total=total,
        initial=initial,
        dynamic_ncols=True,
        bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
        **options,
    )


class Progress:
    """How far something is, shown after a second.

    >>> with Progress("train", total=2) as bar:
    ...     bar.update()
    """

    def __init__(self, label: str, total: int, initial: int = 0) -> None:
        self.state = State(label, initial, total)
        self.bar = None
        self.every = SEND_SECONDS if send else LINE_SECONDS
        self.told = time.monotonic()
        if watched() and not send:
            self.bar = bar(label, total, initial, delay=1.0)

    def update(self, n: int = 1) -> None:
        self.state = self.state._replace(done=self.state.done + n)
        if self.bar is not None:
            self.bar.update(n)
        elif time.monotonic() - self.told > self.every:
            self.told = time.monotonic()
            tell = send or line
            tell(self.state)

    def note(self, values: Mapping[str, float]) -> None:
        """Show the latest loss beside the bar."""
        shown = [f"{k} {v:.4g}" for k, v in values.items() if "loss" in k]
        self.state = self.state._replace(note=", ".join(shown))
        if self.bar is not None:
            self.bar.set_postfix_str(self.state.note, refresh=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def line(*states: object) -> None:
    """Print how far things are, unless nobody wants to hear."""
    if not silent():
        print(", ".join(map(str, states)), file=sys.stderr, flush=True)
