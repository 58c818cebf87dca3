r"""Trainings and measurements that are done once, kept and found again.

`run("ae")` returns the finished run of that name, and trains it first
where there is none. A run is kept under a key: the hash of the settings
that training depends on, of the code that it runs, of the kind of device
and of its arithmetic, and, where the code reads MNIST, of the published
digests. A change in any of them is another key, so another run; a change in
prose, figures, comments, docstrings, evaluation or fetching is not. The
metrics have a key of their own, and are computed again where the code or
the settings of the evaluation changed. `study` keeps what is measured on
runs in the same way.
"""

import ast
import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aevb import cells, checkpoints, locks, profiles, training
from aevb.errors import Damaged, UserError
from aevb.evaluation import Estimate
from aevb.mnist_files import FILES
from aevb.settings import Config
from aevb.training import History

PACKAGE = Path(__file__).parent
KEPT = "finished.safetensors"
NO_NUMBERS = {
    "aevb.checkpoints",
    "aevb.errors",
    "aevb.locks",
    "aevb.mnist_files",
    "aevb.progress",
    "aevb.settings",
}
"""Modules on whose code no number depends; the values of settings do
enter the key."""
NOT_TRAINING = NO_NUMBERS | {
    "aevb.evaluation",
    "aevb.geometry",
    "aevb.torus_measures",
}
"""Modules on whose code no trained weight depends."""
Fit = Callable[[Any, torch.device, Path], tuple[Any, History, float]]
"""A function that does what `training.fit` does."""
Metrics = dict[str, Estimate]


@dataclass(frozen=True)
class Run:
    """A finished run: its settings, curves, numbers and model."""

    name: str
    key: str
    config: Any
    task: Any = field(repr=False)
    device: torch.device
    weights: Mapping[str, Tensor] = field(repr=False)
    history: History = field(repr=False)
    metrics: Metrics
    seconds: float
    folder: Path = field(repr=False)

    def __str__(self) -> str:
        """What came of it: a line, a line for each number, and the key."""
        epochs = self.config.epochs
        head = f"{self.name}: {epochs} epochs in {self.seconds:.0f} s"
        rows = {**self.metrics, "key": self.key}
        return "\n".join([head, *(f"  {k:24} {v}" for k, v in rows.items())])

    @cached_property
    def model(self) -> Any:
        """The trained model on its device, in evaluation mode."""
        model = self.task.model().to(self.device)
        model.load_state_dict(self.weights)
        return model.eval()

    @property
    def failure(self) -> str | None:
        """What shows that the training has failed; None where nothing
        does."""
        judge = getattr(self.task, "failure", lambda metrics: None)
        return judge(self.metrics)


@dataclass(frozen=True)
class _Place:
    """Where a run is kept, whether it is finished or not."""

    name: str
    source: str
    config: Config
    device: torch.device

    @cached_property
    def key(self) -> str:
        arithmetic = training.product_type(self.device, self.config.precision)
        code = sources(self.source, NOT_TRAINING)
        data = [f.sha256 for f in FILES.values()] if "aevb.data" in code else 0
        used = self.config.model_dump(exclude={"device", "precision"})
        for name in self.config.judged_by:
            del used[name]
        return _digest(used, self.device.type, str(arithmetic), data, code)

    @cached_property
    def judged(self) -> str:
        """The key of the metrics."""
        used = {k: getattr(self.config, k) for k in self.config.judged_by}
        return _digest(used, sources(self.source, NO_NUMBERS))

    @property
    def folder(self) -> Path:
        return profiles.runs_folder() / f"{self.name}-{self.key}"

    @property
    def task(self) -> Any:
        return profiles.configure(self.name)[0].task(self.config)


def run(name: str, fit: Fit | None = None, **overrides: Any) -> Run:
    """The finished run of an experiment, trained first if there is none.

    Args:
        name: a key of EXPERIMENTS.
        fit: trains in place of `training.fit`, to the same weights but for
            rounding; no key depends on it.
        overrides: settings that differ from the experiment's own.

    Raises:
        UserError: unknown name or setting, a diverged training, a folder
            that cannot be written.
    """
    place = _place(name, **overrides)
    if (found := _finished(place)) is None:
        with _locked(place.folder):
            found = _finished(place) or _made(place, fit)
    _warn(found)
    return found


def finished(name: str, **overrides: Any) -> Run | None:
    """The finished run of an experiment; None where it is to be made."""
    return _finished(_place(name, **overrides))


def trained(name: str, **overrides: Any) -> tuple[Run, str]:
    """A trained run, whether it was evaluated so or not, and the key that
    its metrics are to have.

    Raises:
        UserError: those of `run`; there is no such run.
    """
    place = _place(name, **overrides)
    try:
        state = checkpoints.load(place.folder / KEPT)
    except Damaged:  # or not there
        raise UserError(
            f"{name} is not trained: there is no {place.folder / KEPT}; run "
            f"`aevb train {name}` with the same settings, or bring that "
            "folder here"
        ) from None
    return _run_of(place, state), place.judged


def judge(name: str, metrics: Metrics, **overrides: Any) -> Run:
    """Keep what was measured elsewhere on a trained run; the run with it.

    Raises:
        UserError: those of `run`.
    """
    place = _place(name, **overrides)
    with _locked(place.folder):
        state = checkpoints.load(place.folder / KEPT)
        found = _kept(place, state, metrics)
    _warn(found)
    return found


def study(name: str) -> dict[str, Any]:
    """The result of a study, measured first if there is none.

    Raises:
        UserError: unknown name, a diverged training, a folder that cannot
            be written.
    """
    entry, settings = profiles.measured(name)
    path = _study_path(name)
    with _locked(path.parent):
        if (kept := _loaded(path, "measuring again")) is not None:
            return kept
        used = {n: run(n) for n in entry.runs}
        torch.manual_seed(0)
        checkpoints.save(path, entry.measure(**used, **settings))
    return checkpoints.load(path)


def measured(name: str) -> dict[str, Any] | None:
    """The kept result of a study; None where it is to be measured."""
    try:
        return checkpoints.load(_study_path(name))
    except Damaged:  # or not there
        return None


# ---- keys


def _place(name: str, **overrides: Any) -> _Place:
    experiment, config = profiles.configure(name, **overrides)
    device = training.resolve_device(config.device)
    return _Place(name, experiment.source, config, device)


def _study_path(name: str) -> Path:
    entry, settings = profiles.measured(name)
    keys = [_place(n).key for n in entry.runs]
    code = sources(entry.source, NO_NUMBERS)
    folder = f"study-{name}-{_digest(settings, keys, code)}"
    return profiles.runs_folder() / folder / KEPT


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def sources(source: str, without: Set[str]) -> dict[str, str]:
    """Digest of the module of a "module:name", and of each of aevb that it
    uses."""
    found: dict[str, str] = {}
    waiting = [source.partition(":")[0]]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in found or name in without or path is None:
            continue
        found[name], imported = _source(path, path.stat().st_mtime_ns)
        waiting += imported
    return found


def _file(module: str) -> Path | None:
    """The source of a module; None where the name is no module's."""
    first, *rest = module.split(".")
    if first != "aevb":
        spec = find_spec(module)
        return Path(spec.origin) if spec and spec.origin else None
    path = PACKAGE.joinpath(*rest).with_suffix(".py")
    return path if rest and path.is_file() else None


@lru_cache
def _source(path: Path, _stamp: int) -> tuple[str, list[str]]:
    """The digest of a module's code, without docstrings and comments, and
    the names that it imports from aevb."""
    tree = ast.parse(path.read_text("utf-8"), str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{a.name}" for a in node.names]
    digest = hashlib.sha256(cells.bare(tree).encode()).hexdigest()
    return digest, [n for n in names if n.startswith("aevb.")]


# ---- what is kept


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder; wait where another process holds it.

    Raises:
        UserError: the folder cannot be written.
    """
    path = folder.parent / f".{folder.name}.lock"
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.held(path, str(folder)))
            # nobody else of this machine writes here: what a killed process
            # had begun
            for unfinished in folder.glob(f".*.[0-9]*.{platform.node()}"):
                unfinished.unlink()
        except OSError as error:
            raise UserError(
                f"cannot write to {folder} ({error.strerror}); give write "
                "permission or set AEVB_RUNS to another folder"
            ) from error
        yield


def _loaded(path: Path, then: str) -> Any:
    """What is kept at `path`; None where nothing is. What is damaged is
    set aside. Only for who holds the lock."""
    if not path.exists():
        return None
    try:
        return checkpoints.load(path)
    except Damaged:
        _set_aside(path, then)
        return None


def _finished(place: _Place) -> Run | None:
    """The finished run at its place, read once in a process."""
    path = place.folder / KEPT
    try:
        return _read(place, path, path.stat().st_mtime_ns)
    except (OSError, Damaged):
        return None


@lru_cache(maxsize=64)
def _read(place: _Place, path: Path, _stamp: int) -> Run | None:
    state = checkpoints.load(path)
    if state["judged"] != place.judged:
        return None
    return _run_of(place, state)


def _run_of(place: _Place, state: Mapping[str, Any]) -> Run:
    return Run(
        name=place.name,
        key=place.key,
        config=place.config,
        task=place.task,
        device=place.device,
        weights=state["weights"],
        history=state["history"],
        metrics={k: Estimate(**v) for k, v in state["metrics"].items()},
        seconds=state["seconds"],
        folder=place.folder,
    )


def _made(place: _Place, fit: Fit | None) -> Run:
    """Train and evaluate, as far as neither is done, and keep it."""
    path = place.folder / KEPT
    task = place.task
    state = _loaded(path, "training again") or _trained(place, task, fit)
    model = task.model().to(place.device)
    model.load_state_dict(state["weights"])
    torch.manual_seed(place.config.seed)
    return _kept(place, state, task.evaluate(model.eval()))


def _kept(place: _Place, state: dict[str, Any], metrics: Metrics) -> Run:
    """Keep a run with its metrics; the run."""
    state["metrics"] = {k: v.to_json() for k, v in metrics.items()}
    state["judged"] = place.judged
    checkpoints.save(place.folder / KEPT, state)
    found = _finished(place)
    assert found is not None
    return found


def _trained(place: _Place, task: Any, fit: Fit | None) -> dict[str, Any]:
    """The weights and curves of a training, kept before it is judged."""
    fit = fit or training.fit
    settings = place.config.model_dump()
    checkpoints.write_json(place.folder / "config.json", settings)
    checkpoint = place.folder / "checkpoint.safetensors"
    slow = not training.has_fast_bfloat16(place.device)
    if place.config.precision == "bfloat16" and slow:
        _say(
            f"{place.name}: this {place.device.type} has no units for "
            "bfloat16 and may take forty times as long with it; "
            "precision=auto is faster"
        )
    try:
        model, history, seconds = fit(task, place.device, place.folder)
    except Damaged:
        _set_aside(checkpoint, "training from the start")
        model, history, seconds = fit(task, place.device, place.folder)
    state = {
        "weights": model.state_dict(),
        "history": history,
        "seconds": seconds,
        "judged": None,
        "metrics": {},
    }
    checkpoints.save(place.folder / KEPT, state)
    checkpoint.unlink(missing_ok=True)
    return state


def _set_aside(path: Path, then: str) -> None:
    """Move what is damaged away, so that nothing is lost, and say so."""
    names = (path.with_name(f"{path.name}.damaged-{n}") for n in count(1))
    away = next(name for name in names if not name.exists())
    path.rename(away)
    _say(f"{path} was damaged: kept as {away.name}, {then}")


def _warn(found: Run) -> None:
    """Say once that a training has failed; a quick one is not to learn."""
    if profiles.profile() == "quick" or found.key in _warned:
        return
    if found.failure:
        _warned.add(found.key)
        _say(f"{found.name}: the training has failed: {found.failure}")


_warned: set[str] = set()


def _say(message: str) -> None:
    """On standard error: what a chunk prints is on the page."""
    print(message, file=sys.stderr, flush=True)
