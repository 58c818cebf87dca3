"""`aevb fetch` made to start two processes that sleep, without PyTorch."""

import os
import time
from pathlib import Path

from aevb import workers


def sleep(job):
    Path(job[1]).write_text(f"{os.getpid()}")
    time.sleep(600)


def both():
    workers.make([("run", "a"), ("run", "b")], sleep, 2)


# a process that is spawned reads this module again
if __name__ == "__main__":
    from aevb import cli

    cli.COMMANDS["fetch"] = both
    cli.main()
