"""The surface, its cloud and its geodesics."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from aevb.errors import UserError
from aevb.torus import Torus
from conftest import double

angle = st.floats(-math.pi, math.pi, allow_nan=False, width=64)


def test_cloud_is_the_courses_own():
    u, v = (
        np.random.RandomState(seed).uniform(0, 2 * np.pi, 3000)
        for seed in (1234, 1235)
    )
    # the well-known first draw after np.random.seed(1234)
    assert u[0] / (2 * np.pi) == pytest.approx(0.1915194503788923, abs=1e-15)
    ring = 1.0 + 0.5 * np.cos(v)
    rows = np.vstack((ring * np.cos(u), ring * np.sin(u), 0.5 * np.sin(v))).T
    cloud = Torus().cloud()
    assert cloud.dtype == torch.float32
    assert_close(
        cloud, torch.tensor(rows, dtype=torch.float32), rtol=0, atol=6e-8
    )


@settings(deadline=None, max_examples=25)
@given(u=angle, v=angle, d=st.floats(-0.45, 0.4), r=st.floats(0.45, 0.9))
def test_distance_along_the_normal_is_exact(u, v, d, r):
    torus = Torus(1.0, r)
    u, v = double(u), double(v)
    normal = torch.stack(
        [v.cos() * u.cos(), v.cos() * u.sin(), v.sin()], dim=-1
    )
    point = torus.point(u, v) + d * normal
    if 1 + (r + d) * float(v.cos()) > 0:  # not beyond the axis
        assert float(torus.distance(point)) == pytest.approx(d, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(u=angle, v=angle)
def test_angles_invert_points(u, v):
    torus = Torus(1.0, 0.5)
    point = torus.point(double(u), double(v))
    back = torus.angles(point)
    assert_close(torus.point(*back.unbind(-1)), point)


@pytest.mark.parametrize(
    ("R", "r"),
    [(1, 1), (1, 0), (0.5, 1), (1, -0.1), (math.inf, 1), (math.nan, 1)],
)
def test_what_is_no_torus_is_refused_by_name(R, r):
    with pytest.raises(UserError, match=r"R = .* and r = .* R > r > 0"):
        Torus(R, r)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"size": 0}, "size"), ({"seed": -1}, "seed"), ({"seed": 2**32}, "seed")],
)
def test_bad_clouds_are_refused_by_name(fields, name):
    with pytest.raises(UserError, match=name):
        Torus().cloud(**fields)


def test_generators_are_closed_loops_on_the_surface():
    torus = Torus(2.0, 0.7)
    loops = torus.generators(n=50)
    assert torus.distance(loops).abs().max() < 1e-6
    assert_close(loops[:, 0], loops[:, -1])
    steps = loops.diff(dim=1).norm(dim=-1)
    assert (steps > 0.01).all()


def test_geodesics_known_in_closed_form():
    """Meridians, and the equators as far as they are shortest."""
    torus = Torus(1.0, 0.5)
    angles = [
        ((0.3, -0.4), (0.3, 1.1)),  # a meridian: r times its angle
        ((0.3, -3.0), (0.3, 3.0)),  # the shorter way about the tube
        ((0.0, 0.0), (0.5, 0.0)),  # outer equator: (R + r) times u
        ((3.0, math.pi), (-3.1, math.pi)),  # inner: (R - r) times u
    ]
    a, b = double(angles).unbind(1)
    lengths = torus.geodesic_length(
        torus.point(*a.unbind(-1)), torus.point(*b.unbind(-1))
    )
    inner = 0.5 * (2 * math.pi - 6.1)
    want = double([0.75, 0.5 * (2 * math.pi - 6), 0.75, inner])
    assert_close(lengths, want, rtol=1e-3, atol=1e-4)


def test_geodesic_length_is_a_metric():
    torus = Torus(1.0, 0.5)
    a, b, c = torus.cloud(36).double().reshape(3, 12, 3)
    ab, ba = torus.geodesic_length(a, b), torus.geodesic_length(b, a)
    assert_close(ab, ba, rtol=3e-3, atol=1e-3)
    detour = torus.geodesic_length(a, c) + torus.geodesic_length(c, b)
    assert (ab <= detour * 1.003).all()
    assert (ab >= (a - b).norm(dim=1)).all()
