"""Figures as files: which format, how wide, and the copy in the notebook.

The kernel sends each figure as SVG and as PNG at 160 dpi. The page takes the
SVG, sharp at any size, unless it is large, as clouds of points and grids of
images are; then the PNG. The notebook takes a PNG at screen resolution:
Jupyter shows no SVG in a notebook that it does not trust yet.
"""

import base64
import io
import re
from typing import Any, NamedTuple

from PIL import Image

DPI = 160
SVG_LIMIT = 200_000  # bytes
NOTEBOOK_DPI = 120


class Picture(NamedTuple):
    """A figure: its file's suffix and content, its natural width in inches,
    and the notebook's PNG."""

    suffix: str
    data: bytes
    width: float
    small: bytes


def is_image(output: Any) -> bool:
    bundle = output.get("data", {})
    return "image/png" in bundle or "image/svg+xml" in bundle


def picture(bundle: dict[str, Any]) -> Picture:
    """The figure of a MIME bundle with an image."""
    png = base64.b64decode(bundle.get("image/png", ""))
    svg = _short(bundle.get("image/svg+xml", "").encode())
    small = _repacked(png, NOTEBOOK_DPI / DPI) if png else b""
    if png:
        width = Image.open(io.BytesIO(png)).width / DPI
    else:
        found = re.search(rb'<svg[^>]*\swidth="([\d.]+)pt"', svg)
        width = float(found[1]) / 72 if found else 6.3
    if svg and (not png or len(svg) <= SVG_LIMIT):
        return Picture(".svg", svg, width, small)
    return Picture(".png", _repacked(png, 1.0), width, small)


def _short(svg: bytes) -> bytes:
    """The same drawing; a path's points have two digits of a point."""
    return re.sub(
        rb' d="[^"]*"', lambda x: re.sub(rb"(\.\d\d)\d+", rb"\1", x[0]), svg
    )


def for_notebook(output: Any, picture: Picture, alt: str) -> None:
    """Leave one PNG in the output, with its alt text and its size."""
    data = output["data"]
    if picture.small:
        data["image/png"] = base64.b64encode(picture.small).decode() + "\n"
        data.pop("image/svg+xml", None)
    data.setdefault("text/plain", "<Figure>")
    output["metadata"] = {
        "image/png": {"alt": alt, "width": round(picture.width * 100)}
    }


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
    image.save(out, "png", dpi=(DPI * scale, DPI * scale))
    return out.getvalue()
