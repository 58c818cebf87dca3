r"""Distribution augmentation: deformed images, in training, said to be so.

Deformed images keep a model from learning its images by heart, but it then
learns their law along with that of the others. Here both networks are given
the numbers a of each deformation, too,

    q(z | x, a),  p(x | z, a),  a = 0 for an image that is as it was,

so that the two laws are told apart (Jun et al. 2020): a linear map of a is
added to the output of their first layers. At a = 0 it adds nothing, and what
is left is a VAE like any other, which is what is evaluated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from aevb.data import binarize, must_be_grey
from aevb.models import VAE
from aevb.settings import AugmentedConfig
from aevb.tasks import PIXELS, VAETask

SPREAD = (0.08, 0.08, 0.05, 0.05, 0.5, 0.5)
"""Standard deviations of the affine part of a deformation: angle (radians),
shear, relative size and aspect, and the shift in pixels to the right and
down."""
BUMPS, WIDE = 5, 4.9
"""Its other part bends: either coordinate moves by a sum of BUMPS x BUMPS
bumps exp(-d^2 / 2 WIDE^2) times a constant, whose centres are a grid over
the image; d and WIDE are in pixels."""
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
    either coordinate by s pixels in root mean square over the image."""
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
        ValueError: the shape of `noise` is another.
    """
    must_be_grey(images, "deform")
    if noise.shape != (len(images), NOISE):
        raise ValueError(
            f"{len(images)} images are deformed by numbers "
            f"({len(images)}, {NOISE}), not {tuple(noise.shape)}"
        )
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


def partly_deformed(
    rows: Tensor, share: float, config: AugmentedConfig
) -> tuple[Tensor, Tensor]:
    """Grey images (N, 784) of which the first n, that share of them, are
    deformed; and the numbers (n, NOISE) of their deformations."""
    n = round(share * len(rows))
    noise = deformations(n, config.bend, rows.device)
    return torch.cat([deform(rows[:n], noise), rows[n:]]), noise


class AugmentedVAE(VAE):
    """A VAE that may be given how each image was deformed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.maps = nn.ModuleList()
        for network, size in (
            (self.encoder, self.input_dim),
            (self.decoder, self.z_size),
        ):
            width = network[0](torch.zeros(1, size)).shape[1]
            to = nn.Linear(NOISE + 1, width, bias=False)
            nn.init.zeros_(to.weight)
            self.maps.append(to)

    @contextmanager
    def given(self, a: Tensor) -> Iterator[None]:
        """In this block the networks are given a, (B, NOISE + 1): a one and
        the numbers that `deform` had, or zeros."""
        hooks = [
            network[0].register_forward_hook(lambda _, x, h, to=to: h + to(a))
            for network, to in zip(
                (self.encoder, self.decoder), self.maps, strict=True
            )
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


class UntoldTask(VAETask):
    """`VAETask` with deformed images among the others, and nothing said of
    them: their share falls to nothing in the last fifth of the run, so that
    the model forgets their law."""

    config: AugmentedConfig

    def draw(self, rows: Tensor, share: float) -> Tensor:
        deformed = self.config.deformed * min(1, 5 * (1 - share))
        rows, _ = partly_deformed(rows, deformed, self.config)
        return binarize(rows, "dynamic")


class AugmentedTask(VAETask):
    """`VAETask` with a share of each batch deformed; the model is given how.

    A batch is of pixels, (B, 784), and a, (B, NOISE + 1); held-out images
    are pixels alone.
    """

    config: AugmentedConfig
    kind = AugmentedVAE

    def draw(self, rows: Tensor, share: float) -> Tensor:
        rows, noise = partly_deformed(rows, self.config.deformed, self.config)
        a = noise.new_zeros(len(rows), NOISE + 1)
        a[: len(noise), 0], a[: len(noise), 1:] = 1, noise
        return torch.cat([binarize(rows, "dynamic"), a], dim=1)

    def loss(self, model: Any, batch: Tensor) -> dict[str, Tensor]:
        x, a = batch[:, :PIXELS], batch[:, PIXELS:]
        if not a.numel():
            return super().loss(model, x)
        with model.given(a):
            return super().loss(model, x)
