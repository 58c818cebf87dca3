"""The training loop: settings, resumption bit for bit, divergence."""

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


class Interrupted(Line):
    """A line, stopped before the given call of its loss."""

    def __init__(self, at, **settings):
        super().__init__(**settings)
        self.left = at

    def loss(self, model, batch):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().loss(model, batch)


class Steep(Line):
    """A line, with a gradient that is not a number at step 29, the last;
    the loss is one."""

    calls = 0

    def loss(self, model, batch):
        terms = super().loss(model, batch)
        self.calls += len(batch) == 10  # not the held-out ones
        if self.calls == 30:
            zero = model.weight.sum() * 0
            terms["loss"] = terms["loss"] + zero.sqrt()
        return terms


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


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
    ("kind", "at"),
    [(Line, at) for at in (1, 9, 10, 11, 25, 31)] + [(Blocks, 17)],
)
def test_an_interrupted_run_ends_with_the_same_weights(
    tmp_path, save_always, kind, at
):
    whole, history, _ = fit(kind(), CPU)

    class Stopped(Interrupted, kind):
        pass

    with pytest.raises(KeyboardInterrupt):
        fit(Stopped(at), CPU, tmp_path)
    resumed, resumed_history, _ = fit(kind(), CPU, tmp_path)
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed_history == history


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


class Announced(Line):
    """A line; it tells when it takes its third step, and waits in its
    sixth, so that on no machine it is done before the last kill."""

    calls = 0

    def __init__(self, third, **settings):
        super().__init__(**settings)
        self.third = third

    def loss(self, model, batch):
        self.calls += 1
        if self.calls == 3:
            self.third.set()
        elif self.calls == 6:
            time.sleep(600)
        return super().loss(model, batch)


def train_to_be_killed(folder, third):
    """A process that checkpoints at every step."""
    training.CHECKPOINT_SECONDS = 0.0
    fit(Announced(third, epochs=12), CPU, folder)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_twenty_random_moments_the_run_goes_on(tmp_path):
    whole, history, _ = fit(Line(epochs=12), CPU)
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
    resumed, resumed_history, _ = fit(Line(epochs=12), CPU, tmp_path)
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed_history == history


def test_divergence_names_step_settings_and_checkpoint(tmp_path, save_always):
    with pytest.raises(UserError) as fault:
        fit(Diverging(), CPU, tmp_path)
    message = str(fault.value)
    assert "diverged at step 10 of 30" in message
    assert '"lr":0.05' in message
    assert str(tmp_path) in message
    step = checkpoints.load(tmp_path / "checkpoint.safetensors")["step"]
    assert step == 10


class Spike(Line):
    """The same, with one loss so large that the square of its gradient is
    infinite, after which AdamW moves nothing."""

    calls = 0

    def loss(self, model, batch):
        self.calls += 1
        terms = super().loss(model, batch)
        return {"loss": terms["loss"] * (1e22 if self.calls == 5 else 1)}


HUGE = {"epochs": 1, "batch_size": 103, "lr": 1e30, "warmup": 0.0}
HUGE["weight_decay"] = 1e30  # a step multiplies by more than float32 holds


@pytest.mark.parametrize(
    ("task", "step"),
    [
        (Spike(), "9 of 30"),  # found at the end of its epoch
        (Line(**HUGE), "0 of 1"),
        (Steep(), "29 of 30"),
    ],
    ids=["spike", "infinite weight", "last gradient"],
)
def test_divergence_is_found_and_no_checkpoint_is_of_it(
    task, step, tmp_path, monkeypatch
):
    if isinstance(task, Steep):
        monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(UserError, match=f"diverged at step {step}"):
        fit(task, CPU, tmp_path)
    for path in tmp_path.iterdir():
        kept = checkpoints.load(path)
        assert kept["step"] == 29
        assert all(w.isfinite().all() for w in kept["model"].values())


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


class Started(Line):
    """The same, with a note of each start, which sets the weights to 9."""

    starts = 0

    def start(self, model, device):
        self.starts += 1
        with torch.no_grad():
            model.weight.fill_(9.0)


def test_a_training_starts_once_from_what_its_task_gives(
    tmp_path, save_always
):
    task = Started(lr=1e-12)
    model, _, _ = fit(task, CPU, tmp_path)
    expected = torch.full((1, 2), 9.0)
    torch.testing.assert_close(model.weight.detach(), expected)
    fit(task, CPU, tmp_path)
    assert task.starts == 1


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
