"""`python -m press.submission KERBEROS`: check the two files, name them.

What the report has made is read once, checked, and only then written into
submission/ under the student's name. Nothing is made anew: a stale file is
reported, and `make report` is the student's own step.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nbformat

from press import build, pandoc, reader
from press.__main__ import add_provenance
from press.errors import PressError
from press.reader import Document
from press.submission import notebook_checks, pdf_checks, report_checks
from press.submission.model import (
    AGAIN,
    RECORD,
    Fault,
    Notebook,
    Row,
    Submission,
)
from press.submission.pdf import Pdf, read
from press.submission.questions import QUESTIONS

FOLDER = "submission"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        kerberos = _kerberos(options.kerberos)
        found = submit(options.document, kerberos, dict(options.provenance))
    except PressError as error:
        found = [Fault("it can be checked", str(error))]
    except KeyboardInterrupt:
        print("submission: stopped.", file=sys.stderr)
        return 130
    if found:
        things = "one thing" if len(found) == 1 else f"{len(found)} things"
        print(f"submission: not ready, {things} to do:", file=sys.stderr)
        for fault in found:
            print(f"  - {fault.sentence}", file=sys.stderr)
    return 2 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("press.submission", description=__doc__)
    parser.add_argument("kerberos", nargs="?", default="")
    parser.add_argument("--document", type=Path, default=Path("report.qmd"))
    add_provenance(parser)
    return parser


def _kerberos(name: str) -> str:
    """The name, if it can be that of a file."""
    if not name:
        raise PressError(
            "whose submission is it? Name yourself: "
            "`make submit KERBEROS=jdoe`."
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise PressError(
            f"`{name}` cannot be a Kerberos name: use letters, digits, `-` "
            "and `_` only, as in `make submit KERBEROS=jdoe`."
        )
    return name


def submit(
    path: Path, kerberos: str, extra: dict[str, str] | None = None
) -> list[Fault]:
    """Check the files of the document at `path`; write them if all is well.

    Returns all that is wrong. Raises PressError where the document cannot
    be read or submission/ cannot be written; neither changes anything.
    """
    if not path.is_file():
        raise PressError(f"{path}: there is no such document.")
    document = reader.read(path.resolve())
    found: list[Fault] = []
    files = {
        name: _bytes(document, name, found)
        for name in build.file_names(document).values()
    }
    made = _gather(document, kerberos, files, found, extra or {})
    found += faults(made)
    if not found and made.pdf and made.notebook:
        data = [content or b"" for content in files.values()]
        targets = [f"{kerberos}.pdf", f"{kerberos}.ipynb"]
        _publish(document.folder, dict(zip(targets, data, strict=True)))
        _report(made, targets)
    return found


def faults(made: Submission) -> list[Fault]:
    """What each check finds, in the order of the tables; all of it."""
    out: list[Fault] = []
    for name, check in report_checks.CHECKS:
        out += [Fault(name, text) for text in check(made)]
    if pdf := made.pdf:
        for name, look in pdf_checks.CHECKS:
            out += [Fault(name, text) for text in look(made, pdf)]
    if book := made.notebook:
        for name, test in notebook_checks.CHECKS:
            out += [Fault(name, text) for text in test(made, book)]
    return out


# ---- what there is to check -------------------------------------------------


def _bytes(document: Document, name: str, found: list[Fault]) -> bytes | None:
    """A file's content; what keeps it from being read is noted."""
    try:
        return (document.folder / name).read_bytes()
    except FileNotFoundError:
        reason = f"there is no such file; {AGAIN}"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    found.append(_unread(f"{name}: {reason}."))
    return None


def _unread(sentence: str) -> Fault:
    return Fault("all files can be read", sentence)


def _gather(
    document: Document,
    kerberos: str,
    files: dict[str, bytes | None],
    found: list[Fault],
    extra: dict[str, str],
) -> Submission:
    headings, rows = _outline(document)
    (name, page), (book_name, book) = files.items()
    record = _bytes(document, RECORD, found)
    return Submission(
        kerberos=kerberos,
        document=document,
        headings=headings,
        rows=rows,
        hashes={**build.provenance(document), **extra},
        record=None if record is None else _json(record, RECORD, found),
        pdf=None if page is None else _pdf(page, name, found),
        notebook=None if book is None else _notebook(book, book_name, found),
    )


def _outline(document: Document) -> tuple[dict[str, str], list[Row]]:
    """The document's headings by label, and its table of pages."""
    try:
        tree = pandoc.parse(document.markdown, document.folder)
    except pandoc.Refusal as refusal:
        place = document.find(refusal.words) or document.path.name
        raise PressError(f"{place}: Pandoc: {refusal}.") from refusal
    headings, rows = {}, []
    for part in pandoc.nodes(tree["blocks"]):
        if part["t"] == "Header":
            headings[part["c"][1][0]] = pandoc.text(part["c"][2])
        elif part["t"] == "Table":
            bodies = part["c"][4]
            rows += [_row(row[1]) for body in bodies for row in body[3]]
    return headings, [row for row in rows if row.section]


def _row(cells: list[Any]) -> Row:
    texts = [pandoc.text(cell[4]) for cell in cells]
    words = " ".join(text for text in texts if text)
    return Row(words, next(filter(None, map(_page_reference, cells)), ""))


def _page_reference(cell: Any) -> str:
    raw = [n["c"][1] for n in pandoc.nodes(cell) if n["t"] == "RawInline"]
    found = re.search(r"\\pageref\{([\w-]+)\}", " ".join(raw))
    return found[1] if found else ""


def _pdf(data: bytes, name: str, found: list[Fault]) -> Pdf | None:
    try:
        return read(data, name)
    except PressError as error:
        found.append(_unread(str(error)))
        return None


def _json(data: bytes, name: str, found: list[Fault]) -> dict[str, Any] | None:
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
    except (ValueError, RecursionError) as error:
        reason = f"is damaged or no JSON ({error})"
    else:
        if isinstance(value, dict):
            return value
        reason = "is no JSON of keys and values"
    found.append(_unread(f"{name}: {reason}; {AGAIN}."))
    return None


def _notebook(data: bytes, name: str, found: list[Fault]) -> Notebook | None:
    value = _json(data, name, found)
    if value is None:
        return None
    try:
        nbformat.validate(value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older formats
            book = nbformat.reads(data.decode("utf-8"), as_version=4)
    except Exception as error:  # nbformat stumbles over damaged files
        reason = str(error).strip().split("\n")[0]
        found.append(
            _unread(f"{name}: is no valid notebook ({reason}); {AGAIN}.")
        )
        return None
    return Notebook(name, len(data), book)


# ---- into submission/ -------------------------------------------------------


def _publish(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files beside submission/, then move them into it.

    The PDF comes first: it is what may be open, and locked, elsewhere.
    """
    target = folder / FOLDER
    for path in (target / name for name in files):
        if path.is_dir():
            raise PressError(f"{path}: stands in the way; move it.")
    try:
        with tempfile.TemporaryDirectory(prefix=".press-", dir=folder) as tmp:
            for name, data in files.items():
                (Path(tmp) / name).write_bytes(data)
            target.mkdir(exist_ok=True)
            for name in files:
                os.replace(Path(tmp) / name, target / name)
    except OSError as error:
        raise PressError(
            f"{target}: cannot be written ({error.strerror}); make room for "
            "the two files there."
        ) from error


def _report(made: Submission, targets: list[str]) -> None:
    """Say what was made, and where Gradescope's questions are."""
    assert made.pdf
    assert made.notebook
    sizes = (made.pdf.size, made.notebook.size)
    tables = (report_checks, pdf_checks, notebook_checks)
    for name in (name for table in tables for name, _ in table.CHECKS):
        print(f"  checked  {name}")
    print("submission: all is well. Hand in")
    for name, size in zip(targets, sizes, strict=True):
        print(f"  {FOLDER}/{name}  ({size / 1e6:.1f} MB)")
    print("and tell Gradescope on which pages each question is answered:")
    for question in QUESTIONS:
        pages = pdf_checks.span(made, made.pdf, question)
        name = f"{question.name:<5}"
        print(f"  {name} {pdf_checks.printed(made.pdf, pages)}")


if __name__ == "__main__":
    sys.exit(main())
