"""The executed notebook: the same document for plain Jupyter.

Pandoc has written the text with marks for the cells; here both become one
notebook. Its Markdown is what Jupyter can show: numbers and references are
resolved, theorems and captions written out.
"""

import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook, new_output

from press.execute import Executed

_MARK = re.compile(r"^<!--press-(cell|output|text) (\d+)-->$", re.MULTILINE)
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_METADATA = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}


def notebook(
    text: str, executed: Executed, metadata: dict[str, Any]
) -> NotebookNode:
    """The notebook of these parts; every id and count is reproducible."""
    cells: list[NotebookNode] = []
    pieces = ["text", "0", *_MARK.split(text)]
    for kind, number, piece in zip(*[iter(pieces)] * 3, strict=True):
        piece = piece.strip()
        if kind == "cell":
            cells.append(executed.cells[int(number)])
        if kind == "output":  # of an asis chunk: what it printed, rendered
            cell = cells[-1]
            data = {"text/markdown": piece, "text/plain": piece}
            shown = [new_output("display_data", data=data)] if piece else []
            others = [o for o in cell.outputs if o.output_type != "stream"]
            cell.outputs = shown + others
        elif piece:
            cells.append(new_markdown_cell(piece))
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    return new_notebook(cells=cells, metadata={**_METADATA, **metadata})
