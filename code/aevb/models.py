r"""Auto-encoders: a map to a few latent numbers and a map back.

An auto-encoder (AE) is a pair of networks, an encoder f and a decoder g,
trained so that g(f(x)) is close to x. A variational auto-encoder (VAE,
Kingma and Welling 2014, section 3) makes both maps probabilistic. Its
encoder gives the mean and the log variance of a posterior

    q(z | x) = N(z; mu(x), diag(sigma(x)^2)),

its decoder the parameters of a likelihood p(x | z): for binary pixels the
logits of independent Bernoulli variables.

All networks are `mlp`, or made of it. What stands here names nothing but
`torch`, so that it also runs where it is pasted into a notebook.
"""

import torch


class ResidualBlock(torch.nn.Module):
    """h + W2 f(W1 norm(h)): a pre-norm residual block (He et al. 2016).

    Maps (..., width) to (..., width). f is GELU; or, if `bilinear`, W1 has
    twice as many outputs, u and v, and f is their product u * v (Shazeer
    2020, eq. 4). W2 starts at zero, so that a new block is the identity and
    depth costs nothing at the start of training.
    """

    def __init__(self, width: int, bilinear: bool = False) -> None:
        super().__init__()
        self.bilinear = bilinear
        self.norm = torch.nn.LayerNorm(width)
        self.inner = torch.nn.Linear(width, width * (1 + bilinear))
        self.outer = torch.nn.Linear(width, width)
        torch.nn.init.zeros_(self.outer.weight)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        h_new = self.inner(self.norm(h))
        if self.bilinear:
            u, v = h_new.chunk(2, dim=-1)
            return h + self.outer(u * v)
        return h + self.outer(torch.nn.functional.gelu(h_new))


def mlp(
    dims: list[int], norm: bool = False, bilinear: bool = False
) -> torch.nn.Sequential:
    """A network through the widths `dims`, linear at its end.

    Two equal neighbours become a ResidualBlock, two different ones a
    linear layer; GELU lies between. With `norm`, a LayerNorm follows the
    last block, so that no input, however odd, has an output far from all
    others. mlp([784, 512, 512, 4], norm=True) is linear, GELU, block, norm,
    linear.
    """
    layers: list[torch.nn.Module] = []
    for width, next_width in zip(dims[:-2], dims[1:-1], strict=True):
        if width == next_width:
            layers.append(ResidualBlock(width, bilinear))
        else:
            layers.append(torch.nn.Linear(width, next_width))
            layers.append(torch.nn.GELU())
    if norm and layers and isinstance(layers[-1], ResidualBlock):
        layers.append(torch.nn.LayerNorm(dims[-2]))
    layers.append(torch.nn.Linear(dims[-2], dims[-1]))
    return torch.nn.Sequential(*layers)


def check_rows(x: torch.Tensor, size: int) -> None:
    """Refuse what is not a tensor of floats (B, size).

    Raises:
        TypeError: it is something else, or holds other numbers.
        ValueError: its rows have another size.
    """
    if not (isinstance(x, torch.Tensor) and x.is_floating_point()):
        kind = getattr(x, "dtype", type(x).__name__)
        raise TypeError(f"expected floats (B, {size}), not {kind}")
    if x.shape[-1:] != (size,):
        raise ValueError(f"expected floats (B, {size}), not {tuple(x.shape)}")


class AE(torch.nn.Module):
    """Auto-encoder of flat images, Problem 1(a).

    Args:
        input_dim: values in an image, D.
        hidden_dims: widths of the encoder's layers; the last is the size L
            of the latent code. The decoder has the same widths, backwards.
    """

    def __init__(self, input_dim: int, hidden_dims: list[int]) -> None:
        super().__init__()
        self.input_dim, self.z_size = input_dim, hidden_dims[-1]
        dims = [input_dim, *hidden_dims]
        self.encoder = mlp(dims)
        self.decoder = mlp(dims[::-1])

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, D) to codes (B, L)."""
        check_rows(x, self.input_dim)
        return self.encoder(x).to(x.dtype)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Codes (B, L) to pixels in (0, 1), (B, D)."""
        check_rows(z, self.z_size)
        return torch.sigmoid(self.decoder(z).to(z.dtype))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Images (B, D) to {"imgs": (B, D), "z": (B, L)}."""
        z = self.encode(x)
        return {"imgs": self.decode(z), "z": z}


class VAE(torch.nn.Module):
    """Variational auto-encoder, Problems 2(b) and 2(c).

    Args:
        input_dim: values in an input, D.
        hidden_dims: widths of the encoder's layers; the last is 2 L, the
            mean and the log variance of an L-dimensional posterior.
        decode_dim: size of the decoder's output where it is not D.
        use_sigmoid: whether `decode` squashes the logits to (0, 1).
        decoder_dims: widths of the decoder's layers between z and the
            output; those of the encoder, backwards, where none are given.
        bilinear: whether blocks multiply where others apply GELU.

    Raises:
        ValueError: the last of `hidden_dims` is odd.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: list[int],
        decode_dim: int = -1,
        use_sigmoid: bool = True,
        decoder_dims: list[int] | None = None,
        bilinear: bool = False,
    ) -> None:
        super().__init__()
        if hidden_dims[-1] % 2:
            raise ValueError(
                "hidden_dims must end in an even number (a mean and a log "
                f"variance for each latent dimension), not {hidden_dims[-1]}"
            )
        self.input_dim = input_dim
        self.use_sigmoid = use_sigmoid
        self.z_size = hidden_dims[-1] // 2
        output_dim = input_dim if decode_dim == -1 else decode_dim
        self.encoder = mlp([input_dim, *hidden_dims], True, bilinear)
        widths = decoder_dims or hidden_dims[-2::-1]
        self.decoder = mlp([self.z_size, *widths, output_dim], True, bilinear)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (B, D) to posterior mean and log variance, (B, L) each."""
        check_rows(x, self.input_dim)
        mean, logvar = self.encoder(x).to(x.dtype).chunk(2, dim=-1)
        return mean, logvar

    def reparameterize(
        self,
        mean: torch.Tensor,
        logvar: torch.Tensor,
        n_samples_per_z: int = 1,
    ) -> torch.Tensor:
        """One sample of N(mean, exp(logvar)) a row, differentiable in both.

        z = mu + sigma * epsilon, epsilon ~ N(0, 1) (Kingma and Welling
        2014, section 2.4). The rows are already repeated n_samples_per_z
        times, so the shape (B, L) stays.
        """
        return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Latents (B, L) to pixel probabilities, or bare outputs."""
        check_rows(z, self.z_size)
        output = self.decoder(z).to(z.dtype)
        return torch.sigmoid(output) if self.use_sigmoid else output

    def forward(
        self, x: torch.Tensor, n_samples_per_z: int = 1
    ) -> dict[str, torch.Tensor]:
        """Encode, sample, decode.

        Returns a dict: `imgs` (B, D'), the mean of the decodes over the
        samples, and `z`, `mean`, `logvar`, (B * n_samples_per_z, L) each,
        row b * n_samples_per_z + s belonging to sample s of input b.
        """
        mean, logvar = (
            h.repeat_interleave(n_samples_per_z, dim=0) for h in self.encode(x)
        )
        z = self.reparameterize(mean, logvar, n_samples_per_z)
        imgs = self.decode(z).unflatten(0, (len(x), n_samples_per_z))
        return {
            "imgs": imgs.mean(dim=1),
            "z": z,
            "mean": mean,
            "logvar": logvar,
        }
