"""Figures: what they show lies where it should, and they can be printed."""

import io

import matplotlib as mpl
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.text import Text

from aevb.errors import UserError
from aevb.figures import estimators, latent, style

mpl.use("agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def uniform(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def printed(figure):
    """The figure, after it was drawn without a warning and inside the page."""
    assert figure.get_figwidth() == style.TEXT_WIDTH
    figure.savefig(io.BytesIO(), format="png", dpi=60)
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            assert text.get_fontsize() >= 6
    return figure


def assert_labelled(figure):
    for axes in figure.axes:
        shared = axes.get_shared_x_axes().get_siblings(axes)
        assert any(a.get_xlabel() for a in shared)


def test_the_square_is_that_of_the_course():
    grid = latent.latent_square(8)
    axis = torch.linspace(-2, 2, 8)
    assert torch.equal(grid.points, torch.cartesian_prod(axis, axis).flip(1))


@pytest.mark.parametrize("dims", [1, 2])
def test_quantiles_of_the_prior_cut_it_into_equal_parts(dims):
    grid = latent.latent_quantiles(8, dims)
    levels = torch.distributions.Normal(0.0, 1.0).cdf(grid.points[:8, 0])
    assert torch.allclose(levels, (torch.arange(8) + 0.5) / 8)


def test_quantiles_of_the_codes_lie_among_the_codes():
    angle = 3 * uniform(4000)  # an arc: the square's corners are empty
    codes = 10 * torch.stack([angle.cos(), angle.sin()], dim=1)
    grid = latent.codes_quantiles(codes, 8)
    nearest = torch.cdist(grid.points, codes).min(dim=1).values
    assert grid.points.shape == (64, 2)
    assert nearest.max() < 1
    square = latent.latent_square(8).points
    assert torch.cdist(square, codes).min(dim=1).values.min() > 7


@pytest.mark.parametrize("shape", [(64, 3), (0, 2), (64,)])
def test_a_page_shows_one_or_two_latent_dimensions(shape):
    codes, labels = torch.zeros(shape), torch.zeros(64)
    with pytest.raises(UserError, match="let hidden_dims end in 1 or 2"):
        latent.codes_quantiles(codes)
    with pytest.raises(UserError, match="let hidden_dims end in 1 or 2"):
        latent.latent_planes({"a": codes}, labels)


def test_one_latent_dimension_has_a_line_of_images_and_rows_of_codes():
    codes, labels = uniform(500, 1) * 6 - 3, torch.arange(500) % 10
    grids = [
        latent.latent_square(8, dims=1),
        latent.latent_quantiles(8, 1),
        latent.codes_quantiles(codes, 8),
    ]
    assert [tuple(grid.points.shape) for grid in grids] == [(8, 1)] * 3
    assert grids[0].points.flatten().tolist() == grids[0].marks
    levels = torch.distributions.Normal(0.0, 1.0).cdf(grids[1].points[:, 0])
    assert torch.allclose(levels, (torch.arange(8) + 0.5) / 8)
    figure = printed(latent.image_grids([(g, uniform(8, 784)) for g in grids]))
    assert figure.axes[0].images[0].get_array().shape == (28, 8 * 28)
    assert_labelled(figure)
    figure = printed(latent.latent_planes({"a": codes}, labels))
    drawn = figure.axes[0].collections[0].get_offsets()
    assert (abs(drawn[:, 1] - labels.numpy()) < 0.41).all()
    assert drawn[:, 0].tolist() == codes.flatten().tolist()


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda x: latent.reconstructions(x, {"a": x[:3]}), "6 images of 784"),
        (lambda x: latent.reconstructions(x[:0], {}), "there are no images"),
        (lambda x: latent.reconstructions(x[:, :9], {}), r"not \(6, 9\)"),
        (lambda x: latent.samples(x, 4), r"4 images .* not \(6, 784\)"),
        (
            lambda x: latent.image_grids([(latent.latent_square(8), x)]),
            "6 images are not one for each of the 64 points",
        ),
        (lambda x: latent.image_grids([]), "no grid to draw"),
        (
            lambda x: latent.latent_planes({"a": x[:5, :2]}, torch.arange(6)),
            "5 codes have 6 labels",
        ),
        (
            lambda x: latent.ae_curve({"train_loss": [], "test_loss": []}),
            "no finite value",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(draw, words):
    with pytest.raises(UserError, match=words):
        draw(uniform(6, 784))


def test_tile_puts_image_k_at_row_and_column():
    images = torch.arange(6.0).unsqueeze(1).expand(6, 784)
    page = latent.tile(images, columns=3)
    assert page.shape == (56, 84)
    assert page[0, 0] == 0
    assert page[0, 83] == 2
    assert page[55, 0] == 3


def test_the_grid_grows_upwards():
    grid = latent.latent_square(4)
    ink = (grid.points[:, 1] + 2) / 4  # darker with z2
    images = ink.unsqueeze(1).expand(16, 784)
    figure = printed(latent.image_grids([(grid, images), (grid, images)]))
    page = figure.axes[0].images[0].get_array()
    assert page[0, 0] == 1
    assert page[-1, 0] == 0
    ticks = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    heights = figure.axes[0].get_yticks()
    assert ticks[heights.argmin()] == "2.00"  # row 0 of an image is its top
    assert_labelled(figure)


def test_one_of_each_finds_the_first():
    labels = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 0, 7, 8])
    found = latent.one_of_each(labels)
    assert labels[found].tolist() == list(range(10))
    assert found[1] == 1


def history(epochs=9):
    names = ("loss", "rate", "distortion")
    return {
        f"{split}_{name}": (100 / (1 + torch.arange(epochs))).tolist()
        for split in ("train", "test")
        for name in names
    }


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_curves(epochs):
    assert_labelled(printed(latent.ae_curve(history(epochs))))
    both = {"one": history(epochs), "other": history(epochs)}
    figure = printed(latent.vae_curves(both))
    assert_labelled(figure)
    elbo = figure.axes[0].lines[0].get_ydata()
    assert elbo[0] == pytest.approx(-200)  # -(rate + distortion)
    assert figure.axes[1].get_xlabel() == "epoch"
    both["other"]["train_rate"][0] = -1.0
    explained = printed(latent.vae_curves(both)).axes[1].get_xlabel()
    assert explained == "epoch (below 0: by chance of the samples)"


def test_one_bad_epoch_does_not_flatten_the_curves():
    good, bad = history(30), history(30)
    bad["train_rate"][20] = 1e4
    low, high = latent.vae_curves({"bad": bad}).axes[1].get_ylim()
    assert high - low < 100
    whole = latent.vae_curves({"good": good}).axes[1].get_ylim()
    seen = good["train_rate"][30 // 8 :]
    assert whole[0] < min(seen) < max(seen) < whole[1]


def test_reconstructions_stand_below_their_originals():
    figure = printed(
        latent.reconstructions(uniform(10, 784), {"model": uniform(10, 784)})
    )
    names = [axes.get_ylabel() for axes in figure.axes]
    assert names == ["original", "model"]


def test_latent_planes_show_the_square_and_rasterise_the_codes():
    labels = torch.arange(200) % 10
    codes = {"a": uniform(200, 2), "b": 9 * uniform(200, 2)}
    figure = printed(latent.latent_planes(codes, labels))
    for axes in figure.axes:
        assert axes.patches[0].get_width() == 4
        assert axes.collections[0].get_rasterized()
    assert_labelled(figure)


def estimate(value):
    return {"value": value, "standard_error": 0.1 * abs(value), "n": 10}


def test_prefixes_are_means_of_the_first_k():
    values = uniform(500).double()
    k, means, errors = estimators.prefixes(values.numpy())
    assert k[0] == 1
    assert k[-1] == 500
    for size, found, error in zip(k[5:], means[5:], errors[5:], strict=True):
        first = values[: int(size)]
        assert found == pytest.approx(first.mean().item())
        expected = first.std().item() / size**0.5
        assert error == pytest.approx(expected)


def test_kl_check():
    values = {n: uniform(400) for n in estimators.MODELS}
    summary = {n: {"analytical": 0.5} for n in values}
    figure = printed(estimators.kl_check(summary, values))
    assert_labelled(figure)


def test_gradient_variance_says_where_there_is_none():
    found = {
        name: {"variance": estimate(value)}
        for name, value in (("sgvb", 3.0), ("kl", 0.0), ("stl", 0.2))
    }
    places = ("start", "vae_kl", "vae_sgvb")
    summary = {p: {"rate": found, "elbo": found} for p in places}
    figure = printed(estimators.gradient_variance(summary))
    assert_labelled(figure)
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert texts == ["analytical KL: 0"] * 3


def test_rate_distortion():
    points = [
        {"coeff": c, "rate": estimate(8 / c), "distortion": estimate(130 + c)}
        for c in (0.5, 1.0, 4.0)
    ]
    summary = {"points": points, "course": {**points[0], "coeff": 1e-3}}
    assert_labelled(printed(estimators.rate_distortion(summary)))


def test_importance_sampling():
    points = [{"samples": n, "gap": estimate(1 / n)} for n in (1, 10, 100)]
    for point in points[1:]:
        point["mixture_gap"] = estimate(1 / point["samples"] ** 2)
    figure = printed(estimators.importance_sampling({"points": points}))
    assert_labelled(figure)
    drawn = [len(c.lines[0].get_xdata()) for c in figure.axes[0].containers]
    assert drawn == [3, 2]


def test_samples_fill_the_page():
    figure = printed(latent.samples(uniform(32, 784), columns=16))
    assert figure.axes[0].images[0].get_array().shape == (56, 448)
