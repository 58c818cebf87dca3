"""A submission as its checks see it, and the sentences they share.

Times of files say nothing after a `git clone`, so "made from this source" is
judged by hashes: those in the PDF's keywords and in the notebook's metadata
against those of the files that are here now.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode

from press.reader import Chunk, Document
from press.submission.pdf import Pdf, flat, plain

PLACEHOLDER = "Name of the student"
QUICK = "This is a quick run."  # the first words of report.qmd's banner
RECORD = "results/metrics.json"
LIMIT = 100_000_000  # bytes, the most that Gradescope takes
# what a grader reads, and can print; in points
SHEETS = {"US letter": (612.0, 792.0), "A4": (595.3, 841.9)}

AGAIN = "run `make report`"
_SOURCES = {
    "report": "report.qmd",
    "source": "the code (code/, proofs/)",
    "inputs": "what it reads beside them (_quarto.yml, the bibliography, "
    "the page's template)",
}


class Fault(NamedTuple):
    """What a check has found."""

    check: str  # the name of the check
    sentence: str  # what is wrong, where, what to do


class Row(NamedTuple):
    """A row of the table of question and page: its words and its page."""

    words: str
    section: str


@dataclass(frozen=True)
class Notebook:
    """An executed notebook, and its size in bytes."""

    name: str
    size: int
    book: NotebookNode

    @cached_property
    def code(self) -> list[NotebookNode]:
        return [c for c in self.book.cells if c.cell_type == "code"]


@dataclass(frozen=True)
class Submission:
    """The two files, and all that they are checked against."""

    kerberos: str
    document: Document
    headings: dict[str, str]  # by label
    rows: list[Row]
    hashes: dict[str, str]  # of what is here now
    record: dict[str, Any] | None  # results/metrics.json
    pdf: Pdf | None
    notebook: Notebook | None

    @property
    def source(self) -> str:
        """The name of the document."""
        return self.document.path.name

    def chunk(self, label: str) -> Chunk | None:
        found = (c for c in self.document.chunks if c.label == label)
        return next(found, None)

    def lines(self, file: str, first: int, last: int) -> str | None:
        """Lines of a source file, or None where they cannot be read."""
        try:
            path = self.document.folder / file
            text = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        return textwrap.dedent("\n".join(text[first - 1 : last]))


# ---- what several checks say ------------------------------------------------


def field(made: Submission, key: str) -> str:
    """What the document's front matter says, on one line."""
    value = made.document.meta.get(key)
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(v) for v in values if v not in (None, False))


def opening(markdown: str) -> str:
    """The letters with which a text begins, up to what Markdown changes."""
    return plain(re.split(r"[$`@*\[]", markdown)[0])[:60]


def stale(made: Submission, name: str, found: dict[str, Any]) -> Iterator[str]:
    """The fault of a file whose hashes are not those of what is here."""
    old = [
        _SOURCES.get(key, key)
        for key, value in made.hashes.items()
        if found.get(key) != value
    ]
    if old:
        yield f"{name}: changed since it was made: {', '.join(old)}; {AGAIN}."


def quick_run() -> str:
    """What is wrong with a file that bears the banner of a quick run."""
    return f"is of a quick run, and says so; {AGAIN} without PROFILE."


def code_of(path: Path, name: str) -> str | None:
    """The source of a class or function, or None where it is not there."""
    try:
        text = path.read_text("utf-8")
        node: Any = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return None
    for part in name.split("."):
        inner = [n for n in node.body if getattr(n, "name", "") == part]
        if not inner:
            return None
        node = inner[-1]
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return textwrap.dedent("\n".join(lines))


def other_code(name: str, file: str, lines: list[str]) -> str:
    """What is wrong with a file that shows code of another time."""
    return (
        f"{name}: shows lines {', '.join(lines)} of {file} otherwise than "
        f"they are now; {AGAIN}."
    )


def unresolved(text: str) -> str:
    """A reference that was not resolved, with what surrounds it."""
    found = re.search(r".{0,20}(\?\?|\?@\w).{0,20}", text)
    return flat(found[0]) if found else ""


def size(_: Submission, file: Pdf | Notebook) -> Iterator[str]:
    """A check of both files."""
    if file.size > LIMIT:
        yield (
            f"{file.name}: {file.size / 1e6:.1f} MB are more than the "
            f"{LIMIT / 1e6:.0f} MB that Gradescope takes; make its pictures "
            f"smaller, then {AGAIN}."
        )
