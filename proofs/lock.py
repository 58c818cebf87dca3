"""The lock: what the page proves is generated, and all of it is shown."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

_CHUNK = re.compile(r"^```\{python\}.*?^```$", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"proofs\.show\(([^)]*)\)")
_DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_INLINE = re.compile(r"(?<!\$)\$(?!\$)[^$]*=[^$]*\$(?!\$)")
_HEADING = re.compile(r"^#+\s.*$", re.MULTILINE)
_TITLE = re.compile(r"^:::+ *\{#[^}]*\}\s*^#+\s.*$", re.MULTILINE)
_DIV = re.compile(r"^:::+ *\{(\.proof|#(thm|lem|prp|cor)-)", re.MULTILINE)


def typed(text: str) -> list[str]:
    """Equations typed by hand where the page proves something.

    That is in a theorem or proof div, and in every section with a call of
    `proofs.show`; there a display equation, or an inline one with an equals
    sign, must come from a derivation.
    """
    found = []
    for part in _sections(text):
        prose = _CHUNK.sub("", part)
        if not _CALL.search(part):
            prose = "\n".join(_divs(prose))
        found += _DISPLAY.findall(prose)
        found += _INLINE.findall(_DISPLAY.sub("", prose))
    return found


def shown(text: str) -> list[str]:
    """The derivations that the page shows, in order."""
    calls = [
        call for chunk in _CHUNK.findall(text) for call in _CALL.findall(chunk)
    ]
    return [name for call in calls for name in re.findall(r'"([^"]+)"', call)]


def faults(text: str, names: Iterable[str]) -> list[str]:
    """All that is wrong with a page, in sentences."""
    found = shown(text)
    wrong = [f"typed by hand: {equation}" for equation in typed(text)]
    wrong += [f"`{name}` is not shown" for name in names if name not in found]
    wrong += [
        f"`{name}` is shown {found.count(name)} times"
        for name in dict.fromkeys(found)
        if found.count(name) > 1
    ]
    wrong += [f"`{n}` is no derivation" for n in found if n not in set(names)]
    return wrong


def _sections(text: str) -> list[str]:
    """The text between headings; a heading inside a chunk or div is none."""
    masked = text
    for inner in (_CHUNK, _TITLE):
        masked = inner.sub(lambda found: " " * len(found[0]), masked)
    starts = [0, *(m.start() for m in _HEADING.finditer(masked)), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(starts) if a < b]


def _divs(text: str) -> list[str]:
    """The theorem and proof divs of a text, each up to its closing fence."""
    divs = []
    for start in _DIV.finditer(text):
        end = re.compile(r"^:::+ *$", re.MULTILINE).search(text, start.end())
        divs.append(text[start.start() : end.end() if end else len(text)])
    return divs
