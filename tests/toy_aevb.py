"""`aevb` with experiments of a moment, for tests with and without processes.

TOY_GO names a file: until it exists every step of a training waits a little.
"""

import os
import time
from pathlib import Path

import torch

from aevb import agenda, cli, evaluation, experiments, mnist_files, training
from aevb.experiments import Experiment
from aevb.settings import Config


class Line(training.Task):
    """Noisy regression on a line: small enough to train in a moment."""

    def __init__(self, **settings):
        defaults = {"epochs": 3, "batch_size": 10, "lr": 0.05}
        self.config = Config(**{**defaults, **settings})

    def model(self):
        return torch.nn.Linear(2, 1)

    def data(self, device):
        x = torch.randn(103, 2, generator=torch.Generator().manual_seed(7))
        return x.to(device), x[:20].to(device)

    def loss(self, model, batch):
        target = batch @ torch.tensor([[2.0], [-1.0]]) + 0.5
        noise = 0.01 * torch.randn_like(target)
        return {"loss": (model(batch) - target - noise).square().mean()}


class Diverging(Line):
    """The same, with a loss that is not a number at step 10 (its twelfth
    call: the eleventh is the first epoch's held-out loss)."""

    calls = 0

    def loss(self, model, batch):
        self.calls += 1
        terms = super().loss(model, batch)
        return {"loss": terms["loss"] * (float("nan"), 1)[self.calls != 12]}


class Toy(Line):
    """A line that is built from settings, as a task of the table is."""

    def __init__(self, config):
        super().__init__(**config.model_dump())

    def evaluate(self, model):
        return {"weight": evaluation.mean(model.weight.detach().flatten())}


class Counted(Toy):
    """A task whose trainings are counted in a file."""

    log = None

    def data(self, device):
        with self.log.open("a") as file:
            file.write("trained\n")
        return super().data(device)

    def failure(self, metrics):
        return "the weight is 99" if metrics["weight"].value == 99 else None


class Diverged(Diverging):
    def __init__(self, config):
        super().__init__(**config.model_dump())

    def evaluate(self, model):
        raise AssertionError("a diverged model was evaluated")


class Slow(Toy):
    """A task that takes its time until it is told to go."""

    def loss(self, model, batch):
        if not Path(os.environ["TOY_GO"]).exists():
            time.sleep(0.02)
        return super().loss(model, batch)


ONE = {
    "one": Experiment("toy_aevb:Slow", Config(epochs=40, batch_size=10), {})
}


def outcome(line):
    """What a job of a cluster gives, of such experiments."""
    from aevb import sweep

    experiments.EXPERIMENTS = ONE
    return sweep.outcome(line)


# a process that is spawned reads this module again, under the other name
if __name__ in ("__main__", "__mp_main__"):
    training.CHECKPOINT_SECONDS = 0.05
    experiments.EXPERIMENTS = ONE
    agenda.product_rate = lambda: 50.0
    experiments.STUDIES = {}
    mnist_files.fetch = lambda: None

if __name__ == "__main__":
    cli.main()
