"""A binary image has the stated law; MNIST is what was published.

All but the test of the published data use a small stand-in.
"""

import doctest

import pytest
import torch

from aevb import data, mnist_files
from aevb.errors import UserError
from conftest import CONTENT

# -- binary images

GREY = torch.arange(256, dtype=torch.uint8)


def test_a_dynamic_draw_is_bernoulli_with_mean_x_over_255():
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


def test_images_that_are_not_grey_are_refused():
    with pytest.raises(
        UserError, match=r"binarize takes .*uint8, not.*float32"
    ):
        data.binarize(torch.zeros(2, 784))


def test_binarize_refuses_unknown_ways():
    with pytest.raises(UserError, match=r"'dither'.*dynamic, fixed, thresh"):
        data.binarize(GREY, "dither")


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
