"""The evaluation of one model in parts, on as many machines as there are.

The unit is a block of `evaluation.IMAGES` test images, whose noise depends on
its number alone. Part i of n holds the blocks i, i + n, i + 2 n, and so on, so
each image has the same value however the blocks are split, and the merged
numbers are those of one process, bit for bit where the parts were measured on
processors of one kind.
"""

from pathlib import Path
from typing import Any

import torch

from aevb import checkpoints, evaluation, runs
from aevb.errors import UserError
from aevb.settings import VAEConfig
from aevb.tasks import binary_test_images


def _found(name: str, config: VAEConfig) -> tuple[Any, Any, str, int]:
    """The run, its test images, what parts must agree on, and the number of
    blocks."""
    torch.set_num_threads(config.threads)
    run, judged = runs.trained(name, **config.model_dump())
    x = binary_test_images(run.device, config.test_size)
    # two trainings under one key differ in rounding, where machines do
    of = f"{run.key}-{judged}-{checkpoints.digest('', run.weights)[:12]}"
    return run, x, of, -(-len(x) // evaluation.IMAGES)


def write(
    name: str, config: VAEConfig, i: int, n: int, folder: str | None = None
) -> Path:
    """Measure part i of n, from 1, of a trained run; the file with it.

    It lies in `folder`, or in that of the run; what is there is not
    measured again.

    Raises:
        UserError: the run is not trained; there are fewer than n blocks;
            the file cannot be written.
    """
    run, x, of, blocks = _found(name, config)
    if n > blocks:
        raise UserError(
            f"shard: there are {blocks} blocks of {evaluation.IMAGES} "
            f"images, so take at most {blocks} parts, not {n}"
        )
    path = _path(Path(folder or run.folder), i, n, of)
    if not path.exists():
        which = range(i - 1, blocks, n)
        samples, precision = config.importance_samples, config.precision
        found = evaluation.measure(run.model, x, which, samples, precision)
        checkpoints.save(path, {"of": of, "blocks": list(which), "is": found})
    return path


def merge(name: str, config: VAEConfig, folder: str | None = None) -> runs.Run:
    """The run with the numbers that the parts in `folder` give, which are
    kept as if they had been measured here.

    Raises:
        UserError: parts are missing or of another model; one is damaged.
    """
    run, x, of, blocks = _found(name, config)
    place = Path(folder or run.folder)
    here = set(place.glob(f"shard-*-{of}.safetensors"))
    counts = {int(path.name.split("-")[3]) for path in here}
    absent = {
        n: [i for i in range(1, n + 1) if _path(place, i, n, of) not in here]
        for n in counts or {1}
    }
    n = min(absent, key=lambda n: len(absent[n]))
    if absent[n]:
        missing = ", ".join(f"{i}/{n}" for i in absent[n])
        raise UserError(
            f"{place} lacks parts of this model and these settings: "
            f"{missing}; measure each with `aevb evaluate {name} --shard "
            "i/n`, or bring them there"
        )
    found: dict[int, evaluation.Measured] = {}
    for i in range(1, n + 1):
        part = checkpoints.load(path := _path(place, i, n, of))
        if part["of"] != of:
            raise UserError(f"{path} is a part of another model; delete it")
        found |= zip(part["blocks"], part["is"], strict=True)
    parts = [found[block] for block in range(blocks)]
    metrics = evaluation.summary(
        run.model, x, parts, config.importance_samples
    )
    return runs.judge(name, metrics, **config.model_dump())


def _path(folder: Path, i: int, n: int, of: str) -> Path:
    return folder / f"shard-{i}-of-{n}-{of}.safetensors"
