"""How fast training is, beside other programs, and where its time goes.

    PYTHONPATH=code python benchmarks/speed.py

trains one network (784-400-20, batch 128, Adam, binary pixels drawn at each
use) in turn by (a) a plain loop over a DataLoader with ToTensor in float32,
(b) pythae's own trainer (`pip install pythae`), (c) `fit`, and (d) `fit` for
half as many epochs, after which its ELBO is about that of the others, and
writes code/aevb/measured/speed.json. Programs alternate, so that each pair of
times is of one moment of the machine; their ratio is what is quoted. Times
are by the wall clock, from the images on disk or in memory to the trained
model.
"""

import argparse
import contextlib
import importlib.util
import io
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from aevb import data, evaluation, mnist_files, results, training
from aevb.checkpoints import write_json
from aevb.experiments import EXPERIMENTS
from aevb.models import VAE
from aevb.objectives import negative_elbo
from aevb.settings import VAEConfig
from aevb.tasks import PIXELS, VAETask, binary_test_images

TARGET = Path("code/aevb/measured/speed.json")
CPU = torch.device("cpu")
BATCH, WIDTH, LATENT, LR = 128, 400, 20, 1e-3
TEST = 2000


def config(**settings: Any) -> VAEConfig:
    """The compared network, with plain Adam: no decay, no average.

    The rate falls to zero, from two and a half times that of the others.
    """
    plain = {
        "hidden_dims": (WIDTH, 2 * LATENT),
        "batch_size": BATCH,
        "lr": 2.5 * LR,
        "weight_decay": 0.0,
        "beta2": 0.999,
        "ema": 0.0,
        "device": "cpu",
    }
    return VAEConfig(**{**plain, **settings})


def plane() -> VAEConfig:
    """The settings of the report's VAE with two latent dimensions."""
    settings = EXPERIMENTS["vae_kl"].config.model_dump()
    return VAEConfig(**{**settings, "device": "cpu"})


def grey_images() -> datasets.MNIST:
    """torchvision's data set, as its tutorials use it."""
    mnist_files.fetch()
    return datasets.MNIST(
        data.raw_folder().parents[1], transform=transforms.ToTensor()
    )


def plain_loop(epochs: int, threads: int) -> VAE:
    """A DataLoader, float32, one image at a time from PIL to a tensor."""
    torch.set_num_threads(threads)
    loader = DataLoader(grey_images(), batch_size=BATCH, shuffle=True)
    model = VAE(PIXELS, [WIDTH, 2 * LATENT])
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    for _ in range(epochs):
        for grey, _label in loader:
            x = torch.bernoulli(grey.flatten(1))
            optimizer.zero_grad()
            negative_elbo(model, x)["loss"].backward()
            optimizer.step()
    return model


def ours(epochs: int, threads: int) -> Any:
    task = VAETask(config(epochs=epochs, threads=threads))
    return training.fit(task, CPU)[0]


def ours_half(epochs: int, threads: int) -> Any:
    return ours(epochs // 2, threads)


def pythae_trainer(epochs: int, threads: int) -> Any:
    """pythae's VAE and BaseTrainer; its data set is one float32 tensor."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig as PythaeConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    # its own networks are 512 wide; these are the ones compared
    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = VAE(PIXELS, [WIDTH, 2 * LATENT]).encoder

        def forward(self, x: Tensor) -> Any:
            mean, logvar = self.network(x.flatten(1)).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=logvar)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = VAE(PIXELS, [WIDTH, 2 * LATENT]).decoder

        def forward(self, z: Tensor) -> Any:
            pixels = torch.sigmoid(self.network(z))
            return ModelOutput(reconstruction=pixels.view(-1, 1, 28, 28))

    torch.set_num_threads(threads)
    images = data.load_mnist().train.images
    x = data.binarize(images, "fixed").view(-1, 1, 28, 28)
    model = PythaeVAE(
        PythaeConfig(
            input_dim=(1, 28, 28),
            latent_dim=LATENT,
            reconstruction_loss="bce",
        ),
        encoder=Encoder(),
        decoder=Decoder(),
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=LR,
            per_device_train_batch_size=BATCH,
            optimizer_cls="Adam",
            no_cuda=True,
        )
        BaseTrainer(
            model,
            BaseDataset(x, torch.zeros(len(x))),
            training_config=settings,
        ).train()
    return model


@torch.no_grad()
def pythae_elbo(model: Any, x: Tensor) -> float:
    """Minus pythae's own loss: a single sample, Bernoulli, KL as ours."""
    from pythae.data.datasets import DatasetOutput

    inputs = DatasetOutput(data=x.view(-1, 1, 28, 28))
    return -model.eval()(inputs).loss.item()


def our_elbo(model: VAE, x: Tensor) -> float:
    return evaluation.evaluate_vae(model, x, 10)["test_elbo"].value


def timed(train: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """Seconds of a training that says nothing, and its model."""
    logging.disable(logging.WARNING)
    quiet = contextlib.redirect_stderr(io.StringIO())
    with quiet, contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        model = train(*args)
        return time.perf_counter() - start, model


def programs() -> dict[str, tuple[Callable[..., Any], Callable[..., float]]]:
    """The programs, each with its own test ELBO."""
    found: dict[str, Any] = {
        "plain": (plain_loop, our_elbo),
        "ours": (ours, our_elbo),
        "ours_half": (ours_half, our_elbo),
    }
    if not importlib.util.find_spec("pythae"):
        raise SystemExit("pythae is not installed: pip install pythae")
    found["pythae"] = (pythae_trainer, pythae_elbo)
    return found


def ratio(rows: list[dict[str, Any]], rival: str, ours: str) -> dict[str, Any]:
    """Seconds of a rival over those of ours, over the pairs."""
    found = [row[rival]["seconds"] / row[ours]["seconds"] for row in rows]
    return {
        "median": round(median(found), 2),
        "least": round(min(found), 2),
        "most": round(max(found), 2),
        "pairs": len(found),
    }


def race(pairs: int, epochs: int, threads: int) -> dict[str, Any]:
    """All programs in turn, several times; `epochs` is even."""
    x = binary_test_images(CPU, TEST)
    rows: list[dict[str, Any]] = []
    for _ in range(pairs):
        row: dict[str, Any] = {}
        for name, (train, judge) in programs().items():
            seconds, model = timed(train, epochs, threads)
            row[name] = {
                "seconds": round(seconds, 2),
                "test_elbo": round(judge(model, x), 2),
            }
        rows.append(row)
        print(row, flush=True)
    rivals = [name for name in rows[0] if not name.startswith("ours")]
    return {
        "network": [PIXELS, WIDTH, LATENT],
        "batch_size": BATCH,
        "test_images": TEST,
        "epochs": epochs,
        "threads": threads,
        "rows": rows,
        "ratio": {r: ratio(rows, r, "ours") for r in rivals},
        "ratio_half": {r: ratio(rows, r, "ours_half") for r in rivals},
    }


# -- where the cost goes ------------------------------------------------------


def milliseconds(call: Callable[[], Any], n: int = 60) -> float:
    """Median time of a call, after ten to warm up."""
    times = []
    for i in range(n + 10):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        if i == 9:
            times.clear()
    return 1e3 * median(times)


def parts(settings: VAEConfig, n: int = 60) -> dict[str, float]:
    """Median milliseconds of each part of a step, and of the whole.

    The parts are timed within the same steps, as `Trainer.take_step` does
    them.
    """
    trainer = training.Trainer(VAETask(settings), CPU)
    batches = trainer.batches()
    times: dict[str, list[float]] = {}
    clock = time.perf_counter()

    def tick(part: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        times.setdefault(part, []).append(1e3 * (now - clock))
        clock = time.perf_counter()

    for _ in range(n):
        clock = start = time.perf_counter()
        rows = next(batches)
        tick("gather the batch")
        x = trainer.task.draw(rows, 0.0)
        tick("draw binary pixels")
        with training.autocast(CPU, settings.precision):
            loss = trainer.task.loss(trainer.model, x)["loss"]
        tick("forward")
        trainer.model.zero_grad(set_to_none=True)
        loss.backward()
        tick("backward")
        for optimizer in trainer.optimizers:
            optimizer.step()
        tick("optimizer")
        if settings.ema:
            trainer.move_average()
        tick("average the weights")
        clock = start
        tick("a whole step")
    return {part: median(values[10:]) for part, values in times.items()}


def rate(settings: VAEConfig) -> float:
    """GFLOP/s of a square matrix product in the training's precision."""
    fast = training.has_fast_bfloat16(CPU)
    dtype = torch.bfloat16 if fast else torch.float32
    a = torch.randn(1024, 1024).to(dtype)
    torch.set_num_threads(settings.threads)
    return 2 * 1024**3 / milliseconds(lambda: a @ a) / 1e6


def cost(settings: VAEConfig) -> dict[str, Any]:
    """The step's parts beside its matrix products at the measured rate."""
    torch.set_num_threads(settings.threads)
    model = VAETask(settings).model()
    macs = sum(w.numel() for w in model.parameters() if w.ndim == 2)
    found = rate(settings)
    first = model.encoder[0].weight.numel()  # no gradient for the input
    flops = 2 * settings.batch_size * (3 * macs - first)
    return {
        "hidden_dims": list(settings.hidden_dims),
        "batch_size": settings.batch_size,
        "threads": settings.threads,
        "milliseconds": {k: round(v, 3) for k, v in parts(settings).items()},
        "gflop_per_step": round(flops / 1e9, 3),
        "gflop_per_second": round(found, 1),
        "limit_milliseconds": round(flops / 1e6 / found, 3),
    }


# -- how the cost grows -------------------------------------------------------


def growth() -> dict[str, Any]:
    """Seconds against training images, width and importance samples."""

    def train(**settings: Any) -> float:
        task = VAETask(config(epochs=1, **settings))
        return round(training.fit(task, CPU)[2], 2)

    sizes = (10_000, 20_000, 40_000, 60_000)
    widths = (100, 200, 400, 800)
    model, x = VAETask(config()).model().eval(), binary_test_images(CPU, 500)
    samples = (10, 100, 1000)

    def evaluate(n: int) -> float:
        start = time.perf_counter()
        evaluation.evaluate_vae(model, x, n)
        return round(time.perf_counter() - start, 2)

    return {
        "seconds_by_images": {n: train(train_size=n) for n in sizes},
        "seconds_by_width": {
            w: train(hidden_dims=(w, 2 * LATENT)) for w in widths
        },
        "seconds_by_samples": {n: evaluate(n) for n in samples},
        "megabytes_by_samples": {n: peak_memory(n) for n in samples},
    }


def peak_memory(samples: int) -> float:
    """Peak resident megabytes of a process that evaluates with S samples."""
    command = [sys.executable, __file__, "--evaluate", str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def evaluate_alone(samples: int) -> None:
    """In a process of its own: evaluate, then print the peak memory."""
    torch.set_num_threads(1)
    model = VAETask(config()).model().eval()
    evaluation.evaluate_vae(model, binary_test_images(CPU, 500), samples)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--evaluate", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.evaluate:
        evaluate_alone(arguments.evaluate)
        return
    if arguments.epochs % 2:
        parser.error("--epochs must be even: half of them are timed as well")
    torch.set_num_threads(arguments.threads)
    found = {
        "race": race(arguments.pairs, arguments.epochs, arguments.threads),
        "cost": [cost(config()), cost(plane())],
        "growth": growth(),
        "provenance": results.provenance(),
    }
    write_json(TARGET, found)


if __name__ == "__main__":
    main()
