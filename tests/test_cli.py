"""The command line: one line and status 2 for a user's fault."""

import sys

import pytest

from aevb import cli
from test_experiments import line, trainings  # noqa: F401


@pytest.fixture
def aevb(monkeypatch, capsys):
    """Run a command; give its exit status and what it printed."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["aevb", *args])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


def test_train_takes_settings_as_options(aevb, line):  # noqa: F811
    status, out, _ = aevb("train", "line", "--epochs", "3", "--lr", "1e-2")
    assert status == 0
    assert out.startswith("line: ")
    assert "weight" in out
    assert trainings() == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("train", "lime"), "did you mean line"),
        (("train", "line", "--epochs", "0"), "epochs: "),
        (("train", "line", "--lr", "nan"), "lr: "),
        (("train", "line", "--lr", "-1"), "lr: "),
        (("train", "line", "--device", "mps"), "device: "),
    ],
)
def test_a_users_fault_is_one_line(aevb, line, args, words):  # noqa: F811
    status, out, err = aevb(*args)
    assert status == 2
    assert out == ""
    assert err.startswith("aevb: ")
    assert words in err
    assert err.count("\n") == 1
    assert not line.exists()


def test_an_option_that_does_not_exist_is_named(aevb, line):  # noqa: F811
    status, _, err = aevb("train", "line", "--width", "3")
    assert status == 2
    assert "--width" in err


def test_ctrl_c_says_what_is_kept(aevb, line, monkeypatch):  # noqa: F811
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("aevb.training.Trainer.take_step", stop)
    status, _, err = aevb("train", "line")
    assert status == 130
    assert str(line) in err
    assert "goes on from there" in err
