r"""Two VAEs for a cloud of points on a torus.

Both have the likelihood p(x | z) = N(x; g(z), s^2 I) and are trained on

    -ELBO = |x - g(z)|^2 / (2 s^2) + 3/2 log(2 pi s^2) + KL(q(z | x) || p(z))

with the KL in closed form. They differ in the latent space alone:

    plain     z in R^2,      q = N(mu, diag(sigma^2)),   p = N(0, I)
    toroidal  z in S^1 x S^1, q = two wrapped normals,   p uniform

The plane is contractible and the torus is not, so no continuous code of the
torus in the plane can be inverted: the plain model must tear the surface,
and a straight line across the tear leaves it. The toroidal decoder sees the
cosine and the sine of each angle; R and r it must learn.

The noise s is NOISE_SHARE of the batch's root mean squared error, never below
`noise_min`: training starts hot and cools as the model learns. With the whole
error for s, its maximum-likelihood value, a code that ignores x is
stationary. Once the error is small, s = noise_min, and the loss is minus an
ELBO with that fixed s.

A start by chance can leave a fold in the code, which no small step removes:
the loss has local minima of the wrong topology. So `trials` short trainings
from different weights compete, and the one of least loss goes on.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ripser import ripser
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import softplus

from aevb import training
from aevb.distributions import TAU, CircleUniform, WrappedNormal, wrap
from aevb.evaluation import Estimate
from aevb.models import VAE, mlp
from aevb.settings import TorusConfig, TorusPlainConfig, TorusWrappedConfig
from aevb.torus import Torus

NOISE_SHARE = 0.35
"""Deviation of the likelihood over the root mean squared error."""
TRIAL_SEEDS = 1000
"""Distance between the seeds of two runs' short trainings."""
PAIR_SEED = 20240924
"""Of the random pairs whose paths are measured."""
FRESH_SEED = 4321
"""Of points on the torus that no model was trained on."""
LATTICE, LANDMARKS = 30_000, 1200
"""Decoded latent points, and those of them that stand for the shape."""
SCALE = 2.75
"""Of the complex whose homology is counted, in covering radii: at it, the
noise of a well-spread sample of a surface is filled in."""


class Encoding(nn.Module):
    """The course's sines and cosines of points, (B, 3) to (B, 6 F).

    For each coordinate c and frequency 2^0 .. 2^(F-1): sin and cos of
    frequency times c.
    """

    def __init__(self, frequencies: int = 10) -> None:
        super().__init__()
        self.frequencies = frequencies

    def forward(self, x: Tensor) -> Tensor:
        powers = 2.0 ** torch.arange(self.frequencies, device=x.device)
        phase = x.unsqueeze(-1) * powers  # (B, 3, F)
        waves = torch.stack([phase.sin(), phase.cos()], dim=-1)
        return waves.flatten(1)


class PlainVAE(nn.Module):
    """Problem 4(a): the VAE of Problem 3 on encoded points, latent R^2."""

    def __init__(self, hidden_dims: list[int], frequencies: int = 10) -> None:
        super().__init__()
        self.encoding = Encoding(frequencies)
        self.vae = VAE(
            6 * frequencies,
            [*hidden_dims, 4],
            decode_dim=3,
            use_sigmoid=False,
        )

    def posterior(self, x: Tensor) -> Normal:
        """N(mu(x), sigma(x)^2), points (B, 3) to batch shape (B, 2)."""
        mean, logvar = self.vae.encode(self.encoding(x))
        return Normal(mean, torch.exp(0.5 * logvar), validate_args=False)

    def prior(self) -> Normal:
        return Normal(0.0, 1.0)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (..., 2) to points (..., 3)."""
        return self.vae.decode(z)

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        """The straight way from z0 to z1."""
        return z1 - z0


class ToroidalVAE(nn.Module):
    """Problem 4(c): a VAE whose latent space is the torus S^1 x S^1.

    The encoder gives a point of the plane for each angle, which only its
    direction enters, and a standard deviation.
    """

    def __init__(self, hidden_dims: list[int]) -> None:
        super().__init__()
        self.encoder = mlp([3, *hidden_dims, 6])
        self.decoder = mlp([4, *hidden_dims[::-1], 3])

    def posterior(self, x: Tensor) -> WrappedNormal:
        """WN(mu(x), sigma(x)), points (B, 3) to batch shape (B, 2)."""
        cos, sin, spread = self.encoder(x).chunk(3, dim=-1)
        scale = softplus(spread - 1) + 1e-3
        return WrappedNormal(torch.atan2(sin, cos), scale, False)

    def prior(self) -> CircleUniform:
        return CircleUniform()

    def decode(self, z: Tensor) -> Tensor:
        """Angles (..., 2) to points (..., 3)."""
        return self.decoder(torch.cat([z.cos(), z.sin()], dim=-1))

    def difference(self, z0: Tensor, z1: Tensor) -> Tensor:
        """The way from z0 to z1 along the shorter arc of each angle."""
        return wrap(z1 - z0)


class TorusTask(training.Task):
    """What the two learning problems share; subclasses give the model."""

    def __init__(self, config: TorusConfig) -> None:
        self.config = config
        self.torus = Torus(config.R, config.r)

    def model(self) -> Any:
        raise NotImplementedError

    def data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The cloud, and as held-out rows fresh points of the surface."""
        cloud = self.torus.cloud(self.config.size, self.config.cloud_seed)
        cloud = cloud[: self.config.train_size or None]
        return cloud.to(device), self.torus.cloud(500, FRESH_SEED).to(device)

    def loss(self, model: Any, batch: Tensor) -> dict[str, Tensor]:
        """Minus the ELBO, one sample a point: 0-d means in nats."""
        q = model.posterior(batch)
        squared = (model.decode(q.rsample()) - batch).square().sum(dim=1)
        rmse = (squared.detach().mean() / 3).sqrt()
        noise = (NOISE_SHARE * rmse).clamp(min=self.config.noise_min)
        distortion = gaussian_distortion(squared, noise).mean()
        rate = kl_divergence(q, model.prior()).sum(dim=1).mean()
        return {
            "loss": distortion + self.config.coeff * rate,
            "rate": rate,
            "distortion": distortion,
            "noise": noise,
        }

    def start(self, model: Any, device: torch.device) -> None:
        """Give `model` the weights of the best of the short trainings."""
        if self.config.trials == 1:
            return
        best = math.inf
        with torch.random.fork_rng():
            for trial in range(self.config.trials):
                changed = {
                    "seed": TRIAL_SEEDS * self.config.seed + trial,
                    "epochs": self.config.trial_epochs,
                    "trials": 1,
                    "ema": 0.0,
                }
                task = type(self)(self.config.model_copy(update=changed))
                rival, history, _ = training.fit(task, device)
                if history["train_loss"][-1] < best:
                    best = history["train_loss"][-1]
                    model.load_state_dict(rival.state_dict())

    @torch.no_grad()
    def evaluate(self, model: Any) -> dict[str, Estimate]:
        """Distances of reconstructions and interpolants, and the shape."""
        model = model.cpu()
        cloud, _ = self.data(torch.device("cpu"))
        fresh = self.torus.cloud(len(cloud), FRESH_SEED)
        start, end = random_pairs(cloud, self.config.pairs)
        paths = interpolate(model, start, end)
        offsets = self.torus.distance(paths).abs()
        imgs = reconstruct(model, cloud)
        return {
            **spread("reconstruction_error", (imgs - cloud).norm(dim=1)),
            **spread("reconstruction_offset", self.torus.distance(imgs).abs()),
            **spread(
                "fresh_error", (reconstruct(model, fresh) - fresh).norm(dim=1)
            ),
            **spread("interpolation_offset", offsets),
            **path_ratios(self.torus, start, end, paths),
            **self.coverage(model, fresh),
            "stretch_ratio": stretch_ratio(model, cloud),
            **self.shape(model),
        }

    def coverage(self, model: Any, fresh: Tensor) -> dict[str, Estimate]:
        """Sliced Wasserstein distance of decoded prior samples to `fresh`,
        and, as the floor, of another fresh sample."""
        z = model.prior().sample((len(fresh), 2))
        again = self.torus.cloud(len(fresh), FRESH_SEED + 2)
        near = sliced_wasserstein(model.decode(z), fresh)
        floor = sliced_wasserstein(again, fresh)
        return {
            "coverage": Estimate(near, None, len(fresh)),
            "coverage_floor": Estimate(floor, None, len(fresh)),
        }

    def shape(self, model: Any) -> dict[str, Estimate]:
        """Homology of the decoded latent space."""
        numbers, gap = betti_numbers(
            model.decode(latent_lattice(model, LATTICE))
        )
        found = {f"betti_{k}": Estimate(b) for k, b in enumerate(numbers)}
        return {**found, "persistence_gap": Estimate(gap)}


class TorusPlainTask(TorusTask):
    """The cloud, with a Gaussian latent plane."""

    config: TorusPlainConfig

    def model(self) -> PlainVAE:
        return PlainVAE(list(self.config.hidden_dims), self.config.frequencies)


class TorusWrappedTask(TorusTask):
    """The cloud, with a torus for a latent space."""

    config: TorusWrappedConfig

    def model(self) -> ToroidalVAE:
        return ToroidalVAE(list(self.config.hidden_dims))

    def shape(self, model: Any) -> dict[str, Estimate]:
        """Homology, and the winding of the encoded generator loops."""
        matrix = winding_matrix(model, self.torus)
        det = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
        entries = {
            f"winding_{i}{j}": Estimate(float(matrix[i, j]))
            for i in range(2)
            for j in range(2)
        }
        return {
            "winding_determinant": Estimate(float(det)),
            **entries,
            **self.cut(model),
            **super().shape(model),
        }

    def cut(self, model: Any) -> dict[str, Estimate]:
        """The offsets of those paths alone that cross the seam of atan2,
        where an angle jumps from pi to -pi."""
        cloud, _ = self.data(torch.device("cpu"))
        start, end = random_pairs(cloud, self.config.pairs)
        jump = (codes(model, end) - codes(model, start)).abs() > TAU / 2
        across = jump.any(dim=1)
        if not across.any():
            none = Estimate(0.0, None, 0)
            return {f"cut_offset_{k}": none for k in ("mean", "p95", "max")}
        paths = interpolate(model, start[across], end[across])
        return spread("cut_offset", self.torus.distance(paths).abs())


def gaussian_distortion(squared: Tensor, noise: Tensor) -> Tensor:
    """-log N(x; g, s^2 I) of points in space from |x - g|^2, in nats."""
    variance = noise.square()
    return squared / (2 * variance) + 1.5 * torch.log(TAU * variance)


@torch.no_grad()
def codes(model: Any, x: Tensor) -> Tensor:
    """Means of the posteriors, points (B, 3) to (B, 2)."""
    return model.posterior(x).mean


@torch.no_grad()
def reconstruct(model: Any, x: Tensor) -> Tensor:
    """Decoded means of the posteriors, (B, 3) to (B, 3)."""
    return model.decode(codes(model, x))


@torch.no_grad()
def interpolate(
    model: Any, start: Tensor, end: Tensor, steps: int = 101
) -> Tensor:
    """Decoded straight latent lines, (B, 3) twice to (B, steps, 3)."""
    z = codes(model, start)
    way = model.difference(z, codes(model, end))
    t = torch.linspace(0, 1, steps).unsqueeze(-1).to(z)
    return model.decode(z.unsqueeze(1) + t * way.unsqueeze(1))


def random_pairs(
    cloud: Tensor, n: int, seed: int = PAIR_SEED
) -> tuple[Tensor, Tensor]:
    """n random pairs of points of a cloud, (n, 3) each."""
    generator = torch.Generator().manual_seed(seed)
    i, j = torch.randint(len(cloud), (2, n), generator=generator)
    return cloud[i], cloud[j]


def quantile(model: Any, shares: Tensor) -> Tensor:
    """Latent coordinates with these shares of the prior below them."""
    if isinstance(prior := model.prior(), Normal):
        return prior.icdf(shares)
    return TAU * shares


def latent_lattice(model: Any, n: int) -> Tensor:
    """n latent points that fill the prior evenly, (n, 2).

    The lattice of the golden ratio: shares (k + 1/2) / n and k phi mod 1.
    """
    k = torch.arange(n, dtype=torch.float64) + 0.5
    golden = (5**0.5 - 1) / 2
    shares = torch.stack([k / n, (k * golden) % 1], dim=1).float()
    return quantile(model, shares)


def winding_matrix(model: ToroidalVAE, torus: Torus) -> Tensor:
    """Turns of latent angle j along generator loop i of the surface, (2, 2).

    The encoder's map on the fundamental groups Z^2. It is an isomorphism,
    so the map has degree one, if and only if the determinant is +1 or -1.
    """
    loops = codes(model, torus.generators().flatten(0, 1)).unflatten(
        0, (2, -1)
    )
    steps = wrap(loops.diff(dim=1))
    return (steps.sum(dim=1) / TAU).round()


def farthest_points(points: Tensor, n: int) -> tuple[Tensor, float]:
    """n points each farthest from those before, and their covering radius."""
    chosen = [0]
    nearest = (points - points[0]).norm(dim=1)
    for _ in range(n - 1):
        chosen.append(int(nearest.argmax()))
        distance = (points - points[chosen[-1]]).norm(dim=1)
        nearest = torch.minimum(nearest, distance)
    return points[chosen], float(nearest.max())


def betti_numbers(
    points: Tensor, n: int = LANDMARKS
) -> tuple[list[int], float]:
    """Betti numbers 0, 1, 2 of the shape that a dense cloud samples.

    Those of the Vietoris-Rips complex of n farthest points at SCALE times
    their covering radius rho, from persistent homology (Bauer 2021).

    Returns:
        The numbers, and the persistence gap: they are the same at every
        scale of an interval around it, and this is its upper end (5 rho at
        most) over its lower.
    """
    landmarks, rho = farthest_points(points, n)
    bars = ripser(landmarks.numpy(), maxdim=2, thresh=5 * rho)["dgms"]
    births, deaths = (
        np.concatenate([b[:, i] for b in bars]).clip(max=5 * rho)
        for i in (0, 1)
    )
    ends = np.concatenate([births, deaths])
    scale = SCALE * rho
    numbers = [
        int(((b <= scale) & (scale < d)).sum()) for b, d in (a.T for a in bars)
    ]
    gap = ends[ends > scale].min() / ends[ends <= scale].max()
    return numbers, float(gap)


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 200) -> float:
    """Mean over directions of the 1-Wasserstein distance of projections."""
    generator = torch.Generator().manual_seed(FRESH_SEED)
    ways = torch.randn(3, directions, generator=generator)
    ways = ways / ways.norm(dim=0)
    gap = (a @ ways).sort(dim=0).values - (b @ ways).sort(dim=0).values
    return float(gap.abs().mean())


def stretch_ratio(model: Any, cloud: Tensor, neighbours: int = 4) -> Estimate:
    """Largest over median stretch |dz| / |dx| between neighbours.

    Each point with its nearest neighbours on the surface. A code with a
    seam tears some neighbours apart, and the ratio is large.
    """
    distance = torch.cdist(
        cloud, cloud, compute_mode="donot_use_mm_for_euclid_dist"
    )
    near, index = distance.topk(neighbours + 1, largest=False)
    z = codes(model, cloud)
    way = model.difference(z.unsqueeze(1), z[index[:, 1:]])
    stretch = way.norm(dim=-1) / near[:, 1:]
    ratio = stretch.max() / stretch.median()
    return Estimate(float(ratio), None, stretch.numel())


def path_ratios(
    torus: Torus, start: Tensor, end: Tensor, paths: Tensor, n: int = 100
) -> dict[str, Estimate]:
    """Length of the first n decoded paths over the geodesic's."""
    length = paths[:n].diff(dim=1).norm(dim=-1).sum(dim=1)
    shortest = torus.geodesic_length(start[:n], end[:n])
    apart = shortest > 0.1 * torus.r  # a ratio of two errors says nothing
    return spread("path_ratio", length[apart] / shortest[apart])


def spread(name: str, values: Tensor) -> dict[str, Estimate]:
    """Mean, 95th percentile and maximum of values (B,) or (B, steps).

    The standard error of the mean takes rows as independent, steps not.
    """
    rows = values.double().reshape(len(values), -1)
    flat, means = rows.flatten(), rows.mean(dim=1)
    error = float(means.std() / len(means) ** 0.5) if len(means) > 1 else None
    n = flat.numel()
    measures: dict[str, Callable[[Tensor], Tensor]] = {
        "p95": lambda v: torch.quantile(v, 0.95),
        "max": torch.max,
    }
    found = {f"{name}_mean": Estimate(float(means.mean()), error, n)}
    for suffix, measure in measures.items():
        found[f"{name}_{suffix}"] = Estimate(float(measure(flat)), None, n)
    return found


@torch.no_grad()
def decoded_lines(model: Any, lines: int = 32, steps: int = 241) -> Tensor:
    """Decoded lines of the latent grid, (2, lines, steps, 3).

    Family k has coordinate k constant; the other runs over the prior's
    mass, on the circle all the way round.
    """
    still = quantile(model, (torch.arange(lines) + 0.5) / lines)
    moving = quantile(model, torch.linspace(0, 1, steps).clamp(0.005, 0.995))
    if not isinstance(model.prior(), Normal):
        moving = torch.linspace(0, TAU, steps)  # closed
    z = torch.cartesian_prod(still, moving).unflatten(0, (lines, steps))
    return torch.stack([model.decode(z), model.decode(z.flip(-1))])
