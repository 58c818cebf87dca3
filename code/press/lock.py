"""One build at a time in a folder: the lock says whose it is."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from press.errors import PressError

NAME = ".press.lock"


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold the folder's lock; where it is held, wait and say for whom.

    Yields the folder. The lock is the operating system's and ends with its
    process: a file that a killed process left behind blocks nobody.

    Raises PressError where the folder cannot be written.
    """
    path = folder / NAME
    lock = FileLock(path)
    try:
        try:
            with suppress(Timeout):
                lock.acquire(timeout=0.2)
            if not lock.is_locked:
                owner = path.read_text("ascii", "replace").strip() or "?"
                message = f"press: waiting for process {owner}, at work in"
                print(message, folder, file=sys.stderr, flush=True)
                lock.acquire()
            path.write_text(f"{os.getpid()}\n", "ascii")
        except OSError as error:
            raise PressError(
                f"{folder}: no permission or no space to write here "
                f"({error.strerror})."
            ) from error
        yield folder
    finally:
        # removed while it is held: whoever waits finds that its file has
        # no name any more, and tries again
        if lock.is_locked:
            path.unlink(missing_ok=True)
        lock.release()
