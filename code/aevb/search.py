"""Settings with which a model is best, looked for by Optuna.

A trial is a run, kept and found as any other. The study is a journal in the
folder of the runs, to which several processes, and machines that share the
folder, append under a lock that holds on a network file system as well.
"""

import shlex
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from aevb import agenda, evaluation, grid, profiles, progress, runs, workers
from aevb.data import binarize, load_mnist
from aevb.errors import UserError
from aevb.runs import Run
from aevb.tasks import AETask, VAETask

if TYPE_CHECKING:
    import optuna

BEST = 5
"""Trials that are printed at the end."""


def search(
    name: str, axes: Mapping[str, list[str]], asked: grid.Search
) -> None:
    """Try settings until the seconds are over, and print the best.

    Raises:
        UserError: no trial came to its end.
    """
    words = [w for k, texts in axes.items() for w in (f"--{k}", *texts)]
    line = shlex.join([name, *words])
    size = asked.workers or agenda.places()
    kept = len(opened(line).trials)
    budget = f"{asked.seconds:g} s"
    progress.line(f"{size} at once for {budget}; {kept} trials are kept")
    job = str(asked.seconds), line
    workers.make([job] * size, do, size)
    trials = opened(line).trials
    good = [t for t in trials if t.value is not None]
    if not good:
        faults = [t.user_attrs["fault"] for t in trials if t.user_attrs]
        why = faults[-1] if faults else "give more --seconds"
        raise UserError(f"no trial came to its end in {budget}: {why}")
    print(f"{len(good)} of {len(trials)} trials came to their end")
    for trial in sorted(good, key=lambda t: t.value or 0.0)[:BEST]:
        settings = _settings(name, trial.params)
        command = shlex.join(["train", name, *grid.options(settings)])
        print(f"{trial.value:.6g}  aevb {command}")
    print(f"every trial: optuna-dashboard {shlex.quote(_journal())}")


def do(job: workers.Job) -> None:
    """Try settings for some seconds, in another process."""
    torch.set_num_threads(1)
    seconds, line = job
    [name], _, axes = grid.split(shlex.split(line), grid.Search())
    opened(line).optimize(
        partial(tried, name, grid.space(name, axes)),
        timeout=float(seconds),
        catch=(UserError,),
        callbacks=[_tell],
    )


def _journal() -> str:
    return str(profiles.runs_folder() / "search.journal")


def opened(line: str) -> "optuna.Study":
    """The study of these settings, begun where there is none."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        profiles.runs_folder().mkdir(parents=True, exist_ok=True)
        journal = JournalFileBackend(_journal())
        return optuna.create_study(
            storage=optuna.storages.JournalStorage(journal),
            # what is at work elsewhere is taken to be bad, so not tried again
            sampler=optuna.samplers.TPESampler(constant_liar=True),
            study_name=f"{profiles.profile()}: {line}",
            load_if_exists=True,
        )
    except OSError as error:
        raise UserError(
            f"cannot write {_journal()} ({error.strerror}); give write "
            "permission or set AEVB_RUNS to another folder"
        ) from error


def tried(name: str, space: Mapping[str, Any], trial: "optuna.Trial") -> float:
    """Train with settings that the trial suggests; how bad that is."""
    for setting, choice in space.items():
        if isinstance(choice, list):
            trial.suggest_categorical(setting, choice)
            continue
        low, high = choice
        log = low > 0 and high >= 10 * low
        if isinstance(low, int):
            trial.suggest_int(setting, low, high, log=log)
        else:
            trial.suggest_float(setting, low, high, log=log)
    progress.job = f"trial {trial.number}"
    try:
        return held_out(runs.run(name, **_settings(name, trial.params)))
    except UserError as fault:
        trial.set_user_attr("fault", str(fault))
        raise


def _settings(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What was suggested, a choice being the text that was given for it."""
    return {
        k: grid.value(name, k, v) if isinstance(v, str) else v
        for k, v in params.items()
    }


def _tell(study: "optuna.Study", trial: Any) -> None:
    how = "failed" if trial.value is None else f"{trial.value:.6g}"
    progress.line(f"trial {trial.number}: {how}")


@torch.no_grad()
def held_out(run: Run) -> float:
    """What a search makes small, on examples that the run has not seen and
    no number of the report is computed on.

    VAEs on MNIST: the NLL of the last HELD_OUT training images, in nats;
    the auto-encoder: its squared error a pixel there; others: the loss on
    the held-out examples of the task.
    """
    task, config = run.task, run.config
    if isinstance(task, VAETask):
        images = load_mnist(run.device).train.images
        x = binarize(images, "fixed")[-grid.HELD_OUT :]
        samples, precision = config.importance_samples, config.precision
        found = evaluation.evaluate_vae(run.model, x, samples, precision)
        return found["test_nll"].value
    if isinstance(task, AETask):
        images = load_mnist(run.device).train.images[-grid.HELD_OUT :]
        rows = task.draw(images, 0.0)
    else:
        torch.manual_seed(0)
        rows = task.data(run.device)[1]
    return task.loss(run.model, rows)["loss"].item()
