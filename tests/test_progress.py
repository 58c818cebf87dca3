"""Progress is a bar where it is watched, else a line now and then."""

import pytest

from aevb import progress, workers
from aevb.progress import Progress, State


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(progress, "watched", lambda: True)


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
    first, last = capsys.readouterr().err.splitlines()
    assert first == "train 50% (train_loss 1.25)"
    assert last == "train 100% (train_loss 1.25)"
    monkeypatch.setenv("TQDM_DISABLE", "1")
    steps()
    assert capsys.readouterr().err == ""


def test_a_worker_sends_its_states(monkeypatch, watched, capsys):
    sent = []
    monkeypatch.setattr(progress, "send", sent.append)
    monkeypatch.setattr(progress, "SEND_SECONDS", 0.0)
    steps(2)
    assert sent[-1] == State("train", 2, 2, "train_loss 1.25")
    assert capsys.readouterr().err == ""


def test_every_job_at_work_has_a_bar_with_its_loss(watched, capsys):
    with workers._Bars(3) as bars:
        for name, done in (("a", 1), ("b", 3), ("a", 2)):
            state = State("train", done, 4, f"loss {done}")
            bars.show(("run", name), state)
        bars.finish(("run", "a"))
    shown = capsys.readouterr().err
    for part in ("a: train:  50%", "b: train:  75%", "loss 2", "loss 3"):
        assert part in shown


def test_redirected_one_line_tells_of_all_jobs(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with workers._Bars(3) as bars:
        bars.show(("run", "a"), State("train", 1, 4, "loss 3"))
        bars.finish(("study", "s"))
        bars.show(("run", "b"), State("evaluate", 1, 2))
    assert capsys.readouterr().err.splitlines()[-1] == (
        "1 of 3 done, a: train 25% (loss 3), b: evaluate 50%"
    )
