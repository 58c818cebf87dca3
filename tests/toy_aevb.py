"""`aevb` with experiments of a moment, for tests with real processes.

TOY_GO names a file: until it exists every step of a training waits a little.
"""

import os
import time
from pathlib import Path

from aevb import cli, evaluation, experiments, mnist_files, training
from aevb.experiments import Experiment
from aevb.settings import Config
from test_training import Line

GO = Path(os.environ["TOY_GO"])


class Slow(Line):
    """A task that takes its time until it is told to go."""

    def __init__(self, config):
        super().__init__(**config.model_dump())

    def loss(self, model, batch):
        if not GO.exists():
            time.sleep(0.02)
        return super().loss(model, batch)

    def evaluate(self, model):
        return {"weight": evaluation.mean(model.weight.detach())}


# processes that are spawned read this module again, so this holds in them
training.CHECKPOINT_SECONDS = 0.05
CONFIG = Config(epochs=40, batch_size=10, threads=1)
experiments.EXPERIMENTS = {
    "one": Experiment("toy_aevb:Slow", CONFIG, {}),
    "two": Experiment("toy_aevb:Slow", CONFIG, {}),
}
experiments.STUDIES = {}
mnist_files.fetch = lambda: None

if __name__ == "__main__":
    cli.main()
