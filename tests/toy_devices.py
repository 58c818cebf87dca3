"""`aevb` with a training that can be split, and that says who is at it."""

import os
import time
from pathlib import Path

from aevb import cli, experiments
from aevb.experiments import Experiment
from aevb.settings import AEConfig

SETTINGS = {"epochs": 30, "batch_size": 16, "train_size": 64}
SMALL = Experiment(
    "toy_devices_task:Small",
    AEConfig(optimizer="adamw", precision="float32", **SETTINGS),
    {},
)

# a process that is spawned reads this module again, under the other name
if __name__ in ("__main__", "__mp_main__"):
    experiments.EXPERIMENTS = {"small": SMALL}


def slowly() -> None:
    """Take time, until TOY_GO exists."""
    if not Path(os.environ["TOY_GO"]).exists():
        time.sleep(0.02)


if __name__ == "__main__":
    cli.main()
