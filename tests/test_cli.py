"""The command line: what a person gets wrong is one line and status 2.

Each row is called as a command line is, in this process, with the words
that its one line must hold; a few go through a process of their own.
"""

import os
import re
import sys
from collections import namedtuple
from dataclasses import replace

import pytest

from aevb import __main__ as aevb_main
from aevb import cli, experiments, mnist_files, profiles, results
from aevb.experiments import Experiment, Study
from aevb.settings import Config
from conftest import no_source, write_mnist
from toy_aevb import Counted

# what is called, what must be said, what is wrong with the world
Row = namedtuple("Row", "args words environment", defaults=[()])
AEVB = [
    Row("", "which command?"),
    Row("frobnicate", "there is no command 'frobnicate'"),
    Row("train --epochs 3", "train which experiment?"),
    Row("train vae-kl", "did you mean vae_kl?"),
    Row("train ae --width 3", "--width"),
    Row("train ae --epochs 0", "epochs: "),
    Row(f"train ae --seed {2**64}", "seed: input should be less than"),
    Row("train ae --threads 100000", "threads: input should be less than"),
    Row("train ae --epochs 2.5", "--epochs"),
    Row("train ae --epochs", "--epochs"),
    Row("train ae 5", "Unrecognized options: 5"),
    Row("train ae --lr 0", "lr: "),
    Row("train ae --lr nan", "lr: "),
    Row("train ae --lr inf", "lr: "),
    Row("train ae --lr fast", "--lr"),
    Row("train ae --batch-size 0", "batch_size: "),
    Row("train ae --warmup 1", "warmup: "),
    Row("train ae --weight-decay -1", "weight_decay: "),
    Row("train ae --beta2 1", "beta2: "),
    Row("train ae --ema 1", "ema: "),
    Row("train ae --train-size -1", "train_size: "),
    Row("train ae --train-size 70000", "train_size: there are 60000 training"),
    Row("train ae --batch-size 100000", "batch_size: there are 60000"),
    Row("train ae --train-size 99 --batch-size 100", "batch_size: there are"),
    Row("train torus_plain --train-size 3001", "train_size: there are 3000"),
    Row("train ae --seed -1", "seed: "),
    Row("train ae --threads 0", "threads: "),
    Row("train ae --device gpu", "--device"),
    Row("train ae --device mps", "device: this machine has no mps"),
    Row("train ae --hidden-dims", "hidden_dims: "),
    Row("train ae --hidden-dims 8 0", "hidden_dims: "),
    Row("train ae --hidden-dims 8 x", "--hidden-dims"),
    Row("train vae_kl --hidden-dims 8 3", "must be even"),
    Row("train vae_kl --coeff -1", "coeff: "),
    Row("train vae_kl --test-size 10001", "test_size: "),
    Row("train vae_kl --test-size 1", "test_size: "),
    Row("train torus_plain --R 1 --r 2", "r = 2.0 make no torus"),
    Row("train torus_plain --coeff 0", "coeff: "),
    Row("train torus_plain --size 0", "size: "),
    Row("train torus_plain --noise-min 0", "noise_min: "),
    Row("train vae_exact --points 0", "points: "),
    Row("train vae_exact --encoded 0", "encoded: "),
    Row("fetch 3", "Unrecognized options: 3"),
    Row("verify-kl --model gan", "--model"),
    Row("verify-kl --images 0", "images must be from 1"),
    Row("verify-kl --images 10001", "images must be from 1"),
    Row("train ae", "must be one of full, quick, gpu", (("PROFILE", "no"),)),
    Row("train ae", "cannot write to", (("RUNS", "file"),)),
    Row("train ae", "cannot write to", (("RUNS", "/proc/runs"),)),
    Row("fetch", "make it a folder", (("DATA", "file"),)),
    Row("fetch", "cannot be kept in", (("DATA", "/proc/data"),)),
    Row("fetch", "could not be fetched from"),
    Row("train ae", "could not be fetched from", (("RUNS", "away"),)),
]


@pytest.mark.parametrize("row", AEVB, ids=lambda r: r.args or "nothing")
def test_what_is_wrong_is_refused(row, tmp_path, monkeypatch, refused, small):
    monkeypatch.setattr(mnist_files, "SOURCES", [("a source", no_source)])
    # the runs of the rows that come to train lie elsewhere
    away = tmp_path.parent / f"{tmp_path.name}-away"
    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    (tmp_path / "file").write_text("a file")
    for name, value in row.environment:
        places = {"file": str(tmp_path / "file"), "away": str(away)}
        monkeypatch.setenv(f"AEVB_{name}", places.get(value, value))
    err = refused(aevb_main.main, *row.args.split())
    assert err.startswith("aevb: ")
    assert row.words in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
@pytest.mark.parametrize("words", ["aevb train ae --help", "press x.qmd"])
def test_an_output_that_takes_no_more_is_one_line(words, start, tmp_path):
    (tmp_path / "x.qmd").touch()
    name, *args = words.split()

    def said(stdout):
        process = start("-m", name, *args, stdout=stdout)
        _, err = process.communicate()
        assert process.returncode == 2
        return err

    with open("/dev/full", "w") as full:
        err = said(full)
    assert err == f"{name}: [Errno 28] No space left on device\n"
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:  # `| head` does so
        assert said(closed) == ""


def test_help_for_an_output_that_is_closed_is_no_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["aevb", "train", "ae", "--help"])
    monkeypatch.setattr(sys, "stdout", None)  # as `>&-` leaves it
    with pytest.raises(SystemExit) as end:
        aevb_main.main()
    assert not end.value.code


def test_a_box_without_lines_of_its_own_is_a_sentence_as_well():
    """As tyro draws it where the terminal has no UTF-8."""
    box = " Title   \n ------- \n Wrong: x  \n  ------\n Meant: y \n"
    assert cli._sentence(box) == "Wrong: x; --help lists what there is"


def test_neither_help_nor_refusal_nor_print_needs_what_is_slow(start):
    """Nor do the hashes by which `train-all` knows that all is done."""
    script = """
import sys
from aevb import __main__, results
for args in ("--help", "train ae --help", "sweep ae --help",
             "search ae --help", "train ae --lr -1", "train ea",
             "sweep ae --lr 0", "search ae --lr 0..1",
             "sweep ae --seed 0..2 --print"):
    sys.argv = ["aevb", *args.split()]
    try:
        __main__.main()
    except SystemExit as end:
        print(end.code, file=sys.stderr)
results.source_hash()
heavy = {"scipy", "matplotlib", "sympy", "ripser", "optuna", "submitit"}
print(*{*heavy, "numpy", "torch"} & set(sys.modules), file=sys.stderr)
from aevb import mnist_files  # has numpy
results.state()
print("torch" in sys.modules, file=sys.stderr)
"""
    out, err = start("-c", script).communicate()
    *said, heavy, torch = err.splitlines()
    assert (heavy, torch) == ("", "False")
    assert (said[:4], said[5::2]) == (["0"] * 4, ["2"] * 4)
    assert said[4].startswith("aevb: lr: input should be greater than 0")
    assert said[6].startswith("aevb: there is no experiment 'ea'")
    assert out.splitlines()[-3:] == [
        f"{sys.executable} -m aevb train ae --seed {seed}" for seed in range(3)
    ]


def test_a_module_that_is_not_python_is_named(tmp_path, refused, monkeypatch):
    bad = tmp_path / "models.py"
    bad.write_text("def f(:\n")

    def broken():
        compile_it = __import__("py_compile").compile
        try:
            compile_it(str(bad), doraise=True)
        except Exception as error:
            raise error.exc_value from None

    monkeypatch.setattr(cli, "main", broken)
    err = refused(aevb_main.main)
    assert err.startswith(f"aevb: {bad}, line 1, is not Python: ")


def test_train_takes_settings_as_options(said, line):
    status, out, _ = said("train", "line", "--epochs", "3", "--lr", "1e-2")
    assert status == 0
    assert out.startswith("line: ")
    assert "weight" in out
    assert Counted.log.read_text() == "trained\n"


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_ctrl_c_says_what_is_kept(command, said, line, at_once, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("aevb.training.Trainer.take_step", stop)
    status, _, err = said(command, "line", "--seed", "0")
    assert status == 130
    assert str(line) in err
    assert "goes on from there" in err


def test_all_done_starts_no_process(
    said, line, at_once, monkeypatch, tmp_path
):
    study = Study("test_cli:measured", ("line",))
    monkeypatch.setattr(experiments, "STUDIES", {"s": study})
    monkeypatch.setattr(results, "PATH", tmp_path / "results.json")
    monkeypatch.setattr(mnist_files, "fetch", lambda: None)
    _, out, _ = said("train-all")
    assert "to do: line, s; about 0 s on this machine" in out
    assert "weight" in out
    before = results.PATH.read_bytes()
    results.PATH.unlink()
    everything = cli._everything
    monkeypatch.setattr(cli, "_everything", None)
    again = said("train-all")
    assert again == (0, re.sub("to do: .*\n", "", out), "")
    assert results.PATH.read_bytes() == before
    monkeypatch.setattr(cli, "_everything", everything)
    kept = next(line.glob("line-*/finished.safetensors"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    _, out, err = said("train-all")
    assert "was damaged" in err
    assert "to do: line" in out


def measured(line):
    return {"summary": {"key": line.key}}


def test_the_time_that_is_said_grows_with_the_work(monkeypatch):
    from aevb import agenda

    entry = Experiment("", Config(epochs=10), {}, cost=3000.0)
    longer = {"epochs": 20}
    table = dict.fromkeys("abcd", entry)
    table["e"] = Experiment("", Config(epochs=10), {}, longer, 3000.0)
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)
    monkeypatch.setattr(agenda, "product_rate", lambda: agenda.RATE / 2)
    monkeypatch.setattr(agenda, "on_gpu", lambda: False)
    monkeypatch.setattr(agenda, "number", lambda jobs: 2)
    monkeypatch.setattr(
        "aevb.training.has_fast_bfloat16", lambda device: False
    )

    def words(names):
        costs = [agenda.cost(("run", n)) for n in names]
        return agenda.estimate(costs).split(" on ")[0]

    assert words("ab") == "about 100 min"  # at half the rate of the table
    assert words("abcd") == "about 200 min"  # two at once
    monkeypatch.setenv("AEVB_PROFILE", "gpu")
    assert words("ae") == "about 200 min"  # no sooner than the longest
    monkeypatch.setenv("AEVB_PROFILE", "quick")
    assert words("ab") == "about 10 s"


def changed(monkeypatch, **settings):
    """The table of experiments, with other settings of some."""
    table = dict(experiments.EXPERIMENTS)
    for name, values in settings.items():
        config = table[name].config
        config = type(config)(**{**config.model_dump(), **values})
        table[name] = replace(table[name], config=config)
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("vae_kl", {"hidden_dims": (16, 8)}, "by hidden_dims = 1 or 2, not"),
        ("ae", {"hidden_dims": (16, 3)}, "by hidden_dims = 1 or 2, not"),
        ("vae_exact", {"hidden_dims": (9, 2)}, "= 2, as vae_kl has, not"),
        ("vae_kl", {"coeff": 0.0}, "coeff = 1.0, not for 0.0"),
        ("vae_best", {"coeff": 0.5}, "coeff = 1.0, not for 0.5"),
        ("vae_kl", {"estimator": "stl"}, "estimator = kl, not for stl"),
        ("vae_sgvb", {"lr": 0.1}, "lr = 0.0064, as vae_kl has, not for 0.1"),
        ("torus_plain", {"frequencies": 4}, "frequencies = 10, not for 4"),
        ("torus_wrapped", {"r": 0.3}, "r = 0.5, as torus_plain has, not"),
        ("torus_plain", {"pairs": 5}, "pairs = 10 or more, not for 5"),
        ("torus_plain", {"train_size": 600}, "train_size = 0, not for 600"),
        ("torus_wrapped", {"trials": 1}, "trials = 2 or more, not for 1"),
        ("vae_best", {"hidden_dims": (4,)}, "hidden_dims = 3 or more, not"),
        ("vae_exact", {"coeff": 0.5}, "coeff = 1.0, not for 0.5"),
    ],
)
def test_settings_that_the_report_does_not_fit_are_refused(
    name, settings, words, monkeypatch, refused
):
    changed(monkeypatch, **{name: settings})
    err = refused(aevb_main.main, "train-all")
    assert err.startswith(f"aevb: {name}: the report is written for ")
    assert words in err
    assert f"`aevb train {name}`" in err


def test_settings_that_the_report_fits_are_not_refused(monkeypatch):
    profiles.check_report()
    one = {"hidden_dims": (16, 2), "ema": 0.0, "optimizer": "adamw"}
    exact = {"hidden_dims": (8, 2), "encoded": 0.25}
    changed(monkeypatch, vae_kl=one, vae_sgvb=one, vae_exact=exact)
    profiles.check_report()


# ---- divergence: nothing is reported


def test_a_diverged_training_reports_nothing(line, monkeypatch, refused):
    entry = Experiment(
        "toy_aevb:Diverged", Config(epochs=3, batch_size=10), {}
    )
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"line": entry})
    err = refused(aevb_main.main, "train", "line", unchanged=False)
    assert "diverged at step 10 of 30" in err
    assert "checkpoint is" not in err
    assert "lower lr" in err
    assert [p.name for p in line.rglob("*.*") if p.is_file()] == [
        "config.json"
    ]


def test_a_diverged_study_reports_nothing(
    line, small, at_once, tmp_path, monkeypatch, refused
):
    """The study of the report, with a rate at which it must diverge."""
    settings = {"coeffs": (1.0,), "course_coeff": 1e-3, "samples": 2}
    settings |= {"test_size": 3, "hidden_dims": (8, 4), "batch_size": 1}
    settings |= {"epochs": 8, "lr": 1e30}
    entry = Study("aevb.studies:rate_distortion", (), settings)
    monkeypatch.setattr(experiments, "STUDIES", {"rate_distortion": entry})
    monkeypatch.setattr(experiments, "EXPERIMENTS", {})
    monkeypatch.setattr(results, "PATH", tmp_path / "results.json")
    write_mnist(small)
    err = refused(aevb_main.main, "train-all", unchanged=False)
    assert "diverged at step" in err
    assert not (tmp_path / "results.json").exists()
    assert [p for p in line.rglob("*") if p.is_file()] == []
