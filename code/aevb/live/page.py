"""The explorers of the page: what a chunk prints, and pages of their own.

    page = live.Page()
    page.plane({"AE": ae, "VAE": vae}, images, labels)
    page.bound(vae, binary_images)
    page.estimators()
    page.torus({"plain": plain, "toroidal": toroidal}, torus)

Each call prints one raw HTML block, which Pandoc takes into a page and
leaves out of everything else: a figure with the explorer's data and its
caption. The first one also holds the script and the style, and a network
that several explorers use stands in the page once. Where scripts are off, a
figure shows its still picture, or nothing if it has none.
"""

import hashlib
import html
import io
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from aevb.checkpoints import write_text
from aevb.data import binarize, load_mnist
from aevb.errors import UserError
from aevb.live.networks import base64_of, describe, pack, packed
from aevb.models import VAE
from aevb.torus import Torus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES = 500
"""Test images on a page of its own."""
HALF, STEP = 4.5, 0.15
"""Half width and step of the lattice that finds where a posterior lies."""
HERMITE = (5, 8, 12, 16, 24, 36, 52, 72)
"""Nodes along an axis of the Gauss-Hermite rules that are tried in turn."""
CAPTIONS = {
    "plane": """
<strong>Try:</strong> drag the orange point, or move it with the arrow keys
(Shift for larger steps): the image is what the decoder makes of it. Hold the
pointer on a code to see the test image that it belongs to. A and B are two
codes; drag them, and walk the straight line between. Then change the
model: the point, A and B stay with their images.
<strong>Notice:</strong> the codes of the auto-encoder are as far apart as
they like, with empty ground between them that decodes to nothing in
particular. The prior of a VAE (dashed: 1, 2 and 3 standard deviations)
draws the codes together, so that most points inside the circles, and most
steps of a walk, decode to something like a digit.""",
    "bound": """
<strong>Try:</strong> take a test digit or draw one; drag the middle of the
blue ellipse, or its two handles, or move it with the arrow keys (with Shift
they stretch it). "Best normal" climbs to the q that maximises the ELBO.
<strong>Notice:</strong> filled is the true posterior p(z | x), by
quadrature (contours where it has fallen by 1/2, 2 and 9/2 nats); the
ellipses are one, two and three standard deviations of q(z | x). The bar
always adds up, log p(x) = ELBO + KL(q || p(z | x)): log p(x) does not
depend on q, so that whatever the ELBO gains, the divergence loses. Even the
best normal leaves some, as the posterior is not normal; what the encoder's q
leaves beyond that is the price of one network for all images.""",
    "estimators": """
<strong>Try:</strong> move mu, sigma and the number S of samples; draw new
noise. All estimators see the same noise.
<strong>Notice:</strong> the Monte Carlo estimate of KL(q || p) wanders
about the closed form, about two thirds of the time inside its band of one
standard error, which narrows as one over the root of S. The gradients differ
more: SGVB's keeps its spread even at mu = 0, sigma = 1, where q is the prior
and the true gradient zero.
Sticking the landing (STL) leaves the score out, and its spread vanishes
there; far from there it can be the noisier of the two.""",
    "torus": """
<strong>Try:</strong> turn a surface with the mouse or a finger; drag A and B
on a surface or on the square of angles, or move them with the arrow keys
(Tab goes from one picture to the next); take another pair.
<strong>Notice:</strong> each column shows a path in space and, below it,
the same path in its own coordinates, where it is straight for both models.
Codes are coloured by the angle u about the axis. The plane must tear the
torus somewhere, and a line across the tear decodes to a path off the
surface. The toroidal model's paths stay on it; they are no geodesics,
for a straight line of its angles need not be the shortest way.""",
}
"""What to try with an explorer, and what to notice."""
SCRIPTS = ("network", "draw", *CAPTIONS, "start")
"""What the page runs, in this order: a file for each explorer."""
ABSENT = "An explorer would stand here for models of two latent dimensions."
DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 54rem; margin: 2rem auto; padding: 0 1rem;
  font: 1.05rem/1.5 Georgia, serif; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<noscript>This page needs scripts; they run from the file itself.</noscript>
{body}
</main>
</body>
</html>
"""
"""A page that holds explorers alone."""


class Page:
    """The explorers of one page.

    Every method prints a raw HTML block, and returns nothing.

    Args:
        fenced: whether the block is fenced for Pandoc; bare HTML if not.
    """

    def __init__(self, fenced: bool = True) -> None:
        self.fenced = fenced
        self.networks: dict[int, str] = {}
        self.placed: set[str] = set()
        self.pending = [script()]  # what stands before the next figure
        self.figures: Counter[str] = Counter()

    def plane(
        self,
        models: Mapping[str, Any],
        images: Tensor,
        labels: Tensor,
        still: "Figure | None" = None,
        alt: str = "",
    ) -> None:
        """The latent plane of one or more models, switched in place.

        Args:
            models: a name for each `AE` or `VAE` of two latent dimensions.
            images: grey test images (N, 784), uint8.
            labels: their digits, (N,).
            still: what stands here where scripts are off; `alt` says what
                it shows.

        Raises:
            UserError: a model has not two latent dimensions.
        """
        entries = []
        for name, model in models.items():
            z = codes_of(model, images)
            entries.append(
                {
                    "name": name,
                    "prior": isinstance(model, VAE),
                    "decoder": self._network(model.decoder, around(z)),
                    "codes": packed(z.numpy().astype("<f4")),
                }
            )
        nibbles = ((images.cpu().int() * 15 + 127) // 255).byte().numpy()
        config = {
            "models": entries,
            "labels": labels.tolist(),
            "images": packed(nibbles[:, ::2] << 4 | nibbles[:, 1::2]),
        }
        self._print("plane", config, still, alt)

    def bound(
        self,
        model: VAE,
        images: Tensor,
        labels: Tensor,
        still: "Figure | None" = None,
        alt: str = "",
    ) -> None:
        """The ELBO's gap of a VAE of two latent dimensions.

        Args, errors: those of `plane`; binary images, float, stay as they
            are, and grey ones are binarised by a fixed draw.
        """
        z = codes_of(model, images)
        x = binary(images)
        rules = [np.polynomial.hermite_e.hermegauss(n) for n in HERMITE]
        config = {
            "encoder": self._network(model.encoder, x),
            "decoder": self._network(model.decoder, around(z)),
            "half": HALF,
            "step": STEP,
            "rules": [[t.tolist(), (w / w.sum()).tolist()] for t, w in rules],
            "labels": labels.tolist(),
            "codes": packed(z.numpy().astype("<f4")),
            "images": packed(np.packbits(x.numpy().astype(np.uint8), axis=1)),
        }
        self._print("bound", config, still, alt)

    def estimators(self, still: "Figure | None" = None, alt: str = "") -> None:
        """The estimators of KL(N(mu, sigma^2) || N(0, 1)) and of its
        gradient, with the same noise."""
        self._print("estimators", {}, still, alt)

    def torus(
        self,
        models: Mapping[str, Any],
        torus: Any,
        still: "Figure | None" = None,
        alt: str = "",
    ) -> None:
        """Paths of the models between two points of a torus, beside the
        geodesic.

        Args:
            models: a name for each `PointVAE`.
            torus: the `Torus` whose distances are shown.
        """
        entries = []
        for name, model in models.items():
            entry = describe(model)
            for part in ("encoder", "decoder"):
                entry[part] = self._place(entry[part])
            entries.append({"name": name, **entry})
        config = {"models": entries, "R": torus.R, "r": torus.r}
        self._print("torus", config, still, alt)

    def absent(self) -> None:
        """Say why there is no explorer here."""
        print(f"\n```{{=html}}\n<p>{ABSENT}</p>\n```\n")

    def _network(self, network: Any, inputs: Tensor) -> str:
        """The element's name of a network, which is packed once."""
        if id(network) not in self.networks:
            value = pack(network.cpu().eval(), inputs)
            self.networks[id(network)] = self._place(value)
        return self.networks[id(network)]

    def _place(self, value: dict[str, Any]) -> str:
        """Give a value an element of its own, once; the element's name."""
        text = json_text(value)
        name = "live-" + hashlib.sha256(text.encode()).hexdigest()[:12]
        if name not in self.placed:
            self.placed.add(name)
            element = f'<script type="application/json" id="{name}">'
            self.pending.append(f"{element}{text}</script>")
        return name

    def _print(
        self,
        kind: str,
        config: dict[str, Any],
        still: "Figure | None",
        alt: str,
    ) -> None:
        shown = "" if still is None else picture(still, alt)
        self.figures[kind] += 1
        number = self.figures[kind]
        name = f"live-{kind}" if number == 1 else f"live-{kind}-{number}"
        lines = [
            *self.pending,
            f'<figure class="live" id="{name}" data-live="{kind}"'
            f"{'' if shown else ' hidden'}>",
            f'<script type="application/json">{json_text(config)}</script>',
            shown,
            '<div class="live-body"></div>',
            f"<figcaption>{CAPTIONS[kind].strip()}</figcaption>",
            "</figure>",
        ]
        self.pending = []
        block = "\n".join(line for line in lines if line)
        print(f"\n```{{=html}}\n{block}\n```\n" if self.fenced else block)


def script() -> str:
    """The style and the script that all explorers share, as HTML."""
    folder = resources.files("aevb.live")
    style = (folder / "live.css").read_text(encoding="utf-8")
    source = "\n".join(
        (folder / f"{name}.js").read_text("utf-8") for name in SCRIPTS
    )
    return (
        f"<style>\n{style}</style>\n<script>\n(() => {{\n"
        f'"use strict";\n{source}}})();\n</script>'
    )


def json_text(value: Any) -> str:
    """JSON that no HTML parser takes for the end of its element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def picture(figure: "Figure", alt: str) -> str:
    """A matplotlib figure as an image for readers without scripts."""
    content = io.BytesIO()
    figure.savefig(content, format="webp", dpi=110)
    source = f"data:image/webp;base64,{base64_of(content.getvalue())}"
    return (
        f'<div class="live-still"><img src="{source}" '
        f'alt="{html.escape(alt)}"></div>'
    )


def binary(images: Tensor) -> Tensor:
    """Images in {0, 1}, float32; grey ones by a fixed draw."""
    images = images.cpu()
    if images.dtype == torch.uint8:
        return binarize(images, "fixed")
    return images.float()


@torch.no_grad()
def codes_of(model: Any, images: Tensor) -> Tensor:
    """Codes or posterior means of images, (N, 784) to (N, 2).

    Raises:
        UserError: no images, or the model's codes have another number of
            dimensions or are none.
    """
    model = model.cpu().eval()
    if len(images) == 0:
        raise UserError("there are no images; give at least one")
    given = images.cpu().float() / 255
    z = model.encode(binary(images) if isinstance(model, VAE) else given)
    z = z[0] if isinstance(z, tuple) else z
    if not isinstance(z, Tensor):
        raise UserError(
            f"{type(model).__name__}.encode returns no codes; it is yet to "
            "be filled in"
        )
    if z.shape[1] != 2:
        raise UserError(
            f"the explorers show a plane, and this model has {z.shape[1]} "
            "latent dimensions; take one whose hidden_dims end in 2 "
            "(auto-encoder) or 4 (VAE)"
        )
    return z


def around(z: Tensor) -> Tensor:
    """Codes (N, 2), and 2000 points of a wider normal about them."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2000, z.shape[1], generator=generator)
    return torch.cat([z, z.mean(dim=0) + 1.5 * z.std(dim=0) * noise])


def explore(run: Any, path: str | Path | None = None) -> Path:
    """Write a page with the explorers of a finished run, and name it.

    An auto-encoder has the plane, a VAE of two latent dimensions the bound
    as well, a model of the torus its paths.

    Args:
        run: of `runs.run`.
        path: of the page; `explore-NAME-KEY.html` in the current folder if
            none is given.

    Raises:
        UserError: nothing can be shown of this model, or the file cannot be
            written.
    """
    path = Path(path or f"explore-{run.name}-{run.key}.html")
    page, blocks = Page(fenced=False), io.StringIO()
    with redirect_stdout(blocks):
        if hasattr(run.config, "R"):
            torus = Torus(run.config.R, run.config.r)
            page.torus({run.name: run.model.cpu().eval()}, torus)
        else:
            test = load_mnist("cpu").test
            images, labels = test.images[:IMAGES], test.labels[:IMAGES]
            page.plane({run.name: run.model}, images, labels)
            if isinstance(run.model, VAE):
                page.bound(run.model, images, labels)
                page.estimators()
    title = html.escape(f"{run.name}, run {run.key}")
    write_text(path, DOCUMENT.format(title=title, body=blocks.getvalue()))
    return path
