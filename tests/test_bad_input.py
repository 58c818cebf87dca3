"""What a person gets wrong: one line, exit status 2, nothing changed.

Each row is called as a command line is, in this process, with the words
that its one line must hold; a few go through a process of their own.
"""

import errno
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import torch

from aevb import __main__ as aevb_main
from aevb import checkpoints, cli, data, experiments, results, studies
from aevb.errors import UserError
from aevb.experiments import Experiment, Study
from aevb.figures import latent
from aevb.training import Config
from press import __main__ as press_main
from test_data import IMAGES, no_source, small  # noqa: F401
from test_data import write as write_data
from test_experiments import line, trainings  # noqa: F401
from test_press import FIGURE, HEAD, snapshot, write
from test_training import Diverging


@dataclass
class Row:
    """What is called, what is wrong with the world, what must be said."""

    args: str
    words: str
    environment: tuple[tuple[str, str], ...] = ()


AEVB = [
    Row("", "which command?"),
    Row("frobnicate", "there is no command 'frobnicate'"),
    Row("verify-kll", "did you mean verify-kl?"),
    Row("train", "train which experiment?"),
    Row("train --epochs 3", "train which experiment?"),
    Row("train ea", "did you mean ae?"),
    Row("train vae-kl", "did you mean vae_kl?"),
    Row("train ae --width 3", "--width"),
    Row("train ae --epochs 0", "epochs: "),
    Row("train ae --epochs -3", "epochs: "),
    Row("train ae --epochs 2.5", "--epochs"),
    Row("train ae --epochs", "--epochs"),
    Row("train ae 5", "Unrecognized options: 5"),
    Row("train ae --lr 0", "lr: "),
    Row("train ae --lr -1", "lr: "),
    Row("train ae --lr nan", "lr: "),
    Row("train ae --lr inf", "lr: "),
    Row("train ae --lr fast", "--lr"),
    Row("train ae --batch-size 0", "batch_size: "),
    Row("train ae --warmup 1", "warmup: "),
    Row("train ae --weight-decay -1", "weight_decay: "),
    Row("train ae --beta2 1", "beta2: "),
    Row("train ae --ema 1", "ema: "),
    Row("train ae --train-size -1", "train_size: "),
    Row("train ae --seed -1", "seed: "),
    Row("train ae --threads 0", "threads: "),
    Row("train ae --device gpu", "--device"),
    Row("train ae --device mps", "device: this machine has no mps"),
    Row("train ae --precision float8", "--precision"),
    Row("train ae --hidden-dims", "hidden_dims: "),
    Row("train ae --hidden-dims 8 2.5", "--hidden-dims"),
    Row("train ae --hidden-dims 8 0", "hidden_dims: "),
    Row("train ae --hidden-dims 8 x", "--hidden-dims"),
    Row("train vae_kl --hidden-dims 8 3", "must be even"),
    Row("train vae_kl --estimator mc", "--estimator"),
    Row("train vae_kl --coeff -1", "coeff: "),
    Row("train vae_kl --test-size 10001", "test_size: "),
    Row("train torus_plain --R 1 --r 2", "R"),
    Row("fetch 3", "Unrecognized options: 3"),
    Row("verify-kl --model gan", "--model"),
    Row("verify-kl --images 0", "images must be from 1"),
    Row("verify-kl --images -5", "images must be from 1"),
    Row("verify-kl --images 10001", "images must be from 1"),
    Row(
        "train ae",
        "PROFILE must be one of full, quick, gpu",
        (("PROFILE", "slow"),),
    ),
    Row("train ae", "cannot write to", (("RUNS", "file"),)),
    Row("train ae", "cannot write to", (("RUNS", "/proc/runs"),)),
    Row("fetch", "make it a folder", (("DATA", "file"),)),
    Row("fetch", "cannot be kept in", (("DATA", "/proc/data"),)),
    Row("fetch", "could not be fetched from"),
    Row("train ae", "could not be fetched from", (("RUNS", "away"),)),
]


def call(main, args, capsys, folder, unchanged=True):
    """The one line that a command line says when it refuses."""
    before = snapshot(folder)
    with mock.patch.object(sys, "argv", ["command", *args]):
        status = 0
        try:
            status = main()
        except SystemExit as end:
            status = end.code
    out, err = capsys.readouterr()
    assert status == 2, out + err
    assert err.count("\n") == 1, err
    if unchanged:
        assert snapshot(folder) == before
    return err


@pytest.mark.parametrize("row", AEVB, ids=lambda r: r.args or "nothing")
def test_aevb_refuses(row, tmp_path, monkeypatch, capsys, small):  # noqa: F811
    monkeypatch.setattr(data, "SOURCES", [("a source", no_source)])
    # the runs of the rows that come to train lie elsewhere
    away = tmp_path.parent / f"{tmp_path.name}-away"
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("AEVB_PROFILE", raising=False)
    (tmp_path / "file").write_text("a file")
    for name, value in row.environment:
        places = {"file": str(tmp_path / "file"), "away": str(away)}
        monkeypatch.setenv(f"AEVB_{name}", places.get(value, value))
    err = call(aevb_main.main, row.args.split(), capsys, tmp_path)
    assert err.startswith("aevb: ")
    assert row.words in err


# ---- what is damaged is set aside, not deleted, and made again


def damage(path, how):
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = bytes([content[middle] ^ 1])
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[:middle],
            "garbage": b"\xff" * 40,
            "a bit": content[:middle] + flipped + content[middle + 1 :],
            "a list": b"[]",
            "deep": b"[" * 100_000,
        }[how]
    )
    return path.read_bytes()


RECORDS = ["empty", "cut", "garbage", "a bit", "a list", "deep"]


def set_aside(path, content, capsys):
    """What was damaged is kept as it was, and one line says where."""
    away = path.with_name(f"{path.name}.damaged-1")
    assert away.read_bytes() == content
    err = capsys.readouterr().err
    assert f"{path} was damaged: kept as {away.name}, " in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("how", RECORDS)
@pytest.mark.parametrize("name", ["run.json", "weights.safetensors"])
def test_a_damaged_run_is_made_again(name, how, line, capsys):  # noqa: F811
    first = experiments.run("line")
    path = next(line.glob(f"line-*/{name}"))
    folder, content = path.parent, damage(path, how)
    again = experiments.run("line")
    assert torch.equal(first.model.weight, again.model.weight)
    assert trainings() == 2
    away = folder.with_name(f"{folder.name}.damaged-1")
    assert (away / name).read_bytes() == content
    err = capsys.readouterr().err
    assert f"{folder} was damaged: kept as {away.name}, training" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("how", RECORDS)
def test_damaged_metrics_are_made_again(how, line, capsys):  # noqa: F811
    first = experiments.run("line")
    path = next(line.glob("line-*/metrics.json"))
    content = damage(path, how)
    assert experiments.run("line").metrics == first.metrics
    assert trainings() == 1
    set_aside(path, content, capsys)


@pytest.mark.parametrize("how", ["empty", "cut", "garbage", "a bit"])
def test_a_damaged_checkpoint_is_made_again(
    how,
    line,  # noqa: F811
    capsys,
    monkeypatch,
):
    whole = experiments.run("line", epochs=3).model.weight
    path = checkpoint_of(line, monkeypatch, epochs=3)
    content = damage(path, how)
    again = experiments.run("line", epochs=3)
    assert torch.equal(again.model.weight, whole)
    set_aside(path, content, capsys)


def test_a_checkpoint_of_another_training_is_set_aside(
    line,  # noqa: F811
    capsys,
    monkeypatch,
):
    path = checkpoint_of(line, monkeypatch, epochs=3)
    checkpoints.save(path, {"model": {"weight": torch.zeros(7)}})
    content = path.read_bytes()
    assert len(experiments.run("line", epochs=3).history["test_loss"]) == 3
    set_aside(path, content, capsys)


def checkpoint_of(runs, monkeypatch, **settings):
    """The checkpoint of a run that was interrupted at its end."""
    with monkeypatch.context() as patch:
        patch.setattr("aevb.training.CHECKPOINT_SECONDS", 0.0)
        patch.setattr("aevb.experiments.save_file", interrupt)
        for folder in runs.glob("line-*"):
            folder.rename(folder.with_name(f"whole-{folder.name}"))
        with pytest.raises(KeyboardInterrupt):
            experiments.run("line", **settings)
    return next(runs.glob("line-*/checkpoint.safetensors"))


def interrupt(*_args, **_options):
    raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["empty", "cut", "garbage", "a bit"])
def test_a_damaged_study_is_measured_again(
    how,
    line,  # noqa: F811
    capsys,
    monkeypatch,
):
    calls = []

    def measure():
        calls.append(1)
        return {"summary": {"a": 1.5}, "values": torch.arange(9.0)}

    monkeypatch.setattr(experiments, "STUDIES", {"s": Study(measure)})
    first = experiments.study("s")
    path = next(line.glob("study-s-*/result.safetensors"))
    content = damage(path, how)
    again = experiments.study("s")
    assert again["summary"] == first["summary"] == {"a": 1.5}
    assert torch.equal(again["values"], first["values"])
    assert len(calls) == 2
    set_aside(path, content, capsys)


def test_two_damages_are_both_kept(line):  # noqa: F811
    for _ in range(2):
        experiments.run("line")
        damage(next(line.glob("line-*/metrics.json")), "garbage")
    experiments.run("line")
    assert len(list(line.glob("line-*/metrics.json.damaged-*"))) == 2


def test_damaged_data_that_cannot_be_fetched_is_kept(
    small,  # noqa: F811
    monkeypatch,
    capsys,
):
    home = write_data(small)
    content = damage(home / IMAGES, "a bit")
    monkeypatch.setattr(data, "SOURCES", [("a source", no_source)])
    err = call(aevb_main.main, ["fetch"], capsys, home, unchanged=False)
    assert f"({IMAGES} had been damaged)" in err
    assert (home / f"{IMAGES}.damaged").read_bytes() == content


# ---- divergence: nothing is reported


class Diverged(Diverging):
    def __init__(self, config):
        super().__init__(**config.model_dump())

    def evaluate(self, model):
        raise AssertionError("a diverged model was evaluated")


def test_a_diverged_training_reports_nothing(
    line,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    config = Config(epochs=3, batch_size=10)
    table = {"line": Experiment(Diverged, config, {})}
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)
    args = ["train", "line"]
    err = call(aevb_main.main, args, capsys, tmp_path, unchanged=False)
    assert "diverged at step 10 of 30" in err
    assert "lower lr" in err
    assert [p.name for p in line.rglob("*.*") if p.is_file()] == [
        "config.json"
    ]


def inline(get, names):
    for name in names:
        get(name)


def test_a_diverged_study_reports_nothing(
    line,  # noqa: F811
    small,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    """The study of the report, with a rate at which it must diverge."""
    settings = {"coeffs": (1.0,), "course_coeff": 1e-3, "samples": 2}
    settings |= {"test_size": 3, "hidden_dims": (8, 4), "batch_size": 1}
    settings |= {"epochs": 8, "lr": 1e30}
    entry = Study(studies.rate_distortion, (), settings)
    monkeypatch.setattr(experiments, "STUDIES", {"rate_distortion": entry})
    monkeypatch.setattr(experiments, "EXPERIMENTS", {})
    monkeypatch.setattr(cli, "at_once", inline)
    monkeypatch.setattr(results, "PATH", tmp_path / "results.json")
    write_data(small)
    args = ["train-all"]
    err = call(aevb_main.main, args, capsys, tmp_path, unchanged=False)
    assert "diverged at step" in err
    assert not (tmp_path / "results.json").exists()
    assert [p for p in line.rglob("*") if p.is_file()] == []


# ---- a plane of codes


@pytest.mark.parametrize("size", [1, 3])
def test_a_plane_needs_two_latent_dimensions(size):
    codes = torch.zeros(64, size)
    labels = torch.zeros(64, dtype=torch.long)
    for draw in (
        lambda: latent.codes_quantiles(codes),
        lambda: latent.latent_planes({"a": codes}, labels),
    ):
        with pytest.raises(UserError, match="let hidden_dims end in 2"):
            draw()


# ---- press

CHUNK = "```{python}\n"
PRESS = {
    "unclosed": (CHUNK + "1\n", "this chunk is never closed"),
    "duplicate": (
        2 * (CHUNK + "#| label: a\n1\n```\n\n"),
        "label `a` is already used",
    ),
    "dangling": ("See @fig-none.\n", "nothing has the label `fig-none`"),
    "empty link": ("[a](#)\n", "nothing has the label ``"),
    "unsupported": ("::: {.callout-note}\na\n:::\n", "`.callout-note`"),
    "raises": (CHUNK + "1 / 0\n```\n", "ZeroDivisionError"),
    "bytes": (b"\xff\n", "the byte 0xff is not UTF-8"),
    "image": ('![c](no.png){#fig-a fig-alt="a"}\n', "an image is drawn by a"),
    "image outside": ("a ![c](/etc/hostname)\n", "an image is drawn by a"),
    "deep": ("> " * 3000 + "a\n", "nested too deeply"),
}
META = {
    "output-file: ../escaped": "must be a plain name, not `../escaped`",
    "output-file: /tmp/escaped": "must be a plain name, not `/tmp/escaped`",
    "output-file: .pdf": "must be a plain name",
    "output-file: [a]": "`output-file` cannot be `['a']`",
    "bibliography: 3": "`bibliography` cannot be `3`",
    "bibliography: [3]": "`bibliography` cannot be `[3]`",
    "csl: [a]": "does not know the key `csl`",
    "title: {a: b}": "`title` cannot be",
    "author: [{a: b}]": "`author` cannot be",
    "lang: true": "`lang` cannot be `True`",
    "press: 3": "`press` cannot be `3`",
    "press: {first-chapter: one}": "`first-chapter` cannot be `one`",
    "execute: {echo: perhaps}": "`echo` cannot be `perhaps`",
    "title: !!bool maybe": "YAML",
    "title: !!int": "YAML",
    "date: !!timestamp x": "YAML",
    f"title: {'[' * 5000}": "YAML",
}


def press(document, *args):
    return lambda: press_main.main([str(document), *args])


@pytest.mark.parametrize("name", PRESS)
def test_press_refuses_a_text(name, tmp_path, capsys):
    text, words = PRESS[name]
    text = text if isinstance(text, bytes) else text.encode()
    document = write(tmp_path)
    document.write_bytes(HEAD.encode() + text)
    run = press(document, "--engine", "press")
    err = call(run, [], capsys, tmp_path)
    assert err.startswith("press: report.qmd")
    assert words in err


@pytest.mark.parametrize("key", META, ids=lambda key: key[:30])
def test_press_refuses_a_key(key, tmp_path, capsys):
    document = write(tmp_path, f"---\nlang: en\n{key}\n---\n\nText.\n")
    document.write_text(f"---\n{key}\n---\n\nText.\n")
    err = call(press(document, "--engine", "press"), [], capsys, tmp_path)
    assert err.startswith("press: report.qmd, line 2: ")
    assert META[key] in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--fast",), "--fast"),
        (("--engine", "latex"), "--engine"),
        (("--provenance", "source"), "is not KEY=VALUE"),
    ],
)
def test_press_refuses_an_option(args, words, tmp_path, capsys):
    err = call(press(write(tmp_path), *args), [], capsys, tmp_path)
    assert err.startswith("press: ")
    assert words in err


def no_space(*_args, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "where",
    [
        "press.lock.Path.write_text",
        "press.build.tempfile.TemporaryDirectory",
        "press.build.Path.write_bytes",
        "press.build.nbformat.write",
        "press.build.os.fsync",
    ],
)
def test_press_without_space_changes_nothing(
    where, tmp_path, capsys, monkeypatch
):
    figure = (
        f"{CHUNK}#| label: fig-a\n#| fig-cap: c\n#| fig-alt: a\n{FIGURE}```\n"
    )
    needs_figure = where.endswith("write_bytes")
    document = write(tmp_path, HEAD + (figure if needs_figure else "Text.\n"))
    (tmp_path / "report.pdf").write_text("the last build's")
    monkeypatch.setattr(where, no_space)
    err = call(press(document, "--engine", "press"), [], capsys, tmp_path)
    assert "No space left on device" in err


def test_press_names_what_is_missing_or_in_the_way(tmp_path, capsys):
    err = call(press(tmp_path / "no.qmd"), [], capsys, tmp_path)
    assert "there is no such document" in err
    document = write(tmp_path)
    (tmp_path / "kerberos.pdf").mkdir()
    err = call(press(document, "--engine", "press"), [], capsys, tmp_path)
    assert "kerberos.pdf: stands in the way" in err


# ---- through processes of their own


@pytest.mark.parametrize(
    ("args", "start"),
    [
        (("-m", "aevb", "train", "ea"), "aevb: there is no experiment 'ea'"),
        (("-m", "press", "no.qmd"), "press: no.qmd: there is no such"),
    ],
)
def test_a_real_process_ends_with_status_two(args, start, tmp_path):
    root = Path(__file__).parent.parent
    paths = os.pathsep.join([str(root / "code"), str(root)])
    done = subprocess.run(
        [sys.executable, *args],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
