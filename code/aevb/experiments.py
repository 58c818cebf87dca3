"""The table of named trainings and measurements, and nothing else.

`runs.run` and `runs.study` do what stands here; `profiles.configure` reads
an entry's settings. A task or a measurement is named as "module:name", so
that the table can be read without PyTorch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from aevb.settings import (
    AEConfig,
    AugmentedConfig,
    Config,
    ExactConfig,
    TorusConfig,
    VAEConfig,
)


@dataclass(frozen=True)
class Experiment:
    """A named training.

    `cost` is the measured time of training and evaluation, in seconds of
    one core that multiplies float32 matrices at 73 GFLOP/s. `shown` are the
    values of settings that the report's words and figures are written for.
    """

    source: str
    config: Config
    quick: Mapping[str, Any]
    gpu: Mapping[str, Any] = field(default_factory=dict)
    cost: float = 0.0
    shown: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def task(self) -> Callable[[Any], Any]:
        """The class of the task, which takes the settings."""
        return resolve_name(self.source)


@dataclass(frozen=True)
class Study:
    """A named measurement on finished runs.

    `measure` takes the runs and the settings and returns a tree of
    tensors and JSON values. `cost` is as for an experiment.
    """

    source: str
    runs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    cost: float = 0.0

    @property
    def measure(self) -> Callable[..., dict[str, Any]]:
        """The function that measures."""
        return resolve_name(self.source)


QUICK_COST = 5.0
"""The same for each entry in the profile `quick`."""
BRIEF = {"epochs": 1, "train_size": 2560}
BRIEF_TORUS = {"epochs": 20, "pairs": 20}
BRIEF_VAE = {**BRIEF, "importance_samples": 10, "test_size": 500}

PLANE: dict[str, Any] = {"epochs": 50, "batch_size": 1024, "optimizer": "muon"}
PLANE |= {"lr": 6.4e-3, "muon_rms": 0.5, "beta2": 0.95, "weight_decay": 0.15}
PLANE |= {"ema": 0.995, "hidden_dims": (192, 192, 192, 4)}
PLANE |= {"importance_samples": 25}  # its integral is computed as well

# what the report is written for
LOW: dict[str, Sequence[Any]] = {"latent_size": (1, 2)}
BOUND: dict[str, Sequence[Any]] = {"coeff": (1.0,)}
TORUS: dict[str, Sequence[Any]] = {**BOUND, "R": (1.0,)}
TORUS |= {"pairs": range(10, 1_000_000), "train_size": (0,)}
HIGH: dict[str, Sequence[Any]] = {"latent_size": range(3, 1_000_000)}

EXPERIMENTS: dict[str, Experiment] = {
    "vae_best": Experiment(
        "aevb.augmented:AugmentedTask",
        AugmentedConfig(
            epochs=62,
            batch_size=1024,
            optimizer="muon",
            lr=1e-2,
            beta2=0.95,
            weight_decay=0.15,
            ema=0.996,
            hidden_dims=(128, 128, 128, 128, 128, 80),
            decoder_dims=(128,) * 14,
            bilinear=True,
            deformed=0.5,
            importance_samples=100,
        ),
        BRIEF_VAE,
        gpu={
            "epochs": 540,
            "lr": 7e-3,
            "weight_decay": 0.2,
            "ema": 0.999,
            "deformed": 0.9,
            "bend": 1.0,
            "hidden_dims": (320,) * 5 + (80,),
            "decoder_dims": (320,) * 14,
            "importance_samples": 5000,
            "threads": 2,
        },
        cost=860.0,
        shown={**HIGH, **BOUND},
    ),
    "vae_exact": Experiment(
        "aevb.exact:ExactTask",
        ExactConfig(),
        {**BRIEF_VAE, "points": 256},
        cost=215.0,
        shown={**LOW, **BOUND},
    ),
    "vae_kl": Experiment(
        "aevb.tasks:VAETask",
        VAEConfig(**PLANE),
        BRIEF_VAE,
        cost=370.0,
        shown={**LOW, **BOUND, "estimator": ("kl",)},
    ),
    "vae_sgvb": Experiment(
        "aevb.tasks:VAETask",
        VAEConfig(**PLANE, estimator="sgvb"),
        BRIEF_VAE,
        cost=370.0,
        shown={**LOW, **BOUND, "estimator": ("sgvb",)},
    ),
    "ae": Experiment(
        "aevb.tasks:AETask", AEConfig(), BRIEF, cost=92.0, shown=LOW
    ),
    "torus_plain": Experiment(
        "aevb.torus_vae:TorusTask",
        TorusConfig(latent="plane", frequencies=10),
        BRIEF_TORUS,
        cost=40.0,
        shown={**TORUS, "latent": ("plane",), "frequencies": (10,)},
    ),
    "torus_wrapped": Experiment(
        "aevb.torus_vae:TorusTask",
        TorusConfig(),
        BRIEF_TORUS,
        cost=40.0,
        shown={
            **TORUS,
            "latent": ("torus",),
            "frequencies": (0,),
            "trials": range(2, 1_000_000),
        },
    ),
}

ALIKE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "vae_kl",
        "vae_sgvb",
        tuple(k for k in VAEConfig.model_fields if k != "estimator"),
    ),
    ("vae_kl", "vae_exact", ("latent_size",)),
    (
        "torus_plain",
        "torus_wrapped",
        ("r", "size", "cloud_seed", "pairs", "noise_min"),
    ),
)
"""Two experiments that the report compares, and the settings of which it
says that they share them."""

STUDIES: dict[str, Study] = {
    "kl_check": Study(
        "aevb.studies:kl_check",
        ("vae_kl", "vae_sgvb"),
        {"images": 64, "samples": 4000, "seed": 0},
        cost=5.0,
    ),
    "gradient_variance": Study(
        "aevb.studies:gradient_variance",
        ("vae_kl", "vae_sgvb"),
        {"images": 64, "draws": 50, "seed": 0},
        {"images": 8, "draws": 20},
        cost=5.0,
    ),
    "rate_distortion": Study(
        "aevb.studies:rate_distortion",
        (),
        {
            "coeffs": (0.5, 1.0, 2.0, 8.0),
            "course_coeff": 1e-3,
            "test_size": 2000,
            "samples": 5,
            "epochs": 2,
            "batch_size": 256,
            "hidden_dims": (128, 128, 4),
            "ema": 0.99,
        },
        {**BRIEF, "test_size": 100},
        cost=40.0,
    ),
    "comparison": Study(
        "aevb.studies:comparison",
        ("vae_kl", "vae_sgvb"),
        {"images": 10_000, "samples": 10},
        {"images": 500, "samples": 2},
        cost=6.0,
    ),
    "importance_sampling": Study(
        "aevb.studies:importance_sampling",
        ("vae_kl",),
        {"images": 300, "samples": (1, 10, 100, 1000), "step": 0.025},
        {"images": 50, "samples": (1, 10, 100), "step": 0.1},
        cost=16.0,
    ),
    "gaps": Study(
        "aevb.gaps:gaps",
        ("vae_kl", "vae_exact"),
        {"images": 500, "step": 0.025, "iterations": 40},
        {"images": 20, "step": 0.1, "iterations": 5},
        cost=45.0,
    ),
    "rounding": Study(
        "aevb.studies:rounding",
        ("vae_best",),
        {"images": 500, "samples": 4},
        {"images": 100, "samples": 2},
        cost=10.0,
    ),
}
