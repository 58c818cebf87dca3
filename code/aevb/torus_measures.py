"""How well a model knows the torus: distances, topology, geometry.

`evaluate` is the list. A model has `space`, `code`, `reconstruct` and
`decode` (`torus_vae.PointVAE`); a value stands with its standard error where
it is a mean over independent points, pairs or paths.
"""

import copy
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aevb import geometry
from aevb.distributions import TAU
from aevb.evaluation import Estimate
from aevb.geometry import Chart, length
from aevb.spaces import FlatTorus
from aevb.torus import FRESH_SEED, Torus

LATTICE, LANDMARKS = 30_000, 1200
"""Decoded latent points, and those of them that stand for the shape."""
SCALE = 2.75
"""Scale of the complex whose homology is counted, in covering radii: at it,
the noise of a well-spread sample of a surface is filled in."""
TORN = 10
"""Stretch over its median from which neighbours count as torn apart."""
CURVES = 100
"""Pairs whose curves are compared with geodesics."""
Pairs = tuple[Tensor, Tensor]


def evaluate(
    model: Any, torus: Torus, cloud: Tensor, pairs: Pairs, paths: Tensor
) -> dict[str, Estimate]:
    """All measures of a model.

    Args:
        model: on the CPU.
        torus: the surface that the cloud is of.
        cloud: the training points, (n, 3).
        pairs: points of the cloud, (P, 3) twice.
        paths: decoded straight latent lines between them, (P, steps, 3).
    """
    turns, families = winding(model, torus), {"path": paths}
    found = distances(model, torus, cloud, paths) | turns
    if isinstance(model.space, FlatTorus):
        first = pairs[0][:CURVES], pairs[1][:CURVES]
        began = time.process_time()
        families["shortest"] = shortest(model, first)
        each = (time.process_time() - began) / len(first[0])
        found |= forms(model, torus) | {"shortest_seconds": Estimate(each)}
    return {
        **found,
        **cut(model, pairs, torus.distance(paths).abs()),
        **coverage(model, torus, torus.cloud(len(cloud), FRESH_SEED)),
        **homology(model),
        **path_ratios(torus, pairs, families),
    }


def distances(
    model: Any, torus: Torus, cloud: Tensor, paths: Tensor
) -> dict[str, Estimate]:
    """Distances from source and surface, and how the code tears."""
    fresh = torus.cloud(len(cloud), FRESH_SEED)
    imgs, again = model.reconstruct(cloud), model.reconstruct(fresh)
    offsets = torus.distance(paths).abs()
    off = (offsets.amax(dim=1) > torus.r / 10).double().mean()
    return {
        **spread("reconstruction_error", (imgs - cloud).norm(dim=1)),
        **spread("reconstruction_offset", torus.distance(imgs).abs()),
        **spread("fresh_error", (again - fresh).norm(dim=1)),
        **spread("interpolation_offset", offsets),
        "leaving_share": Estimate(float(off), None, len(paths)),
        "stretch_ratio": stretch_ratio(model, cloud),
        **tear(model, torus, cloud),
    }


def spread(name: str, values: Tensor) -> dict[str, Estimate]:
    """Mean, 95th percentile and maximum of values (B,) or (B, steps).

    The standard error of the mean takes rows as independent, steps not.
    """
    rows = values.double().reshape(len(values), -1)
    means, n = rows.mean(dim=1), rows.numel()
    error = float(means.std() / len(means) ** 0.5) if len(means) > 1 else None
    return {
        f"{name}_mean": Estimate(float(means.mean()), error, n),
        f"{name}_p95": Estimate(float(rows.flatten().quantile(0.95)), None, n),
        f"{name}_max": Estimate(float(rows.max()), None, n),
    }


def cut(model: Any, pairs: Pairs, offsets: Tensor) -> dict[str, Estimate]:
    """The offsets of those paths alone that cross the seam of atan2, where
    an angle jumps from pi to -pi; zeros where there are none."""
    start, end = (model.code(x) for x in pairs)
    jump = model.space.difference(start, end) - (end - start)
    across = (jump.abs() > 1).any(dim=1)
    if not across.any():
        none = Estimate(0.0, None, 0)
        return {f"cut_offset_{k}": none for k in ("mean", "p95", "max")}
    return spread("cut_offset", offsets[across])


def shares(n: int) -> Tensor:
    """n points that fill the unit square evenly, (n, 2): the lattice of the
    golden ratio, (k + 1/2) / n and (k + 1/2) phi mod 1."""
    k = torch.arange(n, dtype=torch.float64) + 0.5
    golden = (5**0.5 - 1) / 2
    return torch.stack([k / n, (k * golden) % 1], dim=1).float()


def latent_lattice(model: Any, n: int) -> Tensor:
    """n latent points that fill the prior evenly, (n, d)."""
    return model.space.quantile(shares(n))


def coverage(model: Any, torus: Torus, fresh: Tensor) -> dict[str, Estimate]:
    """Sliced Wasserstein distance of decoded prior samples to `fresh`, and,
    as the floor, of another fresh sample."""
    with torch.no_grad():
        drawn = model.decode(model.space.prior().sample((len(fresh),)))
    again = torus.cloud(len(fresh), FRESH_SEED + 2)
    found = {"coverage": drawn, "coverage_floor": again}
    return {
        k: Estimate(sliced_wasserstein(x, fresh), None, len(fresh))
        for k, x in found.items()
    }


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 200) -> float:
    """Mean over directions of the 1-Wasserstein distance of projections."""
    generator = torch.Generator().manual_seed(FRESH_SEED)
    ways = torch.randn(3, directions, generator=generator)
    ways = ways / ways.norm(dim=0)
    gap = (a @ ways).sort(dim=0).values - (b @ ways).sort(dim=0).values
    return float(gap.abs().mean())


def stretch_ratio(model: Any, cloud: Tensor) -> Estimate:
    """Largest over median stretch |dz| / |dx| between neighbours.

    Each point with its four nearest neighbours on the surface. A code with a
    seam tears some neighbours apart, and the ratio is large.
    """
    distance = torch.cdist(
        cloud, cloud, compute_mode="donot_use_mm_for_euclid_dist"
    )
    near, index = (y[:, 1:] for y in distance.topk(5, largest=False))
    z = model.code(cloud)
    way = model.space.difference(z.unsqueeze(1), z[index])
    stretch = way.norm(dim=-1) / near
    ratio = stretch.max() / stretch.median()
    return Estimate(float(ratio), None, stretch.numel())


def strip(model: Any, torus: Torus, n: int = 300) -> tuple[Tensor, float]:
    """Points where the code tears the surface, (k, 3), and their share.

    Those of an n by n lattice of both angles from which the stretch
    |dz| / |dx| to the next is over TORN times the median.
    """
    x = torus.chart(geometry.lattice(n)).float()
    z = model.code(x.flatten(0, 1)).unflatten(0, (n, n))
    stretch = torch.stack(
        [
            model.space.difference(z, z.roll(-1, k)).norm(dim=-1)
            / (x.roll(-1, k) - x).norm(dim=-1)
            for k in (0, 1)
        ]
    ).amax(0)
    torn = stretch > TORN * stretch.median()
    return x[torn], float(torn.double().mean())


def collisions(model: Any, points: Tensor, cloud: Tensor) -> Tensor:
    """How far in space the cloud's point is that lies nearest by code, for
    each of the points (k, 3): far, where distant places share a code."""
    own, others = (model.space.embed(model.code(x)) for x in (points, cloud))
    near = torch.cdist(own, others).argmin(1)
    return (cloud[near] - points).norm(dim=1)


def tear(model: Any, torus: Torus, cloud: Tensor) -> dict[str, Estimate]:
    """The strip's share of the lattice, and the share of its points that
    have their code in common with a place more than r away."""
    torn, share = strip(model, torus)
    far = (collisions(model, torn, cloud) > torus.r).double().sum()
    collide = float(far) / max(len(torn), 1)
    return {
        "strip_share": Estimate(share),
        "strip_collisions": Estimate(collide, None, len(torn)),
    }


def winding_matrix(model: Any, torus: Torus) -> Tensor:
    """Turns of latent angle j along generator loop i of the surface, (2, 2).

    The encoder's map on the fundamental groups Z^2. It is an isomorphism,
    so the map has degree one, if and only if the determinant is +1 or -1.
    In a plane every loop can be drawn together, and all turns are 0.
    """
    loops = model.code(torus.generators().flatten(0, 1)).unflatten(0, (2, -1))
    steps = model.space.difference(loops[:, :-1], loops[:, 1:])
    return (steps.sum(dim=1) / TAU).round()


def winding(model: Any, torus: Torus) -> dict[str, Estimate]:
    """The winding matrix and its determinant."""
    matrix = winding_matrix(model, torus)
    det = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    entries = {
        f"winding_{i}{j}": Estimate(float(matrix[i, j]))
        for i in range(2)
        for j in range(2)
    }
    return {"winding_determinant": Estimate(float(det)), **entries}


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
    from ripser import ripser  # with scikit-learn, whose import takes long

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


@torch.no_grad()
def homology(model: Any) -> dict[str, Estimate]:
    """Betti numbers of the decoded latent space."""
    numbers, gap = betti_numbers(model.decode(latent_lattice(model, LATTICE)))
    found = {f"betti_{k}": Estimate(b) for k, b in enumerate(numbers)}
    return {**found, "persistence_gap": Estimate(gap)}


def path_ratios(
    torus: Torus, pairs: Pairs, families: Mapping[str, Tensor]
) -> dict[str, Estimate]:
    """Length of the paths of each family (P, steps, 3) over the geodesic's,
    for the first pairs."""
    start, end = (x[:CURVES] for x in pairs)
    geodesic = torus.geodesic_length(start, end)
    apart = geodesic > 0.1 * torus.r  # a ratio of two errors says nothing
    found: dict[str, Estimate] = {}
    for name, paths in families.items():
        ratio = length(paths[:CURVES]) / geodesic
        found |= spread(f"{name}_ratio", ratio[apart])
    return found


def chart(model: Any) -> Chart:
    """The decoder in float64, without gradients of its weights."""
    return copy.deepcopy(model).double().requires_grad_(False).decode


def shortest(model: Any, pairs: Pairs) -> Tensor:
    """Decoded shortest curves of the pulled-back metric between the codes of
    pairs (B, 3), (B, k, 3), for a latent torus."""
    start, end = (model.code(x) for x in pairs)
    decode = chart(model)
    return decode(geometry.shortest_curves(decode, start, end))


def aligned(model: Any, torus: Torus) -> Chart:
    """The decoder as a chart of the true angles (u, v), in float64.

    z = (u, v) W + c with the best W in GL(2, Z), the winding matrix, since
    with any other the difference to the code turns, and the mean direction
    of that difference for c. Where the winding matrix is not in GL(2, Z),
    so that no chart can be aligned, W is the identity.
    """
    turn = winding_matrix(model, torus).double()
    if abs(turn.det()).round() != 1:
        turn = torch.eye(2, dtype=turn.dtype)
    angles = geometry.lattice(48).flatten(0, 1)
    rest = model.code(torus.chart(angles).float()) - angles @ turn
    shift = torch.atan2(rest.sin().mean(0), rest.cos().mean(0))
    decode = chart(model)
    return lambda angles: decode(angles @ turn + shift)


def forms(model: Any, torus: Torus) -> dict[str, Estimate]:
    """The decoded surface's geometry beside the torus' own.

    Errors of E, F and G of the aligned chart: root mean squares over both
    angles, over the mean of E, of sqrt(EG), of G. That of the Gaussian
    curvature: over the surface, in units of 1 / R^2.
    """
    ours = geometry.surface(aligned(model, torus))
    exact = geometry.surface(torus.chart)
    size = exact.first.diagonal(dim1=-2, dim2=-1).mean((0, 1)).sqrt()
    error = (ours.first - exact.first).square().mean((0, 1)).sqrt()
    error = error / torch.outer(size, size)
    area = ours.element.sum()
    off = (ours.curvature - torus.curvature(ours.x)).square()
    modulus = geometry.modulus(ours)
    values: dict[str, Any] = {
        "metric_E_error": error[0, 0],
        "metric_F_error": error[0, 1],
        "metric_G_error": error[1, 1],
        "area": area,
        "curvature_error": ((ours.element * off).sum() / area).sqrt(),
        "total_curvature": (ours.element * ours.curvature).sum(),
        "modulus": modulus.imag,
        "modulus_real": modulus.real,
    }
    return {k: Estimate(float(v)) for k, v in values.items()}


def by_offset(offsets: Tensor) -> Tensor:
    """Paths (P,) from the least to the greatest of their largest offsets
    (P, steps): the middle one is typical, the last one the worst."""
    return offsets.amax(dim=1).argsort()


def farthest_pair(torus: Torus, pairs: Pairs, among: int = 10) -> int:
    """Which of the first pairs is the farthest apart on the surface."""
    start, end = (x[:among] for x in pairs)
    return int(torus.geodesic_length(start, end).argmax())
