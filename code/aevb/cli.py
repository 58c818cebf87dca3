"""The command line: `aevb train ae --epochs 5`, `aevb verify-kl`."""

import functools
import io
import os
import re
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr, suppress
from multiprocessing import active_children, get_context, resource_tracker
from typing import Any, Literal, cast

import torch
import tyro
from tqdm import tqdm

from aevb import data, experiments, live, results, studies, training
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


def finished(verb: str, name: str, settings: list[str]) -> experiments.Run:
    """The run of an experiment with its own settings as options."""
    config = experiments.configure(name)[1]
    with one_line_faults():
        changed = tyro.cli(
            type(config),
            default=config,
            args=settings,
            prog=f"aevb {verb} {name}",
            description=f"Train {name!r}, or find its finished run.",
        )
    return experiments.run(name, **changed.model_dump())


def train(name: str, settings: list[str]) -> None:
    """Train one experiment, or find it, and print its numbers."""
    report(finished("train", name, settings))


def explore(name: str, settings: list[str]) -> None:
    """Write a page with the explorers of a run; show it where one can."""
    path = live.explore(finished("explore", name, settings)).resolve()
    print(path, flush=True)
    with suppress(webbrowser.Error):
        browser = webbrowser.get()
        # what takes a terminal over is no browser for such a page
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(path.as_uri())


def export(name: str, settings: list[str]) -> None:
    """Write the networks of a run to the file that follows --to."""
    at = settings.index("--to") if "--to" in settings[:-1] else None
    if at is None:
        raise UserError("export where? Add --to model.json, or model.onnx")
    others = settings[:at] + settings[at + 2 :]
    for path in live.export(
        finished("export", name, others), settings[at + 1]
    ):
        print(path)


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

    Raises:
        UserError: one of them failed; the others are stopped, and go on
            from their checkpoints at the next call.
    """
    on_gpu = training.resolve_device("auto").type != "cpu"
    with workers(1 if on_gpu else os.cpu_count()) as pool:
        with _interrupts_held():
            making = {pool.submit(_make, get.__name__, n): n for n in names}
        with Progress(f"{get.__name__} all", len(making)) as bar:
            for done in as_completed(making):
                done.result()
                bar.update()


@contextmanager
def workers(number: int | None) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this block, at once where it is left early.

    Raises:
        UserError: one of them was killed.
    """
    pool = ProcessPoolExecutor(
        number, mp_context=get_context("spawn"), initializer=_in_turn
    )
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError(
            "a process was killed (is there too little memory?); what was "
            f"done is kept in {experiments.runs_folder()}{os.sep}, and the "
            "same command goes on from there"
        ) from None
    finally:
        # a finished pool has none at work; what they do survives a kill
        if sys.exc_info()[0]:
            for child in active_children():
                child.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start, which inherit this.

    A terminal sends it to all of them; this one alone is to answer.
    """
    if os.name != "posix":
        yield
        return
    resource_tracker.ensure_running()  # its start would undo the mask
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _in_turn() -> None:
    """Make a process one of several: one thread, and no bar of its own."""
    torch.set_num_threads(1)
    # a lock of this process alone: tqdm's own would outlive a kill
    tqdm.set_lock(threading.RLock())
    sys.stderr.isatty = lambda: False  # type: ignore[method-assign]


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
    if not 0 < images <= 10_000:
        raise UserError(f"images must be from 1 to 10000, not {images}")
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


COMMANDS: dict[str, Callable[..., None]] = {
    "fetch": fetch,
    "train-all": train_all,
    "verify-kl": verify_kl,
}
NAMED: dict[str, Callable[[str, list[str]], None]] = {
    "train": train,
    "explore": explore,
    "export": export,
}
"""Commands that take an experiment's name and its settings."""


def parsed(args: list[str]) -> Callable[[], None]:
    """The call that the arguments ask for.

    Raises:
        UserError: they ask for none; the message names the nearest.
    """
    table = {**NAMED, **COMMANDS}
    if not args:
        raise UserError(f"which command? There are {', '.join(table)}")
    if not args[0].startswith("-"):
        experiments.find(args[0], table, "command")
    if args[0] in NAMED:
        name = next(iter(args[1:]), "")
        if name and not name.startswith("-"):
            return functools.partial(NAMED[args[0]], name, args[2:])
        if name not in ("-h", "--help"):
            known = ", ".join(experiments.EXPERIMENTS)
            raise UserError(f"{args[0]} which experiment? There are {known}")
        args = [name]
    calls = {name: _deferred(call) for name, call in COMMANDS.items()}
    with one_line_faults():
        return tyro.extras.subcommand_cli_from_dict(
            calls,
            prog="aevb",
            args=args,
            description="`aevb train NAME` trains one experiment: "
            f"{', '.join(experiments.EXPERIMENTS)}. Its settings are "
            "options: `aevb train NAME --help` lists them. `aevb explore "
            "NAME` writes a page with its explorers, `aevb export NAME --to "
            "model.json` its networks.",
        )


def _deferred(call: Callable[..., None]) -> Callable[..., Any]:
    """A function with the same signature that returns the call undone."""

    @functools.wraps(call)
    def later(*args: Any, **options: Any) -> Any:
        return functools.partial(call, *args, **options)

    return later


@contextmanager
def one_line_faults() -> Iterator[None]:
    """What tyro draws in a box, as the one sentence of a UserError.

    Raises:
        UserError: the arguments were refused.
    """
    shown = io.StringIO()
    try:
        with redirect_stderr(shown):
            yield
    except SystemExit as end:
        if not end.code:
            raise
        raise UserError(_sentence(shown.getvalue())) from None


def _sentence(box: str) -> str:
    """The text above the first rule of a box, and how to get help."""
    lines = [line.strip("\u2502 ") for line in box.splitlines()]
    rules = [i for i, x in enumerate(lines) if re.fullmatch("\u2500+", x)]
    top = lines[1 : rules[0]] if rules else lines
    text = " ".join(" ".join(top).split()).rstrip(".")
    return f"{text}; --help lists what there is"


def main() -> None:
    """Run a command; a user's fault is one line and exit status 2."""
    try:
        parsed(sys.argv[1:])()
    except UserError as error:
        print(f"aevb: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        runs = experiments.runs_folder()
        start = "\n" if sys.stderr.isatty() else ""  # after the ^C
        print(
            f"{start}aevb: stopped; what was done is kept in {runs}{os.sep}, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(130)
