"""What `aevb sweep` and `aevb search` are asked for: typed, or refused.

Names come first, then options: the command's own, and settings of the
experiments with their values. Nothing here imports PyTorch, so that what is
refused is refused at once.
"""

import itertools
import math
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_origin

from pydantic import TypeAdapter, ValidationError

from aevb import profiles
from aevb.errors import UserError
from aevb.settings import MnistConfig

MOST = 10_000
"""Runs in a sweep; more are a slip of the fingers."""
HELD_OUT = 5000
"""The last training images, which a search trains on never and judges by."""

SWEEP = """Train the product of experiments and settings, and tabulate it:
`aevb sweep vae_kl vae_sgvb --seed 0..9 --coeff 0.5 1 2`. Every setting of
`aevb train NAME --help` is an option here, with one or more values, A..B for
whole numbers from A to B, and widths joined by commas (192,192,4). What is
finished is found, and the same command goes on where one was stopped."""
SEARCH = """Look for the settings with which a model is best, by Optuna:
`aevb search vae_kl --lr 1e-3..1e-2 --beta2 0.9 0.95 --seconds 600`. A setting
has a range A..B (by its logarithm from a factor of ten on), a list to choose
from, or one value. Models on MNIST are trained without the last 5000 training
images and judged by those (VAEs by their NLL, the auto-encoder by its squared
error), the torus by its loss on points that it was not trained on: never by a
test image. The same command goes on with the study, also on other machines
that share AEVB_RUNS."""


@dataclass(frozen=True)
class Sweep:
    """The options of `aevb sweep`."""

    to: Path = Path("sweep")
    """Folder of table.csv, table.json and figure.png."""
    metric: tuple[str, ...] = ()
    """What the screen and the figure show; by default the likelihoods and
    errors on test data. The files hold every metric."""
    engine: Literal["local", "slurm", "submitit"] = "local"
    """local: a process a core (on a GPU one after another); slurm: an array
    job; submitit: what goes to Slurm, tried out on this machine, all at
    once."""
    minutes: int = 240
    """Time limit of one run in Slurm."""
    slurm: tuple[str, ...] = ()
    """Options of sbatch, as in `--slurm partition=gpu gres=gpu:1`."""
    print: bool = False
    """Print a command for each run, for any batch system, and end."""


@dataclass(frozen=True)
class Search:
    """The options of `aevb search`."""

    seconds: float = 600
    """Budget; no trial begins after it."""
    workers: int = 0
    """Trials at once; 0: one a core, and one on a GPU."""


class Point(NamedTuple):
    """One run of a sweep."""

    name: str
    settings: tuple[tuple[str, Any], ...]

    @property
    def line(self) -> str:
        """What follows `aevb train`."""
        return shlex.join([self.name, *options(dict(self.settings))])


def options(settings: Mapping[str, Any]) -> list[str]:
    """The settings as `aevb train` takes them."""
    found = []
    for setting, value in settings.items():
        name = setting.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{'' if value else 'no-'}{name}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            found += [f"--{name}", *map(str, values)]
    return found


def split(
    args: Sequence[str], own: Sweep | Search
) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """The names, the command's own options, and the values of settings."""
    known = {"help", *(f.name for f in fields(own))}
    first = next((i for i, a in enumerate(args) if a[:1] == "-"), len(args))
    mine: list[str] = []
    axes: dict[str, list[str]] = {}
    into = mine
    for arg in args[first:]:
        flag, given, value = arg.partition("=")
        setting = flag[2:].replace("-", "_")
        if flag == "-h" or (flag[:2] == "--" and setting in known):
            into = mine
            mine += [flag, *[value] * bool(given)]
        elif flag[:2] == "--":
            into = axes.setdefault(setting, [])
            into += [value] * bool(given)
        else:
            into.append(arg)
    return list(args[:first]), mine, axes


def value(name: str, setting: str, text: str) -> Any:
    """The value of an experiment's setting that a text stands for.

    Raises:
        UserError: no such experiment or setting, or no such value.
    """
    known = type(profiles.configure(name)[1]).model_fields
    kind = profiles.find(setting, known, f"setting of {name}").annotation
    try:
        if get_origin(kind) is not tuple:
            return TypeAdapter(kind).validate_strings(text)
        if "," not in text:
            raise UserError(
                f"{setting}: join what makes one value by commas, as in "
                f"192,192,4 or {text}, with a comma after it"
            )
        return TypeAdapter(kind).validate_json(f"[{text.rstrip(',')}]")
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        reason = reason[:1].lower() + reason[1:]
        raise UserError(f"{setting}: {reason} (got {text!r})") from None


def ends(name: str, setting: str, text: str) -> tuple[Any, Any]:
    """The two ends of A..B.

    Raises:
        UserError: they are no such values, or B is below A.
    """
    low, high = (value(name, setting, t) for t in text.split("..", 1))
    if isinstance(low, str | bool | tuple) or not low <= high < math.inf:
        raise UserError(f"{setting}: {text} is no range from low to high")
    return low, high


def _values(name: str, setting: str, texts: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for text in texts:
        if ".." not in text:
            found.append(value(name, setting, text))
            continue
        low, high = ends(name, setting, text)
        if not isinstance(low, int) or high - low >= MOST:
            raise UserError(
                f"{setting}: {text} is no range of at most {MOST} whole "
                "numbers; list the values"
            )
        found += range(low, high + 1)
    if not found:
        raise UserError(f"{setting}: give one value or more")
    return found


def points(
    names: Sequence[str], axes: Mapping[str, Sequence[str]]
) -> list[Point]:
    """The product of names and settings, each run once.

    Raises:
        UserError: a name, a setting or a value is refused, or there are
            too many.
    """
    found: dict[Point, None] = {}
    for name in names:
        profiles.configure(name)
        lists = {k: _values(name, k, texts) for k, texts in axes.items()}
        if (n := math.prod(map(len, lists.values()))) > MOST:
            raise UserError(f"{n} runs of {name} are more than {MOST}")
        for chosen in itertools.product(*lists.values()):
            point = Point(name, tuple(zip(lists, chosen, strict=True)))
            profiles.configure(name, **dict(point.settings))
            found[point] = None
    return list(found)


def space(name: str, axes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What each setting is chosen from: (low, high), or a list of texts.

    Raises:
        UserError: a name, a setting or a value is refused.
    """
    config = profiles.configure(name)[1]
    texts = {k: list(v) for k, v in axes.items()}
    most = 0
    if isinstance(config, MnistConfig):
        most = config.examples() - HELD_OUT
        texts.setdefault("train_size", [str(config.train_size or most)])
    found: dict[str, Any] = {}
    every: dict[str, list[Any]] = {}
    for setting, given in texts.items():
        if len(given) == 1 and ".." in given[0]:
            found[setting] = ends(name, setting, given[0])
            every[setting] = list(found[setting])
        else:
            found[setting] = given
            every[setting] = _values(name, setting, given)
            if any(".." in text for text in given):
                raise UserError(f"{setting}: give one range, or values")
    first = {setting: values[0] for setting, values in every.items()}
    for setting, values in every.items():
        for v in values:
            profiles.configure(name, **{**first, setting: v})
    if most and not all(0 < size <= most for size in every["train_size"]):
        raise UserError(
            f"train_size: a search holds {HELD_OUT} training images out; "
            f"take 1 to {most}"
        )
    return found


def check_sweep(asked: Sweep) -> None:
    """Refuse what the engine cannot do here.

    Raises:
        UserError: the options are wrong, or a program is missing.
    """
    if asked.minutes <= 0:
        raise UserError(f"minutes must be positive, not {asked.minutes}")
    for text in asked.slurm:
        if "=" not in text:
            raise UserError(f"--slurm takes options as name=value, not {text}")
    if asked.engine != "local":
        _need("submitit", f"--engine {asked.engine}")
    if asked.engine == "slurm" and not shutil.which("sbatch"):
        raise UserError(
            "there is no sbatch here: run this where jobs are submitted, or "
            "take --engine local, or --print"
        )


def check_search(
    names: Sequence[str], axes: Mapping[str, Sequence[str]], asked: Search
) -> None:
    """Refuse what cannot be searched.

    Raises:
        UserError: the arguments are wrong, or Optuna is missing.
    """
    if len(names) != 1:
        raise UserError(f"search takes one experiment, not {len(names)}")
    chosen = space(names[0], axes)
    if not any(len(values) > 1 for values in chosen.values()):
        raise UserError("search what? Give a setting a range, --lr 1e-3..1e-2")
    if not 0 < asked.seconds < math.inf or asked.workers < 0:
        raise UserError("seconds must be positive, and workers not negative")
    _need("optuna", "search")


def _need(package: str, what: str) -> None:
    if find_spec(package) is None:
        raise UserError(
            f"{what} needs one more package: pip install {package}"
        )
