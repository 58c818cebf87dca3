"""The page: press's tree to Typst, and Typst to PDF.

What the page looks like is template.typ's business alone; this module calls
the functions of that template.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typst

from press import mathematics, pandoc
from press.errors import PressError
from press.pandoc import Node, para

TEMPLATE = Path(__file__).parent / "template.typ"


def typst_source(
    tree: Node, folder: Path, bibliography: list[str], keywords: list[str]
) -> str:
    """The Typst source of a page tree."""
    formulas = [tex for node in pandoc.nodes(tree) for tex in _tex(node)]
    translated = mathematics.typst(formulas, folder)
    lower = _Lower(dict(zip(formulas, translated, strict=True)))
    lowered = {
        **tree,
        "meta": lower(tree["meta"]),
        "blocks": lower(_with_contents(tree["blocks"])),
    }
    arguments = ["-f", "json", "-t", "typst-citations", "--wrap=none"]
    arguments += ["--template", str(TEMPLATE), *bibliography]
    for keyword in keywords:
        arguments += ["-V", f"keyword={_string(keyword)}"]
    for author in _authors(tree["meta"].get("author")):
        arguments += ["-V", f"author-string={_string(author)}"]
    return pandoc.run(json.dumps(lowered), *arguments, folder=folder)


def _with_contents(blocks: list[Node]) -> list[Node]:
    """The contents list stands after what comes before the first heading."""
    kinds = [block["t"] for block in blocks]
    first = kinds.index("Header") if "Header" in kinds else len(kinds)
    contents = _raw_block("#press-contents")
    return [*blocks[:first], contents, *blocks[first:]]


def _tex(node: Node) -> Iterator[str]:
    if node["t"] == "Math":
        yield node["c"][1]
    elif node["t"] == "PressEquation":
        yield node["c"]["tex"]


def _authors(meta: Node | None) -> list[str]:
    if not meta:
        return []
    many = meta["c"] if meta["t"] == "MetaList" else [meta]
    return [pandoc.text(author["c"]) for author in many]


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


def _run_in(head: list[Node], blocks: list[Node]) -> list[Node]:
    """The blocks, their first line beginning with `head`."""
    if blocks and blocks[0]["t"] == "Para":
        return [para([*head, *blocks[0]["c"]]), *blocks[1:]]
    return [para(head), *blocks]


def _run_out(blocks: list[Node], tail: list[Node]) -> list[Node]:
    """The blocks, their last line ending with `tail`."""
    if blocks and blocks[-1]["t"] == "Para":
        return [*blocks[:-1], para([*blocks[-1]["c"], *tail])]
    return [*blocks, para(tail)] if tail else blocks


def _announced(blocks: list[Node]) -> list[Node]:
    """The blocks, a paragraph before code on the page where that begins."""
    kinds = [block["t"] for block in blocks]
    return [
        para([_raw("#press-announcement["), *block["c"], _raw("]")])
        if kinds[i : i + 2] == ["Para", "CodeBlock"]
        else block
        for i, block in enumerate(blocks)
    ]


class _Lower:
    """Press's nodes as calls of the template's functions."""

    def __init__(self, formulas: dict[str, str]) -> None:
        self.formulas = formulas

    def __call__(self, tree: Any) -> Any:
        return pandoc.walk(tree, self.node)

    def node(self, node: Node) -> Any:
        method = getattr(self, node["t"].lower(), None)
        return method(node.get("c")) if method else None

    def math(self, content: Any) -> Node:
        kind, tex = content
        return self.formula(tex, block=kind["t"] == "DisplayMath")

    def formula(self, tex: str, block: bool) -> Node:
        """A formula; its TeX is what a screen reader says."""
        space = " " if block else ""
        math = f"${space}{self.formulas[tex]}{space}$"
        flag = "true" if block else "false"
        call = _call("press-math", _string(tex), flag)
        return _raw(f"{call}[{math}]")

    def header(self, content: Any) -> Node:
        level, (id_, _classes, pairs), inlines = content
        values = dict(pairs)
        call = _call(
            "press-heading",
            str(level),
            _string(values["number"]),
            _string(values["name"]),
            _string(id_),
        )
        return para([_raw(call + "["), *self(inlines), _raw("]")])

    def presschunk(self, content: Any) -> list[Node]:
        code = content["code"]
        shown = [pandoc.code_block(code, "python")] if code else []
        return [*shown, *_announced(self(content["blocks"]))]

    def pressfigure(self, content: Any) -> Node:
        panels = "".join(_panel(panel) + ", " for panel in content["panels"])
        call = _call(
            "press-figure",
            _string(content["number"]),
            _string(content["id"]),
            str(content["columns"]),
            f"({panels})",
        )
        inlines = [_raw(call + "["), *self(content["caption"])]
        for panel in content["panels"]:
            inlines += [_raw("]["), *self(panel["caption"])]
        return para([*inlines, _raw("]")])

    def presstable(self, content: Any) -> list[Node]:
        call = _call(
            "press-table", _string(content["number"]), _string(content["id"])
        )
        return [
            para([_raw(call + "["), *self(content["caption"]), _raw("][")]),
            *self([content["table"]]),
            _raw_block("]"),
        ]

    def presstheorem(self, content: Any) -> list[Node]:
        call = _call(
            "press-theorem",
            _string(content["kind"]),
            _string(content["number"]),
            _string(content["id"]),
        )
        head = [_raw(call + "["), *self(content["name"]), _raw("][")]
        return [*_run_in(head, self(content["blocks"])), _raw_block("]")]

    def pressproof(self, content: Any) -> list[Node]:
        head = [_raw(_call("press-proof", _string(content["kind"])) + "[")]
        mark = [_raw("#press-end")] if content["kind"] == "Proof" else []
        blocks = _run_out(self(content["blocks"]), mark)
        return [*_run_in(head, blocks), _raw_block("]")]

    def pressequation(self, content: Any) -> list[Node]:
        number, label = f"({content['number']})", content["id"]
        call = _call("press-equation", _string(number), _string(label))
        formula = self.formula(content["tex"], block=True)
        return [_raw(call + "["), formula, _raw("]")]

    def presspageref(self, content: Any) -> Node:
        return _raw(_call("press-page", _string(content["id"])))

    def presspagebreak(self, _content: Any) -> Node:
        return _raw_block("#pagebreak(weak: true)")

    def pressappendix(self, _content: Any) -> list[Node]:
        return []


def _panel(panel: dict[str, Any]) -> str:
    width = panel["width"] or "100%"
    return (
        f"(path: {_string(panel['file'])}, width: {width}, "
        f"alt: {_string(panel['alt'])}, id: {_string(panel['id'])}, "
        f"letter: {_string(panel['letter'])})"
    )


class Compiled(NamedTuple):
    """What the compiled page says about itself."""

    pages: dict[str, int]  # of each label that a page reference names
    wide: dict[str, float]  # formulas wider than the text, by how many points


def compile_pdf(source: Path, pdf: Path, timestamp: int) -> Compiled:
    """Compile a Typst file; its fonts are those of the typst wheel.

    Raises PressError for Typst's errors and for its warnings.
    """
    try:
        compiler = typst.Compiler(
            str(source), root=str(source.parent), ignore_system_fonts=True
        )
        _, warnings = compiler.compile_with_warnings(
            output=str(pdf),
            format="pdf",
            timestamp=timestamp,
            pdf_standards="ua-1",  # accessible: tags, alt text, a title
        )
        pages = json.loads(compiler.query("<press-page>", field="value"))
        wide = json.loads(compiler.query("<press-wide>", field="value"))
    except typst.TypstError as error:
        raise PressError(f"Typst: {_diagnostic(error)}") from error
    for warning in warnings:
        raise PressError(f"Typst warns: {_diagnostic(warning)}")
    return Compiled(
        {x["label"]: x["page"] for x in pages},
        {x["alt"]: x["excess"] for x in wide},
    )


def _diagnostic(error: Any) -> str:
    return re.sub(r"\s+", " ", f"{error.message} {error.diagnostic or ''}")
