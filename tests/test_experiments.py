"""Named runs: found again, retrained when they must be, never mixed up."""

import json
import multiprocessing
import sys
import textwrap
import types

import pytest
import torch

from aevb import evaluation, experiments, results
from aevb.errors import UserError
from aevb.experiments import Experiment, Study
from aevb.settings import Config
from test_training import Line


class Trained(Line):
    """A task whose trainings are counted in a file."""

    log = None

    def __init__(self, config):
        super().__init__(**config.model_dump())

    def data(self, device):
        if self.log:
            with self.log.open("a") as file:
                file.write("trained\n")
        return super().data(device)

    def evaluate(self, model):
        weight = model.weight.detach().flatten()
        return {"weight": evaluation.mean(weight)}


@pytest.fixture
def line(tmp_path, monkeypatch):
    """An experiment named line, in a folder of its own."""
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("AEVB_PROFILE", raising=False)
    monkeypatch.setattr(Trained, "log", tmp_path / "log")
    config = Config(epochs=2, batch_size=10)
    table = {"line": Experiment(Trained, config, {"epochs": 1})}
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)
    return tmp_path / "runs"


def trainings():
    return len(Trained.log.read_text().split())


def test_a_run_is_trained_once(line):
    first, second = experiments.run("line"), experiments.run("line")
    assert trainings() == 1
    assert torch.equal(first.model.weight, second.model.weight)
    assert first.history == second.history
    assert first.metrics == second.metrics
    assert first.seconds == pytest.approx(second.seconds)
    assert not list(line.glob("*/checkpoint*"))


def test_a_changed_setting_is_another_run(line):
    first = experiments.run("line")
    other = experiments.run("line", lr=1e-3)
    assert first.key != other.key
    assert trainings() == 2


def test_the_quick_profile_is_another_run(line, monkeypatch):
    monkeypatch.setenv("AEVB_PROFILE", "quick")
    assert experiments.run("line").config.epochs == 1
    monkeypatch.setenv("AEVB_PROFILE", "hasty")
    with pytest.raises(
        UserError, match="PROFILE must be one of full, quick, gpu"
    ):
        experiments.run("line")


@pytest.mark.parametrize("profile", experiments.PROFILES)
def test_every_experiment_has_settings_in_every_profile(profile, monkeypatch):
    full = {n: e.config for n, e in experiments.EXPERIMENTS.items()}
    monkeypatch.setenv("AEVB_PROFILE", profile)
    found = {n: experiments.configure(n)[1] for n in full}
    others = {name for name in full if found[name] != full[name]}
    expected = {"full": set(), "quick": set(full), "gpu": {"vae_best"}}
    assert others == expected[profile]
    task = experiments.EXPERIMENTS["vae_best"].task
    device = torch.device("cpu")
    keys = {
        experiments.run_key(task(config), config, device)
        for config in (full["vae_best"], found["vae_best"])
    }
    assert len(keys) == (1 if profile == "full" else 2)


def test_an_unknown_name_is_answered_with_the_nearest(line):
    with pytest.raises(UserError, match="did you mean line"):
        experiments.run("lime")


def test_an_unknown_setting_changes_nothing(line):
    with pytest.raises(UserError, match="unknown setting 'width'"):
        experiments.run("line", width=3)
    assert not line.exists()


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_run_is_set_aside_and_trained_again(line, damage, capsys):
    first = experiments.run("line")
    weights = next(line.glob("line-*/weights.safetensors"))
    weights.unlink() if damage is None else weights.write_bytes(damage)
    again = experiments.run("line")
    assert trainings() == 2
    assert torch.equal(first.model.weight, again.model.weight)
    assert len(list(line.glob("line-*.damaged-*"))) == 1
    assert "was damaged" in capsys.readouterr().err


def run_line(_):
    torch.set_num_threads(1)
    return experiments.run("line").model.weight.tolist()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_at_once_train_once(line):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        first, second = pool.map(run_line, range(2), chunksize=1)
    assert first == second
    assert trainings() == 1


def test_a_folder_that_cannot_be_written_is_named(line):
    line.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write to"):
        experiments.run("line")


@pytest.fixture
def module(monkeypatch, tmp_path):
    """Make a module aevb.<name> of the given source."""

    def make(name, source):
        module = types.ModuleType(f"aevb.{name}")
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(source))
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return module

    return make


def test_comments_and_docstrings_do_not_retrain(module):
    plain = module("plain", "def f(x):\n    return x + 1\n")
    told = module(
        "told", '"""Doc."""\ndef f(x):\n    "Add."\n    return x+1#\n'
    )
    other = module("other", "def f(x):\n    return x + 2\n")
    digests = [
        next(iter(experiments.sources(m, set()).values()))
        for m in (plain, told, other)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_key_sees_every_module_that_is_used(module):
    module("low", "A = 1\n")
    module("middle", "from aevb.low import A\n")
    top = module("top", "from aevb import middle\n")
    found = experiments.sources(top, set())
    assert set(found) == {"aevb.top", "aevb.middle", "aevb.low"}
    assert set(experiments.sources(top, {"aevb.low"})) == {
        "aevb.top",
        "aevb.middle",
    }


def test_training_does_not_depend_on_figures_or_evaluation():
    used = experiments.sources(
        sys.modules["aevb.tasks"], experiments.NOT_TRAINING
    )
    assert {"aevb.models", "aevb.objectives", "aevb.training"} <= set(used)
    assert not [m for m in used if "figures" in m or "evaluation" in m]


def measure(line, factor):
    return {"doubled": factor * line.model.weight.detach(), "of": line.key}


def test_a_study_is_measured_once_for_a_run(line, monkeypatch):
    entry = Study(measure, runs=("line",), settings={"factor": 2.0})
    monkeypatch.setattr(experiments, "STUDIES", {"double": entry})
    result = experiments.study("double")
    weight = experiments.run("line").model.weight
    assert torch.equal(result["doubled"], 2 * weight.detach())
    monkeypatch.setattr(sys.modules[__name__], "measure", None)
    assert experiments.study("double")["of"] == result["of"]


def test_results_hold_every_number_with_its_provenance(line, tmp_path):
    path = tmp_path / "results" / "metrics.json"
    run = experiments.run("line")
    results.write([run], {"check": {"holds": True}}, path)
    read = json.loads(path.read_text())
    metric = read["experiments"]["line"]["metrics"]["weight"]
    assert metric == run.metrics["weight"].to_json()
    assert set(metric) == {"value", "standard_error", "n"}
    assert read["check"] == {"holds": True}
    assert read["provenance"]["profile"] == "full"
    assert len(read["provenance"]["source"]) == 12


def test_the_source_hash_sees_all_that_the_report_is_made_from(tmp_path):
    (tmp_path / "code").mkdir()
    names = ("code/a.py", "code/a.lua", "report.qmd", "_quarto.yml")
    hashes = {results.source_hash(tmp_path)}
    for name in (*names, "references.bib", "code/a.py"):
        with open(tmp_path / name, "a") as file:
            file.write("a line\n")
        hashes.add(results.source_hash(tmp_path))
    assert len(hashes) == 7
    (tmp_path / "code" / "a.pyc").write_text("compiled")
    assert results.source_hash(tmp_path) in hashes
