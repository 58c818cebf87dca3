"""Checks of the PDF."""

import re
from collections.abc import Callable, Iterator

from press.reader import Chunk
from press.submission.model import (
    AGAIN,
    QUICK,
    RECORD,
    SHEETS,
    Submission,
    code_of,
    field,
    opening,
    other_code,
    quick_run,
    size,
    stale,
    unresolved,
)
from press.submission.pdf import Pdf, flat, plain
from press.submission.questions import QUESTIONS, Question


def _hashes(made: Submission, pdf: Pdf) -> Iterator[str]:
    if pdf.keywords.keys() & made.hashes.keys():
        yield from stale(made, pdf.name, pdf.keywords)
    elif plain(made.hashes["source"]) not in pdf.text(0, len(pdf.pages)):
        # Quarto writes no keywords, but the report prints its hash
        yield (
            f"{pdf.name}: nothing in it says that it was made from the "
            f"report and the code that are here now; {AGAIN}."
        )


def _full(_: Submission, pdf: Pdf) -> Iterator[str]:
    if plain(QUICK) in pdf.text(0, len(pdf.pages)):
        yield f"{pdf.name}: {quick_run()}"


def _runs(made: Submission, pdf: Pdf) -> Iterator[str]:
    """The report prints the key of each training that it shows."""
    runs = (made.record or {}).get("experiments")
    text = pdf.text(0, len(pdf.pages))
    for name, run in runs.items() if isinstance(runs, dict) else ():
        key = str(run.get("key", "")) if isinstance(run, dict) else ""
        if plain(key) not in text:
            yield (
                f"{pdf.name}: does not show the training `{name}` ({key}) "
                f"that {RECORD} records; {AGAIN}."
            )


def _first_page(made: Submission, pdf: Pdf) -> Iterator[str]:
    for key in ("author", "kerberos", "collaborators", "sources"):
        value = field(made, key)
        if opening(value) not in pdf.text(0, 0):
            yield (
                f"{pdf.name}: its first page does not show the `{key}` of "
                f"{made.source}; {AGAIN} (where Quarto is installed, "
                "`make report ENGINE=press`)."
            )


def span(made: Submission, pdf: Pdf, question: Question) -> range:
    """The pages of a question's answer, from 0; none without its heading."""
    title = plain(made.headings.get(question.section, ""))
    number = "" if question.name == "0" else plain(question.name)
    for index, heading in enumerate(pdf.headings):
        found = plain(heading.title)
        if not title or not found.endswith(title):
            continue
        if not found.startswith(number) or heading.page >= len(pdf.pages):
            continue
        after = pdf.headings[index + 1 :]
        # a chapter opens a page, a section may begin on the page of another
        ends = (
            h.page - (h.depth == 0) for h in after if h.depth <= heading.depth
        )
        last = next(ends, len(pdf.pages) - 1)
        return range(heading.page, max(last, heading.page) + 1)
    return range(0)


def _answers(made: Submission, pdf: Pdf) -> Iterator[str]:
    for question in QUESTIONS:
        section, pages = question.section, span(made, pdf, question)
        title = made.headings.get(section)
        if title is None:
            yield (
                f"{made.source}: question {question.name} has no heading "
                f"{{#{section}}}; write one above its answer, then {AGAIN}."
            )
        elif not pages or plain(title) not in pdf.text(pages[0], pages[0]):
            yield (
                f"{pdf.name}: question {question.name} is not answered: no "
                f"heading `{question.name} {title}`; put it in its order "
                f"into {made.source}, then {AGAIN}."
            )


def _shown(made: Submission, pdf: Pdf) -> Iterator[str]:
    for question in QUESTIONS:
        pages = span(made, pdf, question) or range(len(pdf.pages))
        text = pdf.text(pages[0], pages[-1])
        where = f"question {question.name} (pages {printed(pdf, pages)})"
        for label in question.shows:
            chunk = made.chunk(label)
            if chunk is None:
                yield (
                    f"{made.source}: {where} needs a chunk with the label "
                    f"`{label}`; write it, then {AGAIN}."
                )
            elif not _is_drawn(pdf, chunk, text):
                yield f"{pdf.name}: {where} does not show `{label}`; {AGAIN}."
        for word in question.words:
            if plain(word) not in text:
                yield (
                    f"{pdf.name}: {where} does not say `{word}`; complete "
                    f"its answer in {made.source}, then {AGAIN}."
                )


def _is_drawn(pdf: Pdf, chunk: Chunk, text: str) -> bool:
    """Whether a figure or a table is there, by its caption.

    A PDF with tags also says which pictures it holds, by their alt text.
    """
    figure = chunk.label.startswith("fig-")
    caption = str(chunk.options.get("fig-cap" if figure else "tbl-cap", ""))
    words = ("figure" if figure else "table") + r"\w{1,6}" + opening(caption)
    alts = chunk.options.get("fig-alt", [])
    alts = [alts] if isinstance(alts, str) else alts
    has_pictures = not pdf.alts or set(alts) <= pdf.alts
    return has_pictures and bool(re.search(words, text))


def _code(made: Submission, pdf: Pdf) -> Iterator[str]:
    for question in QUESTIONS:
        pages = span(made, pdf, question) or range(len(pdf.pages))
        for thing in question.code:
            file, _, name = thing.partition(":")
            code = code_of(made.document.folder / file, name)
            if code is None:
                yield f"{file}: question {question.name} needs `{name}` in it."
            elif not pdf.shows(code, pages[0], pages[-1]):
                yield (
                    f"{pdf.name}: question {question.name} (pages "
                    f"{printed(pdf, pages)}) does not show `{name}` as it "
                    f"stands in {file}; {AGAIN}."
                )


def _listings(made: Submission, pdf: Pdf) -> Iterator[str]:
    wrong: dict[str, list[str]] = {}
    for listing in pdf.listings():
        code = made.lines(listing.file, listing.first, listing.last)
        if code is None or not pdf.holds(listing, code):
            lines = f"{listing.first} to {listing.last}"
            wrong.setdefault(listing.file, []).append(lines)
    for file, all_lines in wrong.items():
        yield other_code(pdf.name, file, all_lines)


def printed(pdf: Pdf, pages: range) -> str:
    """The printed numbers of some pages."""
    first, last = pdf.labels[pages[0]], pdf.labels[pages[-1]]
    return first if first == last else f"{first} to {last}"


def _table(made: Submission, pdf: Pdf) -> Iterator[str]:
    where = span(made, pdf, QUESTIONS[0])
    text = " ".join(flat(pdf.pages[page]) for page in where)
    for question in QUESTIONS:
        rows = [r for r in made.rows if r.section == question.section]
        if not rows:
            yield (
                f"{made.source}: the table of question and page has no row "
                f"with \\pageref{{{question.section}}}; write it, then "
                f"{AGAIN}."
            )
            continue
        pages = span(made, pdf, question)
        words = re.escape(flat(rows[0].words))
        found = re.search(words + r" (\w+)(?!\S)", text)
        if pages and (not found or found[1] != pdf.labels[pages[0]]):
            says = f"says page {found[1]}" if found else "has no row"
            yield (
                f"{pdf.name}: its table of question and page {says} for "
                f"question {question.name}, which stands on page "
                f"{pdf.labels[pages[0]]}; {AGAIN}."
            )


def _marks(_: Submission, pdf: Pdf) -> Iterator[str]:
    for number, text in enumerate(pdf.pages):
        if found := unresolved(text):
            yield (
                f"{pdf.name}, page {pdf.labels[number]}: `{found}` is a "
                f"reference to nothing; correct its label, then {AGAIN}."
            )


def _edges(_: Submission, pdf: Pdf) -> Iterator[str]:
    for number, text in pdf.strays.items():
        yield (
            f"{pdf.name}, page {pdf.labels[number]}: the text "
            f"`{text[:40]}` runs off the page; break its line, then {AGAIN}."
        )


def _fonts(_: Submission, pdf: Pdf) -> Iterator[str]:
    if pdf.fonts:
        yield (
            f"{pdf.name}: does not hold its fonts {', '.join(pdf.fonts)}, "
            f"so it may look otherwise elsewhere; {AGAIN}."
        )


def _sheets(_: Submission, pdf: Pdf) -> Iterator[str]:
    for number, (width, height) in enumerate(pdf.sizes):
        if not any(
            abs(width - w) <= 2 and abs(height - h) <= 2
            for w, h in SHEETS.values()
        ):
            yield (
                f"{pdf.name}, page {pdf.labels[number]}: is "
                f"{width / 72:.1f} by {height / 72:.1f} inches, not an "
                f"upright sheet of {' or '.join(SHEETS)}; {AGAIN}."
            )


Check = Callable[[Submission, Pdf], Iterator[str]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("PDF: made from what is here now", _hashes),
    ("PDF: of a full run", _full),
    ("PDF: its trainings are those on record", _runs),
    ("PDF: its first page bears the name", _first_page),
    ("PDF: every question is answered under its heading", _answers),
    ("PDF: every answer shows its figures and tables", _shown),
    ("PDF: every answer shows its code", _code),
    ("PDF: all code is the source as it is now", _listings),
    ("PDF: the table of question and page is right", _table),
    ("PDF: no reference leads nowhere", _marks),
    ("PDF: no text runs off a page", _edges),
    ("PDF: fonts are embedded", _fonts),
    ("PDF: pages are upright sheets", _sheets),
    ("PDF: the file is small enough", size),
)
