"""MNIST and its binary versions, on the training device.

MNIST holds 60 000 training and 10 000 test images of handwritten digits,
28 x 28 pixels of 0 (paper) to 255 (ink).  A Bernoulli decoder models binary
pixels, so a grey value x is read as a probability of ink,

    b ~ Bernoulli(x / 255),    E[b] = x / 255,

and every number that depends on how b was made says which way it was
(see `binarize`): a likelihood of thresholded images cannot be compared with
one of sampled images (Salakhutdinov & Murray, ICML 2008, introduced the
sampled version; Burda et al., ICLR 2016, redraw it at each use).

Each split is one uint8 tensor on the training device: 55 MB in all, no data
loader and no transform per image.  `mnist_files` fetches and verifies it.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from aevb import mnist_files
from aevb.errors import UserError

Binarization = Literal["dynamic", "fixed", "threshold"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images as flat rows of grey values, and the digits they show."""

    images: Tensor  # (N, 784) uint8
    labels: Tensor  # (N,) int64


@dataclass(frozen=True, eq=False)
class Mnist:
    """The data set: 60 000 training and 10 000 test images."""

    train: Split
    test: Split


def load_mnist(
    device: str | torch.device = "cpu", folder: str | Path | None = None
) -> Mnist:
    """MNIST on `device`, fetched first where it is not yet on disk.

    The second call of a process returns the same tensors: do not write into
    them.

    Raises:
        UserError: the data can neither be read nor fetched.
    """
    return _load(torch.device(device), mnist_files.raw_folder(folder))


@lru_cache(maxsize=4)
def _load(device: torch.device, home: Path) -> Mnist:
    arrays = map(torch.from_numpy, mnist_files.fetch(home))
    images, labels, test_images, test_labels = (a.to(device) for a in arrays)
    return Mnist(
        train=Split(images.flatten(1), labels.long()),
        test=Split(test_images.flatten(1), test_labels.long()),
    )


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

    Args:
        images: grey values, uint8, of any shape.
        how: one of the three ways.
        seed: what a fixed draw depends on.

    Returns:
        float32 of the same shape, on the same device.

    Raises:
        UserError: `how` or the type of `images` is another.

    >>> binarize(torch.tensor([[0, 127, 128, 255]], dtype=torch.uint8),
    ...          "threshold")
    tensor([[0., 0., 1., 1.]])
    """
    must_be_grey(images, "binarize")
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


def must_be_grey(images: Tensor, who: str) -> None:
    """Refuse what is not uint8.

    Raises:
        UserError: it is another type; the message names `who`.
    """
    if images.dtype != torch.uint8:
        raise UserError(
            f"{who} takes grey values as uint8, not {images.dtype}: give "
            "it the images of load_mnist()"
        )
