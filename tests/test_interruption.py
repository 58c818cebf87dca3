"""Interrupted, killed, twice at once: real processes, stopped for real."""

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch
from pypdf import PdfReader

from aevb import checkpoints, locks, training
from aevb.errors import UserError
from press import lock
from test_press import HEAD, snapshot, write
from test_training import CPU, Line, fit, weights

TESTS = Path(__file__).parent
PATIENCE = 240  # seconds; far more than is needed, for a busy machine
GROUPS = pytest.mark.skipif(os.name != "posix", reason="needs groups")


@pytest.fixture
def start(tmp_path):
    """Start Python in a process group of its own, as a terminal does."""
    running = []
    paths = [TESTS, TESTS.parent / "code", TESTS.parent]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "AEVB_RUNS": str(tmp_path / "runs"),
        "AEVB_PROFILE": "full",
        "TOY_GO": str(tmp_path / "go"),
    }

    def run(*args):
        process = subprocess.Popen(
            [sys.executable, *map(str, args)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition):
    """Wait until the condition holds; what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError(condition)


def interrupt(process):
    """Ctrl-C to the whole group; the one line that comes of it."""
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err.count("\n") == 1, err
    return err


def is_gone(pid):
    """Whether no process has this number, or only its remains."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except (ProcessLookupError, FileNotFoundError):
        return True
    return state.split()[0] == "Z"


def group_is_empty(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


# ---- aevb


@GROUPS
def test_ctrl_c_ends_all_workers_with_one_line(start, tmp_path):
    process = start(TESTS / "toy_aevb.py", "train-all")
    found = until(lambda: list(tmp_path.glob("runs/*/checkpoint.safetensors")))
    line = interrupt(process)
    assert line.startswith("aevb: stopped; what was done is kept in ")
    assert "goes on from there" in line
    assert until(lambda: group_is_empty(process.pid))
    assert checkpoints.load(found[0])["step"] > 0
    assert not list(tmp_path.glob("runs/*/run.json"))
    assert not (tmp_path / "results").exists()


@GROUPS
def test_a_killed_worker_is_named_and_the_rest_stops(start, tmp_path):
    process = start(TESTS / "toy_aevb.py", "train-all")
    path = tmp_path / "runs"
    until(lambda: list(path.glob("*/checkpoint.safetensors")))
    worker = locks.owner(next(path.glob(".*.lock")))
    os.kill(int(worker), signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert err.startswith("aevb: a process was killed")
    assert err.count("\n") == 1
    assert until(lambda: group_is_empty(process.pid))


@GROUPS
def test_who_waits_names_the_owner_and_goes_on_when_it_is_killed(
    start, tmp_path
):
    first = start(TESTS / "toy_aevb.py", "train", "one")
    path = tmp_path / "runs"
    until(lambda: list(path.glob("one-*/checkpoint.safetensors")))
    second = start(TESTS / "toy_aevb.py", "train", "one")
    word = second.stderr.readline()
    assert f"waiting for process {first.pid}, at work on " in word
    assert "one-" in word
    first.kill()
    left = until(lambda: locks.owner(next(path.glob(".*.lock"))))
    (tmp_path / "go").touch()
    _, err = second.communicate(timeout=PATIENCE)
    assert left in (str(first.pid), str(second.pid), "?")
    assert (second.returncode, err) == (0, "")
    assert len(list(path.glob("one-*/run.json"))) == 1
    # neither the lock nor what the killed one was writing is left
    assert [p.name for p in path.rglob(".*")] == []


def test_a_lock_that_a_killed_process_left_blocks_nobody(tmp_path, capsys):
    path = tmp_path / "lock"
    path.write_text("999999\n")
    with locks.held(path, "this"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()
    (tmp_path / lock.NAME).write_text("999999\n")
    with lock.held(tmp_path):
        assert (tmp_path / lock.NAME).read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


class Filling(Line):
    """A task whose disk is full from its 15th step on."""

    calls = 0

    def loss(self, model, batch):
        self.calls += 1
        if self.calls == 15:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (64, most))
        return super().loss(model, batch)


def test_a_full_disk_stops_the_training_and_the_last_checkpoint_stays(
    tmp_path, monkeypatch
):
    """With writes that fail for real, in the middle of a file."""
    whole = weights(fit(Line(), CPU)[0])
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(UserError) as fault:
            fit(Filling(), CPU, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(r"cannot write .*: .*File too large", str(fault.value))
    assert "goes on from what was kept" in str(fault.value)
    path = tmp_path / "checkpoint.safetensors"
    assert list(tmp_path.iterdir()) == [path]
    assert 10 < checkpoints.load(path)["step"] < 15
    assert torch.equal(weights(fit(Line(), CPU, tmp_path)[0]), whole)


def test_names_are_synced_after_the_rename(tmp_path, monkeypatch):
    """Or a loss of power could bring back the old file, or none."""
    done = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor):
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def replaced(source, target):
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr("aevb.checkpoints.os.fsync", synced)
    monkeypatch.setattr("aevb.checkpoints.os.replace", replaced)
    checkpoints.write_text(tmp_path / "new" / "file", "text")
    content, *rest = done
    assert Path(content).name.startswith(".file.")
    assert rest == ["rename", str(tmp_path / "new"), str(tmp_path)]


def test_a_folder_that_cannot_be_synced_is_no_fault(tmp_path, monkeypatch):
    is_file = [True, False, False]
    sync = os.fsync

    def refuse(descriptor):
        if not is_file.pop(0):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr("aevb.checkpoints.os.fsync", refuse)
    checkpoints.write_text(tmp_path / "file", "text")
    assert is_file == []
    assert (tmp_path / "file").read_text() == "text"


# ---- press

# Each build shows its own number in all that it makes, and the first one
# ends only when the second has come to wait for it.
TWICE = f"""\
{HEAD}
```{{python}}
#| label: fig-a
#| fig-cap: "A title."
#| fig-alt: a
import os, pathlib, time
import matplotlib.pyplot as plt
here = os.environ["JPY_PARENT_PID"]
pathlib.Path("at-work").write_text(f"{{os.getpid()}}")
while not pathlib.Path("go").exists():
    time.sleep(0.05)
fig, ax = plt.subplots(figsize=(3, 1))
ax.set_title(here)
plt.show()
```

Made by `{{python}} here`.
"""


def made(folder):
    """Who made the PDF, the notebook and the figure."""
    page = PdfReader(folder / "report.pdf").pages[0].extract_text()
    book = nbformat.read(folder / "report.ipynb", as_version=4)
    texts = " ".join(c.source for c in book.cells if "Made by" in c.source)
    drawn = (folder / "figures" / "fig-a.svg").read_text()
    return (
        re.findall(r"Made by (\d+)\.", " ".join(page.split()))[-1],
        re.findall(r"Made by (\d+)\.", texts)[-1],
        re.findall(r"<!-- (\d+) -->", drawn)[0],
    )


@GROUPS
def test_two_builds_at_once_take_turns(start, tmp_path):
    document = write(tmp_path, TWICE)
    first = start("-m", "press", document, "--engine", "press")
    until((tmp_path / "at-work").exists)
    second = start("-m", "press", document, "--engine", "press")
    word = second.stderr.readline()
    assert f"press: waiting for process {first.pid}, at work in " in word
    (tmp_path / "at-work").unlink()
    (tmp_path / "go").touch()
    _, err = first.communicate(timeout=PATIENCE)
    assert (first.returncode, err) == (0, "")
    _, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, err) == (0, "")
    assert made(tmp_path) == (str(second.pid),) * 3
    assert [p.name for p in tmp_path.glob(".press*")] == []


@GROUPS
def test_ctrl_c_ends_press_and_its_kernel_with_one_line(start, tmp_path):
    document = write(tmp_path, TWICE)
    before = snapshot(tmp_path)
    process = start("-m", "press", document, "--engine", "press")
    pid = int(
        until((tmp_path / "at-work").exists)
        and until(lambda: (tmp_path / "at-work").read_text())
    )
    line = interrupt(process)
    assert line.startswith("press: stopped; ")
    assert "run the same command to go on" in line
    assert until(lambda: is_gone(pid))
    (tmp_path / "at-work").unlink()
    assert snapshot(tmp_path) == before


def test_what_a_killed_build_left_goes_with_the_next(tmp_path, capsys):
    from press import __main__

    document = write(tmp_path, f"{HEAD}Text.\n")
    (tmp_path / ".press-left" / "figures").mkdir(parents=True)
    (tmp_path / lock.NAME).write_text("999999\n")
    assert __main__.main([str(document), "--engine", "press"]) == 0
    assert [p.name for p in tmp_path.glob(".press*")] == []
    assert capsys.readouterr().err == ""
