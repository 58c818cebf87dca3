"""Other objectives and networks for the likelihood.

Each differs from the report's `vae_best` in one thing. likelihood.py measures
them; none brought enough for its cost to be part of the report's code.
"""

import torch
from torch import Tensor, nn

from aevb.models import VAE, mlp
from aevb.objectives import (
    bernoulli_log_likelihood,
    log_normal_pdf,
    negative_elbo,
)
from aevb.tasks import REGULARIZERS, VAETask


class ImportanceWeighted(VAETask):
    """The bound of two samples (Burda et al. 2016, eq. 8); its gradient is
    doubly reparameterised (Tucker et al. 2019, eq. 8)."""

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        mean, logvar = model.encode(batch)
        z = mean + torch.exp(0.5 * logvar) * torch.randn(2, *mean.shape)
        zero = torch.zeros(())
        log_w = bernoulli_log_likelihood(model.decoder(z), batch)
        log_w = log_w + log_normal_pdf(z, zero, zero, -1)
        log_w = log_w - log_normal_pdf(z, mean.detach(), logvar.detach(), -1)
        w = torch.softmax(log_w.detach(), dim=0)
        if z.requires_grad:
            z.register_hook(lambda gradient: w.unsqueeze(-1) * gradient)
        return {"loss": -(w * log_w).sum(dim=0).mean()}


class FreeBits(VAETask):
    """No latent is asked to cost less than a tenth of a nat (Kingma et al.
    2016, eq. 15)."""

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        mean, logvar = model.encode(batch)
        z = model.reparameterize(mean, logvar)
        rates = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean(dim=0)
        log_px = bernoulli_log_likelihood(model.decoder(z), batch).mean()
        return {"loss": rates.clamp(min=0.1).sum() - log_px}


class WarmUp(VAETask):
    """The rate's weight grows from 0 to 1 in the first half of the run
    (Sonderby et al. 2016)."""

    coeff = 0.0

    def draw(self, rows: Tensor, share: float) -> Tensor:
        self.coeff = min(2 * share, 1.0)
        return super().draw(rows, share)

    def loss(self, model: VAE, batch: Tensor) -> dict[str, Tensor]:
        regularizer = REGULARIZERS[self.config.estimator]
        return negative_elbo(model, batch, regularizer, self.coeff)


class Stem(nn.Module):
    """Images (B, 784) to (B, 49 c): patches of 4 by 4 pixels, then a
    convolution and a residual block of two, 3 by 3, with c channels."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        first, inner, outer = (
            nn.Conv2d(i, channels, 3, padding=1)
            for i in (16, channels, channels)
        )
        nn.init.zeros_(outer.weight)
        self.first, self.inner, self.outer = first, inner, outer
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.to(memory_format=torch.channels_last)

    def normed(self, i: int, h: Tensor) -> Tensor:
        return self.norms[i](h.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        gelu = nn.functional.gelu
        patches = nn.functional.pixel_unshuffle(x.view(-1, 1, 28, 28), 4)
        h = self.first(patches.contiguous(memory_format=torch.channels_last))
        h = h + self.outer(gelu(self.inner(self.normed(0, h))))
        return gelu(self.normed(1, h)).permute(0, 2, 3, 1).flatten(1)


class ConvolutionalEncoder(VAETask):
    """Convolutions before the encoder's blocks, which are one fewer."""

    def model(self) -> VAE:
        model = super().model()
        width, outputs = self.config.hidden_dims[-2:]
        dims = [49 * 16, width, width, outputs]
        rest = mlp(dims, norm=True, bilinear=self.config.bilinear)
        model.encoder = nn.Sequential(Stem(), *rest)
        return model


VARIANTS: dict[str, type[VAETask]] = {
    "the bound of two samples, doubly reparameterised": ImportanceWeighted,
    "free bits, a tenth of a nat a latent": FreeBits,
    "KL warm-up in the first half of the run": WarmUp,
    "convolutions before the encoder": ConvolutionalEncoder,
}
"""A name for people, and the task that takes the report's place."""
