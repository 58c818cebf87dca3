"""How soon training reaches a quality, beside other programs.

    PYTHONPATH=code python benchmarks/speed.py [--pairs 5] [--limit 100]

trains a VAE with 20 latents on binary MNIST, in turn by a plain loop over a
DataLoader as in pytorch's example, by pythae's trainer (`pip install --no-deps
pythae` will do) and by this report's, each with its own settings and the first
two with this report's network, batch and rate as well; it notes the seconds
of training (judging, ten times an epoch, stops the clock) at which the ELBO of
LEVELS is reached on TEST test images, and writes
code/aevb/measured/speed.json, or speed_bfloat16.json where the processor has
units for bfloat16, of which this report's loop alone makes use. Programs
alternate, so that each pair of times is of one moment of the machine.
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from aevb import data, mnist_files, results
from aevb.checkpoints import write_json
from aevb.models import VAE
from aevb.objectives import negative_elbo
from aevb.settings import VAEConfig
from aevb.tasks import PIXELS, VAETask, binary_test_images
from aevb.training import Trainer, has_fast_bfloat16

FOLDER = Path("code/aevb/measured")
CPU = torch.device("cpu")
LEVELS = (-112.0, -105.0, -100.0)
TEST = 2000  # test images
IMAGES, PARTS = 60_000, 10  # training images; judgements in an epoch
THEIRS: dict[str, Any] = {"hidden_dims": (400, 40), "batch": 128, "lr": 1e-3}
OURS: dict[str, Any] = {"hidden_dims": (144, 144, 40), "batch": 256}
OURS |= {"lr": 3e-3}


def ours(**settings: Any) -> VAEConfig:
    """The settings that this report would take for such a network."""
    base = {
        "hidden_dims": OURS["hidden_dims"],
        "batch_size": OURS["batch"],
        "lr": 0.016,  # falls to zero; what the others hold is less
        "warmup": 0.02,
        "optimizer": "muon",
        "muon_rms": 0.3,
        "epochs": 4,
        "ema": 0.98,
        "device": "cpu",
    }
    return VAEConfig(**{**base, **settings})


class Reached(Exception):
    """The last level is reached, or the time is over."""


class Watch:
    """Notes when each level is first reached; judging is not counted."""

    def __init__(self, limit: float) -> None:
        self.limit = limit  # seconds after which one gives up
        self.x = binary_test_images(CPU, TEST)
        self.curve: list[tuple[float, float]] = []
        self.steps, self.seconds = 0, 0.0
        self.clock = time.perf_counter()

    def step(self, model: VAE, batch: int) -> None:
        """Told of every step, it judges after each part of an epoch."""
        self.steps += 1
        if self.steps % (IMAGES // batch // PARTS) == 0:
            self.look(model)

    @torch.no_grad()
    def look(self, model: VAE) -> None:
        self.seconds += time.perf_counter() - self.clock
        states = torch.get_rng_state()
        torch.manual_seed(0)
        elbo = -negative_elbo(model, self.x)["loss"].item()
        torch.set_rng_state(states)
        self.curve.append((self.seconds, elbo))
        if elbo > max(LEVELS) or self.seconds > self.limit:
            raise Reached
        self.clock = time.perf_counter()

    def first(self, level: float) -> float | None:
        return next((s for s, elbo in self.curve if elbo >= level), None)


def plain(watch: Watch, hidden_dims: Any, batch: int, lr: float) -> None:
    """A DataLoader, one image at a time from PIL to a tensor, and Adam."""
    images = datasets.MNIST(
        mnist_files.raw_folder().parents[1], transform=transforms.ToTensor()
    )
    loader = DataLoader(images, batch_size=batch, shuffle=True)
    model = VAE(PIXELS, list(hidden_dims))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    while True:
        for grey, _label in loader:
            optimizer.zero_grad()
            loss = negative_elbo(model, torch.bernoulli(grey.flatten(1)))
            loss["loss"].backward()
            optimizer.step()
            watch.step(model, batch)


def pythae(watch: Watch, hidden_dims: Any, batch: int, lr: float) -> None:
    """pythae's VAE and BaseTrainer; its data are one fixed binarisation."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig as PythaeConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    model = VAE(PIXELS, list(hidden_dims))

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Any:
            mean, logvar = model.encode(x.flatten(1))
            return ModelOutput(embedding=mean, log_covariance=logvar)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def forward(self, z: Tensor) -> Any:
            pixels = model.decode(z).view(-1, 1, 28, 28)
            return ModelOutput(reconstruction=pixels)

    class Look(TrainingCallback):  # type: ignore[misc]
        def on_train_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            watch.step(model, batch)

    encoder, decoder = Encoder(), Decoder()
    encoder.network, decoder.network = model.encoder, model.decoder
    config = PythaeConfig((1, 28, 28), model.z_size)
    config.reconstruction_loss = "bce"
    x = data.binarize(data.load_mnist().train.images, "fixed")
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=1000,
            learning_rate=lr,
            per_device_train_batch_size=batch,
            optimizer_cls="Adam",
            no_cuda=True,
        )
        dataset = BaseDataset(x.view(-1, 1, 28, 28), torch.zeros(len(x)))
        BaseTrainer(
            PythaeVAE(config, encoder=encoder, decoder=decoder),
            dataset,
            training_config=settings,
            callbacks=[Look()],
        ).train()


def report(watch: Watch) -> None:
    """`training.fit` without its checkpoints and curves."""
    trainer = Trainer(VAETask(ours()), CPU)
    for rows in trainer.batches():
        trainer.take_step(rows)
        watch.step(trainer.result, len(rows))


PROGRAMS: dict[str, Callable[[Watch], None]] = {
    "plain": lambda watch: plain(watch, **THEIRS),
    "plain, our settings": lambda watch: plain(watch, **OURS),
    "pythae": lambda watch: pythae(watch, **THEIRS),
    "pythae, our settings": lambda watch: pythae(watch, **OURS),
    "ours": report,
}


def race(pairs: int, limit: float) -> list[dict[str, Any]]:
    """Seconds to each level, None if never, and the last judgement."""
    rows = []
    for _ in range(pairs):
        row: dict[str, Any] = {}
        for name, train in PROGRAMS.items():
            watch = Watch(limit)
            quiet = contextlib.redirect_stdout(io.StringIO())
            loud = contextlib.redirect_stderr(io.StringIO())
            with contextlib.suppress(Reached), quiet, loud:
                train(watch)
            row[name] = {
                "seconds": [watch.first(level) for level in LEVELS],
                "last": watch.curve[-1],
            }
        rows.append(row)
        print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--limit", type=float, default=100.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        "levels": LEVELS,
        "limit": asked.limit,
        "test_images": TEST,
        "settings": {"theirs": THEIRS, "ours": ours().model_dump()},
        "race": race(asked.pairs, asked.limit),
        "provenance": results.provenance(),
    }
    name = "speed_bfloat16" if has_fast_bfloat16(CPU) else "speed"
    write_json(FOLDER / f"{name}.json", found)


if __name__ == "__main__":
    main()
