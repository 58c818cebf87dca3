r"""The named runs, and the one way to get at them.

`run("ae")` returns the finished run of that name, and trains it first
where there is none. A run is kept under a key: the hash of its settings,
of the code that it ran and of the data's published digests. A change in
any of them is another key, so another run; a change in prose, figures,
comments or docstrings is not. `study` keeps what is measured on runs in
the same way.

The environment variable AEVB_PROFILE is `full` (the default), `quick`,
which trains everything for moments only, or `gpu`, whose `vae_best` is worth
half an hour of a CPU; AEVB_RUNS is the folder of the runs, `runs` below the
current folder by default.
"""

import ast
import difflib
import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from aevb import checkpoints, locks, studies, training
from aevb.data import FILES
from aevb.errors import Damaged, UserError
from aevb.evaluation import Estimate
from aevb.mnist import AEConfig, AETask, VAEConfig, VAETask
from aevb.torus_vae import (
    TorusPlainConfig,
    TorusPlainTask,
    TorusWrappedConfig,
    TorusWrappedTask,
)
from aevb.training import Config, History

PROFILES = ("full", "quick", "gpu")
NOT_TRAINING = {
    "aevb.evaluation",
    "aevb.progress",
    "aevb.errors",
    "aevb.locks",
}
"""Modules that a trained weight does not depend on."""
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)
"""What reading a damaged file may raise."""


@dataclass(frozen=True)
class Experiment:
    """A named run: a task, its settings, and what a profile changes."""

    task: Callable[[Any], Any]
    config: Config
    quick: Mapping[str, Any]
    gpu: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A named measurement on finished runs.

    `measure` takes the runs and the settings and returns a tree of
    tensors and JSON values.
    """

    measure: Callable[..., dict[str, Any]]
    runs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A finished run: its model, settings, curves and numbers."""

    name: str
    key: str
    config: Any
    model: Any
    history: History
    metrics: dict[str, Estimate]
    seconds: float


BRIEF = {"epochs": 1, "train_size": 2560}
BRIEF_TORUS = {"epochs": 20, "pairs": 20}
BRIEF_VAE = {**BRIEF, "importance_samples": 10, "test_size": 500}

PLANE: dict[str, Any] = {"epochs": 44, "batch_size": 1024, "optimizer": "muon"}
PLANE |= {"lr": 1.2e-2, "ema": 0.995, "hidden_dims": (192, 192, 192, 4)}
PLANE |= {"importance_samples": 25}  # its integral is computed as well

# the longest come first, so that several at once end together
EXPERIMENTS: dict[str, Experiment] = {
    "vae_best": Experiment(
        VAETask,
        VAEConfig(
            epochs=46,
            batch_size=1024,
            optimizer="muon",
            lr=1e-2,
            weight_decay=0.4,
            ema=0.996,
            hidden_dims=(192, 192, 192, 192, 80),
            decoder_dims=(192,) * 7,
            bilinear=True,
            deformed=0.2,
            importance_samples=200,
        ),
        BRIEF_VAE,
        gpu={
            "epochs": 350,
            "threads": 2,
            "weight_decay": 0.15,
            "deformed": 0.7,
            "hidden_dims": (256, 256, 256, 256, 80),
            "decoder_dims": (256,) * 11,
            "importance_samples": 5000,
        },
    ),
    "vae_kl": Experiment(
        VAETask,
        VAEConfig(**PLANE),
        BRIEF_VAE,
    ),
    "vae_sgvb": Experiment(
        VAETask,
        VAEConfig(**PLANE, estimator="sgvb"),
        BRIEF_VAE,
    ),
    "ae": Experiment(AETask, AEConfig(), BRIEF),
    "torus_plain": Experiment(TorusPlainTask, TorusPlainConfig(), BRIEF_TORUS),
    "torus_wrapped": Experiment(
        TorusWrappedTask, TorusWrappedConfig(), BRIEF_TORUS
    ),
}

STUDIES: dict[str, Study] = {
    "kl_check": Study(
        studies.kl_check,
        ("vae_kl", "vae_sgvb"),
        {"images": 64, "samples": 4000, "seed": 0},
    ),
    "gradient_variance": Study(
        studies.gradient_variance,
        ("vae_kl", "vae_sgvb"),
        {"images": 64, "draws": 50, "seed": 0},
        {"images": 8, "draws": 20},
    ),
    "rate_distortion": Study(
        studies.rate_distortion,
        (),
        {
            "coeffs": (0.25, 0.5, 1.0, 2.0, 8.0),
            "course_coeff": 1e-3,
            "test_size": 2000,
            "samples": 5,
            "epochs": 4,
            "batch_size": 256,
            "hidden_dims": (128, 128, 4),
            "ema": 0.99,
        },
        {**BRIEF, "test_size": 100},
    ),
    "comparison": Study(
        studies.comparison,
        ("vae_kl", "vae_sgvb"),
        {"images": 10_000, "samples": 10},
        {"images": 500, "samples": 2},
    ),
    "importance_sampling": Study(
        studies.importance_sampling,
        ("vae_kl",),
        {"images": 500, "samples": (1, 10, 100, 1000), "step": 0.04},
        {"images": 50, "samples": (1, 10, 100), "step": 0.1},
    ),
    "rounding": Study(
        studies.rounding,
        ("vae_best",),
        {"images": 500, "samples": 4},
        {"images": 100, "samples": 2},
    ),
}


def profile() -> str:
    """The profile that AEVB_PROFILE names.

    Raises:
        UserError: there is no such profile.
    """
    name = os.environ.get("AEVB_PROFILE") or "full"
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise UserError(f"PROFILE must be one of {known}, not {name}")
    return name


def runs_folder() -> Path:
    return Path(os.environ.get("AEVB_RUNS") or "runs")


def configure(name: str, **overrides: Any) -> tuple[Experiment, Config]:
    """An experiment and its settings under the current profile.

    Raises:
        UserError: no such experiment, or a setting is refused.
    """
    experiment = find(name, EXPERIMENTS, "experiment")
    changes = {"quick": experiment.quick, "gpu": experiment.gpu}
    changed = {**changes.get(profile(), {}), **overrides}
    settings = {**experiment.config.model_dump(), **changed}
    return experiment, type(experiment.config)(**settings)


def find(name: str, table: Mapping[str, Any], kind: str) -> Any:
    """The entry of a table; an unknown name is answered with the nearest.

    Raises:
        UserError: the table has no such name.
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1, cutoff=0)[0]
    raise UserError(
        f"there is no {kind} {name!r}; did you mean {near}? "
        f"There are {', '.join(table)}"
    )


def run(name: str, **overrides: Any) -> Run:
    """The finished run of an experiment, trained first if there is none.

    Args:
        name: a key of EXPERIMENTS.
        overrides: settings that differ from the experiment's own.

    Raises:
        UserError: unknown name or setting, a diverged training, a folder
            that cannot be written.
    """
    experiment, config = configure(name, **overrides)
    device = training.resolve_device(config.device)
    task = experiment.task(config)
    key = run_key(task, config, device)
    folder = runs_folder() / f"{name}-{key}"
    with _locked(folder):
        model, history, seconds = _trained(task, device, folder)
        metrics = _evaluated(task, model, folder)
    return Run(name, key, config, model, history, metrics, seconds)


def study(name: str) -> dict[str, Any]:
    """The result of a study, measured first if there is none.

    Raises:
        UserError: unknown name, a diverged training, a folder that cannot
            be written.
    """
    entry = find(name, STUDIES, "study")
    settings = {**entry.settings}
    if profile() == "quick":
        settings |= entry.quick
    runs = {n: run(n) for n in entry.runs}
    module = inspect.getmodule(entry.measure)
    keys = [r.key for r in runs.values()]
    key = _digest(settings, keys, sources(module, set()))
    path = runs_folder() / f"study-{name}-{key}" / "result.safetensors"
    with _locked(path.parent):
        if path.exists():
            try:
                return checkpoints.load(path)
            except Damaged:
                _set_aside(path, "measuring again")
        torch.manual_seed(0)
        checkpoints.save(path, entry.measure(**runs, **settings))
        return checkpoints.load(path)


def run_key(task: Any, config: Config, device: torch.device) -> str:
    """Hash of the settings, the code, the data and the arithmetic."""
    fast = training.has_fast_bfloat16(device)
    code = sources(inspect.getmodule(type(task)), NOT_TRAINING)
    data = [published.sha256 for published in FILES.values()]
    return _digest(config.model_dump(), device.type, fast, data, code)


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def sources(module: ModuleType | None, without: set[str]) -> dict[str, str]:
    """Digest of each module of aevb that this one uses, and its own."""
    found: dict[str, str] = {}
    waiting = [module.__name__] if module else []
    while waiting:
        name = waiting.pop()
        if name in found or name in without:
            continue
        tree = ast.parse(inspect.getsource(sys.modules[name]))
        found[name] = hashlib.sha256(_bare(tree).encode()).hexdigest()
        waiting += _imported(tree)
    return found


def _bare(tree: ast.Module) -> str:
    """The code of a module without docstrings and comments."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imported(tree: ast.Module) -> list[str]:
    """Names of the aevb modules that a module imports."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{a.name}" for a in node.names]
    return [n for n in names if n.startswith("aevb.") and n in sys.modules]


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
            # nobody else writes here: what a killed process had begun
            for unfinished in folder.glob(".*.[0-9]*"):
                unfinished.unlink()
        except OSError as error:
            raise UserError(
                f"cannot write to {folder} ({error.strerror}); give write "
                "permission or set AEVB_RUNS to another folder"
            ) from error
        yield


def _trained(
    task: Any, device: torch.device, folder: Path
) -> tuple[nn.Module, History, float]:
    """Load a finished training, or do it and keep it."""
    weights, record = folder / "weights.safetensors", folder / "run.json"
    if record.exists():
        try:
            return _finished(task, device, folder)
        except UNREADABLE:
            _set_aside(folder, "training again")
    checkpoints.write_json(folder / "config.json", task.config.model_dump())
    checkpoint = folder / "checkpoint.safetensors"
    try:
        model, history, seconds = training.fit(task, device, folder)
    except Damaged:
        _set_aside(checkpoint, "training from the start")
        model, history, seconds = training.fit(task, device, folder)
    with checkpoints.replacing(weights) as beside:
        save_file(model.state_dict(), beside)
    _keep(
        record,
        {
            "seconds": seconds,
            "history": history,
            "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        },
    )
    checkpoint.unlink(missing_ok=True)
    return model, history, seconds


def _finished(
    task: Any, device: torch.device, folder: Path
) -> tuple[nn.Module, History, float]:
    """A finished training; one of UNREADABLE where it is damaged."""
    weights = folder / "weights.safetensors"
    kept = _kept(folder / "run.json")
    content = weights.read_bytes()
    if kept["weights_sha256"] != hashlib.sha256(content).hexdigest():
        raise ValueError("the weights are others")
    model = task.model().to(device)
    model.load_state_dict(load(content))
    return model.eval(), kept["history"], kept["seconds"]


def _keep(path: Path, record: dict[str, Any]) -> None:
    """Write a record with a digest of itself."""
    checkpoints.write_json(path, {**record, "digest": _digest(record)})


def _kept(path: Path) -> dict[str, Any]:
    """What `_keep` wrote; one of UNREADABLE where it is damaged."""
    record = json.loads(path.read_text(encoding="utf-8"))
    if record.pop("digest") != _digest(record):
        raise ValueError("its digest is another")
    return record


def _set_aside(path: Path, then: str) -> None:
    """Move what is damaged away, so that nothing is lost, and say so.

    The word goes to standard error: what a chunk prints is on the page.
    """
    names = (path.with_name(f"{path.name}.damaged-{n}") for n in count(1))
    away = next(name for name in names if not name.exists())
    is_folder = path.is_dir()
    path.rename(away)
    if is_folder:
        path.mkdir()
    message = f"{path} was damaged: kept as {away.name}, {then}"
    print(message, file=sys.stderr, flush=True)


def _evaluated(
    task: Any, model: nn.Module, folder: Path
) -> dict[str, Estimate]:
    """The metrics of a run, computed where code or weights are new."""
    path = folder / "metrics.json"
    key = _digest(sources(inspect.getmodule(type(task)), set()))
    if path.exists():
        try:
            kept = _kept(path)
            if kept["key"] == key:
                found = kept["metrics"].items()
                return {k: Estimate(**v) for k, v in found}
        except UNREADABLE:
            _set_aside(path, "evaluating again")
    torch.manual_seed(task.config.seed)
    metrics = task.evaluate(model)
    shown = {k: v.to_json() for k, v in metrics.items()}
    _keep(path, {"key": key, "metrics": shown})
    return metrics
