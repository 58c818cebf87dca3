"""Sweeps and searches: what is asked for, trained, tabulated, and refused."""

import csv
import json
import os
import platform
import sys
from types import SimpleNamespace

import pytest
import scipy.stats

import toy_aevb
from aevb import __main__ as aevb_main
from aevb import cli, grid, profiles, runs, search, sweep
from aevb.evaluation import Estimate
from aevb.grid import Point
from benchmarks import seeds
from conftest import TESTS
from toy_aevb import Counted


@pytest.fixture
def said(said, monkeypatch, tmp_path):
    """The same in a folder of its own, from a line."""
    monkeypatch.chdir(tmp_path)
    return lambda line: said(*line.split())


# ---- what is asked for


def points(line):
    names, _, axes = grid.split(line.split(), grid.Sweep())
    return grid.points(names, axes)


def test_a_product_is_typed_and_each_of_it_is_a_command_of_train():
    found = points(
        "vae_kl vae_sgvb --seed 0..2 --coeff .5 2 --hidden-dims 8,4 8,6,4, "
        "--estimator stl --bilinear True False --lr=1e-3 --seed 1 7"
    )
    assert len(found) == 2 * 4 * 2 * 2 * 2
    assert found[0].line == (
        "vae_kl --seed 0 --coeff 0.5 --hidden-dims 8 4 --estimator stl "
        "--bilinear --lr 0.001"
    )
    assert points("ae --seed 3..3") == points("ae --seed 3")
    for point in found[::13]:
        name, *args = point.line.split()
        experiment = profiles.configure(name)[1]
        config = profiles.configure(name, **dict(point.settings))[1]
        assert cli.typed(experiment, args, "", "") == config


def test_a_search_has_ranges_and_choices_and_holds_images_out():
    line = "vae_kl --lr 1e-3..1e-2 --beta2 0.9 0.95 --seconds 5"
    _, mine, axes = grid.split(line.split(), grid.Search())
    assert mine == ["--seconds", "5"]
    assert grid.space("vae_kl", axes) == {
        "lr": (1e-3, 1e-2),
        "beta2": ["0.9", "0.95"],
        "train_size": ["55000"],
    }
    assert grid.space("torus_plain", {"pairs": ["2..9"]}) == {"pairs": (2, 9)}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("sweep ae ea --seed 0", "did you mean ae?"),
        ("sweep ae --sed 0..3", "no setting of ae 'sed'; did you mean seed?"),
        ("sweep vae_kl ae --coeff 1", "there is no setting of ae 'coeff'"),
        ("sweep ae --seed 0..x", "seed: input should be a valid integer"),
        ("sweep ae --seed 3..0", "seed: 3..0 is no range from low to high"),
        ("sweep ae --seed 0..99999", "at most 10000 whole numbers"),
        ("sweep ae --seed 0..99 --epochs 1..200", "20000 runs of ae"),
        ("sweep ae --lr 1e-3..1e-2", "list the values"),
        ("sweep ae --lr 0.1 -1", "lr: input should be greater than 0"),
        ("sweep ae --lr", "lr: give one value or more"),
        ("sweep ae --batch-size 70000", "batch_size: there are 60000"),
        ("sweep ae --hidden-dims 8 2", "join what makes one value by commas"),
        ("sweep ae --hidden-dims 8,x", "hidden_dims: invalid JSON"),
        ("sweep vae_kl --estimator mc", "estimator: input should be 'kl'"),
        ("sweep ae --engine pbs", "--engine"),
        ("sweep ae --engine slurm", "there is no sbatch here"),
        ("sweep ae --slurm gpu --engine slurm", "name=value, not gpu"),
        ("sweep ae --minutes 0", "minutes must be positive"),
        ("search ae vae_kl --lr 1..2", "one experiment, not 2"),
        ("search ae", "search what?"),
        ("search ae --lr 1e-3", "search what?"),
        ("search ae --lr 2..1", "lr: 2..1 is no range"),
        ("search ae --lr 0..1", "lr: input should be greater than 0"),
        ("search ae --beta2 0.9 1", "beta2: input should be less than 1"),
        ("search ae --optimizer a..b", "optimizer: input should be"),
        ("search ae --lr 1..2 --train-size 60000", "take 1 to 55000"),
        ("search ae --lr 1..2 --seconds 0", "seconds must be positive"),
    ],
)
def test_what_is_wrong_is_refused(args, words, refused, monkeypatch):
    monkeypatch.setattr(grid, "find_spec", lambda name: object())
    assert words in refused(aevb_main.main, *args.split())


def test_a_missing_package_is_named(refused, monkeypatch):
    monkeypatch.setattr(grid, "find_spec", lambda name: None)
    for args, package in (
        ("sweep ae --engine submitit", "submitit"),
        ("search ae --lr 1..2", "optuna"),
    ):
        err = refused(aevb_main.main, *args.split())
        assert f"needs one more package: pip install {package}" in err


# ---- the table


def test_mean_deviation_and_error_are_those_of_the_numbers():
    assert sweep.summary([1.0, 2.0, 6.0]) == {
        "mean": 3.0,
        "standard_deviation": pytest.approx(7**0.5),
        "standard_error": pytest.approx((7 / 3) ** 0.5),
        "n": 3,
    }
    only = sweep.summary([2.0])
    assert only["standard_deviation"] is only["standard_error"] is None


def test_a_row_for_each_experiment_setting_and_metric():
    found = {}
    for name in ("a", "b"):
        for seed in (0, 1):
            for lr in (0.1, 0.2):
                at = Point(name, (("seed", seed), ("lr", lr)))
                value = Estimate(seed + 10 * lr)
                found[at] = SimpleNamespace(metrics={"m": value, "k": value})
    rows = sweep.table(found)
    assert len(rows) == 2 * 2 * 2
    assert rows[0] == {
        "experiment": "a",
        "lr": 0.1,
        "metric": "m",
        "mean": 1.5,
        "standard_deviation": pytest.approx(0.5**0.5),
        "standard_error": pytest.approx(0.5),
        "n": 2,
    }


# ---- runs


def test_one_that_diverges_is_named_and_the_others_are_kept(
    said, line, at_once, tmp_path
):
    command = "sweep line --seed 0..2 --lr 0.05 1e30 --to here --metric"
    status, out, err = said(f"{command} weight")
    assert status == 2
    assert "3 of 6 runs failed: line --seed 0 --lr 1e+30: " in err
    assert "diverged at step" in err
    assert out.splitlines()[0].split() == [
        *("experiment", "lr", "metric", "mean"),
        *("standard_deviation", "standard_error", "n"),
    ]
    trained = len(Counted.log.read_text().splitlines())
    with (tmp_path / "here" / "table.csv").open() as file:
        [row] = csv.DictReader(file)
    tree = json.loads((tmp_path / "here" / "table.json").read_text())
    values = [
        run["metrics"]["weight"]["value"] for run in tree["runs"].values()
    ]
    assert float(row["mean"]) == pytest.approx(sum(values) / 3)
    assert (row["n"], len(tree["failed"])) == ("3", 3)
    assert (tmp_path / "here" / "figure.png").stat().st_size > 1000
    # the good ones are found, and a metric that no run has is refused
    status, _, err = said("sweep line --seed 0..2 --lr 0.05 --metric wait")
    assert (status, "did you mean weight?" in err) == (2, True)
    assert len(Counted.log.read_text().splitlines()) == trained


def test_a_job_of_submitit_and_a_printed_command_make_the_runs(
    said, tmp_path, monkeypatch
):
    pytest.importorskip("submitit")
    paths = os.pathsep.join(map(str, (TESTS, TESTS.parent / "code")))
    for name, value in (
        ("PYTHONPATH", paths),
        ("AEVB_RUNS", str(tmp_path / "runs")),
        ("TOY_GO", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("aevb.sweep.outcome", toy_aevb.outcome)
    monkeypatch.setattr("aevb.experiments.EXPERIMENTS", toy_aevb.ONE)
    status, out, err = said("sweep one --seed 0 --engine submitit")
    assert (status, "logs in" in err) == (0, True), err
    assert out.splitlines()[1].split()[:2] == ["one", "weight"]
    _, out, _ = said("sweep one --seed 0 1 --print")
    program, second = out.splitlines()[1].split(" -m aevb ")
    assert (program, said(second)[0]) == (sys.executable, 0)
    status, out, err = said("sweep one --seed 0 1")
    assert (status, err, out.splitlines()[1].split()[-1]) == (0, "", "2")


def test_slurm_gets_one_array(tmp_path, monkeypatch):
    """Told by a stand-in for sbatch, whose tasks come to nothing."""
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit.SlurmJob.watcher, "_delay_s", 1)
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 1)
    stand_ins = {
        "sbatch": f"cp $1 {tmp_path}/script; echo Submitted batch job 7",
        "srun": "",
        "sacct": "echo 'JobID|State|NodeList\n7_0|FAILED|a\n7_1|FAILED|a'",
    }
    for name, text in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    asked = grid.Sweep(engine="slurm", minutes=90, slurm=("partition=p",))
    faults = sweep._submitted(["a --seed 0", "a --seed 1"], asked)
    script = (tmp_path / "script").read_text()
    for option in ("array=0-1", "time=90", "partition=p", "cpus-per-task=1"):
        assert f"#SBATCH --{option}" in script
    assert list(faults) == ["a --seed 0", "a --seed 1"]
    assert "ended early, see " in faults["a --seed 0"]


def test_what_another_machine_is_writing_stays(line):
    runs.run("line")
    [folder] = line.glob("line-*")
    node = platform.node()
    names = [f".x.1.{node}", f".x.1.{node}-2"]
    for name in names:
        (folder / name).touch()
    (folder / runs.KEPT).unlink()
    runs.run("line")
    assert [name for name in names if (folder / name).exists()] == names[1:]


# ---- a search


def test_a_search_tries_settings_until_its_time_is_over(
    said, line, at_once, tmp_path
):
    optuna = pytest.importorskip("optuna")
    command = "search line --lr 1e-3..1 --ema 0 0.9 --epochs 1 --seconds 0.2"
    status, out, err = said(command)
    assert status == 0, err
    assert "at once for 0.2 s; 0 trials are kept" in err
    first, best, *_, last = out.splitlines()
    assert first.endswith("trials came to their end")
    assert "aevb train line --lr 0." in best
    assert last == f"every trial: optuna-dashboard {line / 'search.journal'}"
    journal = optuna.storages.journal.JournalFileBackend(
        str(line / "search.journal")
    )
    [study] = optuna.get_all_study_summaries(
        optuna.storages.JournalStorage(journal)
    )
    assert study.study_name == (
        "full: line --lr 1e-3..1 --ema 0 0.9 --epochs 1"
    )
    assert study.n_trials >= 1
    assert best.startswith(f"{study.best_trial.value:.6g} ")
    # the same command goes on; what is best is a run like any other
    said(best.split("aevb ")[1])
    _, _, err = said(command.replace("0.2", "0.01"))
    assert f"; {study.n_trials} trials are kept" in err
    status, _, err = said("search line --lr 1e29..1e30 --seconds 0.1")
    assert status == 2
    assert "no trial came to its end in 0.1 s: " in err
    assert "diverged at step" in err


def test_a_vae_is_judged_by_images_that_it_was_not_trained_on(
    small, monkeypatch, tmp_path
):
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(grid, "HELD_OUT", 16)
    brief = {"train_size": 48, "batch_size": 8, "epochs": 1}
    judged = {"hidden_dims": (8, 4), "test_size": 8, "importance_samples": 2}
    run = runs.run("vae_kl", **brief, **judged)
    assert search.held_out(run) > 100
    ae = runs.run("ae", **brief, hidden_dims=(8, 2))
    images = search.load_mnist("cpu").train.images[48:].float() / 255
    expected = (ae.model(images)["imgs"] - images).square().mean().item()
    assert search.held_out(ae) == pytest.approx(expected, rel=1e-5)


# ---- the benchmark


def test_a_difference_is_paired_by_seed():
    first, second = [1.0, 2.5, 3.0, 7.0], [0.5, 2.0, 3.5, 5.0]
    found = seeds.difference(first, second)
    test = scipy.stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found["low"] == pytest.approx(test.low)
    assert found["high"] == pytest.approx(test.high)
    assert found["mean"] == pytest.approx(0.625)
    assert found["n"] == 4
