"""What several files of tests share."""

import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from aevb import data, experiments, mnist_files
from aevb.errors import UserError
from aevb.experiments import Experiment
from aevb.models import VAE
from aevb.settings import Config

# nbformat's schemas would build a grammar with it, for two seconds
sys.modules.setdefault("rfc3987_syntax", None)

os.environ.pop("AEVB_PROFILE", None)  # another one has other settings

# the models of the tests are so small that threads only wait for each other
torch.set_num_threads(1)

# where they are ignored, as in a shell's background or under nohup, what the
# tests start would not hear them
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TESTS = Path(__file__).parent
PATIENCE = 900  # seconds; far more than is needed, for a busy machine

double = partial(torch.tensor, dtype=torch.float64)


def pytest_collection_finish():
    """What was imported is no garbage: nobody looks through it again."""
    gc.freeze()


def pytest_runtest_setup():
    """The noise of a test does not depend on those before it."""
    torch.manual_seed(0)


# ---- commands


@pytest.fixture
def called(monkeypatch, capsys):
    """Call a command line; give its exit status and what it printed."""

    def call(main, *args):
        monkeypatch.setattr(sys, "argv", ["command", *args])
        try:
            status = main() or 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def said(called):
    """The same of `aevb`."""
    from aevb import cli

    return partial(called, cli.main)


@pytest.fixture
def refused(called, tmp_path):
    """The one line that a command line says when it refuses."""

    def call(main, *args, unchanged=True):
        before = snapshot(tmp_path)
        status, out, err = called(main, *args)
        assert status == 2, out + err
        assert err.count("\n") == 1, err
        assert not unchanged or snapshot(tmp_path) == before
        return err

    return call


# ---- experiments of a moment


@pytest.fixture
def line(tmp_path, monkeypatch):
    """An experiment named line, in a folder of its own."""
    from toy_aevb import Counted

    monkeypatch.setenv("AEVB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(Counted, "log", tmp_path / "log")
    entry = Experiment(
        "toy_aevb:Counted", Config(epochs=2, batch_size=10), {"epochs": 1}
    )
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"line": entry})
    return tmp_path / "runs"


@pytest.fixture
def at_once(monkeypatch):
    """Jobs in this process, and no measurement of how fast it is."""

    def make(jobs, do, size, needs=None, stop=True):
        faults = {}
        for job in jobs:
            try:
                do(job)
            except UserError as fault:
                if stop:
                    raise
                faults[job] = fault
        return faults

    monkeypatch.setattr("aevb.workers.make", make)
    monkeypatch.setattr("aevb.progress.job", "")  # put back afterwards
    monkeypatch.setattr("aevb.agenda.product_rate", lambda: 50.0)
    monkeypatch.setattr("aevb.agenda.on_gpu", lambda: False)


# ---- a stand-in for MNIST: 64 and 32 images of noise


def idx(array):
    """The bytes of an IDX file."""
    head = (
        bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    )
    return head + array.astype(np.uint8).tobytes()


def stand_in():
    rng, content, published = np.random.default_rng(0), {}, {}
    shapes = [(64, 28, 28), (64,), (32, 28, 28), (32,)]
    for name, shape in zip(mnist_files.FILES, shapes, strict=True):
        top = 256 if len(shape) == 3 else 10
        content[name] = idx(rng.integers(0, top, shape))
        digest = hashlib.sha256(content[name]).hexdigest()
        published[name] = mnist_files.Published(digest, shape)
    return content, published


CONTENT, PUBLISHED = stand_in()


def write_mnist(folder, content=CONTENT):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        (folder / name).write_bytes(value)
    return folder


def flipped(content, place):
    """The same bytes but for one bit."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def good_source(work):
    return write_mnist(work / "anywhere")


def no_source(work):
    raise OSError("the cable is cut")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in instead of MNIST; the folder where it is to lie."""
    monkeypatch.setattr(mnist_files, "FILES", PUBLISHED)
    monkeypatch.setattr(mnist_files, "SOURCES", [("a source", good_source)])
    monkeypatch.setenv("AEVB_DATA", str(tmp_path))
    data._load.cache_clear()
    yield tmp_path / "MNIST" / "raw"
    data._load.cache_clear()


# ---- a small model


@pytest.fixture
def vae():
    """A model whose posteriors differ from the prior and from normals."""
    torch.manual_seed(0)
    model = VAE(12, [8, 4], decoder_dims=[8, 8]).eval()
    with torch.no_grad():
        for matrix in (model.decoder[0].weight, model.decoder[-1].weight):
            matrix.mul_(4)
    return model


@pytest.fixture
def x():
    """Six binary images for it."""
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(6, 12, generator=generator) > 0.5).float()


# ---- real processes


@pytest.fixture
def start(tmp_path):
    """Start Python in a process group of its own, as a terminal does."""
    running = []
    paths = [TESTS, TESTS.parent / "code", TESTS.parent]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "AEVB_RUNS": str(tmp_path / "runs"),
        "TOY_GO": str(tmp_path / "go"),
    }

    def run(*args, stdout=subprocess.PIPE):
        process = subprocess.Popen(
            [sys.executable, *map(str, args)],
            cwd=tmp_path,
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        with process:  # closes its pipes
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(condition):
    """Wait until the condition holds; what it gave."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError(condition)


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


def snapshot(folder):
    """Every file below the folder, and what it holds."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


# ---- a small report


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of the document, built once from another folder."""
    from press import build
    from test_press import write

    document = write(tmp_path_factory.mktemp("press"))
    build.build(document, {"profile": "test"})
    return document.parent


# ---- a real browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")  # its event loop is in the way of a kernel's
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no chromium is installed")
    with sync_api.sync_playwright() as p:
        chromium = p.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def offline(browser):
    """A function that opens a file without a network; what goes wrong on
    it, or asks for more than the file, is a failure in the end."""
    contexts, faults, asked = [], [], []

    def open_page(path, **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(300_000)
        tab.on("console", lambda m: faults.append(m.text))
        tab.on("pageerror", lambda e: faults.append(str(e)))
        tab.on("request", lambda r: asked.append(r.url))
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    faults += [u for u in asked if not u.startswith(("file:", "data:"))]
    assert faults == []


def fits(tab, width):
    """Whether nothing of the page is wider than its window."""
    found = tab.evaluate("document.documentElement.scrollWidth")
    return found <= width


def serious_faults(tab):
    """What axe finds that keeps a reader out: a name and an element each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    return [
        (fault["id"], fault["nodes"][0]["html"])
        for fault in axe.Axe().run(tab).response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
