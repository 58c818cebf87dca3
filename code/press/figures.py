"""Figures as files: which format, how wide, and the copy in the notebook.

The kernel draws each figure once, as SVG. The page takes that, sharp at any
size, unless it is large, as clouds of points and grids of images are; then a
PNG, as the notebook always does: Jupyter shows no SVG in a notebook that it
does not trust yet. Typst makes the PNG, far faster than the kernel would.
"""

import base64
import io
import re
from typing import Any, NamedTuple

import typst
from PIL import Image

from press.errors import PressError
from press.reader import Chunk

DPI = 160
SVG_LIMIT = 100_000  # bytes
# what cannot stand as it is in a URL between single quotes
_URL = {ord(c): f"%{ord(c):02X}" for c in "%#\n&'<>"}


class Picture(NamedTuple):
    """A figure: its PNG as base64, its SVG where that is small (else empty),
    and its natural width in inches."""

    png: str
    svg: str
    width: float


def is_image(output: Any) -> bool:
    bundle = output.get("data", {})
    return "image/png" in bundle or "image/svg+xml" in bundle


def picture(bundle: dict[str, Any], chunk: Chunk) -> Picture:
    """The figure of a MIME bundle with an image.

    Raises PressError if it could not be drawn.
    """
    if "image/svg+xml" not in bundle:
        png = bundle["image/png"].strip()
        image = Image.open(io.BytesIO(base64.b64decode(png)))
        return Picture(png, "", image.width / DPI)
    # two digits of a point are enough for the points of a path
    svg = re.sub(
        r' d="[^"]*"',
        lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]),
        bundle["image/svg+xml"],
    )
    found = re.search(r'<svg[^>]*\swidth="([\d.]+)pt"', svg)
    if not found:
        raise PressError(
            f"{chunk.place}: the figure of {chunk.name} cannot be drawn: {svg}"
        )
    small = svg if len(svg) <= SVG_LIMIT else ""
    return Picture(_drawn(svg), small, float(found[1]) / 72)


def _drawn(svg: str) -> str:
    """The drawing as a well packed PNG, in base64."""
    files: Any = {
        "main.typ": b"#set page(width: auto, height: auto, margin: 0pt)\n"
        b'#image("figure.svg")',
        "figure.svg": svg.encode(),
    }
    page: Any = typst.compile(
        files, format="png", ppi=DPI, ignore_system_fonts=True
    )
    image = Image.open(io.BytesIO(page)).convert("RGB")
    # 256 colours are enough for a chart, at a third of the bytes
    image = image.quantize(256, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, "png", dpi=(DPI, DPI))
    return base64.b64encode(out.getvalue()).decode()


def for_screen(name: str, data: bytes) -> str:
    """A figure's file as a URL, short, to stand between single quotes."""
    if name.endswith(".svg"):  # as it is: shorter than as base64
        return f"data:image/svg+xml,{data.decode().translate(_URL)}"
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, "webp", quality=80)
    text = base64.b64encode(out.getvalue()).decode()
    return f"data:image/webp;base64,{text}"


def for_notebook(output: Any, picture: Picture, alt: str) -> None:
    """Leave one PNG in the output, with its alt text and its size."""
    data = output["data"]
    data["image/png"] = f"{picture.png}\n"
    data.pop("image/svg+xml", None)
    data.setdefault("text/plain", "<Figure>")
    output["metadata"] = {
        "image/png": {"alt": alt, "width": round(picture.width * 100)}
    }
