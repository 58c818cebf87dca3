"""The toroidal VAE from 20 seeds, and on tori of other proportions.

    PYTHONPATH=code python benchmarks/torus_seeds.py

trains the model of Problem 4(c) with the report's settings, one thread, one
after another, and writes code/aevb/measured/torus_seeds.json, which the
report shows as tables. `seconds` is the training alone, by the wall clock.
"""

import argparse
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from aevb import training
from aevb.checkpoints import write_json
from aevb.settings import TorusConfig
from aevb.torus_vae import TorusTask

TARGET = Path("code/aevb/measured/torus_seeds.json")
RATIOS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SHOWN = (
    "reconstruction_error_mean",
    "reconstruction_error_max",
    "interpolation_offset_mean",
    "interpolation_offset_p95",
    "interpolation_offset_max",
    "winding_determinant",
    "betti_0",
    "betti_1",
    "betti_2",
    "stretch_ratio",
    "path_ratio_mean",
)


def measure(config: TorusConfig) -> dict[str, Any]:
    """Train and evaluate one model."""
    task = TorusTask(config)
    model, _, seconds = training.fit(task, torch.device("cpu"))
    torch.manual_seed(config.seed)
    metrics = task.evaluate(model)
    row = {"seed": config.seed, "R": config.R, "r": config.r}
    row["seconds"] = round(seconds, 1)
    row |= {k: round(metrics[k].value, 6) for k in SHOWN}
    print(row, flush=True)
    return row


def provenance(config: TorusConfig) -> dict[str, Any]:
    """What the numbers depend on, for whoever repeats them."""
    return {
        "command": "PYTHONPATH=code python benchmarks/torus_seeds.py",
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "pairs": config.pairs,
        "points_per_path": 101,
        "settings": config.model_dump(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--epochs", type=int, default=0, help="0: the report's"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    brief = {"epochs": arguments.epochs} if arguments.epochs else {}
    seeds = [
        measure(TorusConfig(seed=s, **brief)) for s in range(arguments.seeds)
    ]
    ratios = [measure(TorusConfig(r=r, **brief)) for r in RATIOS]
    about = provenance(TorusConfig(**brief))
    write_json(TARGET, {"provenance": about, "seeds": seeds, "ratios": ratios})


if __name__ == "__main__":
    main()
