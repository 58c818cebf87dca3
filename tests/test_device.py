"""Training, evaluation and studies on a GPU that is only pretended.

Tensors on torch's device `meta` have a shape and no values, so that to read
one, for which Python waits for a GPU, is an error. What mixes devices is made
one, and so is float64, which Apple's GPU does not have.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from aevb import evaluation, experiments, profiles, training

GPU = torch.device("meta")
ON_GPU = {n: e for n, e in experiments.EXPERIMENTS.items() if "torus" not in n}
"""The torus's trainings are for a CPU, unless a setting says otherwise; the
divergence of a wrapped normal asks which deviations are wide."""
JUDGED = set(experiments.STUDIES) - {"rate_distortion", "gaps"}
"""The first of the others trains models itself, the second chooses points by
their values."""
FEW = {"importance_samples": 10, "test_size": 200, "hidden_dims": (16, 4)}
FEWER = {"gradient_variance": {"draws": 20}}


def tensors(values):
    """The tensors among values and in lists of them."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from tensors(value)
        elif isinstance(value, Tensor):
            yield value


MOVES = {"copy_", "__getitem__"}  # an index in brackets may lie elsewhere
MOVES |= {"_has_compatible_shallow_copy_type", "__set__"}  # Module.to


class Gpu(TorchFunctionMode):
    """Refuses float64, and what a GPU refuses of tensors that are elsewhere;
    where values may be read, each is one."""

    def __init__(self, read=False):
        self.read = read
        super().__init__()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        given = list(tensors([*args, *(kwargs or {}).values()]))
        if self.read and given and given[0].is_meta:
            if func in (Tensor.item, Tensor.__bool__):
                return 1.0 if func is Tensor.item else True
            if func is Tensor.cpu:
                return torch.ones_like(given[0], device="cpu")
        if func.__name__ not in MOVES:
            assert len({t.device for t in given if t.ndim}) < 2, func
        out = func(*args, **(kwargs or {}))
        for t in tensors([out]):
            assert not (t.is_meta and t.dtype == torch.float64), func
        return out


@pytest.fixture(autouse=True)
def pretended(monkeypatch):
    """Generators for any device, and no autocast, which knows no such
    device; blocks one after another, since a mode holds in one thread."""

    class Generator(torch.Generator):
        def __new__(cls, _device="cpu"):
            return super().__new__(cls, "cpu")

    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(evaluation, "STEP", 1.0)
    monkeypatch.setattr(
        evaluation,
        "_at_once",
        lambda measure, n, _, note: [measure(i, note) for i in range(n)],
    )


def configured(name, **fields):
    experiment, config = profiles.configure(name, **fields)
    return experiment.task(config)


@pytest.mark.parametrize(
    ("name", "fields"),
    [(name, {}) for name in ON_GPU]
    + [(name, e.gpu) for name, e in ON_GPU.items() if e.gpu],
)
def test_a_step_reads_no_value_from_the_device(name, fields):
    trainer = training.Trainer(configured(name, **fields), GPU)
    batches = trainer.batches()
    with Gpu():
        for _ in range(2):
            trainer.take_step(next(batches))
    assert {total.device.type for total in trainer.sums.values()} == {"meta"}
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        trainer.check("nothing")  # which does read values


@pytest.mark.parametrize("name", ON_GPU)
def test_a_model_is_evaluated_where_it_is(name):
    fields, metric = ({}, "test_mse") if name == "ae" else (FEW, "test_nll")
    task = configured(name, **fields)
    model = task.model().to(GPU).eval()
    with Gpu(read=True):
        assert metric in task.evaluate(model)


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_a_study_is_done_where_its_models_are(name):
    study = experiments.STUDIES[name]
    runs = {}
    for run in study.runs:
        task = configured(run, hidden_dims=(16, 4))
        model = task.model().to(GPU).eval()
        runs[run] = SimpleNamespace(model=model, config=task.config)
    with Gpu(read=True):
        settings = {**study.settings, **study.quick, **FEWER.get(name, {})}
        found = study.measure(**runs, **settings)
    assert "summary" in found
