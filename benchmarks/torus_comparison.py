"""What the latent space does, and what the input does: two by two.

    PYTHONPATH=code:. python -m benchmarks.torus_comparison

trains each latent space (plane, torus) with each input (the course's sines
and cosines, the bare point) from several seeds, one thread, one after
another, and writes code/aevb/measured/torus_comparison.json after each seed.
Networks and trainings are smaller than the report's, alike in all four cells.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch

from aevb import results, torus_measures, training
from aevb.checkpoints import write_json
from aevb.torus_vae import (
    TorusConfig,
    TorusTask,
    interpolate,
    random_pairs,
)

NAME = "torus_comparison"
CELLS = [
    {"latent": latent, "frequencies": frequencies}
    for latent in ("plane", "torus")
    for frequencies in (10, 0)
]
SMALLER = {
    "epochs": 60,
    "batch_size": 250,
    "hidden_dims": (64, 64),
    "trials": 3,
    "trial_epochs": 12,
    "pairs": 300,
}


def provenance(name: str, **settings: Any) -> dict[str, Any]:
    """What the numbers depend on, for whoever repeats them."""
    kept = ("machine", "python", "torch", "numpy", "code")
    found = results.provenance()
    return {
        "command": f"PYTHONPATH=code:. python -m benchmarks.{name}",
        "date": date.today().isoformat(),
        "threads": torch.get_num_threads(),
        **{k: found[k] for k in kept},
        "settings": settings,
    }


def write(name: str, rows: list[dict[str, Any]], **settings: Any) -> None:
    """Write the rows so far, and print the last one."""
    path = Path(f"code/aevb/measured/{name}.json")
    write_json(
        path, {"provenance": provenance(name, **settings), "rows": rows}
    )
    print(json.dumps(rows[-1]), flush=True)


def measure(config: TorusConfig) -> dict[str, Any]:
    """Train and measure one model; `seconds` of processor, training alone."""
    task, began = TorusTask(config), time.process_time()
    model, _, _ = training.fit(task, torch.device("cpu"))
    seconds = time.process_time() - began
    cloud, _ = task.data(torch.device("cpu"))
    paths = interpolate(model, *random_pairs(cloud, config.pairs))
    found = torus_measures.winding(model, task.torus)
    if abs(found["winding_determinant"].value) == 1:
        found |= torus_measures.forms(model, task.torus)
    found |= torus_measures.distances(model, task.torus, cloud, paths)
    row = {k: round(v.value, 6) for k, v in found.items()}
    return {"seconds": round(seconds, 1), **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        for cell in CELLS:
            config = TorusConfig(**cell, **SMALLER, seed=seed)
            rows.append({**cell, "seed": seed, **measure(config)})
            write(NAME, rows, **config.model_dump(exclude={*cell, "seed"}))


if __name__ == "__main__":
    main()
