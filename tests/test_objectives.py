"""The estimators against torch.distributions, at any shape and size."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, Normal, kl_divergence

from aevb.errors import UserError
from aevb.objectives import (
    bernoulli_log_likelihood,
    log_normal_pdf,
    log_sum_exp,
    loss_KL_wo_E,
    loss_SGVB,
    loss_STL,
    negative_elbo,
)

F64 = torch.float64
REGULARIZERS = [loss_KL_wo_E, loss_SGVB, loss_STL]


def draw(rows, size, scale, seed, dtype=F64):
    """A posterior and a sample of it, as the model returns them."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(3, rows, size, generator=generator, dtype=dtype)
    mean, logvar = scale * noise[:2]
    z = mean + torch.exp(0.5 * logvar) * noise[2]
    return {"z": z, "mean": mean, "logvar": logvar}


outputs = st.builds(
    draw,
    rows=st.integers(0, 5),
    size=st.integers(1, 7),
    scale=st.sampled_from([0.0, 1e-3, 0.1, 1.0, 4.0]),
    seed=st.integers(0, 1000),
)
bounded = settings(max_examples=60, deadline=None)
assert_equal = partial(torch.testing.assert_close, rtol=5e-11, atol=5e-11)


@bounded
@given(outputs)
def test_density_log_ratio_and_divergence_are_those_of_torch(output):
    z, mean, logvar = output["z"], output["mean"], output["logvar"]
    q, p = Normal(mean, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)
    zero = z.new_zeros(())
    log_q, log_p = q.log_prob(z).sum(dim=1), p.log_prob(z).sum(dim=1)
    kl = kl_divergence(q, p).sum(dim=1)
    assert_equal(log_normal_pdf(z, mean, logvar), log_q)
    assert_equal(log_normal_pdf(z, zero, zero), log_p)
    assert_equal(log_normal_pdf(z.T, zero, zero, raxis=0), log_p)
    assert_equal(loss_SGVB(output), log_p - log_q)
    assert_equal(loss_KL_wo_E(output), -kl)
    assert torch.all(loss_KL_wo_E(output) <= 1e-12)


def test_sticking_the_landing_has_no_score_term():
    """At q(z | x) = p(z) its gradient is zero for every sample."""
    mean = torch.zeros(4, 2, dtype=F64, requires_grad=True)
    logvar = torch.zeros(4, 2, dtype=F64, requires_grad=True)
    z = mean + torch.exp(0.5 * logvar) * draw(4, 2, 1.0, 0)["z"]
    output = {"z": z, "mean": mean, "logvar": logvar}
    assert torch.equal(loss_STL(output), loss_SGVB(output))
    stl = torch.autograd.grad(
        loss_STL(output).sum(), [mean, logvar], retain_graph=True
    )
    sgvb = torch.autograd.grad(loss_SGVB(output).sum(), [mean, logvar])
    assert all(g.abs().max() < 1e-14 for g in stl)
    assert all(g.abs().max() > 0.1 for g in sgvb)


@bounded
@given(
    st.integers(0, 4),
    st.integers(1, 9),
    st.sampled_from([0.0, 1.0, 10.0, 30.0]),
    st.integers(0, 1000),
)
def test_bernoulli_is_that_of_torch(rows, pixels, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, pixels)
    logits = scale * torch.randn(shape, generator=generator, dtype=F64)
    x = torch.randint(2, shape, generator=generator).to(F64)
    theirs = Bernoulli(logits=logits).log_prob(x)
    ours = bernoulli_log_likelihood(logits, x)
    assert_equal(ours, theirs.sum(dim=1))


@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_log_sum_exp_and_its_gradient_are_those_of_torch(spread):
    terms = (spread * torch.randn(5, 40) - 500).requires_grad_()
    found = log_sum_exp(terms)
    expected = terms.logsumexp(dim=1)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(f.sum(), terms) for f in (found, expected)]
    torch.testing.assert_close(*slopes)


def test_gradients_are_those_of_finite_differences():
    output = draw(3, 2, 0.5, seed=1)
    leaves = [output[k].clone().requires_grad_() for k in output]
    for loss in (loss_SGVB, loss_KL_wo_E):

        def value(z, mean, logvar, loss=loss):
            return loss({"z": z, "mean": mean, "logvar": logvar})

        assert gradcheck(value, leaves)
    assert gradcheck(log_normal_pdf, leaves)
    x = (output["z"] > 0).to(F64)
    assert gradcheck(bernoulli_log_likelihood, [leaves[0], x])


def assert_finite_with_gradient(value, leaves):
    gradients = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
    assert torch.all(torch.isfinite(value))
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("logvar", [-80.0, 0.0, 80.0])
@pytest.mark.parametrize("mean", [-100.0, 0.0, 1e4])
@pytest.mark.parametrize("loss", REGULARIZERS)
def test_extreme_posteriors_are_finite(loss, mean, logvar, dtype):
    mu = torch.full((4, 2), mean, dtype=dtype, requires_grad=True)
    lv = torch.full((4, 2), logvar, dtype=dtype, requires_grad=True)
    z = mu + torch.exp(0.5 * lv) * draw(4, 2, 1.0, 0, dtype)["z"]
    value = loss({"z": z, "mean": mu, "logvar": lv})
    assert_finite_with_gradient(value, [mu, lv])


def test_one_image_serves_many_logits():
    logits, x = torch.randn(4, 3, 784, dtype=F64), torch.eye(3, 784, dtype=F64)
    many = bernoulli_log_likelihood(logits, x)
    each = bernoulli_log_likelihood(logits, x.expand(4, -1, -1).clone())
    assert many.shape == (4, 3)
    assert_equal(many, each)


@pytest.mark.parametrize("scale", [-1e4, 1e4])
def test_extreme_logits_are_finite_and_exact(scale):
    logits = torch.full((2, 6), scale, requires_grad=True)
    x = torch.tensor([[0.0] * 6, [1.0] * 6])
    value = bernoulli_log_likelihood(logits, x)
    assert_finite_with_gradient(value, [logits])
    right = int(scale > 0)
    assert value[right].item() == 0
    assert value[1 - right].item() == -6e4


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_minus_the_loss_is_the_elbo_and_coeff_weighs_the_rate(
    vae, regularizer
):
    x = (torch.rand(5, 12) > 0.5).float()
    torch.manual_seed(1)
    quarter = negative_elbo(vae, x, regularizer, coeff=0.25)
    torch.manual_seed(1)
    terms = negative_elbo(vae, x, regularizer)
    torch.manual_seed(1)
    output = vae(x)
    p_x = Bernoulli(vae.decode(output["z"]))
    elbo = p_x.log_prob(x).sum(dim=1) + regularizer(output)
    assert torch.allclose(-terms["loss"], elbo.mean(), atol=1e-5)
    for found, coeff in ((terms, 1.0), (quarter, 0.25)):
        expected = terms["distortion"] + coeff * terms["rate"]
        assert torch.allclose(found["loss"], expected, atol=1e-5)


@pytest.mark.parametrize("logvar", [-80.0, 80.0])
@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_the_loss_survives_an_extreme_encoder(vae, regularizer, logvar):
    last = vae.encoder[-1]
    with torch.no_grad():
        last.bias[2:] = logvar
        last.weight.zero_()
        vae.decoder[-1].weight.mul_(100)
    terms = negative_elbo(vae, torch.ones(3, 12), regularizer)
    assert_finite_with_gradient(terms["loss"], list(vae.parameters()))


def test_a_wrong_size_is_named(vae):
    with pytest.raises(UserError, match="the batch is empty"):
        negative_elbo(vae, torch.ones(0, 12))
    with pytest.raises(ValueError, match=r"\(B, 12\), not \(3, 11\)"):
        negative_elbo(vae, torch.ones(3, 11))
    for shape in ((3, 5), (4, 4), (1, 3, 4)):
        with pytest.raises(ValueError, match=r"do not fit|\(B, 4\), not"):
            bernoulli_log_likelihood(torch.zeros(3, 4), torch.zeros(shape))


def test_other_images_are_refused_in_one_sentence(vae):
    grey = torch.full((3, 12), 0.5)
    with torch.no_grad(), pytest.raises(ValueError, match="are not binary"):
        negative_elbo(vae, grey)
    with pytest.raises(TypeError, match=r"not torch\.uint8"):
        bernoulli_log_likelihood(grey, grey.to(torch.uint8))
    with pytest.raises(UserError, match="coeff must be one number"):
        negative_elbo(vae, torch.ones(3, 12), coeff=torch.ones(64))


def test_nan_is_never_hidden(vae):
    """A loss that is not finite stays so: `training.fit` stops at it."""
    x = torch.ones(3, 12)
    x[1, 2] = math.nan
    assert torch.isnan(negative_elbo(vae, x)["loss"])
