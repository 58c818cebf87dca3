"""MNIST's binary and deformed versions, on the training device.

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
from torch import Tensor, nn

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


SPREAD = (0.08, 0.08, 0.05, 0.05, 0.5, 0.5)
"""Standard deviations of the affine part of a deformation: angle (radians),
shear, relative size and aspect, and the shift in pixels to the right and
down."""
BUMPS, WIDE = 5, 4.9
"""Its other part bends: either coordinate moves by a sum of BUMPS x BUMPS
bumps exp(-d^2 / 2 WIDE^2), whose centres are a grid over the image."""
NOISE = len(SPREAD) + 2 * BUMPS**2
"""Numbers that say how an image is deformed."""
CONTRAST = 1.18
"""Factor of each pixel's distance to middle grey after the map. Resampling
greys the edges: the mean over images of sum_i p_i (1 - p_i), p = x / 255,
rises from 14.6 to 18.6, and this contrast takes it back to 14.7."""


@lru_cache(maxsize=4)
def displacements(device: torch.device) -> tuple[Tensor, Tensor]:
    """Where the pixels are, (784, 2), and the displacements for one unit of
    each of a deformation's numbers, (NOISE, 784, 2): right and down, in
    pixels from the middle. Bumps with normal numbers of deviation s move
    either coordinate by s pixels in root mean square."""
    line = torch.arange(28.0) - 13.5
    y, x = (t.flatten() for t in torch.meshgrid(line, line, indexing="ij"))
    none, one = torch.zeros(784), torch.ones(784)
    affine = [(-y, x), (y, none), (x, y), (x, -y), (one, none), (none, one)]
    centres = torch.linspace(-14, 14, BUMPS)
    hill = torch.exp(-((line - centres[:, None]) ** 2) / (2 * WIDE**2))
    hills = torch.einsum("ay,bx->abyx", hill, hill).reshape(-1, 784)
    hills /= hills.square().sum(dim=0).mean().sqrt()
    bent = [p for h in hills for p in ((h, none), (none, h))]
    moved = [
        s * torch.stack(f, 1) for s, f in zip(SPREAD, affine, strict=True)
    ]
    moved += [torch.stack(f, 1) for f in bent]
    return torch.stack([x, y], 1).to(device), torch.stack(moved).to(device)


def deformations(n: int, bend: float, device: torch.device) -> Tensor:
    """Numbers (n, NOISE) of random deformations: the affine ones standard
    normal, those of the bumps normal of deviation `bend`."""
    noise = torch.randn(n, NOISE, device=device)
    noise[:, len(SPREAD) :] *= bend
    return noise


def deform(images: Tensor, noise: Tensor) -> Tensor:
    """Each image turned, sheared, resized, moved and bent a little.

    The value at a place u is the one that the image has at

        u + sum_k noise_k d_k(u),

    by bicubic interpolation, with the `displacements` d_k: the generators of
    the affine maps, and smooth bumps, whose sum is an elastic deformation
    (Simard, Steinkraus and Platt 2003). Beyond the edge there is paper.
    `CONTRAST` is applied last, and the values are rounded and kept in range.

    Args:
        images: grey images (N, 784), uint8.
        noise: numbers (N, NOISE), as `deformations` draws them.

    Returns:
        As many images (N, 784), uint8, on the same device.

    Raises:
        UserError: the type of `images` is another.
    """
    _must_be_grey(images, "deform")
    if images.device.type == "mps":  # has no bicubic interpolation
        return deform(images.cpu(), noise.cpu()).to(images.device)
    places, moved = displacements(images.device)
    found = places.flatten() + noise @ moved.flatten(1)
    # grid_sample's unit is half an image, 14 pixels
    grid = found.view(-1, 28, 28, 2) / 14
    resampled = nn.functional.grid_sample(
        images.view(-1, 1, 28, 28).float(),
        grid,
        mode="bicubic",
        align_corners=False,
    )
    resampled = (resampled - 127.5) * CONTRAST + 127.5
    grey = resampled.round_().clamp_(0, 255).to(torch.uint8)
    return grey.view(images.shape)
