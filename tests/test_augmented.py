"""Deformed images are what their numbers say, and networks are given these."""

import math

import pytest
import torch

from aevb import augmented, experiments, objectives, tasks
from aevb.augmented import AugmentedTask
from aevb.errors import UserError
from aevb.live import networks
from aevb.settings import AugmentedConfig
from aevb.tasks import PIXELS

IMAGES = torch.randint(
    0, 256, (5, 784), generator=torch.Generator().manual_seed(0)
).to(torch.uint8)
PLACES = torch.arange(28) - 13.5
DOWN, RIGHT = torch.meshgrid(PLACES, PLACES, indexing="ij")
HALF = {"right": 0.5, "down": 0.5}


def noise(n, **units):
    """Numbers of a deformation: those of its affine part that are named."""
    names = ("angle", "shear", "size", "aspect", "right", "down")
    found = torch.zeros(n, augmented.NOISE)
    for name, value in units.items():
        i = names.index(name)
        found[:, i] = value / augmented.SPREAD[i]
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
    grey = IMAGES.view(5, 28, 28)[:, row.clamp(0, 27), column.clamp(0, 27)]
    expected = torch.where(inside, grey, 0).float()
    expected = ((expected - 127.5) * augmented.CONTRAST + 127.5).clamp(0, 255)
    found = augmented.deform(IMAGES, noise(5, **units)).view(5, 28, 28).float()
    torch.testing.assert_close(found, expected, atol=0.51, rtol=0)


def test_images_bend_smoothly_by_the_deviation_that_is_named():
    torch.manual_seed(0)
    numbers = augmented.deformations(500, 0.7, torch.device("cpu"))
    assert 0.97 < numbers[:, : len(augmented.SPREAD)].std() < 1.03
    _, moved = augmented.displacements(torch.device("cpu"))
    bent = numbers[:, len(augmented.SPREAD) :] @ moved[
        len(augmented.SPREAD) :
    ].flatten(1)
    bent = bent.view(500, 28, 28, 2)
    for way in bent.unbind(3):
        assert way.square().mean().sqrt().item() == pytest.approx(
            0.7, rel=0.03
        )
    for axis in (1, 2):
        step = bent.diff(dim=axis).square().mean().sqrt().item()
        # of Gaussian bumps of width w, s / (sqrt(2) w)
        assert step == pytest.approx(0.7 / (2**0.5 * 4.9), rel=0.06)


def test_deformations_are_drawn_afresh_from_the_global_generator():
    draw = augmented.deformations
    torch.manual_seed(0)
    first, second = (draw(9, 0.5, torch.device("cpu")) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(draw(9, 0.5, torch.device("cpu")), first)


def test_each_image_is_deformed_by_its_own_numbers():
    disc = (255.0 * (DOWN**2 + RIGHT**2 < 64)).to(torch.uint8)
    images = disc.view(1, 784).repeat(200, 1)
    torch.manual_seed(0)
    numbers = augmented.deformations(200, 0.5, torch.device("cpu"))
    numbers[:100, :6] = 0  # these are bent alone
    found = augmented.deform(images, numbers)
    assert found.dtype == torch.uint8
    assert len(found.unique(dim=0)) == 200
    assert torch.equal(augmented.deform(images[:3], numbers[:3]), found[:3])


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
    numbers = augmented.deformations(2000, 0.0, torch.device("cpu"))
    ink = augmented.deform(bars(bar, 2000), numbers).double().view(-1, 28, 28)
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
    numbers = augmented.deformations(500, 0.7, torch.device("cpu"))
    deformed = augmented.deform(images, numbers)
    before, after = (
        (p * (1 - p)).sum(1).mean() for p in (images / 255, deformed / 255)
    )
    assert 0.98 < after / before < 1.05


def test_other_images_and_numbers_are_refused():
    with pytest.raises(UserError, match=r"deform takes .*uint8, not.*float32"):
        augmented.deform(torch.zeros(2, 784), torch.zeros(2, augmented.NOISE))
    with pytest.raises(ValueError, match=r"5 images .*, not \(1, 56\)"):
        augmented.deform(IMAGES, torch.zeros(1, augmented.NOISE))


def test_a_share_of_a_batch_is_deformed_and_says_how(monkeypatch):
    used = []
    monkeypatch.setattr(
        augmented, "deform", lambda rows, a: used.append(a) or 255 - rows
    )
    task = AugmentedTask(AugmentedConfig(deformed=0.6, bend=0.5))
    rows = torch.zeros(100, PIXELS, dtype=torch.uint8)
    rows[:, 0] = 255
    drawn = task.draw(rows, 0.99)
    x, a = drawn[:, :PIXELS], drawn[:, PIXELS:]
    assert torch.equal(x[:60], 1 - rows[:60] / 255)
    assert torch.equal(x[60:], rows[60:] / 255)
    assert (a[:60, 0] == 1).all()
    assert not a[60:].any()
    assert torch.equal(a[:60, 1:], used[0])
    affine, bent = used[0].split([6, augmented.NOISE - 6], dim=1)
    assert 0.85 < affine.std() < 1.15
    assert 0.48 < bent.std() < 0.52
    none = AugmentedTask(AugmentedConfig(deformed=0.0)).draw(rows, 0.0)
    assert torch.equal(none[:, :PIXELS], rows / 255)
    assert not none[:, PIXELS:].any()


@pytest.mark.parametrize("widths", [(8, 4), (784, 8, 4), (4,)])
def test_both_networks_are_given_the_deformation(small, widths):
    """At a = 0, and where none is given, it is a plain VAE."""
    config = AugmentedConfig(
        hidden_dims=widths, deformed=0.5, precision="float32"
    )
    task = AugmentedTask(config)
    model = task.model()
    for to in model.maps:
        torch.nn.init.ones_(to.weight)
    x = tasks.binary_test_images(torch.device("cpu"), 4)
    losses = []
    given = torch.ones(4, augmented.NOISE + 1)
    for a in (torch.zeros(4, 0), 0 * given, given):
        torch.manual_seed(0)
        terms = task.loss(model, torch.cat([x, a], dim=1))
        losses.append([terms[k].item() for k in ("rate", "distortion")])
    torch.manual_seed(0)
    plain = objectives.negative_elbo(model, x)
    assert losses[0] == [plain[k].item() for k in ("rate", "distortion")]
    assert losses[1] == pytest.approx(losses[0])
    assert losses[2][0] != pytest.approx(losses[0][0])
    torch.nn.init.zeros_(model.maps[0].weight)
    torch.manual_seed(0)
    terms = task.loss(model, torch.cat([x, given], dim=1))
    assert terms["rate"].item() == pytest.approx(losses[0][0])
    assert terms["distortion"].item() != pytest.approx(losses[0][1])
    assert networks.describe(model)["kind"] == "vae"


def test_experiments_with_deformed_images_are_given_how():
    for entry in experiments.EXPERIMENTS.values():
        if getattr(entry.config, "deformed", 0):
            assert issubclass(entry.task, AugmentedTask)
