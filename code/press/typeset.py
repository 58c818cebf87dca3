"""The page: press's tree to Typst, and Typst to PDF.

What the page looks like is template.typ's business alone; this module calls
the functions of that template.
"""

import json
import re
from pathlib import Path
from typing import Any

import typst

from press import pandoc
from press.errors import PressError
from press.pandoc import Node, para

TEMPLATE = Path(__file__).parent / "template.typ"


def lower(blocks: list[Node]) -> list[Node]:
    """Press's nodes as calls of the template's functions."""
    return pandoc.walk(blocks, _lower)


def _lower(node: Node) -> Any:
    if node["t"] == "Math":
        return _math(node)
    method = _LOWER.get(node["t"])
    return method(node["c"]) if method else None


def _raw(text: str) -> Node:
    return {"t": "RawInline", "c": ["typst", text]}


def _raw_block(text: str) -> Node:
    return {"t": "RawBlock", "c": ["typst", text]}


def _string(text: str) -> str:
    """A Typst string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


def _call(name: str, *arguments: str) -> str:
    return f"#{name}({', '.join(arguments)})"


def _math(node: Node) -> Node:
    """Pandoc makes a wide negative space of `\\!` for Typst: leave it out."""
    kind, tex = node["c"]
    return {"t": "Math", "c": [kind, tex.replace(r"\!", "")]}


def _header(content: Any) -> Node:
    level, (id_, _classes, pairs), inlines = content
    values = dict(pairs)
    number, name = values["number"], values["name"]
    call = _call(
        "press-heading",
        str(level),
        _string(number),
        _string(name),
        _string(id_),
    )
    return para([_raw(call + "["), *lower(inlines), _raw("]")])


def _chunk(content: Any) -> list[Node]:
    code = content["code"]
    shown = [pandoc.code_block(code, "python")] if code else []
    return [*shown, *lower(content["blocks"])]


def _figure(content: Any) -> Node:
    panels = "".join(_panel(panel) + ", " for panel in content["panels"])
    call = _call(
        "press-figure",
        _string(content["number"]),
        _string(content["id"]),
        str(content["columns"]),
        f"({panels})",
    )
    inlines = [_raw(call + "["), *lower(content["caption"])]
    for panel in content["panels"]:
        inlines += [_raw("]["), *lower(panel["caption"])]
    return para([*inlines, _raw("]")])


def _panel(panel: dict[str, Any]) -> str:
    width = panel["width"] or "100%"
    return (
        f"(path: {_string(panel['file'])}, width: {width}, "
        f"alt: {_string(panel['alt'])}, id: {_string(panel['id'])}, "
        f"letter: {_string(panel['letter'])})"
    )


def _table(content: Any) -> list[Node]:
    call = _call(
        "press-table", _string(content["number"]), _string(content["id"])
    )
    caption = lower(content["caption"])
    return [
        para([_raw(call + "["), *caption, _raw("][")]),
        *lower([content["table"]]),
        _raw_block("]"),
    ]


def _theorem(content: Any) -> list[Node]:
    call = _call(
        "press-theorem",
        _string(content["kind"]),
        _string(content["number"]),
        _string(content["id"]),
    )
    name = lower(content["name"])
    return [
        para([_raw(call + "["), *name, _raw("][")]),
        *lower(content["blocks"]),
        _raw_block("]"),
    ]


def _proof(content: Any) -> list[Node]:
    call = _call("press-proof", _string(content["kind"]))
    return [
        _raw_block(call + "["),
        *lower(content["blocks"]),
        _raw_block("]"),
    ]


def _equation(content: Any) -> list[Node]:
    call = _call(
        "press-equation",
        _string(f"({content['number']})"),
        _string(content["id"]),
    )
    math = {"t": "Math", "c": [{"t": "DisplayMath"}, content["tex"]]}
    return [_raw(call + "["), _math(math), _raw("]")]


def _page_ref(content: Any) -> Node:
    return _raw(_call("press-page", f"<{content['id']}>"))


_LOWER: dict[str, Any] = {
    "Header": _header,
    "PressChunk": _chunk,
    "PressFigure": _figure,
    "PressTable": _table,
    "PressTheorem": _theorem,
    "PressProof": _proof,
    "PressEquation": _equation,
    "PressPageRef": _page_ref,
    "PressPageBreak": lambda _: _raw_block("#pagebreak(weak: true)"),
    "PressAppendix": lambda _: [],
}


def typst_source(
    tree: Node, folder: Path, bibliography: list[str], keywords: list[str]
) -> str:
    """The Typst source of a page tree."""
    lowered = {**tree, "blocks": lower(tree["blocks"])}
    arguments = ["-f", "json", "-t", "typst-citations", "--wrap=none"]
    arguments += ["--template", str(TEMPLATE), *bibliography]
    for keyword in keywords:
        arguments += ["-V", f"keyword={_string(keyword)}"]
    for author in _authors(tree["meta"].get("author")):
        arguments += ["-V", f"author-string={_string(author)}"]
    return pandoc.run(json.dumps(lowered), *arguments, folder=folder)


def _authors(meta: Node | None) -> list[str]:
    if not meta:
        return []
    many = meta["c"] if meta["t"] == "MetaList" else [meta]
    return [pandoc.text(author["c"]) for author in many]


def compile_pdf(source: Path, pdf: Path, timestamp: int) -> None:
    """Compile a Typst file; fonts are those that the typst wheel carries."""
    try:
        compiler = typst.Compiler(
            str(source), root=str(source.parent), ignore_system_fonts=True
        )
        _, warnings = compiler.compile_with_warnings(
            output=str(pdf), format="pdf", timestamp=timestamp
        )
    except typst.TypstError as error:
        raise PressError(f"Typst: {_diagnostic(error)}") from error
    for warning in warnings:
        raise PressError(f"Typst warns: {_diagnostic(warning)}")


def _diagnostic(error: Any) -> str:
    return re.sub(r"\s+", " ", f"{error.message} {error.diagnostic or ''}")
