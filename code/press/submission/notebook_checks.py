"""Checks of the notebook."""

import re
from collections.abc import Callable, Iterator

from press import execute
from press.submission.model import (
    AGAIN,
    QUICK,
    Notebook,
    Submission,
    other_code,
    quick_run,
    size,
    stale,
    unresolved,
)
from press.submission.pdf import compact, flat, plain
from press.submission.questions import QUESTIONS


def _hashes(made: Submission, book: Notebook) -> Iterator[str]:
    found = book.book.metadata.get("provenance")
    yield from stale(made, book.name, found if isinstance(found, dict) else {})


def _cell_name(book: Notebook, number: int) -> str:
    label = re.search(r"^#\| label: (\S+)", book.code[number].source, re.M)
    name = f" (`{label[1]}`)" if label else ""
    return f"{book.name}: code cell {number + 1}{name}"


def _counts(_: Submission, book: Notebook) -> Iterator[str]:
    run = 0
    for number, cell in enumerate(book.code):
        if not cell.source.strip():
            continue
        run += 1
        count = cell.execution_count
        if count != run:
            was = "was not run" if count is None else f"was run as [{count}]"
            yield (
                f"{_cell_name(book, number)} {was}, not as [{run}]; {AGAIN} "
                "(or restart the kernel and run all cells)."
            )
            return  # all that follow are out of step as well


def _errors(_: Submission, book: Notebook) -> Iterator[str]:
    for number, cell in enumerate(book.code):
        for output in cell.outputs:
            if output.output_type == "error":
                yield (
                    f"{_cell_name(book, number)} ended with "
                    f"{output.ename}: {flat(output.evalue)[:80]}; correct "
                    f"it, then {AGAIN}."
                )


def _cells(made: Submission, book: Notebook) -> Iterator[str]:
    chunks = [c for c in made.document.chunks if c.options.get("eval", True)]
    expected = [execute.FIRST_CELL, *(chunk.source for chunk in chunks)]
    found = [cell.source for cell in book.code if cell.source.strip()]
    for number, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one.strip() != other.strip():
            yield (
                f"{_cell_name(book, number)} is not the code that stands at "
                f"its place in {made.source}; {AGAIN}."
            )
            return
    if len(expected) != len(found):
        yield (
            f"{book.name}: has {len(found)} code cells where {made.source} "
            f"makes {len(expected)}; {AGAIN}."
        )


def _pictures(_: Submission, book: Notebook) -> Iterator[str]:
    for label in (label for q in QUESTIONS for label in q.shows):
        figure = label.startswith("fig-")
        kind = "image/png" if figure else "text/markdown"
        head = f"#| label: {label}\n"
        cells = [c for c in book.code if head in c.source + "\n"]
        outputs = [o for c in cells for o in c.outputs]
        shown = any(
            kind in o.get("data", {})
            or (o.output_type == "stream" and not figure)
            for o in outputs
        )
        if cells and not shown:
            yield f"{book.name}: `{label}` shows nothing; {AGAIN}."


def _outputs(book: Notebook) -> Iterator[str]:
    """The text of all outputs."""
    for output in (o for cell in book.code for o in cell.outputs):
        data = output.get("data", {})
        yield str(output.get("text", data.get("text/markdown", "")))


_SHOWN = re.compile(
    r"`([^`\n]+\.py)`, lines (\d+) to (\d+):\s+(`{3,}) ?python\n(.*?)\n\4",
    re.DOTALL,
)


def _code(made: Submission, book: Notebook) -> Iterator[str]:
    wrong: dict[str, list[str]] = {}
    for text in _outputs(book):
        for file, first, last, _, code in _SHOWN.findall(text):
            now = made.lines(file, int(first), int(last))
            if now is None or compact(now) != compact(code):
                wrong.setdefault(file, []).append(f"{first} to {last}")
    for file, lines in wrong.items():
        yield other_code(book.name, file, lines)


def _marks(_: Submission, book: Notebook) -> Iterator[str]:
    cells = [c.source for c in book.book.cells if c.cell_type == "markdown"]
    for text in [*cells, *_outputs(book)]:
        if found := unresolved(text):
            yield (
                f"{book.name}: `{found}` is a reference to nothing; correct "
                f"its label, then {AGAIN}."
            )


def _full(_: Submission, book: Notebook) -> Iterator[str]:
    if any(plain(QUICK) in plain(text) for text in _outputs(book)):
        yield f"{book.name}: {quick_run()}"


Check = Callable[[Submission, Notebook], Iterator[str]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("notebook: made from what is here now", _hashes),
    ("notebook: all cells were run in order", _counts),
    ("notebook: no cell ended with an error", _errors),
    ("notebook: its cells are the report's", _cells),
    ("notebook: its figures and tables are there", _pictures),
    ("notebook: all code is the source as it is now", _code),
    ("notebook: no reference leads nowhere", _marks),
    ("notebook: of a full run", _full),
    ("notebook: the file is small enough", size),
)
