"""The command line: `aevb train ae --epochs 5`, `aevb verify-kl`."""

import io
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, Literal, cast

import torch
import tyro

from aevb import data, experiments, results, studies, training
from aevb.errors import UserError
from aevb.evaluation import Estimate
from aevb.mnist import VAEConfig, binary_test_images
from aevb.progress import Progress


def show(estimate: Estimate) -> str:
    """`130.42 +- 0.26 (n = 10000)`."""
    error = estimate.standard_error
    if error is None:
        return f"{estimate.value:.6g}"
    return f"{estimate.value:.5g} +- {error:.2g} (n = {estimate.n})"


def report(run: experiments.Run) -> None:
    print(f"{run.name}: {run.seconds:.1f} s, key {run.key}")
    for name, estimate in run.metrics.items():
        print(f"  {name:24} {show(estimate)}")


def train(name: str, settings: list[str]) -> None:
    """Train one experiment with its own settings as options, or find it."""
    config = experiments.configure(name)[1]
    changed = tyro.cli(
        type(config),
        default=config,
        args=settings,
        prog=f"aevb train {name}",
        description=f"Train {name!r}, or find its finished run.",
    )
    report(experiments.run(name, **changed.model_dump()))


def train_all() -> None:
    """Train every experiment, measure every study, write the numbers."""
    data.fetch()
    at_once(experiments.run, experiments.EXPERIMENTS)
    at_once(experiments.study, experiments.STUDIES)
    runs = [experiments.run(name) for name in experiments.EXPERIMENTS]
    summaries = {
        name: experiments.study(name)["summary"]
        for name in experiments.STUDIES
    }
    results.write(runs, summaries)
    for run in runs:
        report(run)
    print(f"every number is in {results.PATH}")


def at_once(get: Callable[[str], Any], names: Iterable[str]) -> None:
    """Make all results of these names, each in a process of one thread.

    On a GPU they take turns. What is made already is only looked at.
    """
    on_gpu = training.resolve_device("auto").type != "cpu"
    with ProcessPoolExecutor(
        max_workers=1 if on_gpu else os.cpu_count(),
        mp_context=get_context("spawn"),
        initializer=_in_turn,
    ) as pool:
        making = {pool.submit(_make, get.__name__, n): n for n in names}
        with Progress(f"{get.__name__} all", len(making)) as bar:
            for done in as_completed(making):
                done.result()
                bar.update()


def _in_turn() -> None:
    """Make a process one of several: one thread, and no bar of its own."""
    torch.set_num_threads(1)
    sys.stderr = io.StringIO()


def _make(kind: str, name: str) -> None:
    """In a process of its own: make a run or a study, and keep it."""
    getattr(experiments, kind)(name)


def fetch() -> None:
    """Fetch MNIST and check its bytes."""
    mnist = data.load_mnist("cpu")
    print(
        f"MNIST: {len(mnist.train.images)} training and "
        f"{len(mnist.test.images)} test images, bytes as published"
    )


def verify_kl(
    model: Literal["untrained", "vae_kl", "vae_sgvb"] = "vae_kl",
    images: int = 64,
    samples: int = 4000,
    seed: int = 0,
) -> None:
    """Check the analytical KL against its Monte Carlo estimate.

    Args:
        model: which model; a trained one is trained first if need be.
        images: binary test images in the fixed batch.
        samples: Monte Carlo samples an image.
        seed: of the samples.
    """
    if model == "untrained":
        config = experiments.configure("vae_kl")[1]
        vae = studies.untrained(cast(VAEConfig, config))
    else:
        vae = experiments.run(model).model
    device = next(vae.parameters()).device
    x = binary_test_images(device, images)
    found = studies.verify_kl(vae, x, samples, seed)
    print(
        f"{model}: KL {found['analytical']:.6f} nats in closed form, "
        f"{found['monte_carlo']:.6f} +- {found['standard_error']:.6f} from "
        f"{samples} samples of {images} images: "
        f"{found['difference']:+.2f} standard errors apart, they agree"
    )


def main() -> None:
    """Run a command; a user's fault is one line and exit status 2."""
    args: list[str] = sys.argv[1:]
    try:
        if args[:1] == ["train"] and len(args) > 1 and args[1][0] != "-":
            train(args[1], args[2:])
            return
        commands: dict[str, Any] = {
            "fetch": fetch,
            "train-all": train_all,
            "verify-kl": verify_kl,
        }
        tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="aevb",
            args=args,
            description="`aevb train NAME` trains one experiment: "
            f"{', '.join(experiments.EXPERIMENTS)}. Its settings are "
            "options: `aevb train NAME --help` lists them.",
        )
    except UserError as error:
        print(f"aevb: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        runs = experiments.runs_folder()
        print(
            f"\naevb: stopped; what was done is kept in {runs}{os.sep}, and "
            "the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(130)
