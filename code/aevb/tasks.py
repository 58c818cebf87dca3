r"""The learning problems on MNIST: an auto-encoder and the VAEs.

A task is built from its settings and says what `training.fit` needs: the
model, the rows, the loss; and how the trained model is judged.
"""

from typing import Any

import torch
from torch import Tensor

from aevb import evaluation, objectives
from aevb.data import binarize, load_mnist
from aevb.evaluation import Estimate
from aevb.models import AE, VAE
from aevb.settings import AEConfig, Config, VAEConfig
from aevb.training import Task

PIXELS = 784
HELD_OUT = 2000
"""Test images on which the held-out curve is drawn; nothing is chosen by
it."""

MEAN_IMAGE_ERROR, MEAN_IMAGE_NLL = 0.0675, 205.9
"""What the mean training image alone gives on the test images: its mean
squared error a pixel, and its NLL in nats an image, each pixel's mean being
its probability of ink. Any model that has learned is below."""

REGULARIZERS: dict[str, objectives.Regularizer] = {
    "kl": objectives.loss_KL_wo_E,
    "sgvb": objectives.loss_SGVB,
    "stl": objectives.loss_STL,
}


def training_images(config: Config, device: torch.device) -> Tensor:
    """The first `train_size` training images (all for 0), uint8."""
    images = load_mnist(device).train.images
    return images[: config.train_size or len(images)]


def binary_test_images(device: torch.device, n: int = 10_000) -> Tensor:
    """The first n test images in their fixed binarisation, float32."""
    return binarize(load_mnist(device).test.images, "fixed")[:n]


class AETask(Task):
    """Auto-encoder on grey images in [0, 1], mean squared error a pixel."""

    def __init__(self, config: AEConfig) -> None:
        self.config = config

    def model(self) -> AE:
        return AE(PIXELS, list(self.config.hidden_dims))

    def data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        held_out = load_mnist(device).test.images[:HELD_OUT]
        return training_images(self.config, device), held_out.float() / 255

    def draw(self, rows: Tensor, share: float) -> Tensor:
        return rows.float() / 255

    def loss(self, model: AE, batch: Tensor) -> dict[str, Tensor]:
        imgs = model(batch)["imgs"]
        return {"loss": torch.nn.functional.mse_loss(imgs, batch)}

    @torch.no_grad()
    def evaluate(self, model: AE) -> dict[str, Estimate]:
        device = next(model.parameters()).device
        x = load_mnist(device).test.images.float() / 255
        errors = (model(x)["imgs"] - x).square()
        return {"test_mse": evaluation.mean(errors.mean(dim=1))}

    def failure(self, metrics: dict[str, Estimate]) -> str | None:
        """What shows that the training has failed, if anything does."""
        error = metrics["test_mse"].value
        if error < MEAN_IMAGE_ERROR:
            return None
        return (
            f"its error of {error:.3g} a pixel is no less than the mean "
            f"image's, {MEAN_IMAGE_ERROR:.3g}; lower lr"
        )


def start_at_mean(model: VAE, images: Tensor) -> None:
    """Give the decoder's last bias the logits of the mean image.

    No step of a training is then spent on it. The mean of the grey images
    (N, 784), uint8, is taken as a probability of ink and kept in
    [0.001, 0.999], so that the logits are finite.
    """
    last: Any = model.decoder[-1]
    mean = (images.float().mean(dim=0) / 255).clamp(1e-3, 1 - 1e-3)
    with torch.no_grad():
        last.bias.copy_(torch.logit(mean))


class VAETask(Task):
    """VAE on binary images, drawn afresh at each use in training.

    The test images are drawn once.
    """

    kind: type[VAE] = VAE  # what `model` makes

    def __init__(self, config: VAEConfig) -> None:
        self.config = config

    def model(self) -> VAE:
        model = self.kind(
            PIXELS,
            list(self.config.hidden_dims),
            decoder_dims=list(self.config.decoder_dims),
            bilinear=self.config.bilinear,
        )
        start_at_mean(model, load_mnist("cpu").train.images)
        return model

    def data(self, device: torch.device) -> tuple[Tensor, Tensor]:
        held_out = binary_test_images(device, HELD_OUT)
        return training_images(self.config, device), held_out

    def draw(self, rows: Tensor, share: float) -> Tensor:
        return binarize(rows, "dynamic")

    def loss(self, model: Any, batch: Tensor) -> dict[str, Tensor]:
        regularizer = REGULARIZERS[self.config.estimator]
        return objectives.negative_elbo(
            model, batch, regularizer, self.config.coeff
        )

    def evaluate(self, model: VAE) -> dict[str, Estimate]:
        device: Any = next(model.parameters()).device
        x = binary_test_images(device, self.config.test_size)
        return evaluation.evaluate_vae(
            model, x, self.config.importance_samples, self.config.precision
        )

    def failure(self, metrics: dict[str, Estimate]) -> str | None:
        """What shows that the training has failed, if anything does."""
        if metrics["active_units"].value == 0:
            return "no latent dimension is in use; lower lr or coeff"
        if (nll := metrics["test_nll"].value) < MEAN_IMAGE_NLL:
            return None
        return (
            f"its NLL of {nll:.4g} nats is no less than the mean image's, "
            f"{MEAN_IMAGE_NLL:.4g}; lower lr"
        )
