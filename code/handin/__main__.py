"""Check the two files that are handed in, and name them after the student.

Nothing is made anew; where anything is wrong, nothing is written.
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

from handin.checks import CHECKS, Wanted
from handin.files import Fault, Notebook, Pdf, Report, read
from handin.questions import QUESTIONS

FOLDER = "submission"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status, 2 where anything is wrong."""
    parser = argparse.ArgumentParser("handin", description=__doc__)
    parser.add_argument("kerberos", nargs="?", default="")
    parser.add_argument("--document", type=Path, default=Path("report.qmd"))
    parser.add_argument("--provenance", metavar="source=HASH", required=True)
    options = parser.parse_args(arguments)
    source = options.provenance.removeprefix("source=")
    faults = submit(options.document, options.kerberos, source)
    if faults:
        things = "one thing" if len(faults) == 1 else f"{len(faults)} things"
        lines = [f"submission: not ready, {things} to do:", *faults]
        print("\n  - ".join(lines), file=sys.stderr)
    return 2 if faults else 0


def submit(path: Path, kerberos: str, source: str) -> list[str]:
    """Check what lies beside the document; write it where all is well.

    Returns all that is wrong, each a sentence with what to do about it.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", kerberos):
        wrong = f"`{kerberos}` is no Kerberos name: use letters, digits, `-` "
        return [wrong + "and `_` only, as in `make submit KERBEROS=jdoe`."]
    report = read(Report, path)
    if isinstance(report, Fault):
        return [report]
    name = report.field("output-file").removesuffix(".pdf") or path.stem
    pdf = read(Pdf, path.with_name(f"{name}.pdf"))
    book = read(Notebook, path.with_name(f"{name}.ipynb"))
    folder = path.parent
    code = [*folder.glob("code/**/*.py"), *folder.glob("proofs/**/*.py")]
    text = "\n".join(file.read_text("utf-8", "replace") for file in code)
    want = Wanted(report, kerberos, source, text)
    faults: list[str] = []
    for file in (report, pdf, book):
        faults += [file] if isinstance(file, Fault) else []
        for check in CHECKS.get(type(file), ()):
            faults += check(want, file)
    if isinstance(pdf, Fault) or isinstance(book, Fault) or faults:
        return faults
    # the PDF comes first: it is what may be open, and locked, elsewhere
    files = {f"{kerberos}.pdf": pdf.data, f"{kerberos}.ipynb": book.data}
    try:
        _publish(folder, files)
    except OSError as error:
        reason = f"{FOLDER}/: cannot be written ({error.strerror})"
        return [f"{reason}; make room for the two files there."]
    _tell(report, pdf, files)
    return []


def _publish(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files beside submission/, then move them into it."""
    with tempfile.TemporaryDirectory(prefix=".handin-", dir=folder) as stage:
        for name, data in files.items():
            (Path(stage) / name).write_bytes(data)
        (folder / FOLDER).mkdir(exist_ok=True)
        if any((folder / FOLDER / name).is_dir() for name in files):
            raise OSError(0, "a folder has a file's name")
        for name in files:
            os.replace(Path(stage) / name, folder / FOLDER / name)


def _tell(report: Report, pdf: Pdf, files: dict[str, bytes]) -> None:
    """Say what holds, what was made, and where the answers are."""
    for kind, checks in CHECKS.items():
        for check in checks:
            print(f"  {kind.__name__.lower():<8}  {check.__doc__}")
    print("submission: all is well. Hand in")
    for name, data in files.items():
        print(f"  {FOLDER}/{name}  ({len(data) / 1e6:.1f} MB)")
    print("and tell Gradescope on which pages each question is answered:")
    for name, *_ in QUESTIONS:
        pages = pdf.answer(name, report.section(name)[0])
        ends = dict.fromkeys([pages[0][0], pages[-1][0]])
        print(f"  {name:<5} {' to '.join(ends).replace('page ', '')}")


if __name__ == "__main__":
    sys.exit(main())
