"""The explorers: what is packed, and what a real browser makes of it."""

import base64
import copy
import io
import json
import zlib
from contextlib import redirect_stdout
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from aevb import data, evaluation, live, objectives, spaces, torus_vae
from aevb.errors import UserError
from aevb.live import networks
from aevb.live import page as pages
from aevb.models import AE, VAE
from aevb.torus import Torus
from conftest import fits, serious_faults


def lively(model):
    """The model with every block at work, as after training."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if "outer.weight" in name:
            weight.data.normal_(0, 0.1, generator=generator)
    return model.eval()


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    made = {
        "ae": AE(784, [32, 32, 2]),
        "vae": VAE(784, [32, 32, 32, 4]),
        "plain": torus_vae.PointVAE(spaces.Plane(), [32, 32], 4),
        "toroidal": torus_vae.PointVAE(spaces.FlatTorus(), [32, 32]),
    }
    made["vae"].decoder[-1].weight.data *= 2  # a posterior that is narrow
    made["vae"].encoder[-1].bias.data = torch.tensor([0, 0, -2.0, -3.0])
    return {name: lively(model) for name, model in made.items()}


@pytest.fixture(scope="module")
def images(models):
    """Images that the decoder draws, as grey bytes."""
    z = torch.randn(60, 2, generator=torch.Generator().manual_seed(2))
    return (255 * models["vae"].decode(z)).round().byte().detach()


def run_of(model, name="x", config=None):
    """What an explorer or an export needs of a finished run."""
    return SimpleNamespace(name=name, key="0", model=model, config=config)


def numbers(text, kind):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**31))
def test_a_16_bit_weight_errs_by_half_a_step(width, seed):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(5, width, generator=generator).double()
    integers, steps = networks.rounded(w, None)
    assert integers.abs().max() == 2**15 - 1
    errors = (integers * steps[:, None] - w).abs()
    assert torch.all(errors <= 0.5001 * steps[:, None])


def test_known_inputs_make_few_bits_err_less_than_rounding_does():
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(20, 64, generator=generator).double()
    plane = torch.randn(2, 64, generator=generator)
    x = torch.tanh(torch.randn(500, 2, generator=generator) @ plane).double()
    integers, steps = networks.rounded(w.clone(), x)
    assert integers.abs().max() <= 2 ** (networks.BITS - 1)
    nearest = (w / steps[:, None]).round() * steps[:, None]
    error, plain = (
        ((v - w) @ x.T).square().mean()
        for v in (integers * steps[:, None], nearest)
    )
    assert error < plain / 4


def test_json_holds_every_weight_in_the_order_of_use(models, tmp_path):
    [path] = live.export(run_of(models["vae"]), tmp_path / "model.json")
    packed = json.loads(path.read_text())["decoder"]
    planes = numbers(packed["integers"], np.uint8).reshape(2, -1)
    folded = np.ascontiguousarray(planes.T).view("<u2").ravel().astype(int)
    integers = folded >> 1 ^ -(folded & 1)
    first = models["vae"].decoder[0]
    n = first.weight.numel()
    steps = numbers(packed["floats"], "<f4")[: first.out_features]
    w = integers[:n].reshape(first.weight.shape) * steps[:, None]
    assert np.allclose(w, first.weight.detach(), atol=steps.max())
    assert packed["layers"][:2] == [["linear", 2, 32, True], ["gelu"]]


def test_what_cannot_be_shown_is_refused(models, images, tmp_path):
    run = run_of(torch.nn.ReLU())
    with pytest.raises(UserError, match="ReLU"):
        live.export(run, tmp_path / "model.json")
    with pytest.raises(UserError, match="ReLU"):
        networks.pack(torch.nn.Sequential(torch.nn.ReLU()))
    with pytest.raises(UserError, match=r"\.json"):
        live.export(run, tmp_path / "model.txt")
    deep = VAE(784, [16, 6])
    with pytest.raises(UserError, match="3 latent dimensions"):
        live.Page().plane({"deep": deep}, images, torch.zeros(60))

    class Unfilled(AE):
        def encode(self, x):
            pass

    with pytest.raises(UserError, match=r"Unfilled\.encode returns no codes"):
        pages.codes_of(Unfilled(784, [8, 2]), images)
    with pytest.raises(UserError, match="there are no images"):
        pages.codes_of(models["ae"], images[:0])
    assert not list(tmp_path.iterdir())


def test_onnx_computes_what_torch_does(models, tmp_path):
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    onnxruntime = pytest.importorskip("onnxruntime")
    model = models["vae"]
    paths = live.export(run_of(model), tmp_path / "model.onnx")
    for path, size in zip(paths, (784, 2), strict=True):
        x = torch.rand(7, size)
        session = onnxruntime.InferenceSession(path)
        [found] = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        network = model.encoder if size == 784 else model.decoder
        expected = network(x).detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_block_is_fenced_and_holds_script_and_networks_once(models, images):
    out, page = io.StringIO(), live.Page()
    labels = torch.arange(60) % 10
    with redirect_stdout(out):
        page.plane({"VAE": models["vae"]}, images, labels)
        page.bound(models["vae"], images, labels)
    text = out.getvalue()
    assert text.count("```{=html}") == 2
    assert text.count("aevbLive =") == 1
    name = page.networks[id(models["vae"].decoder)]
    assert text.count(f'id="{name}"') == 1


def test_explore_writes_a_page_of_any_run(
    models, images, tmp_path, monkeypatch
):
    split = SimpleNamespace(images=images, labels=torch.arange(60) % 10)
    mnist = SimpleNamespace(test=split)
    monkeypatch.setattr(pages, "load_mnist", lambda device: mnist)
    torus = SimpleNamespace(R=1.0, r=0.5)
    shown = {"ae": 1, "vae": 3, "plain": 1, "toroidal": 1}
    for mode, figures in shown.items():
        config = torus if mode in ("plain", "toroidal") else None
        run = run_of(models[mode], mode, config)
        path = live.explore(run, tmp_path / f"{mode}.html")
        assert path.read_text().count("<figure") == figures


# In a browser.


@pytest.fixture(scope="module")
def html(models, images, tmp_path_factory):
    out, labels = io.StringIO(), torch.arange(60) % 10
    still = Figure((2, 1))
    with redirect_stdout(out):
        page = live.Page(fenced=False)
        both = {"AE": models["ae"], "VAE": models["vae"]}
        page.plane(both, images, labels, still=still, alt="Codes.")
        page.bound(models["vae"], images, labels)
        page.estimators()
        names = {k: models[k] for k in ("plain", "toroidal")}
        page.torus(names, Torus())
    path = tmp_path_factory.mktemp("live") / "page.html"
    path.write_text(
        pages.DOCUMENT.format(title="Explorers", body=out.getvalue())
    )
    return path


@pytest.fixture(scope="module")
def tab(offline, html):
    """The page, opened once; an explorer keeps what a test did to it."""
    return offline(html, has_touch=True)


def started(tab, name):
    """Scroll an explorer into view and wait until it runs."""
    tab.locator(f"#live-{name}").scroll_into_view_if_needed()
    tab.wait_for_selector(f"#live-{name}.live-on")


def asked(tab, name, expression, argument=None):
    """The value of a JavaScript expression in `it`, the explorer."""
    started(tab, name)
    return tab.evaluate(
        f"async (a) => {{ const it = await aevbLive.ready['live-{name}'];"
        f" return ({expression}); }}",
        argument,
    )


def test_decodes_are_those_of_torch(tab, models):
    z = torch.randn(100, 2, generator=torch.Generator().manual_seed(3))
    for i, name in enumerate(("ae", "vae")):
        call = f"Array.from(it.decode({i}, a, 100))"
        p = asked(tab, "plane", call, z.flatten().tolist())
        expected = models[name].decode(z).flatten()
        assert (torch.tensor(p) - expected).abs().max() < 1e-3


def test_the_point_follows_mouse_keys_and_fingers(tab):
    started(tab, "plane")
    canvas = tab.locator("#live-plane canvas").first
    box = canvas.bounding_box()

    def point():
        return np.array(asked(tab, "plane", "it.state().point"))

    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"]
    tab.mouse.move(x, y)
    tab.mouse.down()
    first = point()
    tab.mouse.move(x + 60, y - 40, steps=4)
    tab.mouse.up()
    way = point() - first
    assert way[0] > 0
    assert way[1] / way[0] == pytest.approx(40 / 60, rel=0.05)
    canvas.focus()
    before = point()
    tab.keyboard.press("ArrowLeft")
    assert point()[0] < before[0]
    tab.touchscreen.tap(x, y)
    assert np.linalg.norm(point() - first) < 0.05 * np.linalg.norm(way)
    tab.get_by_role("button", name="reset").first.click()
    assert np.abs(point() - first).max() > 1e-6


def test_a_drag_keeps_30_frames_a_second(tab):
    started(tab, "plane")
    client = tab.context.new_cdp_session(tab)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy():
        found = client.send("Performance.getMetrics")["metrics"]
        return {m["name"]: m["value"] for m in found}["TaskDuration"]

    box = tab.locator("#live-plane canvas").first.bounding_box()
    tab.mouse.move(box["x"] + 100, box["y"] + 100)
    tab.mouse.down()
    frames, spent = 20, []
    for go in range(4):  # the best, as other work slows this one down
        start = busy()
        for k in range(20 * go, 20 * go + frames):
            tab.mouse.move(box["x"] + 100 + 2 * k, box["y"] + 100 + k)
            tab.evaluate("() => new Promise(requestAnimationFrame)")
        spent.append((busy() - start) / frames)
    assert min(spent) < 1 / 30, spent


def settled(tab):
    """The state of the bound's explorer, once its integrals are exact."""
    return tab.evaluate("""async () => {
      const it = await aevbLive.ready["live-bound"];
      for (;;) {
        const found = it.state();
        if (found.posterior && found.sums?.settled) return found;
        await new Promise((go) => setTimeout(go, 20));
      }
    }""")


def test_the_bar_adds_up_at_twenty_places(tab, models, images):
    x = data.binarize(images, "fixed").double()
    model = copy.deepcopy(models["vae"]).double()
    exact = evaluation.log_px_by_quadrature(model, x[:2], 0.1).tolist()
    places = torch.rand(20, 4, generator=torch.Generator().manual_seed(4))
    places[:, 2:] *= torch.tensor([0.25, 0.4])
    places[9::10, 2:] *= 2  # the widest need many points
    for k, (a, b, c, d) in enumerate(places.tolist()):
        if k % 10 == 0:
            asked(tab, "bound", "it.setImage(it.testImage(a), a)", k // 10)
        q = {"mean": [2 * a - 1, 2 * b - 1], "sd": [0.05 + c, 0.05 + d]}
        asked(tab, "bound", "it.setQ(a)", q)
        found = settled(tab)
        sums, log_px = found["sums"], found["posterior"]["logPx"]
        # its weights are rounded
        assert log_px == pytest.approx(exact[k // 10], abs=0.02)
        assert sums["elbo"] + sums["gap"] == pytest.approx(log_px, abs=1e-3)
        mean, sd = (torch.tensor([q[key]]) for key in ("mean", "sd"))
        kl = -objectives.loss_KL_wo_E({"mean": mean, "logvar": 2 * sd.log()})
        assert sums["rate"] == pytest.approx(kl.item(), abs=1e-4)


def test_the_best_normal_is_better_than_its_neighbours(tab):
    asked(tab, "bound", "it.setImage(it.testImage(2), 2)")
    start = settled(tab)["sums"]["elbo"]
    asked(tab, "bound", "it.best()")
    top = settled(tab)
    q, elbo = top["q"], top["sums"]["elbo"]
    assert start < elbo <= top["posterior"]["logPx"]
    for key, d, step in product(("mean", "sd"), (0, 1), (-0.2, 0.2)):
        other = {**q, key: list(q[key])}
        other[key][d] += step * q["sd"][d]
        asked(tab, "bound", "it.setQ(a)", other)
        assert settled(tab)["sums"]["elbo"] < elbo


def test_estimators_are_those_of_torch(tab):
    found = asked(tab, "estimators", "it.state()")
    mu = torch.tensor([[float(found["mu"])]], requires_grad=True)
    logvar = torch.tensor([[2 * np.log(found["sigma"])]], requires_grad=True)
    kl = -objectives.loss_KL_wo_E({"mean": mu, "logvar": logvar})
    assert found["exact"]["value"] == pytest.approx(kl.item(), abs=1e-6)
    sample = found["samples"][0]
    eps = (sample["sgvb"][0] - found["mu"]) / found["sigma"]
    for key, loss in (
        ("sgvb", objectives.loss_SGVB),
        ("stl", objectives.loss_STL),
    ):
        z = mu + (logvar / 2).exp() * eps
        value = -loss({"z": z, "mean": mu, "logvar": logvar})
        d_mu, d_logvar = torch.autograd.grad(value, [mu, logvar])
        d_sigma = d_logvar * 2 / found["sigma"]
        assert sample["value"] == pytest.approx(value.item(), abs=1e-5)
        assert sample[key] == pytest.approx(
            [d_mu.item(), d_sigma.item()], abs=1e-4
        )


def test_paths_and_distances_are_those_of_torus(tab, models):
    torus = Torus()
    for another in (False, True):
        if another:
            tab.get_by_role("button", name="another pair").click()
        found = asked(tab, "torus", "it.state()")
        a, b = torus.point(*torch.tensor(found["ends"]).T).unsqueeze(1)
        for column in found["columns"]:
            path = torch.tensor(column["points"])
            if column["name"] == "geodesic":
                length = torus.geodesic_length(a, b).item()
                assert column["length"] == pytest.approx(length, rel=4e-3)
                ends = torch.cat([a, b])
                assert torch.allclose(path[[0, -1]], ends, atol=1e-3)
            else:
                model = models[column["name"]]
                expected = torus_vae.interpolate(model, a, b)[0]
                assert torch.allclose(path, expected, atol=1e-3)
            distance = torus.distance(path).abs()
            want = [distance.mean().item(), distance.max().item()]
            found = [column["mean"], column["max"]]
            assert found == pytest.approx(want, abs=1e-6)


def test_it_fits_and_is_accessible(tab):
    for name in ("plane", "bound", "estimators", "torus"):
        started(tab, name)
    for width, scheme in ((360, "light"), (1920, "dark")):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        assert fits(tab, width)
        assert serious_faults(tab) == []
    assert len(tab.pdf()) > 10_000


def test_without_scripts_the_still_picture_stands_there(offline, html):
    tab = offline(html, java_script_enabled=False)
    assert tab.get_by_alt_text("Codes.").is_visible()
    assert not tab.locator("#live-bound").is_visible()
