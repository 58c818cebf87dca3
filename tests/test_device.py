"""A step of each training, on a GPU that is only pretended.

torch's fake tensors have a shape and a device and no values: what would read
a value, for which Python waits for a GPU, or would mix devices, is an error.
They change how torch's backward works from then on, so they are used in a
process of their own.
"""

import multiprocessing
import warnings
from unittest import mock

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    FakeTensorMode,
)

from aevb import experiments, training

GPU = torch.device("cuda")
ON_GPU = {n: e for n, e in experiments.EXPERIMENTS.items() if "torus" not in n}
"""The torus's trainings are for a CPU, unless a setting says otherwise; the
divergence of a wrapped normal asks which deviations are wide."""


def two_steps(name, fields):
    """Devices of what two steps of an experiment's training sum up, and
    whether `check`, which does read values, then finds that there is none."""
    warnings.filterwarnings("ignore", "Accessing the data pointer")
    experiment, config = experiments.configure(name, **fields)
    task = experiment.task(config)
    make, models = task.model, []

    def model():
        with GPU:
            models.append(make())
        return models[-1]

    def backward(_loss):
        """The true one asks for a true device."""
        for weight in models[-1].parameters():
            weight.grad = torch.empty_like(weight)

    with (
        mock.patch.object(task, "model", model),
        mock.patch.object(nn.Module, "to", lambda module, _device: module),
        mock.patch.object(torch.Tensor, "backward", backward),
        FakeTensorMode(allow_non_fake_inputs=True),
    ):
        trainer = training.Trainer(task, GPU)
        batches = trainer.batches()
        for _ in range(2):
            trainer.take_step(next(batches))
        try:
            trainer.check("nothing")
        except DataDependentOutputException:
            return {total.device.type for total in trainer.sums.values()}, True
    return None, False


@pytest.fixture(scope="module")
def process():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


@pytest.mark.parametrize(
    ("name", "fields"),
    [(name, {}) for name in ON_GPU]
    + [(name, e.gpu) for name, e in ON_GPU.items() if e.gpu],
)
def test_a_step_reads_no_value_from_the_device(name, fields, process):
    assert process.apply(two_steps, (name, fields)) == ({"cuda"}, True)
