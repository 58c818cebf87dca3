"""Figures as files: which format, how wide, and the copy in the notebook.

The kernel sends each figure as SVG and as PNG at 160 dpi.  The page takes
the SVG, sharp at any size, unless it is large, as clouds of points and grids
of images are; then the PNG.  The notebook takes a PNG at screen resolution:
Jupyter shows no SVG in a notebook that it does not trust yet.
"""

import base64
import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import Image

from press.execute import DPI

SVG_LIMIT = 200_000  # bytes
NOTEBOOK_DPI = 120


@dataclass(frozen=True)
class Picture:
    """A figure's file: its suffix, content and natural width in inches."""

    suffix: str
    data: bytes
    width: float


def picture(bundle: dict[str, Any]) -> Picture:
    """The file that the page shows, from a MIME bundle with an image."""
    png = base64.b64decode(bundle.get("image/png", ""))
    svg = bundle.get("image/svg+xml", "").encode()
    width = _width(png, svg)
    if svg and (not png or len(svg) <= SVG_LIMIT):
        return Picture(".svg", svg, width)
    return Picture(".png", _repacked(png, 1.0), width)


def is_image(bundle: dict[str, Any]) -> bool:
    return "image/png" in bundle or "image/svg+xml" in bundle


def for_notebook(output: Any, alt: str) -> Any:
    """The notebook's output: one PNG with its alt text and its size."""
    data = output["data"]
    png = base64.b64decode(data["image/png"])
    small = _repacked(png, NOTEBOOK_DPI / DPI)
    width = round(_width(png, b"") * 100)
    output["data"] = {
        "image/png": base64.b64encode(small).decode() + "\n",
        "text/plain": data.get("text/plain", "<Figure>"),
    }
    output["metadata"] = {"image/png": {"alt": alt, "width": width}}
    return output


def _width(png: bytes, svg: bytes) -> float:
    if png:
        return Image.open(io.BytesIO(png)).width / DPI
    found = re.search(rb'<svg[^>]*\swidth="([\d.]+)pt"', svg)
    return float(found[1]) / 72 if found else 6.3


def _repacked(png: bytes, scale: float) -> bytes:
    """The same picture without dates, smaller by `scale`, well packed."""
    image: Image.Image = Image.open(io.BytesIO(png))
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    if scale < 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    # 256 colours are enough for a chart, at a third of the bytes
    image = image.quantize(256, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, "png", dpi=(DPI * scale, DPI * scale), optimize=True)
    return out.getvalue()
