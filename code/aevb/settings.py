"""The settings of every training: typed, frozen and refused where wrong.

Nothing here imports PyTorch, so that a command line that is refused, or
asks for help, answers at once. No setting's code enters the key of a run:
its values do.
"""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from aevb.errors import UserError

# beyond, a step overflows float32
Rate = Annotated[float, Field(gt=0, le=1e30)]
Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Width = Annotated[int, Field(gt=0, strict=True)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, strict=False)]


class Config(BaseModel):
    """The settings that every training has; frozen, typed, closed.

    Raises:
        UserError: a field is unknown, has the wrong type or a value out
            of its range; the message names the field.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )
    judged_by: ClassVar[tuple[str, ...]] = ()
    """Settings of the evaluation alone: no weight depends on them."""

    epochs: Count = 20
    """Passes over the training data."""
    batch_size: Count = 256
    """Examples in a step."""
    lr: Rate = 2e-3
    """Peak learning rate."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the run over which the rate rises."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """What moves the matrices of residual blocks; AdamW moves the rest."""
    muon_rms: float = Field(default=0.2, gt=0)
    """Root mean square of Muon's steps over the rate; AdamW's is near 0.2."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of the matrices."""
    beta2: float = Field(default=0.99, gt=0, lt=1)
    """Decay of AdamW's second moment."""
    ema: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the average of the weights; 0 keeps the last weights."""
    train_size: int = Field(default=0, ge=0)
    """Training examples to use; 0 means all."""
    seed: Seed = 0
    """Seed of the initial weights, the order and the noise."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes the fastest there is."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of matrix products; auto asks the hardware."""
    threads: Annotated[int, Field(gt=0, le=1024)] = 1
    """CPU threads. Networks of this size gain little from a second one, and
    lose much where another program has its core; two trainings at once, one
    thread each, do gain. The numbers do not depend on the machine's cores."""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UserError(_explain(type(self), error)) from None
        if (there_are := self.examples()) is None:
            return
        used = self.train_size or there_are
        for field, asked, most in (
            ("train_size", self.train_size, there_are),
            ("batch_size", self.batch_size, used),
        ):
            if asked > most:
                raise UserError(
                    f"{field}: there are {most} training examples, fewer "
                    f"than {asked}"
                )

    def examples(self) -> int | None:
        """The number of training examples; None where the task alone
        knows it."""
        return None


def _explain(config: type[Config], error: ValidationError) -> str:
    """The first fault that pydantic found, in one sentence."""
    fault = error.errors()[0]
    field = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        known = ", ".join(config.model_fields)
        return f"unknown setting {field!r}: the settings are {known}"
    reason = fault["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return f"{field or config.__name__}: {reason} (got {fault['input']!r})"


class MnistConfig(Config):
    """Settings of a training on MNIST's 60 000 training images."""

    warmup: float = Field(default=0.05, ge=0, lt=1)
    lr: Rate = 3e-3

    def examples(self) -> int:
        return 60_000


class AEConfig(MnistConfig):
    """Settings of the auto-encoder."""

    epochs: Count = 11
    batch_size: Count = 512
    lr: Rate = 8e-3
    optimizer: Literal["adamw", "muon"] = "muon"
    weight_decay: float = Field(default=0.01, ge=0)
    hidden_dims: Widths = (192, 192, 192, 2)
    """Widths of the encoder's layers; the last is the size of the code."""

    @property
    def latent_size(self) -> int:
        return self.hidden_dims[-1]


class VAEConfig(MnistConfig):
    """Settings of a VAE on binary MNIST."""

    judged_by = ("importance_samples", "test_size")

    epochs: Count = 80
    batch_size: Count = 512
    weight_decay: float = Field(default=0.1, ge=0)
    hidden_dims: Widths = (256, 256, 256, 4)
    """Widths of the encoder's layers; the last is twice the latent size."""
    decoder_dims: tuple[Width, ...] = Field(default=(), strict=False)
    """Widths of the decoder's layers; none: the encoder's, backwards."""
    bilinear: bool = False
    """Whether blocks multiply two linear maps in place of GELU."""
    estimator: Literal["kl", "sgvb", "stl"] = "kl"
    """How the rate is estimated: in closed form, from the sample, or from
    the sample with the score left out of the gradient."""
    coeff: float = Field(default=1.0, ge=0)
    """Weight of the rate in the objective; 1 is the ELBO."""
    importance_samples: int = Field(default=100, gt=0)
    """Importance samples an image for the test log likelihood."""
    test_size: int = Field(default=10_000, gt=1, le=10_000)
    """Test images that the final numbers are means over."""

    @field_validator("hidden_dims")
    @classmethod
    def _even(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if widths[-1] % 2:
            raise ValueError(
                "the last of hidden_dims must be even, a mean and a log "
                "variance for each latent dimension"
            )
        return widths

    @property
    def latent_size(self) -> int:
        return self.hidden_dims[-1] // 2


class AugmentedConfig(VAEConfig):
    """Settings of a VAE that sees deformed images in training."""

    deformed: float = Field(default=0.0, ge=0, le=1)
    """Share of a batch, in whole images, that is deformed a little."""
    bend: float = Field(default=0.0, ge=0, le=14)
    """Root mean square, in pixels, by which bending moves either coordinate
    of deformed images; they are turned, sheared, resized and moved in any
    case."""


class ExactConfig(AugmentedConfig):
    """Settings of a VAE whose decoder is trained on log p(x) itself."""

    epochs: Count = 20
    batch_size: Count = 1024
    lr: Rate = 1e-2
    optimizer: Literal["adamw", "muon"] = "muon"
    hidden_dims: Widths = (192, 192, 192, 4)
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """bfloat16 would round log p(x | z) by about a nat."""
    points: Count = 1024
    """Lattice points in a step, G."""
    encoded: float = Field(default=0.5, gt=0, le=1)
    """Share of a batch that the encoder is fitted to."""
    matching: float = Field(default=0.5, ge=0, le=1)
    """Share of the run in which the encoder is fitted to draws from the
    posterior; in the rest it maximises the ELBO."""
    importance_samples: int = Field(default=25, gt=0)
    """Importance samples an image; the plane is integrated over as well."""


class TorusConfig(Config):
    """Settings of a VAE on the torus."""

    judged_by = ("pairs",)

    latent: Literal["plane", "torus"] = "torus"
    """The latent space."""
    frequencies: int = Field(default=0, ge=0)
    """Octaves of sines and cosines that the encoder sees; 0: the point."""

    epochs: Count = 150
    batch_size: Count = 500
    lr: Rate = 3e-3
    ema: float = Field(default=0.99, ge=0, lt=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    R: float = 1.0
    """Major radius of the torus."""
    r: float = 0.5
    """Minor radius, below R."""
    size: Count = 3000
    """Points in the cloud."""
    cloud_seed: Seed = 1234
    """Seed of the cloud, by default the course's; the second angle uses
    the next."""
    hidden_dims: Widths = (128, 128)
    """Widths of the hidden layers of the encoder; the decoder's backwards."""
    coeff: float = Field(default=1.0, gt=0)
    """Weight of the KL divergence; 1 is the ELBO, and 0 is refused."""
    noise_min: float = Field(default=0.01, gt=0)
    """Least standard deviation s of the likelihood, and its final one."""
    trials: Count = 4
    """Number of short trial trainings; the best is continued."""
    trial_epochs: Count = 45
    """Epochs of each of them, on top of `epochs`."""
    pairs: int = Field(default=500, gt=1)
    """Random pairs of points between which paths are measured."""

    def model_post_init(self, _: Any) -> None:
        if not math.inf > self.R > self.r > 0:
            raise UserError(
                f"R = {self.R} and r = {self.r} make no torus; take R > r > 0"
            )

    def examples(self) -> int:
        return self.size
