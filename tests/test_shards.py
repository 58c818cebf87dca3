"""An evaluation in parts: the same numbers, however it is split."""

import pytest
import torch

from aevb import __main__ as aevb_main
from aevb import checkpoints, evaluation, experiments, runs, shards
from aevb.experiments import Experiment
from aevb.settings import AEConfig, VAEConfig
from aevb.tasks import binary_test_images
from conftest import write_mnist


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch, small):
    """A stand-in for MNIST, of whose images 31 make 16 blocks."""
    write_mnist(small)
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(evaluation, "IMAGES", 2)
    monkeypatch.setattr(evaluation, "STEP", 1.0)
    config = VAEConfig(
        epochs=1, batch_size=32, hidden_dims=(8, 4), importance_samples=1
    )
    config = config.model_copy(update={"test_size": 31})
    table = {
        "vae": Experiment("aevb.tasks:VAETask", config, {}),
        "ae": Experiment("aevb.tasks:AETask", AEConfig(), {}),
    }
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)
    return config


@pytest.fixture
def trained(config):
    """A trained model, to be evaluated with other settings."""
    runs.run("vae")
    return config.model_copy(update={"importance_samples": 7})


def test_any_split_gives_the_same_numbers_bit_for_bit(trained, tmp_path):
    run = runs.run("vae")
    x = binary_test_images(run.device, 31)
    whole = evaluation.evaluate_vae(run.model, x, 7, trained.precision)
    assert whole["test_nll"].n == 31
    assert "test_nll_quadrature" in whole
    assert whole["test_nll"] != run.metrics["test_nll"]
    for n in (1, 2, 7, 16):
        folder = tmp_path / f"{n}"
        for i in range(n, 0, -1):
            torch.manual_seed(100 * n + i)
            shards.write("vae", trained, i, n, str(folder))
        assert len(list(folder.iterdir())) == n
        merged = shards.merge("vae", trained, str(folder))
        assert merged.metrics == whole
        assert merged.key == run.key
    found = runs.run("vae", importance_samples=7)
    assert found.metrics == whole  # kept, as if measured here


def said(refused, args):
    return refused(aevb_main.main, "evaluate", *args.split(), unchanged=False)


def test_merging_names_what_is_missing_and_takes_nothing_else(
    trained, tmp_path, capsys, refused, monkeypatch
):
    seven = "vae --importance-samples 7"
    assert "lacks parts of this model and these settings: 1/1" in said(
        refused, f"{seven} --merge"
    )
    assert "16 blocks of 2 images" in said(refused, "vae --shard 1/17")
    paths = [shards.write("vae", trained, i, 3) for i in (1, 3)]
    assert "settings: 2/3;" in said(refused, f"{seven} --merge")
    # parts for other settings do not count
    assert "settings: 1/1;" in said(refused, "vae --merge")
    # what is there is not measured again
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "measure", None)
        assert shards.write("vae", trained, 1, 3) == paths[0]
    # nor do parts of a model with other weights, under the same key
    kept = runs.run("vae").folder / runs.KEPT
    state = checkpoints.load(kept)
    weights = state["weights"]
    other = {k: v + 1e-6 for k, v in weights.items()}
    checkpoints.save(kept, {**state, "weights": other})
    assert "settings: 1/1;" in said(refused, f"{seven} --merge")
    strange = shards.write("vae", trained, 2, 3)
    checkpoints.save(kept, state)
    second = paths[0].with_name(paths[0].name.replace("d-1-", "d-2-"))
    strange.rename(second)
    err = said(refused, f"{seven} --merge")
    assert f"{second} is a part of another model" in err
    second.write_bytes(second.read_bytes()[:-9])
    assert f"{second} is damaged" in said(refused, f"{seven} --merge")
    second.unlink()
    args = f"evaluate {seven} --shard 2/3 --merge".split()
    monkeypatch.setattr("sys.argv", ["aevb", *args])
    aevb_main.main()
    out = capsys.readouterr().out.splitlines()
    assert out[0] == str(second)
    assert out[1].startswith("vae: 1 epochs")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("vae --shard", "--shard needs a value"),
        ("vae --shard 0/3", "shard: one of n parts is 1/n, 2/n, to n/n"),
        ("vae --shard 4/3", "not '4/3'"),
        ("vae --to there", "--to is for parts"),
        ("vae --shard 1/2", "vae is not trained: there is no "),
        ("vae --shard 1/2 --lr 0", "lr: "),
        ("ae --shard 1/2", "ae is evaluated in seconds"),
    ],
)
def test_what_cannot_be_measured_is_refused(args, words, refused):
    err = refused(aevb_main.main, "evaluate", *args.split())
    assert words in err
