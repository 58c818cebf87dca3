"""The training loop: settings, resumption bit for bit, divergence."""

import itertools
import multiprocessing
import os
import random
import signal
import time

import pytest
import torch

from aevb import checkpoints, training
from aevb.errors import UserError
from aevb.models import mlp
from aevb.settings import Config
from aevb.training import fit
from conftest import PATIENCE
from toy_aevb import Diverging, Line

CPU = torch.device("cpu")


class Blocks(Line):
    """A line with residual blocks, whose matrices Muon moves."""

    def __init__(self, **settings):
        super().__init__(optimizer="muon", **settings)

    def model(self):
        return mlp([2, 4, 4, 4, 1])


def at(call, task, act):
    """The task; at this call of its loss, held-out ones counted, `act` is
    given the model and the terms, which it may change."""
    right, calls = task.loss, itertools.count(1)

    def loss(model, batch):
        terms = right(model, batch)
        if next(calls) == call:
            act(model, terms)
        return terms

    task.loss = loss
    return task


def stop(model, terms):
    raise KeyboardInterrupt


def spike(model, terms):
    """The square of the gradient is infinite, and then AdamW moves nothing."""
    terms["loss"] = 1e22 * terms["loss"]


def steep(model, terms):
    """The gradient is not a number, though the loss is one."""
    terms["loss"] = terms["loss"] + (0 * model.weight.sum()).sqrt()


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def outcome(task, folder=None):
    """Bit for bit: the weights and the history."""
    model, history, _ = fit(task, CPU, folder)
    return weights(model).tolist(), history


def test_fit_finds_the_line():
    model, history, _ = fit(Line(epochs=40), CPU)
    expected = torch.tensor([2.0, -1.0, 0.5])
    torch.testing.assert_close(weights(model), expected, atol=0.05, rtol=0)
    assert history["test_loss"][-1] < 1e-3 < history["test_loss"][0]
    assert len(history["train_loss"]) == 40


def test_same_seed_same_weights_another_seed_others():
    first, again = (weights(fit(Line(), CPU)[0]) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, weights(fit(Line(seed=1), CPU)[0]))


@pytest.mark.parametrize(
    ("kind", "call"),
    [(Line, call) for call in (2, 10, 11, 12, 26, 32)] + [(Blocks, 18)],
)
def test_an_interrupted_run_ends_with_the_same_weights(
    tmp_path, save_always, kind, call
):
    with pytest.raises(KeyboardInterrupt):
        fit(at(call, kind(), stop), CPU, tmp_path)
    assert outcome(kind(), tmp_path) == outcome(kind())


def test_every_weight_has_one_optimizer_and_muon_the_blocks_matrices():
    task = Blocks()
    model = task.model()
    adamw, muon = training.optimizers(model, task.config, CPU)
    names = {id(w): name for name, w in model.named_parameters()}
    held = [
        [names[id(w)] for g in o.param_groups for w in g["params"]]
        for o in (adamw, muon)
    ]
    assert sorted(held[0] + held[1]) == sorted(names.values())
    assert sorted(held[1]) == [
        f"{i}.{part}.weight" for i in (2, 3) for part in ("inner", "outer")
    ]
    assert len(training.optimizers(model, Config(), CPU)) == 1
    no_blocks = training.optimizers(torch.nn.Linear(2, 1), task.config, CPU)
    assert len(no_blocks) == 1


def train_to_be_killed(folder, third):
    """A process that checkpoints at every step. It tells when it takes its
    third, and waits in its sixth, so that on no machine it is done before
    the last kill."""
    training.CHECKPOINT_SECONDS = 0.0
    task = at(3, Line(epochs=12), lambda *_: third.set())
    fit(at(6, task, lambda *_: time.sleep(600)), CPU, folder)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_twenty_random_moments_the_run_goes_on(tmp_path):
    context = multiprocessing.get_context("fork")
    moments = random.Random(0)
    steps = [0]
    for _ in range(20):
        third = context.Event()
        child = context.Process(
            target=train_to_be_killed, args=(tmp_path, third)
        )
        child.start()
        assert third.wait(PATIENCE)
        time.sleep(moments.uniform(0, 0.01))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kept = checkpoints.load(tmp_path / "checkpoint.safetensors")
        steps.append(kept["step"])
    assert steps == sorted(steps)
    assert steps[-1] >= 20
    assert outcome(Line(epochs=12), tmp_path) == outcome(Line(epochs=12))


HUGE = {"epochs": 1, "batch_size": 103, "lr": 1e30, "warmup": 0.0}
HUGE["weight_decay"] = 1e30  # a step multiplies by more than float32 holds


@pytest.mark.parametrize(
    ("task", "step", "kept"),
    [
        (Diverging(), "10 of 30", [10]),
        (at(5, Line(), spike), "9 of 30", []),  # at the end of its epoch
        (Line(**HUGE), "0 of 1", []),
        (at(32, Line(), steep), "29 of 30", [29]),  # the last gradient
    ],
    ids=["loss", "spike", "infinite weight", "last gradient"],
)
def test_divergence_is_named_and_no_checkpoint_is_of_it(
    task, step, kept, tmp_path, monkeypatch
):
    if kept:
        monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(UserError, match=f"diverged at step {step}") as fault:
        fit(task, CPU, tmp_path)
    assert task.config.model_dump_json() in str(fault.value)
    where = str(tmp_path) if kept else "no checkpoint was kept"
    assert where in str(fault.value)
    found = [checkpoints.load(path) for path in tmp_path.iterdir()]
    assert [checkpoint["step"] for checkpoint in found] == kept
    for checkpoint in found:
        assert all(w.isfinite().all() for w in checkpoint["model"].values())


def test_without_an_average_the_last_weights_are_returned():
    task = Line(ema=0.0)
    trainer = training.Trainer(task, CPU)
    for rows in trainer.batches():
        trainer.take_step(rows)
    torch.manual_seed(0)
    with training.autocast(CPU):
        held_out = task.loss(trainer.model, trainer.held_out)["loss"].item()
    assert fit(task, CPU)[1]["test_loss"][-1] == held_out
    last = weights(trainer.model)
    assert torch.equal(weights(fit(Line(ema=0.0), CPU)[0]), last)
    assert not torch.equal(weights(fit(Line(), CPU)[0]), last)


class Drawing(Line):
    """The same, with a note of what it is asked to draw."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.shares, self.seen, self.modes = [], [], []

    def draw(self, rows, share):
        self.shares.append(share)
        return rows + 1

    def loss(self, model, batch):
        self.seen.append(batch)
        self.modes.append(model.training)
        return super().loss(model, batch)


def test_a_training_starts_once_from_what_its_task_gives(
    tmp_path, save_always
):
    task, starts = Line(lr=1e-12), []

    def start(model, device):
        starts.append(torch.nn.init.constant_(model.weight, 9.0))

    task.start = start
    model, _, _ = fit(task, CPU, tmp_path)
    expected = torch.full((1, 2), 9.0)
    torch.testing.assert_close(model.weight.detach(), expected)
    fit(task, CPU, tmp_path)
    assert len(starts) == 1


@pytest.mark.parametrize("ema", [0.0, 0.998])
def test_a_loss_sees_what_was_drawn_and_held_out_examples_as_they_are(ema):
    task = Drawing(epochs=2, ema=ema)
    rows, held_out = task.data(CPU)
    fit(task, CPU)
    assert task.shares == [step / 20 for step in range(20)]
    first = rows[training.epoch_order(len(rows), 0, 0)[:10]]
    assert torch.equal(task.seen[0], first + 1)
    assert torch.equal(task.seen[10], held_out)
    assert task.modes == [True] * 10 + [False] + [True] * 10 + [False]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 2.5),
        ("epochs", "5"),
        ("epochs", True),
        ("lr", "fast"),
        ("seed", 0.5),
        ("optimizer", "sgd"),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused_by_name(field, value):
    """As `run(name, field=value)` may be given it; test_cli has the rest."""
    with pytest.raises(UserError, match=f"^{field}: ") as fault:
        Config(**{field: value})
    assert "\n" not in str(fault.value)


def test_a_device_that_is_not_there_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no cuda"):
            training.resolve_device("cuda")
    assert training.resolve_device("cpu").type == "cpu"


def test_schedule_rises_to_one_and_falls_to_zero():
    rates = [training.schedule(s / 1000, 0.1) for s in range(1001)]
    assert 0 < rates[0] < 0.02
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates.index(max(rates)) == 100
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_an_epoch_holds_every_example_once():
    order = training.epoch_order(50, seed=3, epoch=4)
    assert sorted(order.tolist()) == list(range(50))
    assert not torch.equal(order, training.epoch_order(50, 3, 5))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_autocast_takes_the_precision_it_is_told(precision):
    with training.autocast(CPU, precision):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert str(product.dtype) == f"torch.{precision}"
