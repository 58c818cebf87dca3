"""Named runs: found again, made again when they must be, never mixed up."""

import json
import multiprocessing
import textwrap
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from aevb import checkpoints, experiments, profiles, results, runs
from aevb.errors import UserError
from aevb.experiments import Experiment, Study
from aevb.settings import Config
from conftest import flipped
from toy_aevb import Counted


def trainings():
    return len(Counted.log.read_text().split())


def renewed():
    """As a new process finds the runs."""
    runs._read.cache_clear()
    runs._source.cache_clear()
    return runs.run("line")


def test_a_run_is_trained_once_and_loaded_once(line):
    first = runs.run("line")
    assert runs.run("line").model is first.model
    second = renewed()
    assert trainings() == 1
    assert torch.equal(first.model.weight, second.model.weight)
    assert not second.model.training
    for what in ("history", "metrics", "seconds"):
        assert getattr(first, what) == getattr(second, what)
    assert not list(line.glob("*/checkpoint*"))


def test_a_changed_setting_is_another_run(line):
    keys = {runs.run("line", **s).key for s in ({}, {"lr": 1e-3})}
    assert len(keys) == trainings() == 2


def test_what_only_the_evaluation_depends_on_retrains_nothing(
    line, monkeypatch
):
    class Judged(Config):
        judged_by = ("seed",)

    entry = Experiment("toy_aevb:Counted", Judged(epochs=1), {})
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"line": entry})
    first, second = runs.run("line"), runs.run("line", seed=5)
    assert first.key == second.key
    assert (first.config.seed, second.config.seed) == (0, 5)
    assert trainings() == 1


def test_the_quick_profile_is_another_run(line, monkeypatch):
    monkeypatch.setenv("AEVB_PROFILE", "quick")
    assert runs.run("line").config.epochs == 1


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_every_entry_names_what_there_is_in_every_profile(
    profile, monkeypatch
):
    full = {n: e.config for n, e in experiments.EXPERIMENTS.items()}
    monkeypatch.setenv("AEVB_PROFILE", profile)
    found = {n: profiles.configure(n)[1] for n in full}
    changed = {n for n, e in experiments.EXPERIMENTS.items() if e.gpu}
    expected = {"full": set(), "quick": set(full), "gpu": changed}
    assert {n for n in full if found[n] != full[n]} == expected[profile]
    keys = {runs._place(n).key for n in full}
    assert len(keys) == len(full)
    for name in experiments.STUDIES:
        study, _ = profiles.measured(name)
        assert callable(study.measure)
        assert set(study.runs) <= set(full)


def test_an_unknown_setting_is_answered_and_changes_nothing(line):
    with pytest.raises(UserError, match="unknown setting 'width'"):
        runs.run("line", width=3)
    assert not line.exists()


def test_a_failed_training_says_so_once(line, monkeypatch, capsys):
    def spoilt(self, metrics):
        return "its error is 0.6"

    monkeypatch.setattr(Counted, "failure", spoilt)
    for _ in range(2):
        runs.run("line", seed=7)
    err = capsys.readouterr().err
    assert err == "line: the training has failed: its error is 0.6\n"


def test_bfloat16_by_hand_is_warned_of_where_it_is_slow(
    line, monkeypatch, capsys
):
    for fast, lines in ((True, 0), (False, 1)):
        monkeypatch.setattr(
            "aevb.training.has_fast_bfloat16", lambda _, fast=fast: fast
        )
        runs.run("line", precision="bfloat16", seed=int(fast))
        assert capsys.readouterr().err.count("\n") == lines


def run_line(_):
    torch.set_num_threads(1)
    return runs.run("line").model.weight.tolist()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_at_once_train_once(line):
    # a Pool may hang as it ends (it kills who may hold its lock)
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=fork) as pool:
        first, second = pool.map(run_line, range(2))
    assert first == second
    assert trainings() == 1


# ---- damage: set aside, not deleted, and made again


def damage(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {"empty": b"", "cut": content[:middle], "garbage": b"\xff" * 40}
    damaged["a bit"] = flipped(content, middle)
    path.write_bytes(damaged[how])
    return damaged[how]


def set_aside(path, content, capsys, n=1):
    """What was damaged is kept as it was, and one line says where."""
    away = path.with_name(f"{path.name}.damaged-{n}")
    assert away.read_bytes() == content
    err = capsys.readouterr().err
    assert f"{path} was damaged: kept as {away.name}, " in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("how", ["empty", "cut", "garbage", "a bit"])
def test_a_damaged_run_is_made_again(how, line, capsys):
    first = runs.run("line")
    path = next(line.glob(f"line-*/{runs.KEPT}"))
    for n in (1, 2):
        content = damage(path, how)
        again = runs.run("line")
        assert torch.equal(first.model.weight, again.model.weight)
        assert trainings() == n + 1
        set_aside(path, content, capsys, n)


@pytest.mark.parametrize("how", ["empty", "a bit", "of another"])
def test_a_damaged_checkpoint_is_made_again(how, line, capsys, monkeypatch):
    whole = runs.run("line", epochs=3).model.weight
    for folder in line.glob("line-*"):
        folder.rename(folder.with_name("whole"))
    with monkeypatch.context() as patch:
        patch.setattr("aevb.training.CHECKPOINT_SECONDS", 0.0)
        patch.setattr(Counted, "evaluate", None)
        save = checkpoints.save

        def stop_at_the_end(path, state):
            if path.name == runs.KEPT:
                raise KeyboardInterrupt
            save(path, state)

        patch.setattr(checkpoints, "save", stop_at_the_end)
        with pytest.raises(KeyboardInterrupt):
            runs.run("line", epochs=3)
    path = next(line.glob("line-*/checkpoint.safetensors"))
    if how == "of another":
        checkpoints.save(path, {"model": {"weight": torch.zeros(7)}})
        content = path.read_bytes()
    else:
        content = damage(path, how)
    assert torch.equal(runs.run("line", epochs=3).model.weight, whole)
    set_aside(path, content, capsys)


# ---- keys


@pytest.fixture
def package(monkeypatch, tmp_path):
    """The keys of a package of these sources, in aevb's place."""
    monkeypatch.setattr(runs, "PACKAGE", tmp_path)

    def keys(module, without=frozenset(), **modules):
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        runs._source.cache_clear()
        return runs.sources(f"aevb.{module}", without)

    yield keys
    runs._source.cache_clear()


def test_comments_and_docstrings_retrain_nothing(package):
    plain = package("a", a="def f(x):\n    return x + 1\n")
    told = package("a", a='"""Doc."""\ndef f(x):\n    "Add."\n    return x+1#')
    other = package("a", a="def f(x):\n    return x + 2\n")
    assert plain == told != other


def test_the_key_sees_every_module_that_is_used(package):
    modules = {
        "low": "A = 1",
        "middle": "def f():\n    from aevb.low import A",
        "top": "from aevb import middle",
    }
    found = package("top", **modules)
    assert set(found) == {"aevb.top", "aevb.middle", "aevb.low"}
    found = package("top", {"aevb.middle"}, **modules)
    assert set(found) == {"aevb.top"}


def test_training_depends_on_no_figure_evaluation_or_fetching():
    used = set(runs.sources("aevb.tasks", runs.NOT_TRAINING))
    assert used >= {"aevb.models", "aevb.objectives", "aevb.training"}
    assert used.isdisjoint(f"aevb.{m}" for m in ("mnist_files", "runs"))
    assert not [m for m in used if "figures" in m or "evaluation" in m]


# ---- studies and results


def test_a_study_is_measured_once_and_again_where_it_is_damaged(
    line, monkeypatch, capsys
):
    study = Study("test_runs:measure", ("line",), {"factor": 2.0})
    monkeypatch.setattr(experiments, "STUDIES", {"s": study})
    assert runs.measured("s") is None
    first = runs.study("s")
    weight = runs.run("line").model.weight
    assert torch.equal(first["doubled"], 2 * weight.detach())
    monkeypatch.setattr("test_runs.calls", [])
    assert torch.equal(runs.study("s")["doubled"], first["doubled"])
    assert runs.measured("s")["summary"] == first["summary"]
    assert calls == []
    path = next(line.glob(f"study-s-*/{runs.KEPT}"))
    content = damage(path, "a bit")
    assert runs.study("s")["summary"] == first["summary"]
    assert calls == [1]
    set_aside(path, content, capsys)


calls: list[int] = []


def measure(line, factor):
    calls.append(1)
    weight = line.model.weight.detach()
    return {"doubled": factor * weight, "summary": {"of": line.key}}


def test_results_hold_every_number_with_its_provenance(line, tmp_path):
    path = tmp_path / "results" / "metrics.json"
    run = runs.run("line")
    numbers = results.gather([run], {"check": {"holds": True}})
    results.write(numbers, path)
    read = json.loads(path.read_text())
    metric = read["experiments"]["line"]["metrics"]["weight"]
    assert metric == run.metrics["weight"].to_json()
    assert set(metric) == {"value", "standard_error", "n"}
    assert read["check"] == {"holds": True}
    assert read["provenance"]["profile"] == "full"
    assert len(read["provenance"]["source"]) == 12


def test_the_source_hash_sees_code_and_prose(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "report.qmd").write_text("prose")
    (tmp_path / "code" / "a.py").write_text("a = 1")
    first = results.source_hash(tmp_path)
    (tmp_path / "code" / "a.py").write_text("a = 2")
    second = results.source_hash(tmp_path)
    (tmp_path / "report.qmd").write_text("other prose")
    assert len({first, second, results.source_hash(tmp_path)}) == 3
