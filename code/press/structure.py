"""From Pandoc's tree to press's: what each part of the document is.

Pandoc knows paragraphs, tables and divs; Quarto gives some of them a meaning
by their labels (a figure, a theorem, an equation).  This module gives them
that meaning as nodes of their own, and refuses what press does not know:

    PressChunk     number, code (or None), blocks
    PressFigure    id, panels, columns, caption
    PressTable     id, caption, table
    PressTheorem   id, kind, name, blocks
    PressProof     kind, blocks
    PressEquation  id, tex                      (inline)
    PressRef       ids, style                   (inline)
    PressPageRef   id                           (inline)
    PressPageBreak, PressAppendix, PressInline  (index)
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from press import features, mathematics, pandoc
from press.errors import PressError
from press.pandoc import Node

THEOREMS = {
    "thm": "Theorem",
    "lem": "Lemma",
    "cor": "Corollary",
    "prp": "Proposition",
    "cnj": "Conjecture",
    "def": "Definition",
    "exm": "Example",
    "exr": "Exercise",
}
PROOFS = {"proof": "Proof", "remark": "Remark", "solution": "Solution"}

# An error of this module knows the words that are wrong, not their place.
Fault = Callable[[str, str], PressError]


def node(kind: str, /, **content: Any) -> Node:
    return {"t": f"Press{kind}", "c": content}


def prefix(label: str) -> str:
    """The kind of thing that a label names ("" if Quarto has no such)."""
    head = label.split("-", 1)[0].lower() if "-" in label else ""
    return head if features.accepts("label", head) else ""


def inline_code(tree: Node) -> str | None:
    """The expression of an inline `{python} expression`, if it is one."""
    if tree["t"] != "Code":
        return None
    found = re.match(r"\{(\w+)\}\s+(.*)$", tree["c"][1], re.DOTALL)
    return found[2] if found and found[1] == "python" else None


def marker(tree: Node, name: str) -> int | None:
    """The number of a placeholder that the reader has left."""
    if tree["t"] != "CodeBlock" or name not in tree["c"][0][1]:
        return None
    return int(dict(tree["c"][0][2])["n"])


class Structure:
    """Gives the parts of a tree their meaning."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def blocks(self, blocks: list[Node]) -> list[Node]:
        out: list[Node] = []
        for block in blocks:
            out += self.block(block)
        return out

    def block(self, block: Node) -> list[Node]:
        kind = block["t"]
        if kind.startswith("Press"):
            return [block]
        if kind == "RawBlock":
            return self._raw_block(block)
        if not features.accepts("block", kind):
            raise self.fault(pandoc.text(block), f"press does not know {kind}")
        method = getattr(self, f"block_{kind.lower()}", None)
        if method:
            return method(block)
        return [{**block, "c": self.content(block.get("c"))}]

    def content(self, content: Any) -> Any:
        """Lists of blocks or inlines, at any depth (lists, quotes, cells)."""
        if not isinstance(content, list) or not content:
            return content
        if isinstance(content[0], dict) and "t" in content[0]:
            if _is_inline(content[0]):
                return self.inlines(content)
            if _is_block(content[0]):
                return self.blocks(content)
        return [self.content(item) for item in content]

    # blocks

    def _raw_block(self, block: Node) -> list[Node]:
        format_, text = block["c"]
        if format_ in ("tex", "latex") and text.strip() == r"\appendix":
            return [node("Appendix")]
        if format_ == "html" and re.fullmatch(
            r"\s*(<!--.*?-->\s*)+", text, re.DOTALL
        ):
            return []
        raise self.fault(text, f"raw {format_} is not portable")

    def block_header(self, block: Node) -> list[Node]:
        level, (id_, classes, pairs), inlines = block["c"]
        for name in classes:
            if not features.accepts("heading class", name):
                raise self.fault(name, f"unknown heading class `{name}`")
        if pairs:
            raise self.fault(pairs[0][0], "unknown heading attribute")
        attributes = [id_, classes, []]
        return [
            {"t": "Header", "c": [level, attributes, self.inlines(inlines)]}
        ]

    def block_codeblock(self, block: Node) -> list[Node]:
        (_id, classes, pairs), code = block["c"]
        if "press-pagebreak" in classes:
            return [node("PageBreak")]
        if "press-chunk" in classes:
            raise self.fault(code, "a chunk cannot stand inside a list")
        for name in classes:
            if not features.accepts("code language", name):
                raise self.fault(f"`{name}", f"unknown code language `{name}`")
        if pairs:
            raise self.fault(pairs[0][0], "unknown attribute of a code block")
        return [pandoc.code_block(code, *classes[:1])]

    def block_para(self, block: Node) -> list[Node]:
        return [{"t": "Para", "c": self.inlines(block["c"])}]

    def block_table(self, block: Node) -> list[Node]:
        attributes, (short, caption), *rest = block["c"]
        rest = [self.content(part) for part in rest]
        inlines = [x for part in caption for x in part["c"]]
        label = attributes[0] or _label_at_end(inlines)
        table = {"t": "Table", "c": [["", [], []], [short, []], *rest]}
        if not label and not inlines:
            return [table]
        if prefix(label) != "tbl" or not inlines:
            raise self.fault(
                label or pandoc.text(inlines)[:20],
                "a table has both a caption and a label {#tbl-...}, or none",
            )
        caption = self.inlines(inlines)
        return [node("Table", id=label, caption=caption, table=table)]

    def block_figure(self, block: Node) -> list[Node]:
        (id_, _classes, _pairs), (_short, caption), content = block["c"]
        images = [x for x in pandoc.nodes(content) if x["t"] == "Image"]
        inlines = [x for part in caption for x in part["c"]]
        panel = self.panel(images[0], id_)
        if prefix(id_) != "fig":
            raise self.fault(
                images[0]["c"][2][0], "a figure needs a label {#fig-...}"
            )
        panel["id"] = ""
        panel["caption"] = []
        caption = self.inlines(inlines)
        return [
            node("Figure", id=id_, panels=[panel], columns=1, caption=caption)
        ]

    def panel(self, image: Node, id_: str) -> dict[str, Any]:
        (_id, _classes, pairs), inlines, (target, _title) = image["c"]
        values = dict(pairs)
        for name in values:
            if not features.accepts("image attribute", name):
                raise self.fault(name, f"unknown image attribute `{name}`")
        if not values.get("fig-alt", "").strip():
            raise self.fault(target, f"the image `{target}` lacks a fig-alt")
        return {
            "file": target,
            "width": values.get("width", ""),
            "alt": values["fig-alt"],
            "id": id_ or image["c"][0][0],
            "caption": self.inlines(inlines),
        }

    def block_div(self, block: Node) -> list[Node]:
        (id_, classes, pairs), blocks = block["c"]
        values = dict(pairs)
        for name in values:
            if not features.accepts("div attribute", name):
                raise self.fault(name, f"unknown attribute `{name}` of a div")
        kind = prefix(id_)
        if id_ == "refs":
            return [block]
        if kind in THEOREMS:
            return self.theorem(id_, THEOREMS[kind], values, blocks)
        if kind == "fig":
            return self.panels(id_, values, blocks)
        if len(classes) == 1 and features.accepts("div", classes[0]):
            inner = self.blocks(blocks)
            return [node("Proof", kind=PROOFS[classes[0]], blocks=inner)]
        name = "#" + id_ if id_ else "." + " .".join(classes)
        words = id_ or (classes[0] if classes else ":::")
        raise self.fault(words, f"press does not know the div `{name}`")

    def theorem(
        self, id_: str, kind: str, values: dict[str, str], blocks: list[Node]
    ) -> list[Node]:
        name = pandoc.words(values.get("name", ""))
        if blocks and blocks[0]["t"] == "Header":
            name, blocks = self.inlines(blocks[0]["c"][2]), blocks[1:]
        inner = self.blocks(blocks)
        return [node("Theorem", id=id_, kind=kind, name=name, blocks=inner)]

    def panels(
        self, id_: str, values: dict[str, str], blocks: list[Node]
    ) -> list[Node]:
        *figures, last = self.blocks(blocks) or [{"t": "Null"}]
        if last["t"] != "Para" or not figures:
            raise self.fault(
                id_, "a figure div holds figures and, last, its caption"
            )
        panels = []
        for figure in figures:
            if figure["t"] != "PressFigure" or len(figure["c"]["panels"]) > 1:
                raise self.fault(
                    id_, "a figure div holds figures and, last, its caption"
                )
            part = figure["c"]
            panels.append(
                {
                    **part["panels"][0],
                    "id": part["id"],
                    "caption": part["caption"],
                }
            )
        columns = values.get("layout-ncol", "1")
        if not re.fullmatch("[1-6]", columns):
            raise self.fault(
                id_, f"layout-ncol must be from 1 to 6, not `{columns}`"
            )
        return [
            node(
                "Figure",
                id=id_,
                panels=panels,
                columns=int(columns),
                caption=last["c"],
            )
        ]

    # inlines

    def inlines(self, inlines: list[Node]) -> list[Node]:
        out: list[Node] = []
        for inline in inlines:
            if not self.labels_equation(out, inline):
                out += self.inline(inline)
        return out

    def labels_equation(self, before: list[Node], inline: Node) -> bool:
        """Whether this is the `{#eq-x}` after a display equation."""
        found = inline["t"] == "Str" and re.match(
            r"\{#(eq-[\w-]+)\}(.*)$", inline["c"]
        )
        if not found:
            return False
        if before and before[-1]["t"] == "Space":
            before.pop()
        if (
            not before
            or before[-1]["t"] != "Math"
            or not _is_display(before[-1])
        ):
            raise self.fault(
                found[1], f"the label `{found[1]}` must follow its equation"
            )
        before[-1] = node("Equation", id=found[1], tex=before[-1]["c"][1])
        if found[2]:
            before.append(pandoc.string(found[2]))
        return True

    def inline(self, inline: Node) -> list[Node]:
        kind = inline["t"]
        if kind.startswith("Press"):
            return [inline]
        if kind == "RawInline":
            return self._raw_inline(inline)
        if not features.accepts("inline", kind):
            raise self.fault(
                pandoc.text(inline), f"press does not know {kind} in a text"
            )
        method = getattr(self, f"inline_{kind.lower()}", None)
        if method:
            return method(inline)
        return (
            [{**inline, "c": self.content(inline["c"])}]
            if "c" in inline
            else [inline]
        )

    def _raw_inline(self, inline: Node) -> list[Node]:
        format_, text = inline["c"]
        found = re.fullmatch(r"\\pageref\{([\w-]+)\}", text.strip())
        if format_ in ("tex", "latex") and found:
            return [node("PageRef", id=found[1])]
        if format_ == "html" and re.fullmatch(r"<!--.*-->", text, re.DOTALL):
            return []
        raise self.fault(text, f"raw {format_} `{text}` is not portable")

    def inline_str(self, inline: Node) -> list[Node]:
        if "{{<" in inline["c"] or "{python}" in inline["c"]:
            raise self.fault(
                inline["c"], f"`{inline['c']}` cannot stand in this place"
            )
        if "[^" in inline["c"]:
            raise self.fault(inline["c"], "this footnote is not defined")
        return [inline]

    def inline_math(self, inline: Node) -> list[Node]:
        bad = mathematics.traps(inline["c"][1])
        if bad:
            raise self.fault(bad, f"`{bad}` cannot stand inside math")
        return [inline]

    def inline_code(self, inline: Node) -> list[Node]:
        (_id, classes, pairs), text = inline["c"]
        if classes or pairs:
            raise self.fault(text, "inline code takes no attributes")
        if re.match(r"\{\w+\}\s", text):
            raise self.fault(text, f"`{text}` cannot be run in this place")
        return [inline]

    def inline_image(self, inline: Node) -> list[Node]:
        raise self.fault(
            inline["c"][2][0],
            "an image stands in a paragraph of its own, with a caption",
        )

    def inline_cite(self, inline: Node) -> list[Node]:
        citations = inline["c"][0]
        ids = [citation["citationId"] for citation in citations]
        if not any(prefix(id_) for id_ in ids):
            return [inline]
        for citation in citations:
            if not prefix(citation["citationId"]) or (
                citation["citationPrefix"] or citation["citationSuffix"]
            ):
                raise self.fault(
                    ids[0], "a reference takes no prefix, suffix or citation"
                )
        bare = citations[0]["citationMode"]["t"] == "SuppressAuthor"
        return [node("Ref", ids=ids, bare=bare)]


def _label_at_end(inlines: list[Node]) -> str:
    """Takes a trailing `{#tbl-x}` off a caption."""
    if not inlines or inlines[-1]["t"] != "Str":
        return ""
    found = re.fullmatch(r"\{#([\w-]+)\}", inlines[-1]["c"])
    if not found:
        return ""
    del inlines[-1:]
    while inlines and inlines[-1]["t"] == "Space":
        inlines.pop()
    return found[1]


def _is_display(math: Node) -> bool:
    return math["c"][0]["t"] == "DisplayMath"


_BLOCKS = {*features.names("block"), "RawBlock", "LineBlock", "Null"}
_INLINES = {*features.names("inline"), "RawInline", "Span"}


def _is_block(tree: Node) -> bool:
    return tree["t"] in _BLOCKS or tree["t"].startswith("Press")


def _is_inline(tree: Node) -> bool:
    return tree["t"] in _INLINES or tree["t"] in (
        "PressInline",
        "PressEquation",
        "PressRef",
        "PressPageRef",
    )


def placeholders(blocks: list[Node]) -> Iterator[Node]:
    """Chunk markers and inline expressions in the order of the text."""
    for tree in pandoc.nodes(blocks):
        if marker(tree, "press-chunk") is not None or inline_code(tree):
            yield tree
