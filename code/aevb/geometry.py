r"""Differential geometry of a decoder whose latent space is a torus.

A decoder is a parametrised surface x(z), z two angles: a chart. Automatic
differentiation gives its two fundamental forms (do Carmo 1976, sections 2-5
and 3-3),

    I_jk = x_j . x_k = (E, F; F, G)    II_jk = n . x_jk    K = det II / det I,

and with them the area, the integral of dA = sqrt(det I) dz, the Gaussian
curvature K, whose integral over a torus is 0 (Gauss and Bonnet), and the
conformal structure. A shortest curve of the pulled-back metric I minimises
the energy of its decoded points (section 5-4).
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap

from aevb.distributions import TAU, wrap

Chart = Callable[[Tensor], Tensor]
"""Two angles (..., 2) to points (..., 3), with period 2 pi in each."""

NODES, STEPS = 32, 4
"""Segments of a shortest curve, and Newton steps towards it."""
CHUNK = 4096
"""Points whose derivatives are in memory at once."""
STENCIL = [
    (i, j)
    for i in range(4)
    for j in range(-3, 4)
    if np.gcd(i, j) == 1 and (i, j) > (0, 0)
]
"""Half of a lattice point's neighbours: one for each direction."""


def jets(chart: Chart, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A chart's value (..., 3) and its first (..., 3, 2) and second
    (..., 3, 2, 2) derivatives at z (..., 2).

    The inner derivative is in reverse: two nested forward ones miss a term
    of layer normalisation (seen in PyTorch 2.15).
    """

    def first(p: Tensor) -> tuple[Tensor, Tensor]:
        x = chart(p)
        return x, x

    def second(p: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        slope, x = jacrev(first, has_aux=True)(p)
        return slope, (x, slope)

    both = vmap(jacfwd(second, has_aux=True), chunk_size=CHUNK)
    with warnings.catch_warnings():
        # of PyTorch's own, when its first forward derivative is loaded
        warnings.simplefilter("ignore", FutureWarning)
        bend, (x, slope) = both(z.reshape(-1, 2))
    return tuple(y.unflatten(0, z.shape[:-1]) for y in (x, slope, bend))


def lattice(n: int) -> Tensor:
    """n by n latent points at equal steps of both angles, (n, n, 2)."""
    angles = torch.arange(n, dtype=torch.float64) * (TAU / n)
    return torch.stack(torch.meshgrid(angles, angles, indexing="ij"), dim=-1)


class Surface(NamedTuple):
    """What `surface` returns, on `lattice(n)`, in float64.

    A sum over the lattice of a smooth function times `element` is its
    integral, by the trapezoid rule, which here converges exponentially.
    """

    x: Tensor  # points, (n, n, 3)
    first: Tensor  # the first fundamental form, (n, n, 2, 2)
    curvature: Tensor  # Gauss's, K = det II / det I, (n, n)
    element: Tensor  # the area of a cell, sqrt(det I) (2 pi / n)^2, (n, n)


def surface(chart: Chart, n: int = 33) -> Surface:
    """The surface of a chart on n by n points."""
    x, slope, bend = jets(chart, lattice(n))
    normal = torch.linalg.cross(slope[..., 0], slope[..., 1])
    normal = normal / normal.norm(dim=-1, keepdim=True)
    second = torch.einsum("...i,...ijk->...jk", normal, bend)
    first = slope.mT @ slope
    det = torch.linalg.det(first)
    curvature = torch.linalg.det(second) / det
    return Surface(x, first, curvature, det.sqrt() * (TAU / n) ** 2)


def modulus(surface: Surface) -> complex:
    """The conformal modulus tau, in the upper half plane: the surface is
    conformal to the plane modulo 1 (the first angle) and tau (the second).

    The harmonic forms h_j = dz_j + df_j have the energies P_jk = (h_j, h_k),
    which conformal maps leave as they are, and in the plane P = (|tau|^2,
    -Re tau; -Re tau, 1) 4 pi^2 / Im tau. n is odd.
    """
    n = len(surface.x)
    weight = torch.linalg.inv(surface.first) * surface.element[..., None, None]
    weight, slopes = weight.flatten(0, 1), _derivatives(n)
    load = torch.einsum("apq,paj->qj", slopes, weight)
    pairs = [(a, b) for a in range(2) for b in range(2)]
    stiff = sum(
        slopes[a].T @ (weight[:, a, b, None] * slopes[b]) for a, b in pairs
    )
    f = torch.linalg.solve(stiff + 1 / n**2, -load)
    energy = weight.sum(0) + load.T @ f
    return complex(-energy[0, 1], TAU**2) / float(energy[1, 1])


def _derivatives(n: int) -> Tensor:
    """Matrices of both partial derivatives on `lattice(n)`, n odd, (2, n^2,
    n^2): exact for trigonometric polynomials (Trefethen 2000, chapter 3)."""
    k = torch.arange(n, dtype=torch.float64)
    gap = (k[:, None] - k) * (TAU / n / 2)
    sign = (-1.0) ** (k[:, None] - k)
    one = torch.where(gap == 0, 0.0, sign / (2 * torch.sin(gap)))
    eye = torch.eye(n, dtype=torch.float64)
    return torch.stack([torch.kron(one, eye), torch.kron(eye, one)])


def shortest_curves(
    chart: Chart, start: Tensor, end: Tensor, n: int = 96
) -> Tensor:
    """Latent points of shortest curves, (B, 2) twice to (B, NODES + 1, 2).

    Dijkstra's algorithm on an n by n lattice, 32 neighbours a point, finds
    the way about the holes; Newton's method then minimises the energy. The
    angles run on beyond pi, where the curve does.
    """
    z = lattice(n)
    begin, goal = (
        (np.rint(p.numpy() / (TAU / n)).astype(int) % n) @ (n, 1)
        for p in (start, end)
    )
    _, before = dijkstra(
        _graph(chart(z)), False, begin, return_predecessors=True
    )
    coarse = [
        _unrolled(z.reshape(-1, 2)[_chain(b, int(g))], p, q)
        for b, g, p, q in zip(before, goal, start, end, strict=True)
    ]
    return relax(chart, torch.stack([_evenly(chart, c) for c in coarse]))


def _graph(x: Tensor) -> coo_array:
    """Each point of a periodic lattice (n, n, 3) joined to its neighbours."""
    number = np.arange(x[..., 0].numel()).reshape(x.shape[:2])
    edges = []
    for step in STENCIL:
        gap = (torch.roll(x, step, (0, 1)) - x).norm(dim=-1)
        near = np.roll(number, step, (0, 1))
        edges.append((number.ravel(), near.ravel(), gap.numpy().ravel()))
    rows, columns, lengths = np.concatenate(edges, axis=1)
    where = rows.astype(int), columns.astype(int)
    return coo_array((lengths, where), (number.size, number.size))


def _chain(before: np.ndarray, node: int) -> list[int]:
    """The nodes of Dijkstra's path that ends in `node`."""
    chain = [node]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return chain[::-1]


def _unrolled(path: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """A path with its own end points, its angles continuous, (k + 2, 2)."""
    path = torch.cat([start[None].double(), path, end[None].double()])
    return path[0] + torch.cat(
        [torch.zeros(1, 2), wrap(path.diff(dim=0)).cumsum(0)]
    )


def _evenly(chart: Chart, path: Tensor) -> Tensor:
    """NODES + 1 points at equal steps of decoded length along a path."""
    steps = chart(path).detach().diff(dim=0).norm(dim=1)
    run = np.append(0, steps.cumsum(0).numpy())
    at = np.linspace(0, run[-1], NODES + 1)
    even = [np.interp(at, run, angle) for angle in path.T.numpy()]
    return torch.tensor(np.stack(even, axis=-1))


def relax(chart: Chart, z: Tensor) -> Tensor:
    """Newton's method for the energy sum |x_(i+1) - x_i|^2 of curves
    (B, k + 1, 2) with fixed ends; the shortest curve on the way."""
    best, shortest = z, length(chart(z))
    for _ in range(STEPS):
        x, slope, bend = jets(chart, z)
        pull, slope = -x.diff(n=2, dim=1), slope[:, 1:-1]  # (B, k - 1, ...)
        force = torch.einsum("bki,bkij->bkj", pull, slope)
        curl = torch.einsum("bki,bkijl->bkjl", pull, bend[:, 1:-1])
        move = torch.linalg.solve(_hessian(slope, curl), force.flatten(1))
        z = z.clone()
        z[:, 1:-1] -= move.unflatten(1, (-1, 2))
        now = length(chart(z))
        best = torch.where((now < shortest)[:, None, None], z, best)
        shortest = torch.minimum(now, shortest)
    return best


def _hessian(slope: Tensor, curl: Tensor) -> Tensor:
    """Half the energy's Hessian, block-tridiagonal, (B, 2 k, 2 k)."""
    size, k = slope.shape[:2]
    out = slope.new_zeros(size, k, 2, k, 2)
    i = torch.arange(k)
    out[:, i, :, i] = (2 * slope.mT @ slope + curl).transpose(0, 1)
    off = -slope[:, :-1].mT @ slope[:, 1:]
    out[:, i[:-1], :, i[1:]] = off.transpose(0, 1)
    out[:, i[1:], :, i[:-1]] = off.mT.transpose(0, 1)
    return out.reshape(size, 2 * k, 2 * k)


def length(x: Tensor) -> Tensor:
    """Length of paths (B, steps, D), (B,)."""
    return x.diff(dim=1).norm(dim=-1).sum(dim=1)
