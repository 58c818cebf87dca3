"""The command line: `aevb train ae --epochs 5`, `aevb verify-kl`."""

import os
import sys
from typing import Annotated, Any

import tyro
from tyro.conf import arg

from aevb import data, experiments
from aevb.errors import UserError
from aevb.evaluation import Estimate


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
    """Train every experiment and measure every study of the report."""
    for name in experiments.EXPERIMENTS:
        report(experiments.run(name))
    for name in experiments.STUDIES:
        experiments.study(name)
        print(f"{name}: measured")


def fetch() -> None:
    """Fetch MNIST and check its bytes."""
    mnist = data.load_mnist("cpu")
    print(
        f"MNIST: {len(mnist.train.images)} training images, "
        f"{len(mnist.test.images)} test images, digests as published"
    )


def verify_kl(
    experiment: Annotated[str, arg(help="vae_kl or vae_sgvb")] = "vae_kl",
    samples: int = 4000,
    seed: int = 0,
) -> None:
    """Compare the analytical KL with its Monte Carlo estimate."""
    raise NotImplementedError


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
        tyro.extras.subcommand_cli_from_dict(commands, prog="aevb", args=args)
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
