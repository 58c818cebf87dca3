"""The files that are looked at, each read once."""

import re
import unicodedata
import warnings
from pathlib import Path
from typing import Any, TypeVar

import nbformat
import pypdfium2
import yaml

T = TypeVar("T", "Report", "Pdf", "Notebook")


class Fault(str):
    """Where, what is wrong, and what to do before `make report`."""

    def __new__(cls, place: str, wrong: str, remedy: str = "") -> "Fault":
        do = f"{remedy}, then run" if remedy else "run"
        return super().__new__(cls, f"{place}: {wrong}; {do} `make report`.")


def letters(text: str) -> str:
    """The text's letters and digits, however they are set and broken."""
    same = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalnum, same))


class Report:
    """The document: its front matter, and its labelled sections."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.name, self.text = path.name, data.decode()
        found = re.match(r"---\s*\n(.*?\n)---\s*\n", self.text, re.DOTALL)
        self.meta = dict(yaml.safe_load(found[1]) if found else {})
        heads = r"^#+ (.*) \{#sec-([\w-]+).*\}\s*$"
        _, *parts = re.split(heads, self.text, flags=re.MULTILINE)
        contents = zip(parts[::3], parts[2::3], strict=True)
        self.sections = dict(zip(parts[1::3], contents, strict=True))

    def section(self, question: str) -> tuple[str, str]:
        """The heading {#sec-p1a} of question 1(a) and the text below it."""
        return self.sections.get(f"p{letters(question)}", ("", ""))

    def field(self, key: str) -> str:
        """What the front matter says under this key, on one line."""
        value = self.meta.get(key)
        values = value if isinstance(value, list) else [value]
        return ", ".join(str(v) for v in values if v not in (None, False))


class Pdf:
    """A PDF: its hash (if it states one), pages, texts and bookmarks."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.name, self.data = path.name, data
        pdf = pypdfium2.PdfDocument(data)
        keywords = pdf.get_metadata_value("Keywords")
        found = re.search(r"\bsource: (\w+)", keywords)
        self.source = found[1] if found else None
        self.pages, self.texts = list(pdf), []
        for index, page in enumerate(self.pages):
            place = f"page {pdf.get_page_label(index) or index + 1}"
            self.texts.append((place, page.get_textpage().get_text_range()))
        toc = [(mark, mark.get_dest()) for mark in pdf.get_toc()]
        self.marks = [(m, to.get_index() or 0) for m, to in toc if to]

    def answer(self, question: str, title: str) -> list[tuple[str, str]]:
        """The texts below the bookmark of this number and heading."""
        wanted = letters(question + title)
        for number, (mark, first) in enumerate(self.marks, 1):
            if letters(mark.get_title()).removeprefix("problem") == wanted:
                # what begins at a page's top leaves the answer none of it
                ends = [
                    page - (later.level == 0 and self._at_top(later, page))
                    for later, page in self.marks[number:]
                    if later.level <= mark.level
                ]
                last = [*ends, len(self.pages)][0]
                return self.texts[first : max(first, last) + 1]
        return []

    def _at_top(self, mark: Any, page: int) -> bool:
        """Whether a bookmark leads to the uppermost sixth of its page."""
        _, view = mark.get_dest().get_view()
        height = self.pages[page].get_size()[1]
        return len(view) < 2 or view[1] > 5 / 6 * height


class Notebook:
    """A notebook: its hash (if it states one), code, and texts by cell."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.name, self.data = path.name, data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older formats
            book = nbformat.reads(data.decode(), as_version=4)
        nbformat.validate(book)
        self.source = book.metadata.get("provenance", {}).get("source")
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        self.code = [cell for cell in code if cell.source.strip()]
        self.texts = []
        for number, cell in enumerate(book.cells, 1):
            text = "" if cell in code else cell.source
            for output in cell.get("outputs", []):
                shown = output.get("data", {}).get("text/markdown", "")
                text += output.get("text", shown)
            self.texts.append((f"cell {number}", text))


def read(kind: type[T], path: Path) -> T | Fault:
    """The file, or what keeps it from being read."""
    try:
        return kind(path, path.read_bytes())
    except OSError as error:
        reason = str(error.strerror)
    except Exception as error:  # a damaged file may raise anything
        reason = f"damaged: {error}".split("\n")[0]
    return Fault(path.name, f"cannot be read ({reason})")
