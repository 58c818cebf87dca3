"""One training on several devices: real processes, which talk by gloo."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest
import torch

from aevb import __main__ as aevb_main
from aevb import checkpoints, experiments, profiles, runs, split
from aevb.errors import UserError
from aevb.experiments import Experiment
from aevb.settings import AEConfig, AugmentedConfig
from conftest import PATIENCE, TESTS, group_is_empty, until, write_mnist
from toy_devices import SMALL

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
AE = Experiment(
    "aevb.tasks:AETask",
    AEConfig(
        epochs=3, batch_size=16, hidden_dims=(8, 8, 2), precision="float32"
    ),
    {},
)
# deformed images, fresh pixels and the noise of z
VAE = Experiment(
    "aevb.augmented:AugmentedTask",
    AugmentedConfig(
        epochs=3,
        batch_size=16,
        hidden_dims=(8, 8, 6),
        optimizer="muon",
        estimator="sgvb",
        precision="float32",
        deformed=0.5,
        bend=0.5,
        importance_samples=2,
        test_size=8,
    ),
    {},
)


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch, small):
    """Experiments of a moment, on a stand-in for MNIST."""
    write_mnist(small)
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("TOY_GO", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    table = {"ae": AE, "vae": VAE, "small": SMALL}
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)


def of_rank(name, settings, address, rank):
    """What one process says at its end."""
    torch.set_num_threads(1)
    config = profiles.configure(name, **settings)[1]
    try:
        found = split.run(name, config, 2, address, rank)
    except UserError as error:
        return str(error)
    return "" if found is None else found.key


def together(tmp_path, name, **settings):
    """What each of two processes says."""
    address = f"file://{tmp_path}/{os.urandom(4).hex()}"
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, context) as pool:
        return list(
            pool.map(partial(of_rank, name, settings, address), [0, 1])
        )


def state(name, folder):
    return checkpoints.load(next(folder.glob(f"{name}-*/{runs.KEPT}")))


def furthest(a, b):
    return max((a[k] - b[k]).abs().max().item() for k in a)


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_two_give_the_weights_and_curves_of_one(name, tmp_path, monkeypatch):
    alone = runs.run(name)
    one = state(name, tmp_path / "runs")
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "two"))
    assert together(tmp_path, name) == [alone.key, ""]
    two = state(name, tmp_path / "two")
    torch.manual_seed(alone.config.seed)
    start = alone.task.model().state_dict()
    assert furthest(one["weights"], start) > 0.01
    assert furthest(one["weights"], two["weights"]) < 2e-5
    for curve, values in one["history"].items():
        assert two["history"][curve] == pytest.approx(values, rel=1e-5)


def test_all_stop_where_one_diverges(tmp_path, monkeypatch):
    """The last row of a batch is the second process's."""

    def spoilt(self, rows, share):
        examples = rows.float() / 255
        examples[-1] *= 1.0 if share < 0.5 else float("nan")
        return examples

    monkeypatch.setattr("aevb.tasks.AETask.draw", spoilt)
    first, second = together(tmp_path, "ae")
    assert first.startswith("the training diverged at step 6 of 12")
    assert first == second
    assert not list(tmp_path.glob(f"runs/*/{runs.KEPT}"))


def test_a_damaged_checkpoint_begins_again_on_all(tmp_path, capfd):
    place = runs._place("ae")
    place.folder.mkdir(parents=True)
    path = place.folder / "checkpoint.safetensors"
    for content in (b"no checkpoint", None):
        if content:
            path.write_bytes(content)
        else:
            checkpoints.save(path, {"model": {"weight": torch.zeros(7)}})
        assert together(tmp_path, "ae", seed=0) == [place.key, ""]
        assert "was damaged: kept as" in capfd.readouterr().err
        (place.folder / runs.KEPT).unlink()


def test_a_killed_process_ends_all_and_the_same_command_goes_on(
    start, tmp_path, monkeypatch
):
    command = TESTS / "toy_devices.py", "train", "small", "--devices", "2"
    process = start(*command)
    kept = until(lambda: list(tmp_path.glob("runs/*/checkpoint.safetensors")))
    os.kill(int((tmp_path / "rank-1").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, ""), err
    assert err.startswith("aevb: a process "), err
    assert err.endswith("the same command goes on from there\n")
    assert err.count("\n") == 1
    assert until(lambda: group_is_empty(process.pid))
    assert 0 < checkpoints.load(kept[0])["step"] < 120
    together(tmp_path, "small")
    resumed = state("small", tmp_path / "runs")["weights"]
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "whole"))
    together(tmp_path, "small")
    whole = state("small", tmp_path / "whole")["weights"]
    assert furthest(resumed, whole) == 0
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "alone"))
    assert furthest(whole, runs.run("small").weights) < 1e-5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("ae --devices", "--devices needs a value"),
        ("ae --devices 0", "devices: a number from 1 on, not '0'"),
        ("ae --devices=two", "devices: a number from 1 on, not 'two'"),
        ("ae --devices 3", "batch_size: 16 examples cannot be split over 3"),
        ("ae --devices 32", "add --batch-size 32"),
        ("ae --devices 2 --epochs 0", "epochs: "),
        ("torus --devices 2", "torus trains on one device"),
    ],
)
def test_what_cannot_be_split_is_refused(args, words, monkeypatch, refused):
    table = {"ae": AE, "torus": Experiment("", experiments.TorusConfig(), {})}
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)
    assert words in refused(aevb_main.main, "train", *args.split())


def test_torchrun_alone_says_how_many(monkeypatch, refused):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "3")
    err = refused(aevb_main.main, "train", "ae", "--devices", "2")
    assert "torchrun says how many" in err
    err = refused(aevb_main.main, "train", "ae")
    assert "cannot be split over 3" in err
