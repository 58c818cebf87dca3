"""Training, evaluation and studies on a GPU that is only pretended.

Tensors on torch's device `meta` have a shape and no values: what mixes
devices is an error, and so is what reads a value, for which Python waits for
a GPU. Like Apple's GPU it is given no float64.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from aevb import evaluation, experiments, profiles, training

GPU = torch.device("meta")
ON_GPU = {n: e for n, e in experiments.EXPERIMENTS.items() if "torus" not in n}
"""The torus's trainings are for a CPU, unless a setting says otherwise; the
divergence of a wrapped normal asks which deviations are wide."""
JUDGED = set(experiments.STUDIES) - {"rate_distortion", "gaps"}
"""The first of the others trains models itself, the second chooses points by
their values."""
FEW = {"importance_samples": 10, "test_size": 200, "hidden_dims": (16, 4)}
FEWER = {"gradient_variance": {"draws": 10}}


class Reading(TorchFunctionMode):
    """Values may be read, and each is one; float64 is refused."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        of_gpu = args and isinstance(args[0], Tensor) and args[0].is_meta
        if of_gpu and func in (Tensor.item, Tensor.__bool__):
            return 1.0 if func is Tensor.item else True
        if of_gpu and func in (Tensor.cpu, Tensor.tolist):
            return torch.ones_like(args[0], device="cpu")
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and t.is_meta:
                assert t.dtype != torch.float64, func
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
    for _ in range(2):
        trainer.take_step(next(batches))
    assert {total.device.type for total in trainer.sums.values()} == {"meta"}
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        trainer.check("nothing")  # which does read values


@pytest.mark.parametrize("name", ON_GPU)
def test_a_model_is_evaluated_where_it_is(name):
    fields, metric = ({}, "test_mse") if name == "ae" else (FEW, "test_nll")
    task = configured(name, **fields)
    with Reading():
        assert metric in task.evaluate(task.model().to(GPU).eval())


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_a_study_is_done_where_its_models_are(name):
    study = experiments.STUDIES[name]
    runs = {}
    for run in study.runs:
        task = configured(run, hidden_dims=(16, 4))
        model = task.model().to(GPU).eval()
        runs[run] = SimpleNamespace(model=model, config=task.config)
    with Reading():
        settings = {**study.settings, **study.quick, **FEWER.get(name, {})}
        found = study.measure(**runs, **settings)
    assert "summary" in found
