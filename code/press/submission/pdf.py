"""A PDF read back: its text, headings, fonts, and what lies off the page.

pypdf reads the document's structure, PDFium the text and where it stands.
"""

import io
import logging
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pypdfium2
from pypdf import PdfReader

from press.errors import PressError

# the running head stands above the body, the page number of LaTeX below it:
# in points from the page's edges, inside the margins of _quarto.yml
_HEAD, _FOOT = 68, 56
_SAME = str.maketrans(
    {
        "\x02": "-",  # PDFium's hyphen at the end of a line
        "\ufffe": "-",
        "\N{MINUS SIGN}": "-",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHTWARDS ARROW WITH HOOK}": None,  # LaTeX breaks a line
        "\N{SOFT HYPHEN}": None,
    }
)


def flat(text: str) -> str:
    """The text on one line, ligatures and typographic marks made plain."""
    same = unicodedata.normalize("NFKC", text).translate(_SAME)
    return " ".join(same.split())


def compact(text: str) -> str:
    """Code without its white space, which a PDF does not keep."""
    return flat(text).replace(" ", "")


def plain(text: str) -> str:
    """Prose as letters and digits, however it is set, broken, hyphenated."""
    return "".join(filter(str.isalnum, flat(text).casefold()))


class Heading(NamedTuple):
    """An entry of the outline: its depth, words and page, from 0."""

    depth: int
    title: str
    page: int


class Listing(NamedTuple):
    """A piece of code that names the lines that it shows."""

    file: str
    first: int
    last: int
    page: int
    start: int  # in the page's compact text


@dataclass
class Pdf:
    """What a check needs to know of a PDF."""

    name: str
    size: int
    pages: list[str]  # the text of each, head and foot left out
    labels: list[str]  # the printed page numbers
    sizes: list[tuple[float, float]]  # in points
    headings: list[Heading]
    keywords: dict[str, str]
    alts: set[str]  # what the figures say to a screen reader
    fonts: list[str]  # fonts that are not embedded
    strays: dict[int, str] = field(default_factory=dict)  # text off a page

    @cached_property
    def code(self) -> list[str]:
        """The compact text of each page."""
        return [compact(page) for page in self.pages]

    def text(self, first: int, last: int) -> str:
        """The plain text of some pages."""
        return "".join(map(plain, self.pages[first : last + 1]))

    def listings(self) -> Iterator[Listing]:
        """All code that names its lines."""
        head = re.compile(r"(\S+\.py),\s+lines\s+(\d+)\s+to\s+(\d+):")
        for page, text in enumerate(self.pages):
            for found in head.finditer(text):
                start = len(compact(text[: found.end()]))
                first, last = int(found[2]), int(found[3])
                yield Listing(found[1], first, last, page, start)

    def shows(self, code: str, first: int, last: int) -> bool:
        """Whether the code stands on these pages, all of it."""
        head = compact(code.splitlines()[0])
        return any(
            self.follows(compact(code), page, found.start())
            for page in range(first, last + 1)
            for found in re.finditer(re.escape(head), self.code[page])
        )

    def holds(self, listing: Listing, code: str) -> bool:
        """Whether the code follows the head of this listing."""
        page, code = listing.page, compact(code)
        here = self.follows(code, page, listing.start)
        return here or self.follows(code, page + 1, 0)

    def follows(self, code: str, page: int, start: int) -> bool:
        """Whether this compact code stands at this place.

        At the end of a page a footnote may come between; its number may
        look like a digit of the code.
        """
        if page >= len(self.code):
            return False
        shared = _shared(self.code[page][start:], code)
        if shared == len(code):
            return True
        return any(
            self.follows(code[shared - back :], page + 1, 0)
            for back in range(min(shared, 3))
        )


def _shared(one: str, other: str) -> int:
    """With how many characters both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    ends = min(len(one), len(other))
    return next((index for index, (a, b) in pairs if a != b), ends)


def read(data: bytes, name: str) -> Pdf:
    """Read a PDF.

    Raises PressError where it is not one, or is damaged or encrypted.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        pdf = _read(data, name)
    except Exception as error:  # a damaged file may raise anything
        raise PressError(
            f"{name}: is damaged or no PDF ({flat(str(error)) or 'empty'}); "
            "run `make report`."
        ) from error
    if not pdf.pages or len(pdf.pages) != len(pdf.labels):
        raise PressError(f"{name}: has no pages; run `make report`.")
    return pdf


def _read(data: bytes, name: str) -> Pdf:
    reader = PdfReader(io.BytesIO(data))
    objects = list(_objects(reader))
    figures = [item for item in objects if item.get("/S") == "/Figure"]
    pdf = Pdf(
        name=name,
        size=len(data),
        pages=[],
        labels=list(reader.page_labels),
        sizes=[],
        headings=list(_headings(reader, reader.outline, 0)),
        keywords=_keywords(reader),
        alts={str(item["/Alt"]) for item in figures if "/Alt" in item},
        fonts=sorted(set(_bare_fonts(objects))),
    )
    document = pypdfium2.PdfDocument(data)
    try:
        for number, page in enumerate(document):
            _read_page(pdf, number, page)
    finally:
        document.close()
    return pdf


def _read_page(pdf: Pdf, number: int, page: Any) -> None:
    width, height = page.get_size()
    text = page.get_textpage()
    pdf.sizes.append((width, height))
    left, bottom, right, top = page.get_cropbox()
    body = text.get_text_bounded(
        left - width, bottom + _FOOT, right + width, top - _HEAD
    )
    pdf.pages.append(body.replace("\r\n", "\n"))
    outside = ""
    for index in range(text.count_chars()):
        x0, y0, x1, y1 = text.get_charbox(index)
        inside = left - 1 <= x0 and x1 <= right + 1
        inside = inside and bottom - 1 <= y0 and y1 <= top + 1
        if not inside:
            outside += text.get_text_range(index, 1)
    if outside.strip():
        pdf.strays[number] = flat(outside)


def _keywords(reader: PdfReader) -> dict[str, str]:
    """The `key: value` pairs that press writes."""
    words = (reader.metadata and reader.metadata.keywords) or ""
    pairs = (part.partition(": ") for part in words.split(", "))
    return {key: value for key, found, value in pairs if found}


def _headings(
    reader: PdfReader, outline: Any, depth: int
) -> Iterator[Heading]:
    for item in outline:
        if isinstance(item, list):
            yield from _headings(reader, item, depth + 1)
            continue
        page = reader.get_destination_page_number(item)
        if page is not None and page >= 0:
            yield Heading(depth, str(item.title), page)


def _objects(reader: PdfReader) -> Iterator[Any]:
    """Every dictionary, those inside other objects too."""
    size: Any = reader.trailer["/Size"]
    for number in range(1, int(size)):
        yield from _dictionaries(reader.get_object(number))


def _dictionaries(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield item
    inner = dict.values(item) if isinstance(item, dict) else item
    if isinstance(item, dict | list):
        for part in inner:
            yield from _dictionaries(part)


def _bare_fonts(objects: list[Any]) -> Iterator[str]:
    """The names of fonts whose shapes the file does not hold."""
    for item in objects:
        if item.get("/Type") != "/Font" or item.get("/Subtype") in (
            "/Type0",  # its descendant is a font of its own
            "/Type3",  # its shapes are part of it
        ):
            continue
        descriptor = item.get("/FontDescriptor", {})
        if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor):
            yield str(item.get("/BaseFont", "without a name")).lstrip("/")
