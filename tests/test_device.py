"""Training, evaluation and studies on a GPU that is only pretended.

torch's fake tensors have a shape and a device and no values: what mixes
devices is an error, and so is what reads a value, for which Python waits for
a GPU. This GPU has no float64, as Apple's has none. Fake tensors change how
torch's backward works from then on, so they live in a process of their own.
"""

import multiprocessing
import traceback
import warnings
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aevb import evaluation, experiments, profiles, training

GPU = torch.device("cuda")
ON_GPU = {n: e for n, e in experiments.EXPERIMENTS.items() if "torus" not in n}
"""The torus's trainings are for a CPU, unless a setting says otherwise; the
divergence of a wrapped normal asks which deviations are wide."""
JUDGED = {
    n: s
    for n, s in experiments.STUDIES.items()
    if n not in ("rate_distortion", "gaps")
}
"""The studies that compute no gradient on the device: the first left out
trains models itself, the second seeks the best normal of an image."""
FEW = {"importance_samples": 10, "test_size": 200}


class NoFloat64(TorchDispatchMode):
    """Refuses float64 on the GPU; any value that is read is one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            return 1.0 if args[0].dtype.is_floating_point else 1
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            if isinstance(t, Tensor) and t.device.type == GPU.type:
                assert t.dtype != torch.float64, func
        return out


class Generator(torch.Generator):
    """A generator for any device."""

    def __new__(cls, _device="cpu"):
        return super().__new__(cls, "cpu")


def to(module, device):
    """Move a module of fake parameters, which torch's own `to` cannot."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                moved = nn.Parameter(torch.empty_like(weight, device=device))
                part._parameters[name] = moved
    return module


def grad(_loss, weights, **_options):
    """Gradients; torch's engine asks for a device that is there."""
    return tuple(torch.empty_like(w) for w in weights)


def serially(measure, n, _workers, note):
    """Blocks one after another: what is pretended holds in one thread."""
    return [measure(i, note) for i in range(n)]


@contextmanager
def pretended(*modes):
    warnings.filterwarnings("ignore", "Accessing the data pointer")
    replaced = (
        (nn.Module, "to", to),
        (torch, "Generator", Generator),
        (torch.autograd, "grad", grad),
        (evaluation, "_at_once", serially),
    )
    with ExitStack() as stack:
        for owner, name, other in replaced:
            stack.enter_context(mock.patch.object(owner, name, other))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        for mode in modes:
            stack.enter_context(mode)
        yield


def configured(name, **fields):
    experiment, config = profiles.configure(name, **fields)
    return experiment.task(config)


def two_steps(name, fields):
    """Where the sums of two steps of a training are, and whether `check`,
    which does read values, then finds that there are none."""
    with pretended():
        trainer = training.Trainer(configured(name, **fields), GPU)
        weights = list(trainer.model.parameters())

        def backward(_loss):
            for weight in weights:
                weight.grad = torch.empty_like(weight)

        batches = trainer.batches()
        with mock.patch.object(Tensor, "backward", backward):
            for _ in range(2):
                trainer.take_step(next(batches))
        try:
            trainer.check("nothing")
        except DataDependentOutputException:
            return {total.device.type for total in trainer.sums.values()}, True
    return None, False


def evaluated(name, fields):
    """The names of the metrics of an untrained model."""
    with pretended(NoFloat64()):
        task = configured(name, **fields)
        return set(task.evaluate(task.model().to(GPU).eval()))


def studied(name):
    """What a study of untrained models returns."""
    study = experiments.STUDIES[name]
    with pretended(NoFloat64()):
        runs = {}
        for run in study.runs:
            task = configured(run)
            model = task.model().to(GPU).eval()
            runs[run] = SimpleNamespace(model=model, config=task.config)
        return set(study.measure(**runs, **{**study.settings, **study.quick}))


def told(job, *args):
    """What a job returns, and the text of what stopped it."""
    try:
        return job(*args), None
    except Exception:
        return None, traceback.format_exc()


@pytest.fixture(scope="module")
def apart():
    """Does a job in the other process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:

        def do(*job):
            found, fault = pool.apply(told, job)
            if fault:
                pytest.fail(fault)
            return found

        yield do


@pytest.mark.parametrize(
    ("name", "fields"),
    [(name, {}) for name in ON_GPU]
    + [(name, e.gpu) for name, e in ON_GPU.items() if e.gpu],
)
def test_a_step_reads_no_value_from_the_device(name, fields, apart):
    assert apart(two_steps, name, fields) == ({"cuda"}, True)


@pytest.mark.parametrize("name", ON_GPU)
def test_a_model_is_evaluated_where_it_is(name, apart):
    fields, metric = ({}, "test_mse") if name == "ae" else (FEW, "test_nll")
    assert metric in apart(evaluated, name, fields)


@pytest.mark.parametrize("name", JUDGED)
def test_a_study_is_done_where_its_models_are(name, apart):
    assert "summary" in apart(studied, name)
