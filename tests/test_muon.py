"""Muon: what it does to a matrix, and that it is torch's but for the batch."""

import pytest
import torch
from torch.testing import assert_close

from aevb.muon import Muon, orthogonalize


def matrices(n, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, width, generator=generator).double()


def moved(weights, gradients, **settings):
    """Weights after a step for each of the gradients."""
    weights = [w.clone().requires_grad_() for w in weights]
    optimizer = Muon(weights, lr=0.1, dtype=torch.float64, **settings)
    for step in gradients:
        for weight, gradient in zip(weights, step, strict=True):
            weight.grad = gradient.clone()
        optimizer.step()
    return [w.detach() for w in weights]


def test_singular_values_become_alike_and_singular_vectors_stay():
    left, _, right = torch.linalg.svd(matrices(3, 16))
    values = torch.logspace(-5, 2, 16, dtype=torch.float64)
    u = left @ torch.diag(values) @ right
    inner = left.mT @ orthogonalize(u, torch.float64) @ right.mT
    found = inner.diagonal(dim1=-2, dim2=-1)
    assert_close(inner, torch.diag_embed(found))
    share = values / values.pow(4).sum().pow(0.25)
    large = share > 0.001
    assert found[:, large].min() > 0.139
    assert found.max() < 1.861
    small = share < 1e-6
    assert_close(
        found[:, small] / share[small],
        140.4 + 0 * found[:, small],
        rtol=0.01,
        atol=0,
    )


def test_a_matrix_of_zeros_stays_and_is_finite():
    """As the gradient of a new block's first matrix is."""
    zeros = torch.zeros(1, 4, 4)
    assert torch.equal(orthogonalize(zeros, torch.float32), zeros)


def test_the_size_of_a_matrix_does_not_matter():
    u = matrices(2, 8)
    results = [orthogonalize(c * u, torch.float64) for c in (1, 1e3, 1e-3)]
    for result in results:
        assert_close(result, results[0], atol=1e-4, rtol=0)


def test_a_step_is_what_its_docstring_says():
    (w,), lr, decay, mu, rms = matrices(1, 6), 0.1, 0.3, 0.95, 0.4
    gradients = [matrices(1, 6, seed) for seed in (1, 2, 3)]
    (found,) = moved([w], gradients, weight_decay=decay, rms=rms)
    m = torch.zeros_like(w)
    for (g,) in gradients:
        m = mu * m + (1 - mu) * g
        u = mu * m + (1 - mu) * g
        step = orthogonalize(u.unsqueeze(0), torch.float64)[0]
        w = (1 - lr * decay) * w - lr * rms * 6**0.5 * step
    assert_close(found, w)


def test_a_tall_matrix_moves_as_its_squares_would():
    tall = matrices(1, 6)[0].repeat(2, 1)
    gradients = [matrices(2, 6, seed) for seed in (1, 2, 3)]
    settings = {"weight_decay": 0.5}
    (whole,) = moved(
        [tall], [[g.flatten(0, 1)] for g in gradients], **settings
    )
    parts = moved(tall.split(6), gradients, **settings)
    assert_close(whole, torch.cat(parts))


def test_matrices_of_several_widths_go_together():
    weights = [matrices(1, n)[0] for n in (4, 6, 4)]
    gradients = [[matrices(1, len(w), 5)[0] for w in weights]]
    together = moved(weights, gradients)
    for i, weight in enumerate(weights):
        (alone,) = moved([weight], [[gradients[0][i]]])
        assert_close(together[i], alone)


@pytest.mark.parametrize("shape", [(3, 2), (4,), (2, 4)])
def test_what_is_no_stack_of_squares_is_refused(shape):
    with pytest.raises(ValueError, match="no stack of squares"):
        Muon([torch.zeros(shape)], lr=0.1)
