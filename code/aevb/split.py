r"""One training on several devices: each takes its part of every batch.

The loss is a mean over the B examples of a batch, so with N equal parts

    g = 1/N sum_n g_n,        g_n the gradient of the mean over part n,

and all devices take the same step of one process, up to rounding. What is
random is drawn on each for the whole batch, from generators in the same
state, and each keeps its rows: pixels, deformations and the noise of
z = mu + sigma eps are then those of one process too, on CPUs bit for bit.
This costs each device the draws of the whole batch. Only the order of sums
depends on N, so a run keeps its key; its weights are, in float32, the same
to about 1e-5 of them after an epoch, not bit for bit. With the same N they
are, also where the training was interrupted; a checkpoint can be gone on
from on any other number of devices, then to rounding alone.

`DistributedDataParallel` averages in hooks that its own `forward` prepares.
Our losses call `model.encode` and `model.decoder`, so these hooks would not
be set, and every device would train by itself. One sum of all gradients,
before any optimizer's step (Muon's included), is simpler and does the same.
"""

import math
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from aevb import profiles, runs, training
from aevb.errors import Damaged, UserError
from aevb.settings import Config

WAIT = timedelta(days=1)
"""How long the others wait while the first waits for another's lock."""


class WholeNoise(TorchFunctionMode):
    """`torch.randn_like` in this block draws for all parts, keeps one."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.rank, self.size = rank, size

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is not torch.randn_like:
            return func(*args, **(kwargs or {}))
        rows, *shape = args[0].shape
        whole = args[0].new_empty(self.size * rows, *shape).normal_()
        return whole.chunk(self.size)[self.rank]


class Split(training.Task):
    """A task, of whose batches this process takes one part."""

    def __init__(self, task: Any, rank: int, size: int) -> None:
        self.task, self.config = task, task.config
        self.rank, self.size = rank, size
        self.terms: dict[str, Tensor] = {}

    def model(self) -> Any:
        self.trained = self.task.model()
        return self.trained

    def data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return self.task.data(device)

    def start(self, model: Any, device: torch.device) -> None:
        self.task.start(model, device)

    def draw(self, rows: Tensor, share: float) -> Tensor:
        return self.task.draw(rows, share).chunk(self.size)[self.rank]

    def loss(self, model: Any, batch: Tensor) -> dict[str, Tensor]:
        if not model.training:  # held-out examples, all of them everywhere
            return self.task.loss(model, batch)
        with WholeNoise(self.rank, self.size):
            self.terms = self.task.loss(model, batch)
        return self.terms

    @torch.no_grad()
    def average(self, *_: Any) -> None:
        """Means over the devices in place of gradients and of terms.

        Called before the step of each optimizer, at work for the first. A
        loss that is not finite on one device is so on all, and all stop at
        the same step.
        """
        if not self.terms:
            return
        values = [term.detach() for term in self.terms.values()]
        weights = self.trained.parameters()
        values += [w.grad for w in weights if w.grad is not None]
        flat = torch.cat([value.flatten() for value in values])
        _talk(dist.all_reduce, flat)
        flat /= self.size
        parts = flat.split([value.numel() for value in values])
        for value, part in zip(values, parts, strict=True):
            value.copy_(part.view_as(value))
        self.terms = {}


def fit(
    task: Any, device: torch.device, folder: Path
) -> tuple[Any, training.History, float]:
    """`training.fit` by all processes of the group."""
    part = Split(task, dist.get_rank(), dist.get_world_size())
    hook = register_optimizer_step_pre_hook(part.average)
    try:
        return training.fit(part, device, folder)
    finally:
        hook.remove()


def run(
    name: str, config: Config, size: int, address: str, rank: int
) -> runs.Run | None:
    """The run, in the first process, which alone writes; None in others.

    Args:
        name, config: of the experiment.
        size: the number of processes.
        address: where they meet, as `init_process_group` takes it.
        rank: of this process among all.

    Raises:
        UserError: there are too few devices; another process has ended;
            those of `runs.run`.
    """
    device = training.resolve_device(config.device)
    # torchrun says what belongs to this machine; without it, all does
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    local = int(os.environ.get("LOCAL_RANK", rank))
    backend = "gloo"
    if device.type == "mps":
        raise UserError("devices: Apple's GPU is one; add --device cpu")
    if device.type == "cuda":
        if (there_are := torch.cuda.device_count()) < here:
            raise UserError(
                f"devices: this machine has {there_are} GPUs, fewer than "
                f"{here}; ask for as many, or add --device cpu"
            )
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    _talk(
        dist.init_process_group,
        backend,
        init_method=address,
        rank=rank,
        world_size=size,
        timeout=WAIT,
    )
    try:
        if rank == 0:
            return _lead(name, config)
        _follow(name, config, device)
        return None
    finally:
        dist.destroy_process_group()


def _lead(name: str, config: Config) -> runs.Run:
    """Keep the run as one process does; call the others to train."""
    called = False

    def lead(task: Any, device: torch.device, folder: Path) -> Any:
        nonlocal called
        checkpoint = folder / "checkpoint.safetensors"
        _tell(checkpoint.read_bytes() if checkpoint.exists() else b"")
        called = True
        return fit(task, device, folder)

    found = runs.run(name, lead, **config.model_dump())
    if not called:
        _tell(None)
    return found


def _follow(name: str, config: Config, device: torch.device) -> None:
    """Train from what the first process tells, and write nothing that
    stays: no other process needs to see its folder."""
    training.CHECKPOINT_SECONDS = math.inf
    task = profiles.configure(name)[0].task(config)
    while (kept := _tell(None)) is not None:
        with TemporaryDirectory() as own:
            folder = Path(own)
            if kept:
                (folder / "checkpoint.safetensors").write_bytes(kept)
            with suppress(Damaged):  # there as here; it begins again
                fit(task, device, folder)
                return


def _tell(content: bytes | None) -> bytes | None:
    """What the first process gives, in all of them."""
    told = [content]
    _talk(dist.broadcast_object_list, told, device=torch.device("cpu"))
    return told[0]


def _talk(call: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Call what needs all processes.

    Raises:
        UserError: one of them has ended.
    """
    try:
        call(*args, **options)
    except RuntimeError:
        raise UserError(
            "a process of this training has ended, and so do the others; "
            f"what was done is kept in {profiles.runs_folder()}{os.sep}, and "
            "the same command goes on from there"
        ) from None
