"""The two models of the torus and the measures of their shape."""

import io
import math
import time

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence
from torch.testing import assert_close

from aevb import torus_measures as measures
from aevb import training
from aevb.distributions import TAU, WrappedNormal
from aevb.figures import torus as figures
from aevb.objectives import loss_KL_wo_E
from aevb.spaces import FlatTorus, Plane
from aevb.torus import Torus
from aevb.torus_vae import (
    Encoding,
    PointVAE,
    TorusConfig,
    TorusTask,
    gaussian_distortion,
    interpolate,
    random_pairs,
)


class Exact(torch.nn.Module):
    """A perfect toroidal model: the chart itself, sheared by `matrix`."""

    def __init__(self, torus: Torus, matrix=((1, 0), (0, 1))) -> None:
        super().__init__()
        self.torus, self.space = torus, FlatTorus()
        self.matrix = torch.tensor(matrix, dtype=torch.float32)

    def code(self, x):
        return self.torus.angles(x) @ self.matrix.to(x).T

    def posterior(self, x):
        return Independent(WrappedNormal(self.code(x), 0.01), 1)

    def decode(self, z):
        return self.torus.chart(z @ torch.linalg.inv(self.matrix).to(z).T)

    reconstruct = PointVAE.reconstruct


@pytest.fixture(params=[0.2, 0.5, 0.8])
def torus(request):
    return Torus(1.0, request.param)


def test_encoding_is_the_courses():
    x = torch.tensor([[0.1, -0.2, 0.3]])
    phase = (x[0].unsqueeze(1) * 2.0 ** torch.arange(10)).flatten()
    found = Encoding(10)(x)[0]
    assert_close(found[::2], phase.sin(), rtol=1e-4, atol=1e-4)
    assert_close(found[1::2], phase.cos(), rtol=1e-4, atol=1e-4)


def test_plain_rate_is_the_analytical_kl_of_problem_3():
    model = PointVAE(Plane(), [16], 10)
    q = model.posterior(Torus().cloud(50))
    ours = kl_divergence(q, model.space.prior())
    output = {"mean": q.mean, "logvar": 2 * q.stddev.log()}
    assert_close(ours, -loss_KL_wo_E(output))


def test_distortion_is_a_normal_density():
    x, imgs, s = torch.randn(5, 3), torch.randn(5, 3), torch.tensor(0.3)
    squared = (x - imgs).square().sum(1)
    want = -Normal(imgs, s).log_prob(x).sum(1)
    assert_close(gaussian_distortion(squared, s, 3), want)


@pytest.mark.parametrize(
    "model", [PointVAE(Plane(), [8], 10), PointVAE(FlatTorus(), [8])]
)
def test_loss_is_distortion_plus_weighted_rate(model):
    task = TorusTask(TorusConfig(coeff=3.0, trials=1))
    terms = task.loss(model, Torus().cloud(20))
    assert_close(terms["loss"], terms["distortion"] + 3 * terms["rate"])
    rmse = (Torus().cloud(20).square().sum(1).mean() / 3).sqrt()
    assert 0.3 * rmse < terms["noise"] < rmse


def test_noise_stops_at_its_least():
    torus = Torus()
    task = TorusTask(TorusConfig(noise_min=0.03, trials=1))
    model = Exact(torus)
    terms = task.loss(model, torus.cloud(500))
    assert float(terms["noise"]) == pytest.approx(0.03)


def test_turning_the_latent_angles_changes_nothing():
    model = PointVAE(FlatTorus(), [16])
    z = torch.rand(30, 2) * TAU
    assert_close(model.decode(z), model.decode(z + TAU), rtol=1e-4, atol=1e-5)


def test_interpolation_takes_the_shorter_arc_over_the_seam(torus):
    model = Exact(torus)
    u, v = torch.tensor([3.0, -3.0]), torch.tensor([-2.9, 2.9])
    a, b = torus.point(u, v)
    path = interpolate(model, a[None], b[None])[0]
    length = path.diff(dim=0).norm(dim=1).sum()
    assert path.shape == (101, 3)
    assert_close(path[[0, -1]], torch.stack([a, b]))
    assert length < 0.5  # the long way round is above 5


@pytest.mark.parametrize(
    ("matrix", "determinant"),
    [(((1, 0), (0, 1)), 1), (((0, 1), (1, 0)), -1), (((1, 2), (0, 1)), 1)],
)
def test_winding_matrix_of_known_maps(matrix, determinant):
    found = measures.winding_matrix(Exact(Torus(), matrix), Torus())
    want = torch.tensor(matrix, dtype=torch.float32).T
    assert_close(found, want)
    assert float(torch.det(found)) == pytest.approx(determinant)


def test_betti_numbers_of_a_torus(torus):
    model = Exact(torus)
    z = measures.latent_lattice(model, 30_000)
    numbers, gap = measures.betti_numbers(model.decode(z))
    assert numbers == [1, 2, 1]
    assert gap > 1.1


def test_betti_numbers_of_a_sphere_and_a_circle():
    sphere = torch.nn.functional.normalize(torch.randn(8000, 3), dim=1)
    assert measures.betti_numbers(sphere, 300)[0] == [1, 0, 1]
    t = torch.linspace(0, TAU, 2000)
    circle = torch.stack([t.cos(), t.sin(), 0 * t], 1)
    assert measures.betti_numbers(circle, 100)[0] == [1, 1, 0]


def test_lattice_fills_the_prior_evenly():
    z = measures.latent_lattice(Exact(Torus()), 1000)
    counts = torch.histogramdd(
        z, bins=[5, 5], range=[-math.pi, math.pi] * 2
    ).hist
    assert counts.min() >= 35
    assert counts.max() <= 45
    normal = measures.latent_lattice(PointVAE(Plane(), [8], 10), 4000)
    assert_close(normal.std(0), torch.ones(2), atol=0.02, rtol=0)


def test_farthest_points_cover():
    points = Torus().cloud(500)
    landmarks, radius = measures.farthest_points(points, 50)
    nearest = torch.cdist(points, landmarks).amin(1)
    assert float(nearest.max()) == pytest.approx(radius, rel=1e-3)
    apart = torch.cdist(landmarks, landmarks) + 9 * torch.eye(50)
    assert float(apart.min()) >= radius * 0.999


def test_a_seam_shows_as_stretch():
    torus = Torus()
    whole, torn = Exact(torus), Exact(torus)
    torn.space = Plane()
    cloud = torus.cloud(1000)
    assert measures.stretch_ratio(whole, cloud).value < 4
    assert measures.stretch_ratio(torn, cloud).value > 20


def test_sliced_wasserstein_is_a_shift_seen_from_all_sides():
    points = Torus().cloud(1000)
    assert measures.sliced_wasserstein(points, points.flip(0)) == 0
    shifted = points + torch.tensor([0.0, 0.0, 1.0])
    # the mean of |cos| over the sphere is a half
    found = measures.sliced_wasserstein(points, shifted)
    assert found == pytest.approx(0.5, abs=0.06)


def test_spread_measures_rows():
    values = torch.arange(1.0, 7.0).reshape(3, 2)
    found = measures.spread("x", values)
    assert found["x_mean"].value == pytest.approx(3.5)
    assert found["x_mean"].standard_error == pytest.approx(2 / 3**0.5)
    assert found["x_max"].value == 6
    assert found["x_p95"].n == 6


def test_a_perfect_model_has_perfect_numbers():
    task = TorusTask(TorusConfig(pairs=50))
    found = task.evaluate(Exact(Torus()))
    assert found["interpolation_offset_max"].value < 1e-6
    assert found["reconstruction_error_max"].value < 1e-6
    assert found["winding_determinant"].value == 1
    assert [found[f"betti_{k}"].value for k in range(3)] == [1, 2, 1]
    assert found["path_ratio_mean"].value >= 0.999
    assert found["shortest_ratio_mean"].value == pytest.approx(1, abs=1e-3)
    assert found["shortest_seconds"].value < 0.05
    assert found["strip_share"].value == 0
    assert found["coverage"].value < 2 * found["coverage_floor"].value


@pytest.mark.parametrize(
    ("latent", "frequencies"), [("plane", 10), ("torus", 0)]
)
def test_a_short_training_runs_and_learns(latent, frequencies):
    settings = {"latent": latent, "frequencies": frequencies, "pairs": 20}
    brief = {"epochs": 20, "trial_epochs": 1, "size": 200, "batch_size": 50}
    task = TorusTask(TorusConfig(**settings, **brief))
    model, history, _ = training.fit(task, torch.device("cpu"))
    # the error itself, up to a factor; the loss is of a likelihood that
    # sharpens as the error falls, and need not fall with it
    errors = history["train_noise"]
    assert errors[-1] < 0.5 * errors[0]
    metrics = task.evaluate(model)
    assert metrics["interpolation_offset_mean"].n == 20 * 101
    assert all(math.isfinite(e.value) for e in metrics.values())


@pytest.mark.parametrize(
    "draw",
    [
        lambda t, x, p, m: figures.reconstruction(x, m.reconstruct(x)),
        lambda t, x, p, m: figures.trajectories(t, {"a": p[:6], "b": p[:1]}),
        lambda t, x, p, m: figures.curves(t, {"a": p[0], "b": p[1]}),
        lambda t, x, p, m: figures.codes_by_angle(
            t, x, {"a": m.code(x), "b": m.code(x)}, m.code(x[:9])
        ),
        lambda t, x, p, m: figures.curvature(t, t.chart),
    ],
)
def test_figures_are_quick_and_small(draw):
    torus, model = Torus(), Exact(Torus())
    cloud = torus.cloud()
    paths = interpolate(model, *random_pairs(cloud, 200))
    file = io.BytesIO()
    began = time.process_time()
    draw(torus, cloud, paths, model).savefig(file, format="pdf", dpi=200)
    assert time.process_time() - began < 3
    assert len(file.getvalue()) < 600_000


def test_what_the_torus_hides_from_the_viewer():
    torus = Torus()
    x = torch.tensor([[1.5, 0.0, 0.0], [-1.5, 0.0, 0.0], [1.0, 0.0, 0.5]])
    assert figures.hidden(torus, x, (0, 0)).tolist() == [False, True, False]
    core = torch.tensor([[0.0, 1.0, 0.0]])  # inside of the tube
    assert figures.hidden(torus, core, (90, 0)).tolist() == [True]


def test_the_page_keeps_lengths_across_the_view():
    x = torch.randn(20, 3).double()
    for view in figures.VIEWS:
        assert_close(figures.project(x, view).norm(dim=1), x.norm(dim=1))
    up = figures.project(torch.tensor([[0.0, 0.0, 1.0]]), (0, 30))
    assert_close(up[0], torch.tensor([0.0, 1.0, 0.0]).double())


@pytest.mark.parametrize("matrix", [((1, 0), (0, 1)), ((0, 1), (1, 2))])
def test_alignment_undoes_the_models_choice_of_angles(matrix):
    torus = Torus()
    found = measures.forms(Exact(torus, matrix), torus)
    assert found["metric_E_error"].value < 1e-5
    assert found["area"].value == pytest.approx(TAU**2 * 0.5, rel=1e-6)
    assert found["curvature_error"].value < 1e-4


def test_a_torn_code_collides_and_a_whole_one_does_not():
    torus = Torus()
    cloud = torus.cloud(1000)
    torn, whole = Exact(torus), Exact(torus)

    def pressed(x):
        """The last twentieth of a turn is drawn back over the rest: this is
        continuous, and so not injective."""
        u, v = torus.angles(x).unbind(-1)
        back = 2.8 - (v - 2.8) * (2.8 + math.pi) / (math.pi - 2.8)
        return torch.stack([u, torch.where(v > 2.8, back, v)], dim=-1)

    torn.code, torn.space = pressed, Plane()
    assert measures.strip(whole, torus)[1] == 0
    points, share = measures.strip(torn, torus)
    assert 0.01 < share < 0.1
    far = measures.collisions(torn, points, cloud) > torus.r
    assert 0.5 < far.double().mean() <= 1
    assert measures.collisions(whole, points, cloud).max() < torus.r


def test_the_drawn_pair_is_the_farthest_of_the_first():
    torus = Torus()
    pairs = random_pairs(torus.cloud(), 20)
    far = torus.geodesic_length(*(x[:10] for x in pairs))
    assert measures.farthest_pair(torus, pairs) == int(far.argmax())
    offsets = torch.tensor([[0.0, 3.0], [1.0, 0.0], [0.0, 2.0]])
    assert measures.by_offset(offsets).tolist() == [1, 2, 0]


def test_the_best_of_the_short_trainings_goes_on(monkeypatch):
    losses = iter([2.0, 1.0, 3.0])
    rivals = []

    def fit(task, device):
        assert task.config.trials == 1
        torch.manual_seed(task.config.seed)
        rivals.append(task.model())
        return rivals[-1], {"train_loss": [next(losses)]}, 0.0

    monkeypatch.setattr(training, "fit", fit)
    task = TorusTask(TorusConfig(trials=3, hidden_dims=(8,)))
    model = task.model()
    state = torch.get_rng_state()
    task.start(model, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), state)
    for mine, *others in zip(
        model.parameters(), *(r.parameters() for r in rivals), strict=True
    ):
        assert torch.equal(mine, others[1])


def test_pairs_are_the_same_each_time():
    cloud = Torus().cloud()
    first, again = random_pairs(cloud, 5), random_pairs(cloud, 5)
    assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first[0], first[1])


def test_a_code_that_is_no_torus_has_its_measures_all_the_same():
    """The report quotes them, whatever the settings."""
    twice = Exact(Torus(), ((2, 0), (0, 2)))
    found = TorusTask(TorusConfig(pairs=5)).evaluate(twice)
    assert found["winding_determinant"].value == 4
    assert {"area", "modulus", "shortest_ratio_mean"} <= found.keys()
