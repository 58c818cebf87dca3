r"""Trained networks as text that a web page can hold and a browser can run.

A network is a list of layers, `integers` and `floats`. A layer names what it
does, its sizes, and the layers that it is made of, if any:

    ["linear", inputs, outputs, bias]     y = W h + b, with or without b
    ["norm", width, eps]                  layer normalisation, with a scale
    ["gelu"], ["product"]                 GELU; u * v of the halves (u, v)
    ["residual", layers]                  h + layers(h)

`integers` holds all matrices, and `floats` (float32) all vectors, in the
order of use. An integer n >= 0 is stored as 2 n, n < 0 as -2 n - 1, so that
small ones have an upper byte of 0; first come all lower bytes. A row of a
matrix is integers times a step of its own, which comes before the bias. With
16 bits a step is max |W_ij| / 32767, and a probability errs by a tenth of
what float16 makes it err.

Fewer bits will do if the rounding of one weight makes good that of those
before it (GPTQ, Frantar et al. 2023, algorithm 1): over inputs X the output
errs by tr(E X'X E') with E the error of W, and X'X of a decoder's layers has
few large eigenvalues, for all its inputs come from a plane.
"""

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aevb.checkpoints import replacing, write_json
from aevb.errors import UserError
from aevb.models import AE, VAE, ResidualBlock

BITS = 10
"""Bits of a weight whose inputs are known: a probability errs no more than
float16 makes it err, at two thirds of its length."""
NARROW = 16
"""Inputs of a matrix that is so small that it always has 16 bits."""
SPACES = {(4, 2): "plain", (6, 4): "toroidal"}
"""Latent spaces of points, by what the encoder gives and the decoder takes:
mean and log variance of a plane; cosine, sine and spread of two angles."""
DAMPING = 1e-6
"""What is added to the diagonal of X'X, in units of its mean."""


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def packed(array: Any, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> str:
    """The bytes of an array, deflated, little-endian, as base64."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 15, 9, strategy)
    content = np.ascontiguousarray(array).tobytes()
    return base64_of(pack.compress(content) + pack.flush())


def layer(module: nn.Module) -> list[Any]:
    """What stands for a part of `mlp`.

    Raises:
        UserError: it is of another kind.
    """
    if isinstance(module, ResidualBlock):
        between = ["product"] if module.bilinear else ["gelu"]
        inner, outer = layer(module.inner), layer(module.outer)
        return ["residual", [layer(module.norm), inner, between, outer]]
    if isinstance(module, nn.Linear):
        bias = module.bias is not None
        return ["linear", module.in_features, module.out_features, bias]
    if isinstance(module, nn.LayerNorm):
        return ["norm", *module.normalized_shape, module.eps]
    if isinstance(module, nn.GELU):
        return ["gelu"]
    raise UserError(
        f"a {type(module).__name__} is no part of the networks of "
        "aevb.models, and the page cannot run it"
    )


@torch.no_grad()
def pack(
    network: nn.Sequential, inputs: Tensor | None = None
) -> dict[str, Any]:
    """A network as a JSON value, {"layers", "integers", "floats"}.

    Args:
        network: of `aevb.models.mlp`.
        inputs: (N, inputs) that are like those that it will see. With
            them its matrices have 10 bits, without them 16.
    """
    layers = [layer(part) for part in network]
    seen = {} if inputs is None else _inputs(network, inputs)
    integers, floats = [], []
    for weight in network.parameters():
        values = weight.detach().cpu().double()
        if values.ndim == 2:
            rows, values = rounded(values, seen.get(weight))
            integers.append(rows.flatten())
        floats.append(values)  # of a matrix, the steps of its rows
    whole = np.concatenate([i.numpy() for i in integers]).astype("<i2")
    folded = (whole << 1) ^ (whole >> 15)
    planes = folded.view(np.uint8).reshape(-1, 2).T
    numbers = torch.cat(floats).numpy().astype("<f4")
    return {
        "layers": layers,
        # no string of weights comes twice, so that none is looked for
        "integers": packed(planes, zlib.Z_HUFFMAN_ONLY),
        "floats": packed(numbers),
    }


def _inputs(network: nn.Module, x: Tensor) -> dict[Tensor, Tensor]:
    """What each wide matrix is given when the network is given x."""
    seen: dict[Tensor, Tensor] = {}

    def note(module: nn.Linear, given: tuple[Tensor, ...]) -> None:
        seen[module.weight] = given[0].detach().cpu().double()

    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    wide = [m for m in linear if m.in_features > NARROW]
    hooks = [m.register_forward_pre_hook(note) for m in wide]
    network(x)
    for hook in hooks:
        hook.remove()
    return seen


def rounded(weight: Tensor, x: Tensor | None) -> tuple[Tensor, Tensor]:
    """Integers (O, I) and steps (O,) with W close to steps * integers.

    Without inputs x (N, I) to the nearest of 16 bits; with them column by
    column to the nearest of 10 bits, the columns after it made to
    compensate, so that x W' changes least.
    """
    limit = 2 ** ((16 if x is None else BITS) - 1) - 1
    steps = weight.abs().amax(dim=1).clamp(min=1e-30) / limit
    scaled = weight / steps[:, None]
    if x is None:
        return scaled.round(), steps
    moment = x.T @ x
    moment += DAMPING * moment.diag().mean() * torch.eye(len(moment))
    factor = torch.linalg.cholesky(torch.linalg.inv(moment), upper=True)
    for j in range(scaled.shape[1]):
        nearest = scaled[:, j].round().clamp(-limit, limit)
        error = (scaled[:, j] - nearest) / factor[j, j]
        scaled[:, j + 1 :] -= torch.outer(error, factor[j, j + 1 :])
        scaled[:, j] = nearest
    return scaled, steps


def export(run: Any, path: str | Path) -> list[Path]:
    """Write the networks of a finished run, as .json or .onnx.

    JSON is what the page reads, {"name", "key", "kind", "encoder",
    "decoder"}, with 16 bits a weight. ONNX is written by torch's own
    exporter, NAME-encoder.onnx and NAME-decoder.onnx; the number of rows is
    free.

    Returns:
        The files written.

    Raises:
        UserError: another ending, a run without two networks, packages
            that are missing, or a folder that cannot be written.
    """
    path = Path(path)
    model = run.model.cpu().eval()
    if path.suffix == ".onnx":
        return _export_onnx(model, path)
    if path.suffix != ".json":
        raise UserError(
            f"{path}: name a file that ends in .json, which the page reads, "
            "or in .onnx"
        )
    write_json(path, {"name": run.name, "key": run.key, **describe(model)})
    return [path]


def describe(model: Any) -> dict[str, Any]:
    """Both networks of a trained model and what kind of code it has.

    Raises:
        UserError: the model is none of this project's.
    """
    kind = _kind(model)  # refuses what has not two networks
    networks = {n: pack(getattr(model, n)) for n in ("encoder", "decoder")}
    return {**kind, **networks}


def _kind(model: Any) -> dict[str, Any]:
    """What kind of code a model has."""
    if isinstance(model, (AE, VAE)):
        return {"kind": "vae" if isinstance(model, VAE) else "ae"}
    if not hasattr(model, "encoder") or not hasattr(model, "decoder"):
        raise UserError(
            f"a {type(model).__name__} has no encoder and decoder to export"
        )
    sizes = model.encoder[-1].out_features, model.decoder[0].in_features
    if sizes not in SPACES:
        raise UserError(
            f"an encoder of {sizes[0]} outputs and a decoder of {sizes[1]} "
            "inputs belong to no latent space that the page knows"
        )
    encoding = getattr(model, "encoding", None)
    frequencies = getattr(encoding, "frequencies", 0)
    return {"kind": SPACES[sizes], "frequencies": frequencies}


def _export_onnx(model: Any, path: Path) -> list[Path]:
    """Encoder and decoder as two ONNX graphs beside `path`."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise UserError(
            "ONNX needs two more packages: pip install onnx onnxscript, or "
            "write .json"
        ) from None
    _kind(model)  # refuses what has not two networks
    written = []
    for part in ("encoder", "decoder"):
        network = getattr(model, part)
        first = next(m for m in network.modules() if isinstance(m, nn.Linear))
        program: Any = torch.onnx.export(
            network,
            (torch.zeros(2, first.in_features),),
            dynamo=True,
            verbose=False,
            dynamic_shapes=({0: torch.export.Dim("rows")},),
        )
        written.append(path.with_name(f"{path.stem}-{part}.onnx"))
        with replacing(written[-1]) as beside:
            program.save(beside)
    return written
