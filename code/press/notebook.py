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
_METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def notebook(
    text: str, executed: Executed, metadata: dict[str, Any]
) -> NotebookNode:
    """The notebook of these parts; every id and count is reproducible."""
    cells = []
    pieces = ["text", "0", *_MARK.split(text)]
    for kind, number, piece in zip(*[iter(pieces)] * 3, strict=True):
        piece = piece.strip()
        if kind == "output":
            cell = executed.cells[int(number)]
            cell.outputs = _rendered(cell.outputs, piece)
            continue
        if kind == "cell":
            cells.append(executed.cells[int(number)])
        if piece:
            cells.append(new_markdown_cell(piece))
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"
    return new_notebook(cells=cells, metadata={**_METADATA, **metadata})


def _rendered(outputs: list[Any], text: str) -> list[Any]:
    """The outputs of an asis chunk: the Markdown it printed, rendered."""
    kept = [o for o in outputs if o["output_type"] != "stream"]
    data = {"text/markdown": text, "text/plain": text}
    shown = [new_output("display_data", data=data)] if text else []
    return shown + kept
