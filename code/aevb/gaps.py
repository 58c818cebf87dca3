r"""What the ELBO costs, in three parts.

The distance from the ELBO of one model, at an image x, to the log likelihood
of a model that no bound was in the way of (`exact`) is

    log p_exact(x) - ELBO(x) = [log p(x) - max_q ELBO(x; q)]  approximation
        + [max_q ELBO(x; q) - ELBO(x)]                        amortisation
        + [log p_exact(x) - log p(x)],                        model

the maximum over diagonal normal q, for each image by itself. The first two
are Cremer et al.'s (2018, section 3.1): what the family of q cannot express,
and what one encoder for all images loses within the family. The third is what
training on the bound did to the decoder. With one or two latent dimensions,
all of them are sums over a grid, and none needs a sample.
"""

import math
from typing import Any

import torch
from torch import Tensor

from aevb import evaluation, objectives
from aevb.errors import UserError
from aevb.exact import log_likelihoods
from aevb.models import VAE
from aevb.studies import averaged
from aevb.tasks import binary_test_images


@torch.no_grad()
def log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x_b, z_g) of images (B, D) at latents (G, L), (B, G)."""
    zero, found = z.new_zeros(()), x.new_empty(len(x), len(z))
    for start in range(0, len(z), evaluation.GRID):
        some = z[start : start + evaluation.GRID]
        log_pz = objectives.log_normal_pdf(some, zero, zero)
        log_pxz = log_likelihoods(model.decoder, x, some) + log_pz
        found[:, start : start + len(some)] = log_pxz
    return found


def product(axes: list[Tensor]) -> Tensor:
    """The points of a grid over these L axes, (n^L, L)."""
    return torch.cartesian_prod(*axes).reshape(-1, len(axes))


class Lattice:
    """log p(x, z) of images at the points of a grid over the latent space.

    Sums over the grid are trapezoid rules, as in
    `evaluation.log_px_by_quadrature`; a diagonal normal is a product, so
    that an expectation under one is a bilinear form.

    Args:
        model: with one or two latent dimensions, L.
        x: binary images, (B, D).
        step: of the grid, which has n points along each side of [-5, 5]^L.

    Raises:
        UserError: more latent dimensions, and those of `evaluation.check`.
    """

    def __init__(self, model: VAE, x: Tensor, step: float) -> None:
        evaluation.check(model, x)
        if model.z_size > 2:
            raise UserError(
                "the gaps are integrals over one or two latent dimensions, "
                f"not {model.z_size}"
            )
        half = round(5 / step)
        numbers = torch.arange(-half, half + 1, device=x.device)
        self.step, self.axis = step, step * numbers.to(x.dtype)
        self.points = product([self.axis] * model.z_size)
        self.log_pxz = log_joint(model, x, self.points)  # (B, n^L)

    def log_px(self) -> Tensor:
        """log p(x), (B,)."""
        size = self.points.shape[1]
        log_sum = objectives.log_sum_exp(self.log_pxz)
        return log_sum + size * math.log(self.step)

    def modes(self) -> Tensor:
        """The point of each image's highest posterior density, (B, L)."""
        return self.points[self.log_pxz.argmax(dim=1)]

    def elbo(self, q: Tensor) -> Tensor:
        """E_q[log p(x, z)] and q's entropy, added, (B, K).

        Args:
            q: means and log variances of K normals an image, (2, B, K, L).
        """
        mean, logvar = q.unsqueeze(-1)  # (B, K, L, 1)
        squared = (self.axis - mean) ** 2 * torch.exp(-logvar)
        weights = (-0.5 * squared).softmax(dim=3)  # (B, K, L, n)
        *rest, along = weights.unbind(dim=2)
        table = self.log_pxz.unflatten(1, (-1, len(self.axis)))
        found = torch.bmm(along, table.mT)  # (B, K, n^(L-1))
        for along in rest:
            found = (found * along).sum(dim=2, keepdim=True)
        entropy = 0.5 * (q[1] + math.log(2 * math.pi) + 1).sum(dim=2)
        return found.squeeze(2) + entropy

    def best_normal(self, q: Tensor, iterations: int) -> Tensor:
        """The normals of the highest ELBO near those of q (2, B, K, L).

        Adam, each mean in units of the deviation that it starts with, the
        rate falling to zero; of all that were visited, the best.
        """
        unit = torch.stack([torch.exp(0.5 * q[1]), torch.ones_like(q[1])])
        moves = torch.zeros_like(q, requires_grad=True)
        adam = torch.optim.Adam([moves], betas=(0.8, 0.95))
        found, best = q, self.elbo(q)
        for i in range(iterations):
            adam.param_groups[0]["lr"] = 0.3 * (1 - i / iterations)
            adam.zero_grad()
            elbo = self.elbo(q + unit * moves)
            (-elbo.sum()).backward()
            better = (elbo > best).unsqueeze(2)
            found = torch.where(better, (q + unit * moves).detach(), found)
            best = torch.maximum(elbo.detach(), best)
            adam.step()
        return found


def inference(
    model: VAE, x: Tensor, step: float, iterations: int
) -> dict[str, Tensor]:
    """How well q(z | x) does on images, and how well a normal could.

    The best normal is sought from the encoder's own and from one at the
    posterior's highest mode, since a posterior may have several.

    Returns:
        log_px, elbo and best_elbo, (B,) each, in nats; and q and best_q,
        means and log variances, (2, B, L).
    """
    lattice = Lattice(model, x, step)
    with torch.no_grad():
        q = torch.stack(model.encode(x)).unsqueeze(2)  # (2, B, 1, L)
        at_mode = torch.stack([lattice.modes().unsqueeze(1), q[1]])
        starts = torch.cat([q, at_mode], dim=2)  # (2, B, 2, L)
    found = lattice.best_normal(starts, iterations)
    with torch.no_grad():
        best_elbo, which = lattice.elbo(found).max(dim=1)
        images = torch.arange(len(x), device=x.device)
        return {
            "log_px": lattice.log_px(),
            "elbo": lattice.elbo(q).squeeze(1),
            "best_elbo": best_elbo,
            "q": q.squeeze(2),
            "best_q": found[:, images, which],
        }


def gaps(
    vae_kl: Any,
    vae_exact: Any,
    images: int,
    step: float,
    iterations: int,
    shown: int = 4,
) -> dict[str, Any]:
    """What the ELBO costs, in three parts (see the module's docstring).

    Both models are measured on the same images, so that `model`, log
    p_exact(x) less log p(x), is a mean of differences. To be drawn: the
    `shown` images with the largest KL(q(z | x) || p(z | x)) under `vae_kl`,
    and for either model their posterior around its mode.
    """
    x = binary_test_images(next(vae_kl.model.parameters()).device, images)
    models = {"vae_kl": vae_kl.model, "vae_exact": vae_exact.model}
    found = {
        name: inference(model, x, step, iterations)
        for name, model in models.items()
    }
    one, exact = found["vae_kl"], found["vae_exact"]
    summary: dict[str, Any] = {
        "images": images,
        "step": step,
        "model": averaged(exact["log_px"] - one["log_px"]),
        "total": averaged(exact["log_px"] - one["elbo"]),
    }
    for name, of in found.items():
        summary[name] = {
            "nll": averaged(-of["log_px"]),
            "negative_elbo": averaged(-of["elbo"]),
            "approximation": averaged(of["log_px"] - of["best_elbo"]),
            "amortisation": averaged(of["best_elbo"] - of["elbo"]),
        }
    farthest = (one["log_px"] - one["elbo"]).topk(min(shown, images)).indices
    drawn = {
        name: posteriors(model, x[farthest], found[name]["q"][:, farthest])
        | {"best_q": found[name]["best_q"][:, farthest]}
        for name, model in models.items()
    }
    return {"summary": summary, "images": x[farthest], **drawn}


def posteriors(
    model: VAE, x: Tensor, q: Tensor, n: int = 120
) -> dict[str, Tensor]:
    """log p(x, z) of images on a grid that shows posterior and q(z | x).

    Returns:
        q, (2, B, L); axes, (B, L, n), and log_pxz, (B, n, n) or (B, n), the
        axis of z2 the last.
    """
    coarse = Lattice(model, x, 0.05)
    log_pxz = coarse.log_pxz - coarse.log_pxz.amax(dim=1, keepdim=True)
    axes, tables = [], []
    for i, row in enumerate(log_pxz):
        deviation = 2.5 * torch.exp(0.5 * q[1, i])
        seen = [coarse.points[row > -6.0]]
        seen += [q[0, i : i + 1] - deviation, q[0, i : i + 1] + deviation]
        low, high = torch.cat(seen).aminmax(dim=0)
        middle, half = (low + high) / 2, 0.05 + (high - low).max() / 2
        unit = torch.linspace(-1, 1, n, device=x.device)
        axis = middle.unsqueeze(1) + half * unit  # (L, n)
        axes.append(axis)
        log_joints = log_joint(model, x[i : i + 1], product([*axis]))
        tables.append(log_joints.view([n] * len(axis)))
    return {"q": q, "axes": torch.stack(axes), "log_pxz": torch.stack(tables)}
