"""Typst: the page as a PDF, and the numbers that it has given."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import typst

from press.errors import PressError
from press.splice import Spliced

PAGE = Path(__file__).parent / "page.typ"
_GLYPH = re.compile(r'the text `"(.+?)"` could not be displayed')


class Compiled(NamedTuple):
    """What the compiled page says about itself."""

    numbers: list[dict[str, Any]]  # id, name, number, page of each label
    wide: list[dict[str, Any]]  # formulas wider than the text: alt, excess


def fonts(characters: set[str], folder: Path) -> tuple[bool, str]:
    """Whether the machine's fonts are needed, and what even they lack."""
    page = folder / "characters.typ"
    words = ", ".join(json.dumps(c, ensure_ascii=False) for c in sorted(characters))
    page.write_text(
        '#set document(title: "t")\n'
        f"#for c in ({words},) {{ text(c) + parbreak() }}\n",
        "utf-8",
    )
    missing = ""
    for system in (False, True):
        try:
            _compile(page, system)[0]
        except typst.TypstError as error:
            missing = "".join(_GLYPH.findall(_diagnostic(error)))
            if not missing:
                raise
        else:
            return system, ""
    return True, missing


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
) -> Compiled:
    """Compile a Typst file.

    Raises PressError for Typst's errors and for its warnings.
    """
    try:
        compiler, data, warnings = _compile(source, system, timestamp=timestamp)
        numbers = json.loads(compiler.query("<press-numbers>", field="value"))
        wide = json.loads(compiler.query("<press-wide>", field="value"))
    except typst.TypstError as error:
        raise _fault(_diagnostic(error), spliced) from error
    for warning in warnings:
        raise _fault(_diagnostic(warning), spliced)
    pdf.write_bytes(data)
    return Compiled(numbers[0], wide)


def _fault(message: str, spliced: Spliced) -> PressError:
    found = _GLYPH.search(message)
    place = spliced.find(found[1]) if found else None
    return PressError(f"{place or spliced.lines[0].file}: Typst: {message}")


def _diagnostic(error: Any) -> str:
    return re.sub(r"\s+", " ", f"{error.message} {error.diagnostic or ''}")
