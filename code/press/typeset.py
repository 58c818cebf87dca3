"""Typst: the page as a PDF, and the numbers that it has given."""

import json
import re
from pathlib import Path
from typing import Any

import typst

from press.errors import PressError
from press.splice import Spliced

PAGE = Path(__file__).parent / "page.typ"
_NO_FONT = (
    "no font on this machine has `{}`; install one (on Debian `apt install "
    "fonts-noto-cjk fonts-noto-color-emoji`; elsewhere a font's file in the "
    "user's own folder of fonts will do), or write it otherwise"
)
_GLYPH = re.compile(r'the (?:text|disallowed codepoint) `"(.+?)"`')


def compile_pdf(
    source: Path, timestamp: int, spliced: Spliced, system: bool = False
) -> tuple[bytes, list[dict[str, Any]]]:
    """The PDF of a Typst file; id, name, number and page of each label.

    Where Typst's fonts lack a character, those of the machine serve as well.

    Raises PressError for Typst's errors and warnings, and for a formula that
    is wider than the page.
    """
    compiler: Any = typst.Compiler(
        str(source), root=str(source.parent), ignore_system_fonts=not system
    )
    try:
        # accessible: tags, alt text, a title
        data, warnings = compiler.compile_with_warnings(
            format="pdf", pdf_standards="ua-1", timestamp=timestamp
        )
        numbers = json.loads(compiler.query("<press-numbers>", field="value"))
        wide = json.loads(compiler.query("<press-wide>", field="value"))
    except typst.TypstError as error:
        if not system and _GLYPH.search(_diagnostic(error)):
            return compile_pdf(source, timestamp, spliced, system=True)
        raise _fault(_diagnostic(error), spliced) from error
    for warning in warnings:
        raise _fault(_diagnostic(warning), spliced)
    for formula in wide:
        tex = formula["alt"]
        start = tex.removeprefix(r"\begin{aligned} ").strip()[:40]
        raise PressError(
            f"{spliced.find(tex)}: the formula `{start}...` is "
            f"{formula['excess']:.0f} pt wider than the page; break its lines "
            "inside `aligned`."
        )
    return data, numbers[0]


def _fault(message: str, spliced: Spliced) -> PressError:
    words, snippet = "", re.search(r"│ \d+ │ (.*?) │", message)
    if glyph := _GLYPH.search(message):
        words = re.sub(r"\\u\{(\w+)\}", lambda x: chr(int(x[1], 16)), glyph[1])
        seen = words.isprintable() and words.strip()
        codes = " ".join(f"U+{ord(character):04X}" for character in words)
        reason = _NO_FONT.format(words if seen else codes)
    elif "depth exceeded" in message:
        reason = "its lists, quotes or divs are nested too deeply"
    else:
        words = snippet[1] if snippet else ""
        reason = f"Typst: {message.partition('┌─')[0].strip()}"
    return PressError(f"{spliced.find(words)}: {reason}.")


def _diagnostic(error: Any) -> str:
    return re.sub(r"\s+", " ", f"{error.message} {error.diagnostic or ''}")
