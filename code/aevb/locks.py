"""Locks that say who holds them, for what several processes write."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_SOON = 0.2
"""Seconds of waiting about which nothing is said."""


@contextmanager
def held(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file `path`; where it is held, wait and say for whom.

    The file holds its owner's process number while it is held, and is
    removed after. The lock itself is the operating system's: it ends with
    its process, so a file that a killed process left behind blocks nobody.

    Args:
        path: the lock file, in a folder that exists.
        work: what it guards, for the message.

    Raises:
        OSError: the lock file cannot be written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_SOON)
    except Timeout:
        owner = ""
        with suppress(OSError, ValueError):  # it has written no number yet
            owner = path.read_text("ascii").strip()
        message = f"waiting for process {owner or '?'}, at work on {work}"
        print(message, file=sys.stderr, flush=True)
        lock.acquire()
    try:
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        # unlink before release, so that whoever waits tries again on a new
        # file
        path.unlink(missing_ok=True)
        lock.release()
