"""State on disk: whole or absent, and never unpickled."""

from pathlib import Path

import pytest
import torch

from aevb import checkpoints
from aevb.errors import Damaged, UserError


@pytest.fixture
def state():
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "groups": [{}]}
    shared = torch.ones(2)  # as without `ema` the weights and their average
    return {
        "model": shared,
        "result": shared,
        "optimizer": optimizer,
        "weights": [torch.arange(6.0).reshape(2, 3), None, "text"],
        "bytes": torch.get_rng_state(),
        "numbers": {"a": 1, "b": 2.5, "c": True},
    }


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def test_what_is_saved_comes_back(tmp_path, state):
    checkpoints.save(tmp_path / "s", state)
    assert equal(checkpoints.load(tmp_path / "s"), state)


def test_json_is_whole_and_has_no_nan(tmp_path, monkeypatch):
    path = tmp_path / "n.json"
    checkpoints.write_json(path, {"value": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoints.write_json(path, {"value": float("nan")})

    def half(beside, *_args, **_options):
        beside.write_bytes(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(UserError, match="the disk is full"):
        checkpoints.write_text(path, "other")
    assert path.read_text() == '{\n  "value": 1.5\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_read_only_is_named(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(30, "Read-only file system")

    for name in ("write_text", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(UserError, match=r"cannot write .*: Read-only file"):
        checkpoints.write_text(tmp_path / "page", "text")


def test_a_file_that_changes_as_it_is_opened_is_damaged(tmp_path, monkeypatch):
    """PyTorch maps it by its name, after its header was read."""

    def mapped(*_args, **_options):
        raise RuntimeError("smaller than the required mapping")

    monkeypatch.setattr(checkpoints, "safe_open", mapped)
    with pytest.raises(Damaged, match="smaller than the required mapping"):
        checkpoints.load(tmp_path / "s")
