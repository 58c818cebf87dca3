"""Which settings an experiment has here, by name and by profile.

The environment variable AEVB_PROFILE is `full` (the default), `quick`,
which trains everything for moments only, or `gpu`, whose `vae_best` takes
hours of a plain processor and 70 minutes of one with AVX512-BF16;
AEVB_RUNS is the folder of the runs, `runs` below the current folder by
default.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aevb import experiments
from aevb.errors import UserError
from aevb.settings import Config

PROFILES = ("full", "quick", "gpu")


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


def configure(
    name: str, **overrides: Any
) -> tuple[experiments.Experiment, Config]:
    """An experiment and its settings under the current profile.

    Raises:
        UserError: no such experiment, or a setting is refused.
    """
    experiment = find(name, experiments.EXPERIMENTS, "experiment")
    changes = {"quick": experiment.quick, "gpu": experiment.gpu}
    changed = {**changes.get(profile(), {}), **overrides}
    settings = {**experiment.config.model_dump(), **changed}
    return experiment, type(experiment.config)(**settings)


def check_report() -> None:
    """Refuse settings that the report's words and figures do not fit.

    Raises:
        UserError: names the experiment and the setting.
    """
    table = experiments.EXPERIMENTS
    used = {name: configure(name)[1] for name in table}
    for name, entry in table.items():
        for setting, known in entry.shown.items():
            if (value := getattr(used[name], setting)) not in known:
                words = " or ".join(map(str, known))
                if isinstance(known, range):
                    words = f"{known.start} or more"
                raise _unfit(name, setting, words, value)
    for one, other, shared in experiments.ALIKE:
        for setting in shared if {one, other} <= used.keys() else ():
            value, like = (getattr(used[n], setting) for n in (other, one))
            if value != like:
                raise _unfit(other, setting, f"{like}, as {one} has", value)


def _unfit(name: str, setting: str, words: str, value: Any) -> UserError:
    setting = setting.replace("latent_size", "the latent size by hidden_dims")
    return UserError(
        f"{name}: the report is written for {setting} = {words}, not for "
        f"{value}; change it in experiments.py, or train it alone with "
        f"`aevb train {name}`"
    )


def measured(name: str) -> tuple[experiments.Study, dict[str, Any]]:
    """A study and its settings under the current profile.

    Raises:
        UserError: there is no such study.
    """
    study = find(name, experiments.STUDIES, "study")
    quick = study.quick if profile() == "quick" else {}
    return study, {**study.settings, **quick}
