"""Trainings that differ in the seed alone, all at once.

Small networks cost a processor more calls than arithmetic. So the weights of
S models are stacked, and a step moves all of them; what each model sees, its
start, its batches and its noise are its own. Loss, schedule, average of the
weights and contest for the start are those of `TorusTask` and `training.fit`.
"""

import copy
import platform
import time
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence
from torch.func import functional_call, stack_module_state, vmap

from aevb import results
from aevb.checkpoints import write_json
from aevb.torus_vae import NOISE_SHARE, PointVAE, gaussian_distortion
from aevb.training import schedule

PULL = 10.0
"""Weight of 1 - cos of the way from a code to its known angle."""


class Settings(NamedTuple):
    """What all trainings of a benchmark share."""

    seeds: int
    epochs: int
    noise_min: float
    batch: int = 250
    lr: float = 3e-3
    ema: float = 0.99
    trials: int = 2
    trial_epochs: int = 10


def train(
    make: Callable[[], PointVAE],
    rows: Tensor,
    settings: Settings,
    divergence: Callable[[Distribution, Distribution], Tensor] = kl_divergence,
    known: Tensor | None = None,
) -> list[PointVAE]:
    """One trained model for each seed, from the best of its short trainings.

    Args:
        make: a freshly initialised model.
        rows: the training points, (n, D).
        divergence: of posterior and prior, (S, B).
        known: angles of the first rows, (m, 2), near which a step holds the
            codes of a batch of them, or of all if they are fewer.
    """
    models = []
    for seed in range(settings.seeds * settings.trials):
        torch.manual_seed(seed)
        models.append(make())
    short = settings._replace(epochs=settings.trial_epochs, ema=0.0)
    last = _fit(models, rows, short, divergence, known)
    best = last.reshape(settings.seeds, -1).argmin(1)
    chosen = [models[settings.trials * s + int(t)] for s, t in enumerate(best)]
    _fit(chosen, rows, settings, divergence, known)
    return chosen


def _stacked(parts: list[nn.Module]) -> tuple[dict[str, Tensor], Any]:
    """Their weights, (S, ...) each, and their map (S, B, .) to (S, B, .)."""
    weights, _ = stack_module_state(parts)
    one = copy.deepcopy(parts[0]).to("meta")
    apply = vmap(lambda w, x: functional_call(one, w, (x,)))
    return weights, lambda x: apply(weights, x)


def _fit(
    models: list[PointVAE],
    rows: Tensor,
    settings: Settings,
    divergence: Any,
    known: Tensor | None,
) -> Tensor:
    """Train all models; their mean losses in the last epoch, (S,)."""
    space, dim, size = models[0].space, rows.shape[1], settings.batch
    inner, encode = _stacked([m.encoder for m in models])
    outer, decode = _stacked([m.decoder for m in models])
    seen = models[0].encoding(rows)
    weights = [*inner.values(), *outer.values()]
    means = [w.detach().clone() for w in weights]
    adam = torch.optim.AdamW(
        weights, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    steps = len(rows) // size
    for epoch in range(settings.epochs):
        total = torch.zeros(len(models))
        orders = torch.stack([torch.randperm(len(rows)) for _ in models])
        edges = range(0, steps * size + 1, size)
        for k, (start, end) in enumerate(pairwise(edges), epoch * steps):
            index = orders[:, start:end]
            q = space.posterior(encode(seen[index]))
            decoded = decode(space.embed(q.rsample()))
            squared = (decoded - rows[index]).square().sum(-1)
            rmse = (squared.detach().mean(1, keepdim=True) / dim).sqrt()
            noise = (NOISE_SHARE * rmse).clamp(min=settings.noise_min)
            loss = gaussian_distortion(squared, noise, dim)
            loss = (loss + divergence(q, space.prior())).mean(1)
            if known is not None:
                pick = torch.randperm(len(known))[:size]
                rest = seen[pick].expand(len(models), -1, -1)
                off = space.posterior(encode(rest)).mean - known[pick]
                pull = PULL * (1 - off.cos()).sum(-1).mean(-1)
                loss = loss + pull / (2 * noise[:, 0] ** 2)
            share = k / (steps * settings.epochs)
            adam.param_groups[0]["lr"] = settings.lr * schedule(share, 0.1)
            adam.zero_grad()
            loss.sum().backward()
            adam.step()
            decay = min(settings.ema, k / (9 + k))
            with torch.no_grad():
                torch._foreach_lerp_(means, weights, 1 - decay)
            total += loss.detach()
    kept = dict(zip([*inner, *(f"d.{k}" for k in outer)], means, strict=True))
    for s, model in enumerate(models):
        model.encoder.load_state_dict({k: kept[k][s] for k in inner})
        model.decoder.load_state_dict({k: kept[f"d.{k}"][s] for k in outer})
    if not total.isfinite().all():
        raise ArithmeticError("a training diverged")
    return total / steps


def write(name: str, rows: list[dict[str, Any]], **settings: Any) -> None:
    """Write the rows so far, and what they depend on; print the last."""
    about = {
        "command": f"PYTHONPATH=code:. python -m benchmarks.{name}",
        "date": date.today().isoformat(),
        "machine": results.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor_seconds": round(time.process_time(), 1),
        "settings": settings,
    }
    found = [
        {k: round(v, 6) if isinstance(v, float) else v for k, v in r.items()}
        for r in rows
    ]
    path = Path(f"code/aevb/measured/{name}.json")
    write_json(path, {"provenance": about, "rows": found})
    print(found[-1], flush=True)
