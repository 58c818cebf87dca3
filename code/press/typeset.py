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
    "user's own folder of fonts will do), or write it otherwise."
)
_GLYPH = re.compile(
    r'(?:the text|the disallowed codepoint) `"(.+?)"`(?: could not be)?'
)


def fonts(words: set[str], folder: Path) -> tuple[bool, list[str]]:
    """Whether the machine's fonts are needed, and what even they lack."""
    page = folder / "words.typ"
    texts = ", ".join(json.dumps(w, ensure_ascii=False) for w in sorted(words))
    page.write_text(
        '#set document(title: "t")\n'
        f"#for word in ({texts},) {{ text(word) + parbreak() }}\n",
        "utf-8",
    )
    missing: list[str] = []
    for system in (False, True):
        try:
            _compile(page, system)
        except typst.TypstError as error:
            missing = _lacking(_diagnostic(error))
            if not missing:
                raise
        else:
            return system, []
    return True, missing


def no_font(text: str) -> str:
    """The complaint about a text, its characters named if none is seen."""
    seen = text.isprintable() and text.strip()
    names = " ".join(f"U+{ord(character):04X}" for character in text)
    return _NO_FONT.format(text if seen else names)


def _lacking(message: str) -> list[str]:
    """The texts that no font can show, where Typst complains of such."""
    return [
        re.sub(r"\\u\{(\w+)\}", lambda x: chr(int(x[1], 16)), text)
        for text in _GLYPH.findall(message)
    ]


def _compile(source: Path, system: bool, **options: Any) -> Any:
    compiler = typst.Compiler(
        str(source), root=str(source.parent), ignore_system_fonts=not system
    )
    # accessible: tags, alt text, a title
    done = compiler.compile_with_warnings(
        format="pdf", pdf_standards="ua-1", **options
    )
    return compiler, *done


def compile_pdf(
    source: Path, pdf: Path, timestamp: int, system: bool, spliced: Spliced
) -> list[dict[str, Any]]:
    """Compile a Typst file; id, name, number and page of each label.

    Raises PressError for Typst's errors and warnings, and for a formula that
    is wider than the page.
    """
    try:
        compiler, data, warnings = _compile(
            source, system, timestamp=timestamp
        )
        numbers = json.loads(compiler.query("<press-numbers>", field="value"))
        wide = json.loads(compiler.query("<press-wide>", field="value"))
    except typst.TypstError as error:
        if not system and _lacking(_diagnostic(error)):  # in an output
            return compile_pdf(source, pdf, timestamp, True, spliced)
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
    pdf.write_bytes(data)
    return numbers[0]


def _fault(message: str, spliced: Spliced) -> PressError:
    for text in _lacking(message):
        return PressError(f"{spliced.find(text)}: {no_font(text)}")
    if "depth exceeded" in message:
        reason = "its lists, quotes or divs are nested too deeply"
        return PressError(f"{spliced.name}: {reason}.")
    snippet = re.search(r"│ \d+ │ (.*?) │", message)
    place = spliced.find(snippet[1]) if snippet else None
    reason = message.partition("┌─")[0].strip()
    return PressError(f"{place or spliced.name}: Typst: {reason}.")


def _diagnostic(error: Any) -> str:
    return re.sub(r"\s+", " ", f"{error.message} {error.diagnostic or ''}")
