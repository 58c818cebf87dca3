"""One training on several devices: how it is asked for, checked and begun.

`aevb train NAME --devices N` starts a process for each device of this
machine; `torchrun --nproc-per-node N -m aevb train NAME` has begun them, on
one machine or on several. What a process then does is in `split`, which needs
PyTorch; nothing here does.
"""

import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from aevb import workers
from aevb.errors import UserError
from aevb.settings import AEConfig, AugmentedConfig, Config, VAEConfig


def launched() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def number(asked: str | None) -> int:
    """How many devices `--devices` asks for, or torchrun.

    Raises:
        UserError: it is no number of devices, or both ask.
    """
    if launched():
        if asked is not None:
            raise UserError(
                "devices: torchrun says how many processes there are; leave "
                "out --devices"
            )
        return int(os.environ["WORLD_SIZE"])
    if asked is None:
        return 1
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"devices: a number from 1 on, not {asked!r}")
    return int(asked)


def check(name: str, config: Config, size: int) -> None:
    """Refuse what cannot be split over that many devices.

    Raises:
        UserError: names the setting.
    """
    # another class of settings belongs to a loss that is no mean
    if type(config) not in (AEConfig, VAEConfig, AugmentedConfig):
        raise UserError(
            f"devices: {name} trains on one device, since its loss is no mean "
            "over the examples of a batch; leave out --devices, and train "
            "other seeds beside it"
        )
    if rest := config.batch_size % size:
        fitting = config.batch_size - rest or size
        raise UserError(
            f"batch_size: {config.batch_size} examples cannot be split over "
            f"{size} devices in equal parts; add --batch-size {fitting}"
        )


def run(name: str, config: Config, size: int) -> None:
    """Train on `size` devices where there is no finished run; print it, in
    the first process alone.

    Raises:
        UserError: those of `check` and `runs.run`; a process has ended.
    """
    check(name, config, size)
    if not launched():
        with TemporaryDirectory() as folder:
            address = (Path(folder) / "meet").as_uri()
            begin = partial(_begin, config, size, address)
            jobs = [(str(rank), name) for rank in range(size)]
            workers.make(jobs, begin, size, tell=False)
        return
    job = os.environ["RANK"], name
    try:
        _begin(config, size, "env://", job)
    except UserError:
        if job[0] == "0":
            raise
        sys.exit(2)  # the first process says what is wrong


def _begin(config: Config, size: int, address: str, job: workers.Job) -> None:
    """Train as the process of a rank, which is the first word of the job."""
    rank, name = int(job[0]), job[1]
    if rank:
        os.environ["TQDM_DISABLE"] = "1"  # one bar, or line, is enough
    from aevb import split

    if found := split.run(name, config, size, address, rank):
        print(found, flush=True)
