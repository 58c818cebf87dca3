"""What is looked at; a docstring says what holds where nothing is yielded."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pypdfium2

from handin.files import Fault, Notebook, Pdf, Report, letters
from handin.questions import QUESTIONS

PLACEHOLDER = "Name of the student"
QUICK = "This is a quick run."  # the first words of report.qmd's banner
FIELDS = ("author", "kerberos", "collaborators", "sources")
LIMIT = 100_000_000  # bytes, the most that Gradescope takes
SHEETS = ((612.0, 792.0), (595.3, 841.9))  # US letter and A4, in points


class Wanted(NamedTuple):
    """What the files must agree with."""

    report: Report
    kerberos: str
    source: str  # the hash of the sources as they are now
    code: str  # the text of all code as it is now


def fields(want: Wanted, report: Report) -> Iterator[Fault]:
    """Name, collaborators and sources are filled in."""
    for key in FIELDS:
        value, remedy = report.field(key), "fill it in"
        remedy += " (`none` is an answer)" * (key == "collaborators")
        if key == "kerberos" and value != want.kerberos:
            remedy = f"write `kerberos: {want.kerberos}`, as in the command"
        elif letters(value) and value != PLACEHOLDER:
            continue
        yield Fault(report.name, f"its `{key}` is `{value}`", remedy)


def sections(_: Wanted, report: Report) -> Iterator[Fault]:
    """Every question has its heading, its figures and its tables."""
    for name, labels, _words in QUESTIONS:
        title, text = report.section(name)
        if not title:
            wrong = f"question {name} has no heading {{#sec-p{letters(name)}}}"
            yield Fault(report.name, wrong, "write one above its answer")
        for label in labels.split() if title else ():
            if not re.search(rf"\blabel: *{label}\s", text):
                wrong = f"question {name} has no chunk `{label}`"
                yield Fault(report.name, wrong, "write it below its heading")


def source(want: Wanted, file: Pdf | Notebook) -> Iterator[Fault]:
    """It was made from the report, settings and code that are here now."""
    # Quarto writes no keywords, but the report prints its hash
    text = letters("".join(text for _, text in file.texts))
    printed = isinstance(file, Pdf) and not file.source and want.source in text
    if file.source != want.source and not printed:
        wrong = "comes from another report, other settings or other code"
        yield Fault(file.name, f"{wrong} than are here now")


def texts(_: Wanted, file: Pdf | Notebook) -> Iterator[Fault]:
    """It is of a full run, and no reference leads nowhere."""
    for place, text in file.texts:
        place = f"{file.name}, {place}"
        if letters(QUICK) in letters(text):
            yield Fault(place, "is of a quick run", "leave PROFILE away")
        if found := re.search(r".{0,20}(\?\?|\?@\w).{0,20}", text):
            wrong = f"`{found[0].strip()}` is a reference to nothing"
            yield Fault(place, wrong, "correct its label")


def size(_: Wanted, file: Pdf | Notebook) -> Iterator[Fault]:
    """It is small enough for Gradescope."""
    if len(file.data) > LIMIT:
        sizes = f"{len(file.data) / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f}"
        yield Fault(file.name, f"has {sizes}", "make its pictures smaller")


def answers(want: Wanted, pdf: Pdf) -> Iterator[Fault]:
    """Every answer has its bookmark, code, and page in the table of pages."""
    zero = pdf.answer("0", want.report.section("0")[0])
    table = "\n".join(text for _, text in zero)
    for name, _labels, words in QUESTIONS:
        title, _ = want.report.section(name)
        pages = pdf.answer(name, title)
        if title and not pages:
            wrong = f"no bookmark says `{name} {title}`"
            yield Fault(pdf.name, wrong, "put this answer in its place")
        shown = "".join("".join(text for _, text in pages).split())
        for word in words if pages else ():
            if "".join(word.split()) not in shown:
                wrong = f"question {name} does not show `{word}`"
                yield Fault(pdf.name, wrong, "complete its answer")
        found = re.search(rf"^{re.escape(name)} .* (\d+)\s*$", table, re.M)
        says = f"page {found[1]}" if found else "no page"
        if zero and pages and says != pages[0][0]:
            wrong = f"its table says {says} for question {name}, not "
            yield Fault(pdf.name, wrong + pages[0][0])


def sheets(_: Wanted, pdf: Pdf) -> Iterator[Fault]:
    """Its pages are upright sheets, no text runs off, all fonts are in it."""
    for (place, _text), page in zip(pdf.texts, pdf.pages, strict=True):
        place, (width, height) = f"{pdf.name}, {place}", page.get_size()
        if min(abs(width - w) + abs(height - h) for w, h in SHEETS) > 4:
            inches = f"{width / 72:.1f} by {height / 72:.1f} inches"
            wrong = f"is {inches}, no upright sheet of US letter or A4"
            yield Fault(place, wrong, "correct `papersize`")
        left, bottom, right, top = page.get_cropbox()
        text, off = page.get_textpage(), ""
        for x0, y0, x1, y1 in map(text.get_rect, range(text.count_rects())):
            if min(x0 - left, y0 - bottom, right - x1, top - y1) < -1:
                off += text.get_text_bounded(x0, y0, x1, y1).strip()
        if off:
            wrong = f"the text `{off[:40]}` runs off the page"
            yield Fault(place, wrong, "break its line")
        parts = page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_TEXT])
        used = [part.get_font() for part in parts]
        if bare := {f.get_base_name() for f in used if not f.is_embedded}:
            names = ", ".join(sorted(bare))
            yield Fault(place, f"the file does not hold its fonts {names}")


def cells(want: Wanted, book: Notebook) -> Iterator[Fault]:
    """All cells are of the report or its code, and ran in order, all well."""
    sources = f"{want.report.text}\n{want.code}"
    known = {line.strip() for line in sources.splitlines()}
    for number, cell in enumerate(book.code, 1):
        place = f"{book.name}, code cell {number}"
        lines = [line.strip() for line in cell.source.splitlines()]
        for line in [line for line in lines if line not in known][:1]:
            yield Fault(place, f"`{line[:40]}` is not in the sources")
        if cell.execution_count != number:
            count = cell.execution_count or "never"
            yield Fault(place, f"was run as [{count}], not as [{number}]")
            break  # all that follow are out of step as well
        for output in cell.outputs:
            if output.output_type == "error":
                words = f"{output.ename}: {output.evalue}".split("\n")[0]
                yield Fault(place, f"ended with {words[:80]}", "correct it")


Check = Callable[[Wanted, Any], Iterator[Fault]]
CHECKS: dict[type, tuple[Check, ...]] = {
    Report: (fields, sections),
    Pdf: (source, answers, texts, sheets, size),
    Notebook: (source, cells, texts, size),
}
