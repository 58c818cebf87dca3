"""The models, alone and in the notebook that the course hands out."""

import inspect
import math

import numpy as np
import pytest
import torch

from aevb.models import AE, VAE, ResidualBlock, check_rows, mlp
from aevb.objectives import log_normal_pdf, loss_KL_wo_E, loss_SGVB


@pytest.fixture
def vae():
    return VAE(12, [8, 8, 6])


def test_mlp_is_what_its_docstring_says():
    kinds = [type(layer) for layer in mlp([7, 5, 5, 4])]
    linear, gelu = torch.nn.Linear, torch.nn.GELU
    assert kinds == [linear, gelu, ResidualBlock, linear]
    kinds = [type(layer) for layer in mlp([7, 5, 5, 4], norm=True)]
    assert kinds == [linear, gelu, ResidualBlock, torch.nn.LayerNorm, linear]
    assert len(mlp([7, 5, 4], norm=True)) == 3
    assert len(mlp([7, 4], norm=True)) == 1


def test_no_input_has_an_output_far_from_all_others():
    """Without the norm before the last layer the outputs grow with h."""
    vae = VAE(12, [8, 8, 6])
    for net in (vae.encoder, vae.decoder):
        size = net[0].in_features
        near, far = net(
            torch.randn(2, 500, size) * torch.tensor([1, 1e4])[:, None, None]
        )
        assert far.abs().max() < 10 * near.abs().max()


@pytest.mark.parametrize("bilinear", [False, True])
def test_a_block_adds_gelu_or_a_product_of_linear_maps(bilinear):
    block = ResidualBlock(5, bilinear).double()
    h = torch.randn(3, 5, dtype=torch.float64)
    torch.nn.init.zeros_(block.outer.bias)
    assert torch.equal(block(h), h)  # a new block is the identity
    torch.nn.init.normal_(block.outer.weight)
    u = block.norm(h) @ block.inner.weight.T + block.inner.bias
    if bilinear:
        added = u[:, :5] * u[:, 5:]
    else:
        added = u * 0.5 * (1 + torch.erf(u / 2**0.5))
    torch.testing.assert_close(block(h), h + block.outer(added))


def test_bilinear_reaches_every_block():
    model = VAE(12, [8, 8, 6], bilinear=True)
    blocks = [m for m in model.modules() if isinstance(m, ResidualBlock)]
    assert [b.bilinear for b in blocks] == [True, True]
    assert not VAE(12, [8, 8, 6]).encoder[2].bilinear


def test_the_decoder_may_have_widths_of_its_own():
    model = VAE(12, [8, 6], decoder_dims=[5, 4])
    shapes = [m.out_features for m in model.decoder if hasattr(m, "weight")]
    assert shapes == [5, 4, 12]
    mirrored = VAE(12, [8, 7, 6])
    shapes = [m.out_features for m in mirrored.decoder if hasattr(m, "weight")]
    assert shapes == [7, 8, 12]


def test_ae_goes_there_and_back():
    x = torch.rand(6, 12)
    ae = AE(12, [8, 4, 2])
    output = ae(x)
    assert output["z"].shape == (6, 2)
    assert torch.equal(output["imgs"], ae.decode(output["z"]))
    assert 0 < output["imgs"].min() < output["imgs"].max() < 1
    widths = [m.out_features for m in ae.decoder if hasattr(m, "out_features")]
    assert widths == [4, 8, 12]


def test_vae_encodes_half_mean_half_log_variance(vae):
    x = torch.rand(5, 12)
    mean, logvar = vae.encode(x)
    assert mean.shape == logvar.shape == (5, 3) == (5, vae.z_size)
    assert torch.equal(torch.cat([mean, logvar], dim=1), vae.encoder(x))


def test_reparameterize_scales_and_shifts_noise_and_lets_gradients_through(
    vae,
):
    mean, logvar = torch.randn(2, 4, 3).requires_grad_()
    torch.manual_seed(0)
    noise = torch.randn(4, 3)
    torch.manual_seed(0)
    z = vae.reparameterize(mean, logvar)
    scaled = torch.exp(0.5 * logvar) * noise
    torch.testing.assert_close(z, mean + scaled)
    dmean, dlogvar = torch.autograd.grad(z.sum(), [mean, logvar])
    assert torch.equal(dmean, torch.ones(4, 3))  # dz/dmu = 1
    torch.testing.assert_close(dlogvar, 0.5 * scaled)


def test_forward_groups_the_samples_of_an_image(vae):
    x = torch.rand(5, 12)
    mean, logvar = vae.encode(x)
    output = vae(x, n_samples_per_z=4)
    assert output["imgs"].shape == (5, 12)
    assert output["z"].shape == (20, 3)
    for s in range(4):
        assert torch.equal(output["mean"][s::4], mean)
        assert torch.equal(output["logvar"][s::4], logvar)
    decoded = vae.decode(output["z"]).reshape(5, 4, 12)
    assert torch.allclose(output["imgs"], decoded.mean(dim=1), atol=1e-6)


def test_use_sigmoid_and_decode_dim():
    model = VAE(12, [8, 4], decode_dim=3, use_sigmoid=False)
    z = torch.randn(5, 2)
    assert model.decode(z).shape == (5, 3)
    assert torch.equal(model.decode(z), model.decoder(z))
    assert model(torch.rand(5, 12))["imgs"].shape == (5, 3)
    squashed = VAE(12, [8, 4])
    assert torch.equal(squashed.decode(z), torch.sigmoid(squashed.decoder(z)))


def test_an_empty_batch_gives_empty_outputs(vae):
    output = vae(torch.ones(0, 12))
    assert output["imgs"].shape == (0, 12)
    assert output["z"].shape == (0, 3)


def test_faults_are_named(vae):
    with pytest.raises(ValueError, match="must end in an even number"):
        VAE(12, [8, 3])
    with pytest.raises(ValueError, match=r"\(B, 12\), not \(2, 13\)"):
        vae(torch.ones(2, 13))
    pixels = torch.ones(2, 12, dtype=torch.uint8)
    for model in (vae, AE(12, [8, 2])):
        with pytest.raises(TypeError, match=r"\(B, 12\), not torch.uint8"):
            model.encode(pixels)
        with pytest.raises(ValueError, match=rf"\(B, {model.z_size}\), not"):
            model.decode(torch.ones(2, 5))
    with pytest.raises(TypeError, match=r"\(B, 3\), not tuple"):
        vae.decode(vae.encode(torch.ones(2, 12)))


COURSE = [mlp, ResidualBlock, check_rows, AE, VAE]
COURSE += [log_normal_pdf, loss_SGVB, loss_KL_wo_E]


@pytest.fixture(scope="module")
def notebook():
    """A namespace with two of the course's imports and our source."""
    names = {"torch": torch, "np": np}
    for thing in COURSE:
        exec(inspect.getsource(thing), names)
    return names


def course_loss(model, x, regularizer=None, coeff=1e-3):
    """Mean squared error less coeff times a regulariser a row."""
    output = model(x)
    error = torch.nn.functional.mse_loss(output["imgs"], x)
    if regularizer is None:
        return error
    return torch.mean(error - coeff * regularizer(output))


@pytest.mark.parametrize("regularizer", [None, "loss_SGVB", "loss_KL_wo_E"])
def test_pasted_models_train_with_the_course_objective(notebook, regularizer):
    kind, latent = ("VAE", 4) if regularizer else ("AE", 2)
    model = notebook[kind](784, [128, 32, 16, latent])
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-8)
    x = (torch.rand(16, 784) > 0.8).float()
    losses = []
    for _ in range(12):
        loss = course_loss(model, x, notebook.get(regularizer))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@torch.no_grad()
def test_pasted_models_do_what_the_course_does_with_them(notebook):
    """Its smoke test, its reconstructions, and its grid of decoded points."""
    vae = notebook["VAE"](256, [128, 64, 36, 18, 18])
    output = vae(torch.randn(1, 256))
    assert output["imgs"].shape == (1, 256)
    assert output["z"].shape == output["mean"].shape == (1, vae.z_size)
    images = torch.rand(5, 28, 28)
    for name, latent in (("AE", 2), ("VAE", 4)):
        model = notebook[name](784, [128, 32, 16, latent])
        found = model(images.reshape(5, -1))["imgs"].cpu()
        assert found.reshape(images.shape).shape == images.shape
        axis, page = np.linspace(-2, 2, 2), np.zeros((2, 2, 28, 28))
        for i, j in np.ndindex(2, 2):
            z = torch.tensor([[axis[j], axis[i]]]).float()
            page[i, j] = model.decode(z).view(28, 28).cpu().numpy()
        assert page.std() > 0


def test_pasted_losses_agree_as_the_course_checks(notebook):
    vae = notebook["VAE"](784, [128, 32, 16, 4])
    images, differences = torch.rand(4, 784), []
    with torch.no_grad():
        for n in (1, 101, 3901):
            output = vae(images, n_samples_per_z=n)
            sampled = notebook["loss_SGVB"](output)
            exact = notebook["loss_KL_wo_E"](output)
            assert sampled.shape == exact.shape == (4 * n,)
            differences.append((sampled.mean() - exact.mean()).item())
    assert abs(differences[-1]) < 0.01


def test_pasted_vae_learns_points_through_sines_and_cosines(notebook):
    frequencies = 2.0 ** torch.arange(10)

    def encode(points):  # (N, 3) to (N, 60)
        angles = (points.unsqueeze(-1) * frequencies).flatten(1)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    vae = notebook["VAE"](60, [32, 16, 4], decode_dim=3, use_sigmoid=False)
    output = vae(encode(points))
    assert output["imgs"].shape == (30, 3)
    assert output["imgs"].min() < 0  # no sigmoid: points lie on both sides
    error = torch.nn.functional.mse_loss(output["imgs"], points)
    loss = error - 1e-3 * notebook["loss_KL_wo_E"](output).mean()
    loss.backward()
    assert math.isfinite(loss.item())
    assert vae.decode(torch.zeros(1, 2)).shape == (1, 3)
