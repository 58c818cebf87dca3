"""A binary image has the stated law, a deformed one the stated map.

All but the test of the published data use a small stand-in.
"""

import doctest
import math

import pytest
import torch

from aevb import data, mnist_files
from aevb.errors import UserError
from conftest import CONTENT

# -- binary images

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


def test_each_pixel_of_each_draw_is_fresh_and_follows_the_global_seed():
    grey = torch.full((20_000, 4), 128, dtype=torch.uint8)
    torch.manual_seed(0)
    both = torch.cat([data.binarize(grey), data.binarize(grey)], dim=1)
    correlation = torch.corrcoef(both.T) - torch.eye(8)
    assert correlation.abs().max() < 5 / 20_000**0.5
    torch.manual_seed(0)
    assert torch.equal(data.binarize(grey), both[:, :4])


def test_a_fixed_draw_depends_on_its_seed_alone():
    grey = GREY.expand(5000, 256).contiguous()
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


@pytest.mark.parametrize("call", [data.binarize, data.deform])
def test_images_that_are_not_grey_are_refused(call):
    with pytest.raises(UserError) as caught:
        call(torch.zeros(2, 784), torch.zeros(2, data.NOISE))
    for part in (call.__name__, "uint8", "float32"):
        assert part in str(caught.value)


def test_binarize_refuses_unknown_ways():
    with pytest.raises(UserError, match=r"'dither'.*dynamic, fixed, thresh"):
        data.binarize(GREY, "dither")


# -- deformed images

PIXELS = torch.randint(
    0, 256, (5, 784), generator=torch.Generator().manual_seed(0)
).to(torch.uint8)
PLACES = torch.arange(28) - 13.5
DOWN, RIGHT = torch.meshgrid(PLACES, PLACES, indexing="ij")
HALF = {"right": 0.5, "down": 0.5}


def noise(n, **units):
    """Numbers of a deformation: those of its affine part that are named."""
    names = ("angle", "shear", "size", "aspect", "right", "down")
    found = torch.zeros(n, data.NOISE)
    for name, value in units.items():
        i = names.index(name)
        found[:, i] = value / data.SPREAD[i]
    return found


@pytest.mark.parametrize(
    ("units", "x", "y"),
    [
        ({}, RIGHT, DOWN),
        ({"right": 2, "down": -3}, RIGHT + 2, DOWN - 3),
        ({"angle": 1, **HALF}, RIGHT - DOWN + 0.5, DOWN + RIGHT + 0.5),
        ({"shear": 2}, RIGHT + 2 * DOWN, DOWN),
        ({"size": 2}, 3 * RIGHT, 3 * DOWN),
        ({"size": 1, "aspect": 1}, 3 * RIGHT, DOWN),
        ({"size": 1, "aspect": -1}, RIGHT, 3 * DOWN),
        (
            {"angle": 1, "shear": 2, **HALF},
            RIGHT + DOWN + 0.5,
            DOWN + RIGHT + 0.5,
        ),
    ],
)
def test_a_deformed_image_has_the_values_of_the_places_that_map_there(
    units, x, y
):
    """Where all of them are pixels, or white beyond the edge."""
    row, column = (t.add(13.5).round().long() for t in (y, x))
    inside = (row >= 0) & (row < 28) & (column >= 0) & (column < 28)
    grey = PIXELS.view(5, 28, 28)[:, row.clamp(0, 27), column.clamp(0, 27)]
    expected = torch.where(inside, grey, 0).float()
    expected = ((expected - 127.5) * data.CONTRAST + 127.5).clamp(0, 255)
    found = data.deform(PIXELS, noise(5, **units)).view(5, 28, 28).float()
    torch.testing.assert_close(found, expected, atol=0.51, rtol=0)


def test_images_bend_smoothly_by_the_deviation_that_is_named():
    torch.manual_seed(0)
    numbers = data.deformations(500, 0.7, torch.device("cpu"))
    assert 0.97 < numbers[:, : len(data.SPREAD)].std() < 1.03
    _, moved = data.displacements(torch.device("cpu"))
    bent = numbers[:, len(data.SPREAD) :] @ moved[len(data.SPREAD) :].flatten(
        1
    )
    bent = bent.view(500, 28, 28, 2)
    for way in bent.unbind(3):
        assert way.square().mean().sqrt().item() == pytest.approx(
            0.7, rel=0.03
        )
    for axis in (1, 2):
        assert bent.diff(dim=axis).square().mean().sqrt() < 0.7 / 4


def test_each_image_is_deformed_by_its_own_numbers():
    disc = (255.0 * (DOWN**2 + RIGHT**2 < 64)).to(torch.uint8)
    images = disc.view(1, 784).repeat(200, 1)
    torch.manual_seed(0)
    numbers = data.deformations(200, 0.5, torch.device("cpu"))
    found = data.deform(images, numbers)
    assert found.dtype == torch.uint8
    assert len(found.unique(dim=0)) == 200
    assert torch.equal(data.deform(images[:3], numbers[:3]), found[:3])


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
    numbers = data.deformations(2000, 0.0, torch.device("cpu"))
    ink = data.deform(bars(bar, 2000), numbers).double().view(-1, 28, 28)
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
    numbers = data.deformations(500, 0.7, torch.device("cpu"))
    deformed = data.deform(images, numbers)
    before, after = (
        (p * (1 - p)).sum(1).mean() for p in (images / 255, deformed / 255)
    )
    assert 0.95 < after / before < 1.05


def test_examples_in_the_docstrings():
    assert doctest.testmod(data).failed == 0


# -- loading


def test_load_fetches_once_and_keeps(small, monkeypatch):
    mnist = data.load_mnist()
    images, labels, *_ = CONTENT.values()
    assert mnist.train.images.shape == (64, 784)
    assert mnist.train.images.dtype == torch.uint8
    assert mnist.test.labels.shape == (32,)
    assert mnist.test.labels.dtype == torch.int64
    assert bytes(mnist.train.images.flatten().tolist()) == images[16:]
    assert bytes(mnist.train.labels.tolist()) == labels[8:]
    assert data.load_mnist() is mnist
    data._load.cache_clear()  # as a new process: from disk, no source
    monkeypatch.setattr(mnist_files, "SOURCES", [])
    assert torch.equal(data.load_mnist().test.images, mnist.test.images)


def test_torchvision_reads_the_same_folder(small, tmp_path):
    from torchvision.datasets import MNIST

    mnist = data.load_mnist()
    theirs = MNIST(tmp_path, train=True)
    assert torch.equal(theirs.data.flatten(1), mnist.train.images)
    assert torch.equal(theirs.targets, mnist.train.labels)


# -- the published data


def test_the_published_shapes_and_labels():
    """From disk, or from either source; a clear error where neither is."""
    mnist = data.load_mnist()
    assert mnist.train.images.shape == (60_000, 784)
    assert mnist.test.images.shape == (10_000, 784)
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.train.labels.bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
