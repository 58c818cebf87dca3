"""The command line: `aevb train ae --epochs 5`, `aevb verify-kl`.

PyTorch, and what needs it, is imported once the arguments are known to be
right.
"""

import functools
import io
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from itertools import dropwhile, takewhile
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import tyro

from aevb import experiments, grid, profiles
from aevb.errors import UserError
from aevb.settings import Config, VAEConfig

if TYPE_CHECKING:
    from aevb.runs import Run

T = TypeVar("T")


def configured(verb: str, name: str, settings: list[str]) -> Config:
    """An experiment's settings, of which options have changed some."""
    return typed(
        profiles.configure(name)[1],
        settings,
        f"aevb {verb} {name}",
        f"Train {name!r}, or find its finished run. "
        "`aevb train NAME --devices N` splits each batch over N devices; "
        "`aevb evaluate NAME --shard 3/16` measures a sixteenth of the "
        "test images, and `--merge` puts such parts together.",
    )


def finished(verb: str, name: str, settings: list[str]) -> "Run":
    """The run of an experiment with its own settings as options."""
    changed = configured(verb, name, settings)
    from aevb import runs

    return runs.run(name, **changed.model_dump())


def taken(option: str, settings: list[str]) -> tuple[str | None, list[str]]:
    """The value of an option, None where it is not there, and the rest."""
    for i, word in enumerate(settings):
        name, given, value = word.partition("=")
        if name != option:
            continue
        if given:
            return value, settings[:i] + settings[i + 1 :]
        if i + 1 == len(settings):
            raise UserError(f"{option} needs a value after it")
        return settings[i + 1], settings[:i] + settings[i + 2 :]
    return None, settings


def typed(default: T, args: list[str], prog: str, description: str) -> T:
    """The same, with the fields that the arguments name.

    Raises:
        UserError: the arguments were refused.
    """
    with one_line_faults():
        return tyro.cli(
            type(default),
            default=default,
            args=args,
            prog=prog,
            description=description,
        )


def train(name: str, settings: list[str]) -> None:
    """Train one experiment, or find it, and print its numbers."""
    from aevb import devices

    asked, settings = taken("--devices", settings)
    size = devices.number(asked)
    if size == 1:
        return print(finished("train", name, settings))
    devices.run(name, configured("train", name, settings), size)


def evaluate(name: str, settings: list[str]) -> None:
    """Print a run's numbers; or measure a part of the test images; or put
    the parts together."""
    shard, settings = taken("--shard", settings)
    folder, settings = taken("--to", settings)
    merge = "--merge" in settings
    settings = [word for word in settings if word != "--merge"]
    if not (shard or merge):
        if folder:
            raise UserError("--to is for parts; add --shard 1/4, or --merge")
        return print(finished("evaluate", name, settings))
    config = configured("evaluate", name, settings)
    if not isinstance(config, VAEConfig):
        raise UserError(
            f"{name} is evaluated in seconds, so there are no parts; leave "
            "out --shard and --merge"
        )
    part = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", shard or "1/1")
    if part is None or int(part[1]) > int(part[2]):
        raise UserError(
            f"shard: one of n parts is 1/n, 2/n, to n/n, not {shard!r}"
        )
    from aevb import shards

    if shard:
        print(shards.write(name, config, int(part[1]), int(part[2]), folder))
    if merge:
        print(shards.merge(name, config, folder))


def explore(name: str, settings: list[str]) -> None:
    """Write a page with the explorers of a run; show it where one can."""
    import webbrowser

    from aevb import live

    path = live.explore(finished("explore", name, settings)).resolve()
    print(path, flush=True)
    with suppress(webbrowser.Error):
        browser = webbrowser.get()
        # what takes a terminal over is no browser for such a page
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(path.as_uri())


def export(name: str, settings: list[str]) -> None:
    """Write the networks of a run to the file that follows --to."""
    to, others = taken("--to", settings)
    if to is None:
        raise UserError("export where? Add --to model.json, or model.onnx")
    from aevb import live

    for path in live.export(finished("export", name, others), to):
        print(path)


def sweep(name: str, rest: list[str]) -> None:
    """Train the product of experiments and settings; write a table."""
    names, mine, axes = grid.split([name, *rest], grid.Sweep())
    asked = typed(grid.Sweep(), mine, "aevb sweep NAMES", grid.SWEEP)
    points = grid.points(names, axes)
    if asked.print:
        train = f"{shlex.quote(sys.executable)} -m aevb train"
        print("\n".join(f"{train} {point.line}" for point in points))
        return
    grid.check_sweep(asked)
    from aevb import sweep

    sweep.sweep(points, asked)


def search(name: str, rest: list[str]) -> None:
    """Look for the settings with which a model is best."""
    names, mine, axes = grid.split([name, *rest], grid.Search())
    asked = typed(grid.Search(), mine, "aevb search NAME", grid.SEARCH)
    grid.check_search(names, axes, asked)
    from aevb import search

    search.search(names[0], axes, asked)


def train_all() -> None:
    """Train every experiment, measure every study, write the numbers."""
    profiles.check_report()
    kept = f"{profiles.runs_folder()}{os.sep}"
    print(f"profile {profiles.profile()}; what is done is kept in {kept}")
    sys.stdout.flush()
    from aevb import checkpoints, mnist_files, results

    mnist_files.fetch()
    last = profiles.runs_folder() / f"last-{profiles.profile()}.json"
    words = last.read_text("utf-8", "replace") if last.is_file() else ""
    state, _, kept = words.partition("\n")
    if state != results.state(kept):  # else nothing needs PyTorch
        kept, well = _everything()
        if well:
            checkpoints.write_text(last, f"{results.state(kept)}\n{kept}")
    numbers, lines = json.loads(kept)
    results.write(numbers, results.PATH)
    print(lines)
    print(f"every number is in {results.PATH}")


def _everything() -> tuple[str, bool]:
    """All numbers and the lines that tell them, as JSON; whether no
    training has failed."""
    from aevb import agenda, results, runs, workers

    if jobs := agenda.missing():
        names = ", ".join(name for _, name in jobs)
        time = agenda.estimate([agenda.cost(job) for job in jobs])
        print(f"to do: {names}; {time}", flush=True)
        workers.make(jobs, agenda.do, agenda.number(jobs), agenda.needs)
    finished = [runs.run(name) for name in experiments.EXPERIMENTS]
    studies = {n: runs.study(n)["summary"] for n in experiments.STUDIES}
    lines = "\n".join(map(str, finished))
    numbers = results.gather(finished, studies)
    well = not any(run.failure for run in finished)
    return json.dumps([numbers, lines]), well


def fetch() -> None:
    """Fetch MNIST and check its bytes."""
    from aevb import mnist_files

    train, _, test, _ = map(len, mnist_files.fetch())
    print(
        f"MNIST: {train} training and {test} test images, bytes as published"
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
    from aevb import runs, studies
    from aevb.tasks import binary_test_images

    if model == "untrained":
        config = profiles.configure("vae_kl")[1]
        vae = studies.untrained(cast(Any, config))
    else:
        vae = runs.run(model).model
    x = binary_test_images(next(vae.parameters()).device, images)
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
    f.__name__: f for f in (train, evaluate, explore, export, sweep, search)
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
        profiles.find(args[0], table, "command")
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
            "model.json` its networks. `aevb sweep NAMES --seed 0..9` trains "
            "a product of settings, `aevb search NAME --lr 1e-3..1e-2` looks "
            "for the best; --help after either says more.",
        )


def _deferred(call: Callable[..., None]) -> Callable[..., Any]:
    """A function with the same signature that returns the call undone."""
    return functools.wraps(call)(
        lambda *args, **options: functools.partial(call, *args, **options)
    )


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
    """The text between the title, with its rule where it has one, and the
    next rule of a box; and how to get help."""
    _, *lines = (line.strip("\u2502 ") for line in box.splitlines())
    rule = re.compile("[\u2500-]{3,}").fullmatch
    body = takewhile(lambda line: not rule(line), dropwhile(rule, lines))
    text = " ".join(" ".join(body).split()).rstrip(".")
    return f"{text}; --help lists what there is"


def _stop(number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt(number)


def main() -> None:
    """Run a command; a user's fault is one line and exit status 2."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no hang-up
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        parsed(sys.argv[1:])()
    except UserError as error:
        print(f"aevb: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        runs = profiles.runs_folder()
        start = "\n" if sys.stderr.isatty() else ""  # after the ^C
        print(
            f"{start}aevb: stopped; what was done is kept in {runs}{os.sep}, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(128 + (stop.args or (signal.SIGINT,))[0])
