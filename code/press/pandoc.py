"""Pandoc's document tree, as the JSON that it reads and writes.

A node is a dict {"t": type, "c": content}.  Between reading and writing,
press puts nodes of its own into the tree (their type begins with "Press");
each backend lowers them to Pandoc's before it writes.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypandoc

Node = dict[str, Any]

MARKDOWN = "markdown"  # the dialect that Quarto hands to Pandoc
# a long row must not turn a table's columns into equal shares of the line
_WIDE_TABLES = ("--columns", "10000")


class Refusal(Exception):
    """What Pandoc does not accept, and the words of the source it is about."""

    def __init__(self, complaint: str) -> None:
        text = complaint.replace("[WARNING]", "")
        text = re.sub(r" at (\S+ )?line \d+ column \d+", "", text)
        super().__init__(" ".join(text.split()).rstrip("."))
        found = _SUBJECT.search(complaint)
        self.words = next(filter(None, found.groups()), "") if found else ""


_SUBJECT = re.compile(
    r"citation (\S+) not found|TeX math (.*?), rendering"
    r"|(?:Note with key|reference|identifier) '(.*?)'",
    re.DOTALL,
)


def run(text: str, *arguments: str, folder: Path) -> str:
    """What Pandoc makes of `text`; it raises Refusal at any warning."""
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), *arguments],
        input=text,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )
    if done.stderr.strip() or done.returncode:
        raise Refusal(done.stderr)
    return done.stdout


def parse(text: str, folder: Path) -> Node:
    """Markdown to a tree."""
    arguments = ("-f", MARKDOWN, "-t", "json", *_WIDE_TABLES)
    return json.loads(run(text, *arguments, folder=folder))


def walk(node: Any, visit: Callable[[Node], Any]) -> Any:
    """Rebuild a tree: `visit` returns None to descend, or a replacement.

    A replacement is a node, or a list of nodes that takes its place.
    """
    if isinstance(node, list):
        return list(_walk_list(node, visit))
    if isinstance(node, dict):
        return {key: walk(value, visit) for key, value in node.items()}
    return node


def _walk_list(
    nodes: list[Any], visit: Callable[[Node], Any]
) -> Iterator[Any]:
    for node in nodes:
        is_node = isinstance(node, dict) and "t" in node
        new = visit(node) if is_node else None
        if new is None:
            yield walk(node, visit)
        elif isinstance(new, list):
            yield from new
        else:
            yield new


def nodes(tree: Any) -> Iterator[Node]:
    """Every node, in the order of the text."""
    if isinstance(tree, dict) and "t" in tree:
        yield tree
    children = tree.values() if isinstance(tree, dict) else tree
    if isinstance(children, list) or isinstance(tree, dict):
        for child in children:
            yield from nodes(child)


def text(inlines: Any) -> str:
    """The plain text of a piece of a tree."""
    parts = []
    for node in nodes(inlines):
        if node["t"] in ("Str", "Emoji"):
            parts.append(node["c"])
        elif node["t"] in ("Code", "Math"):
            parts.append(node["c"][1])
        elif node["t"] in ("Space", "SoftBreak", "LineBreak"):
            parts.append(" ")
    return "".join(parts)


def string(value: str) -> Node:
    return {"t": "Str", "c": value}


def words(value: str) -> list[Node]:
    """Plain text as inlines."""
    out: list[Node] = []
    for word in value.split():
        out += [{"t": "Space"}, string(word)]
    return out[1:]


def para(inlines: list[Node]) -> Node:
    return {"t": "Para", "c": inlines}


def strong(inlines: list[Node]) -> Node:
    return {"t": "Strong", "c": inlines}


def emph(inlines: list[Node]) -> Node:
    return {"t": "Emph", "c": inlines}


def code_block(source: str, language: str = "") -> Node:
    return {
        "t": "CodeBlock",
        "c": [["", [language] * bool(language), []], source],
    }
