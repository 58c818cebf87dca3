"""The executed notebook: the same document for plain Jupyter.

Its Markdown is what Jupyter can show: numbers and references are resolved,
theorems and captions are written out, footnotes stand below their cell.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook, new_output

from press import execute, pandoc
from press.pandoc import Node, emph, para, string, strong

_MARK = re.compile(r"^<!--press-(cell|output|text) (\d+)-->$", re.MULTILINE)
_FORMAT = "gfm-tex_math_gfm+tex_math_dollars-raw_html-footnotes"


class Part(NamedTuple):
    """A piece of the notebook: a text, a cell, or the output of a cell."""

    kind: str  # "text", "cell" or "output"
    number: int
    text: str


def markdown(
    tree: Node, folder: Path, bibliography: list[str], pages: dict[str, int]
) -> list[Part]:
    """The document's texts and cells in their order."""
    blocks = [*_title(tree["meta"]), *_Lower(pages).flat(tree["blocks"])]
    lowered = {**tree, "meta": _meta(tree), "blocks": blocks}
    arguments = ["-f", "json", "-t", _FORMAT, "--wrap=none", *bibliography]
    text = pandoc.run(json.dumps(lowered), *arguments, folder=folder)
    pieces = ["text", "0", *_MARK.split(text)]
    if pieces[2].strip() == "":
        pieces = pieces[3:]
    parts = [
        Part(kind, int(number), piece.strip())
        for kind, number, piece in zip(*[iter(pieces)] * 3, strict=True)
    ]
    return [part for part in parts if part.text or part.kind == "cell"]


def _title(meta: Node) -> list[Node]:
    """The notebook's first lines."""
    out: list[Node] = []
    if "title" in meta:
        title = ["", [], []], meta["title"]["c"]
        out.append({"t": "Header", "c": [1, *title]})
    for key in ("subtitle", "author", "date"):
        if key in meta and meta[key]["t"] == "MetaInlines":
            out.append(para(meta[key]["c"]))
    return out


def _meta(tree: Node) -> Node:
    """Only what the bibliography needs."""
    keys = ("nocite", "lang")
    return {k: v for k, v in tree["meta"].items() if k in keys}


def notebook(
    parts: list[Part],
    executed: execute.Executed,
    metadata: dict[str, Any],
) -> NotebookNode:
    """The notebook of these parts; every id and count is reproducible."""
    cells = [executed.first] if executed.first.execution_count else []
    for part in parts:
        if part.kind == "cell":
            cells.append(executed.cells[part.number])
        if part.kind == "output":
            cell = executed.cells[part.number]
            cell.outputs = _rendered(cell.outputs, part.text)
        elif part.text:
            cells.append(new_markdown_cell(part.text))
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    return new_notebook(
        cells=cells, metadata={**execute.kernel_metadata(), **metadata}
    )


def _rendered(outputs: list[Any], text: str) -> list[Any]:
    """The outputs of an asis chunk: the Markdown it printed, rendered."""
    kept = [o for o in outputs if o["output_type"] != "stream"]
    data = {"text/markdown": text, "text/plain": text}
    return [new_output("display_data", data=data), *kept]


class _Lower:
    """Press's nodes as Markdown that Jupyter can show."""

    def __init__(self, pages: dict[str, int]) -> None:
        self.pages = pages
        self.notes: list[list[Node]] = []

    def flat(self, blocks: list[Node]) -> list[Node]:
        out: list[Node] = []
        for block in blocks:
            out += self.block(block)
        return out

    def block(self, block: Node) -> list[Node]:
        content: Any = block.get("c")
        match block["t"]:
            case "PressChunk":
                return self.chunk(content)
            case "PressFigure":
                return self.figure(content)
            case "PressTable":
                title = f"Table {content['number']}."
                caption = self.title(title, content["caption"])
                return [caption, *self.flat([content["table"]])]
            case "PressTheorem":
                return self.theorem(content)
            case "PressProof":
                mark = [string("\N{WHITE SQUARE}")]
                end = [para(mark)] if content["kind"] == "Proof" else []
                head = para([emph([string(content["kind"] + ".")])])
                return [head, *self.flat(content["blocks"]), *end]
            case "Header":
                return [self.header(content)]
            case "PressPageBreak" | "PressAppendix":
                return []
        return pandoc.walk([block], self.inline)

    def title(self, head: str, inlines: list[Node]) -> Node:
        tail = pandoc.walk(inlines, self.inline)
        return para([strong([string(head)]), {"t": "Space"}, *tail])

    def header(self, content: Any) -> Node:
        level, (_id, _classes, pairs), inlines = content
        values = dict(pairs)
        head = values["number"]
        if head and level == 1:
            head = f"{values['name']} {head}:"
        number = [string(head), {"t": "Space"}] if head else []
        inner = pandoc.walk(inlines, self.inline)
        return {"t": "Header", "c": [level, ["", [], []], number + inner]}

    def chunk(self, content: Any) -> list[Node]:
        number = content["number"]
        if not content["eval"]:
            return [pandoc.code_block(content["source"], "python")]
        cell = _mark("cell", number)
        if content["asis"]:
            output = self.flat(content["blocks"])
            return [cell, _mark("output", number), *output, _mark("text", 0)]
        # the cell's own outputs show the figures, but not their captions
        captions = [
            self.caption(block["c"])
            for block in content["blocks"]
            if block["t"] == "PressFigure"
        ]
        return [cell, *captions]

    def caption(self, content: Any) -> Node:
        inlines = list(content["caption"])
        for panel in content["panels"]:
            if panel["letter"] and panel["caption"]:
                letter = [{"t": "Space"}, string(panel["letter"])]
                inlines += [*letter, {"t": "Space"}, *panel["caption"]]
        return self.title(f"Figure {content['number']}.", inlines)

    def figure(self, content: Any) -> list[Node]:
        images = [
            {
                "t": "Image",
                "c": [
                    ["", [], []],
                    [string(panel["alt"])],
                    [panel["file"], ""],
                ],
            }
            for panel in content["panels"]
        ]
        return [para(images), self.caption(content)]

    def theorem(self, content: Any) -> list[Node]:
        head = f"{content['kind']} {content['number']}"
        name = content["name"]
        inner = [string("("), *name, string(")")] if name else []
        return [self.title(head, inner), *self.flat(content["blocks"])]

    def inline(self, node: Node) -> Any:
        content: Any = node.get("c")
        match node["t"]:
            case "PressEquation":
                tex = content["tex"].rstrip()
                tag = rf"\tag{{{content['number']}}}"
                return {
                    "t": "Math",
                    "c": [{"t": "DisplayMath"}, f"{tex} {tag}"],
                }
            case "PressPageRef":
                return string(str(self.pages.get(content["id"], "?")))
            case "Link" if content[2][0].startswith("#"):
                return pandoc.walk(content[1], self.inline)
            case "Note":
                inner = pandoc.walk(_inlines(content), self.inline)
                return [string(" ("), *inner, string(")")]
        return None


def _inlines(blocks: list[Node]) -> list[Node]:
    """The text of a footnote, its paragraphs joined."""
    out: list[Node] = []
    for block in blocks:
        if block["t"] in ("Para", "Plain"):
            out += [*([{"t": "Space"}] if out else []), *block["c"]]
    return out


def _mark(kind: str, number: int) -> Node:
    text = f"<!--press-{kind} {number}-->"
    return {"t": "RawBlock", "c": ["gfm", text]}
