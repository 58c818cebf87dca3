r"""The cells of report.qmd that define what a question asks for.

A chunk whose label begins with `code-` holds definitions of this package, so
that the document shows, runs and hands in the code itself. They are the
package's own: `differences` compares the syntax trees without docstrings and
comments, and `sync` writes the package's text into the document, each
docstring cut to its first line.

A cell may define a method by its name alone, `def reparameterize(self, ...)`,
and bind it below, `VAE.reparameterize = reparameterize`; it is compared with
that method. What a cell holds besides definitions stays as it is.

    python -m aevb.cells report.qmd
"""

import ast
import re
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from textwrap import dedent

PACKAGE = Path(__file__).parent
CHUNK = re.compile(
    r"^```\{python\}\n#\| label: (code-[\w-]+)\n((?:#\|[^\n]*\n)*)(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
Definition = ast.FunctionDef | ast.ClassDef


def bare(node: ast.AST) -> str:
    """A syntax tree as text, without the constants that stand alone, which
    docstrings are."""
    tree = deepcopy(node)
    for inner in ast.walk(tree):
        if isinstance(body := getattr(inner, "body", None), list):
            body[:] = [s for s in body if not _is_constant(s)]
    return ast.dump(tree)


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@cache
def library() -> dict[str, tuple[str, Definition]]:
    """The file and the definition of each function, class and method.

    Methods go by `Class.method`. Of a name that two files define it is the
    last one's, and a cell that shows the other differs.
    """
    found: dict[str, tuple[str, Definition]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.parse(text).body:
            if not isinstance(node, Definition):
                continue
            found[node.name] = text, node
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    found[f"{node.name}.{inner.name}"] = text, inner
    return found


def definitions(cell: str) -> dict[str, Definition]:
    """The definitions of a cell, methods by `Class.method`."""
    body = ast.parse(cell).body
    bound = {
        node.value.id: ast.unparse(node.targets[0])
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and isinstance(node.targets[0], ast.Attribute)
    }
    nodes = [node for node in body if isinstance(node, Definition)]
    return {bound.get(node.name, node.name): node for node in nodes}


def shown(text: str, node: Definition) -> str:
    """The source of a definition, each docstring cut to its first line."""
    lines = text.splitlines(keepends=True)
    for inner in ast.walk(node):
        if isinstance(inner, Definition) and (doc := ast.get_docstring(inner)):
            words, first = inner.body[0], doc.splitlines()[0]
            raw = "r" if "\\" in first else ""
            cut = " " * words.col_offset + f'{raw}"""{first}"""\n'
            rest = [""] * ((words.end_lineno or 0) - words.lineno)
            lines[words.lineno - 1 : words.end_lineno] = [cut, *rest]
    start = min(n.lineno for n in (node, *node.decorator_list))
    return dedent("".join(lines[start - 1 : node.end_lineno]))


def differences(document: str) -> list[str]:
    """What the cells define otherwise than the package does, in sentences."""
    known, found = library(), []
    for label, _, cell in CHUNK.findall(document):
        for name, node in definitions(cell).items():
            if name not in known:
                found.append(f"{label}: aevb defines no {name}")
            elif bare(node) != bare(known[name][1]):
                found.append(f"{label}: {name} is not aevb's; run make sync")
    return found


def sync(document: str) -> str:
    """The document with the package's definitions in its cells."""
    known = library()

    def renewed(match: re.Match[str]) -> str:
        label, options, cell = match.groups()
        lines = cell.splitlines()
        found = definitions(cell)
        for name, node in reversed(found.items()):
            if name in known:
                start = min(n.lineno for n in (node, *node.decorator_list))
                text = shown(*known[name]).splitlines()
                lines[start - 1 : node.end_lineno] = text
        body = "\n".join(lines).rstrip()
        return f"```{{python}}\n#| label: {label}\n{options}{body}\n```"

    return CHUNK.sub(renewed, document)


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(sync(path.read_text("utf-8")), "utf-8")
