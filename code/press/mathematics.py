r"""TeX formulas as Typst formulas: Pandoc's translation, its traps removed.

Pandoc turns `\!` and `\;` into wide or missing spaces, `\Bigl(` into a
stretched glyph and `\operatorname{KL}` into text that is spaced like text;
here the first three are rewritten before it and the last one after it.
"""

import re
from pathlib import Path

from press import pandoc

_BIG = re.compile(r"\\[bB]igg?([lr])(?![A-Za-z])")
_NAME = re.compile(r"\\operatorname\*\s*\{([^{}]*)\}")
# a string, and what makes it an argument or styled text where it is one
_STRING = re.compile(
    r'((?:: |(?:upright|bold|italic|sans|mono)\()?)"((?:[^"\\]|\\.)*)"'
)
_CUT = "PRESSCUT"


def traps(tex: str) -> str | None:
    r"""A command that cannot be set alike in both engines, if there is one.

    >>> traps(r"\Big| x")
    '\\Big'
    """
    rest = _BIG.sub("", tex)
    found = re.search(
        r"\\(?:[bB]igg?m?|label|tag|intertext|eqref|ref)(?![A-Za-z])"
        r"|\\begin\{(?:align|gather|equation|split)\*?\}|`\{python\}",
        rest,
    )
    return found[0] if found else None


def prepared(tex: str) -> str:
    r"""TeX that Pandoc translates well.

    >>> prepared(r"\Bigl( x\!\Bigr)\;y")
    '\\left( x\\right)\\:y'
    """
    tex = tex.replace(r"\!", "").replace(r"\;", r"\:")
    sides = {"l": r"\left", "r": r"\right"}
    return _BIG.sub(lambda found: sides[found[1]], tex)


def typst(formulas: list[str], folder: Path) -> list[str]:
    """The Typst of each formula, without its dollar signs."""
    if not formulas:
        return []
    separator = f"\n\n{_CUT}\n\n"
    paragraphs = [f"$${prepared(tex).strip()}$$" for tex in formulas]
    text = pandoc.run(
        separator.join(_joined(p) for p in paragraphs),
        *("-f", "markdown", "-t", "typst", "--wrap=none"),
        folder=folder,
    )
    parts = [part.strip() for part in text.split(_CUT)]
    return [
        _operators(part.strip("$ \n"), tex)
        for part, tex in zip(parts, formulas, strict=True)
    ]


def _joined(paragraph: str) -> str:
    """A blank line would end the formula."""
    return re.sub(r"\n\s*\n", "\n", paragraph)


def _operators(math: str, tex: str) -> str:
    """Named operators as operators: the space around them is right."""
    starred = {_plain(name) for name in _NAME.findall(tex)}

    def operator(found: re.Match[str]) -> str:
        if found[1]:
            return found[0]
        limits = ", limits: #true" if _plain(found[2]) in starred else ""
        return f'op("{found[2]}"{limits})'

    return _STRING.sub(operator, math)


def _plain(name: str) -> str:
    """A name without the space inside it."""
    return re.sub(r"\\[,:; ]|~|\s", "", name)
