"""Interrupted, killed, twice at once: real processes, stopped for real."""

import os
import re
import resource
import signal

import pytest

import toy_aevb
from aevb import checkpoints, training
from aevb.errors import UserError
from conftest import PATIENCE, TESTS, group_is_empty, is_gone, until
from test_training import CPU, at, fit, outcome
from toy_aevb import Line


def test_ctrl_c_ends_all_workers_and_a_sweep_goes_on(
    start, said, at_once, tmp_path, monkeypatch
):
    process = start(TESTS / "toy_aevb.py", "train-all")
    found = until(lambda: list(tmp_path.glob("runs/*/checkpoint.safetensors")))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert out.startswith("profile full; what is done is kept in ")
    assert "to do: one; about " in out
    assert err.startswith("aevb: stopped; what was done is kept in ")
    assert err.count("\n") == 1
    assert until(lambda: group_is_empty(process.pid))
    assert checkpoints.load(found[0])["step"] > 0
    assert not list(tmp_path.glob("runs/*/finished*"))
    assert not (tmp_path / "results").exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AEVB_RUNS", "runs")
    monkeypatch.setenv("TOY_GO", ".")
    monkeypatch.setattr("aevb.experiments.EXPERIMENTS", toy_aevb.ONE)
    status, out, err = said("sweep", "one", "--seed", "0")
    assert (status, err.splitlines()[0]) == (0, "1 runs, 1 to train")
    assert out.splitlines()[1].split()[:2] == ["one", "weight"]
    [run] = tmp_path.glob("runs/*/finished*")
    assert run.parent == found[0].parent
    assert not list(run.parent.glob("checkpoint*"))


def workers_of(start, tmp_path):
    """A parent of two processes, and their numbers."""
    process = start(TESTS / "toy_workers.py", "fetch")
    files = [tmp_path / name for name in "ab"]
    until(lambda: all(f.exists() and f.read_text() for f in files))
    return process, [int(f.read_text()) for f in files]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
)
def test_whatever_ends_the_parent_ends_the_workers(number, start, tmp_path):
    process, workers = workers_of(start, tmp_path)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=PATIENCE)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert err.startswith("aevb: stopped; what was done is kept in ")
        assert err.count("\n") == 1
    assert until(lambda: all(map(is_gone, workers)))


def test_a_killed_worker_is_named_and_the_rest_stops(start, tmp_path):
    process, workers = workers_of(start, tmp_path)
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert err.startswith("aevb: a process was killed")
    assert err.count("\n") == 1
    assert until(lambda: group_is_empty(process.pid))


HOLD = """
import sys, time
from pathlib import Path
from aevb import locks
with locks.held(Path("lock"), "this"):
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def test_who_waits_names_the_owner_and_goes_on_when_it_is_killed(
    start, tmp_path
):
    first = start("-c", HOLD, 600)
    assert first.stdout.readline() == "held\n"
    second = start("-c", HOLD, 0)
    word = second.stderr.readline()
    assert word == f"waiting for process {first.pid}, at work on this\n"
    first.kill()
    out, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, out, err) == (0, "held\n", "")
    assert list(tmp_path.iterdir()) == []


def fill_disk(*_):
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, most))


def test_a_full_disk_stops_the_training_and_the_last_checkpoint_stays(
    tmp_path, monkeypatch
):
    """With writes that fail for real, in the middle of a file."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(UserError) as fault:
            fit(at(15, Line(), fill_disk), CPU, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"cannot write .*: .*File too large", str(fault.value))
    assert "goes on from what was kept" in str(fault.value)
    path = tmp_path / "checkpoint.safetensors"
    assert list(tmp_path.iterdir()) == [path]
    assert 10 < checkpoints.load(path)["step"] < 15
    assert outcome(Line(), tmp_path) == outcome(Line())
