"""Auto-Encoding Variational Bayes: auto-encoders and VAEs, measured.

A finished run, trained first where there is none, and new digits from it:

    import torch
    from aevb import run

    vae = run("vae_kl")
    print(vae.metrics["test_elbo"])
    images = vae.model.decode(torch.randn(16, 2))  # (16, 784), in [0, 1]

A VAE of one's own, and its objective on a batch of binary images:

    from aevb import VAE, binarize, load_mnist, negative_elbo

    x = binarize(load_mnist().train.images[:512])
    loss = negative_elbo(VAE(784, [256, 256, 4]), x)["loss"]

Runs and measurements by name are `run` and `study`, of the tables
`EXPERIMENTS` and `STUDIES`; models `AE` and `VAE`; data `load_mnist`,
`binarize`, `deformations` and `deform`; objectives `negative_elbo`,
`log_normal_pdf`, `loss_SGVB` and `loss_KL_wo_E`; training `fit`; numbers
`evaluate_vae` and `log_px_by_quadrature`; settings `AEConfig` and
`VAEConfig`; and `UserError` is what a fault of the user raises.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "augmented": ("deform", "deformations"),
    "data": ("binarize", "load_mnist"),
    "errors": ("UserError",),
    "evaluation": ("evaluate_vae", "log_px_by_quadrature"),
    "experiments": ("EXPERIMENTS", "STUDIES"),
    "models": ("AE", "VAE"),
    "objectives": (
        "log_normal_pdf",
        "loss_KL_wo_E",
        "loss_SGVB",
        "negative_elbo",
    ),
    "runs": ("run", "study"),
    "settings": ("AEConfig", "VAEConfig"),
    "training": ("fit",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the package itself is light."""
    if name not in _HOME:
        raise AttributeError(f"module 'aevb' has no attribute {name!r}")
    return getattr(import_module(f"aevb.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
