"""Progress is a bar where it is watched, else a line now and then."""

import time
from multiprocessing import RLock, active_children
from pathlib import Path

import pytest

from aevb import progress, workers
from aevb.errors import UserError
from aevb.progress import Progress


def steps(n=4):
    with Progress("train", n) as bar:
        for _ in range(n):
            bar.note({"train_loss": 1.25, "rate": 9.0})
            bar.update()


def test_redirected_it_is_a_line_now_and_then(monkeypatch, capsys):
    steps()
    assert capsys.readouterr().err == ""  # nothing in the first minute
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    steps(2)
    monkeypatch.setattr(progress, "job", "vae_kl")
    steps(1)
    assert capsys.readouterr().err.splitlines() == [
        "train 50% (train_loss 1.25)",
        "train 100% (train_loss 1.25)",
        "vae_kl: train 100% (train_loss 1.25)",
    ]
    monkeypatch.setenv("TQDM_DISABLE", "1")
    steps()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("row", [0, 1])
def test_watched_it_is_a_bar_with_its_loss(row, monkeypatch, capsys):
    """In a row of its own beside another process's."""
    monkeypatch.setattr(progress, "watched", lambda: True)
    monkeypatch.setattr(progress, "SOON", 0.0)
    monkeypatch.setattr(progress, "job", "vae_kl")
    monkeypatch.setattr(progress, "_row", 0)  # put back afterwards
    progress.share(RLock(), row)
    with Progress("train", 4) as bar:
        bar.note({"train_loss": 1.25})
        bar.update(2)
        bar.bar.refresh()
    shown = capsys.readouterr().err
    assert "vae_kl: train:  50%" in shown
    assert "train_loss 1.25" in shown
    assert shown.count("\n") == 0 or row


def nothing(job):
    pass


def test_redirected_a_line_tells_of_each_job_that_is_done(capsys):
    workers.make([("run", "a"), ("study", "b")], nothing, 1)
    assert capsys.readouterr().err.splitlines() == [
        "a is done, 1 of 2 left",
        "b is done, 0 of 2 left",
    ]


def test_what_becomes_ready_is_done_before_what_stands_behind_it(capsys):
    def needs(job):
        return [("run", "a")] if job[0] == "study" else []

    jobs = [("run", "a"), ("study", "s"), ("run", "b")]
    workers.make(jobs, nothing, 1, needs)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["a", "s", "b"]


def nap(job):
    if job[1] != "first":
        time.sleep(20)
        Path(job[1]).touch()


def test_a_worker_that_dies_as_it_starts_is_missed_at_once(
    tmp_path, monkeypatch
):
    """The pool itself misses it when another's job is done."""
    right = workers.wait_for

    def kill_second(*args):
        if len(children := active_children()) == 2:
            monkeypatch.setattr(workers, "wait_for", right)
            last = max(children, key=lambda child: child.pid)
            last.kill()
            last.join()
        return right(*args)

    first, *rest = (
        ("run", str(x)) for x in ("first", tmp_path / "a", tmp_path / "b")
    )
    monkeypatch.setattr(workers, "wait_for", kill_second)
    with pytest.raises(UserError, match="a process was killed"):
        workers.make(
            [first, *rest], nap, 2, lambda job: [first] * (job in rest)
        )
    assert list(tmp_path.iterdir()) == []
