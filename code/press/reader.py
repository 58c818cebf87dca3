"""Read a .qmd file: front matter, chunks, inline expressions.

Markdown itself is Pandoc's work. This reader looks at whole lines: it cuts a
document into text, fenced code and executable chunks. Every line remembers
its number, so that a fault found later can still name it.
"""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from press.errors import PressError

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*)$")
_CHUNK = re.compile(r"^\{\s*([A-Za-z]\w*)([^}]*)\}\s*$")
# an inline code span: as many backticks after it as before it
_SPAN = re.compile(
    r"(?<![\\`])(`+)(?!`)((?:(?!\n\s*\n).)+?)(?<!`)\1(?!`)", re.S
)
_TEXT = (str, int, float, datetime.date, datetime.datetime)
# What may stand in the front matter and in _quarto.yml: a value of one of
# these types, or one of these words.
_Known = dict[str, tuple[type | str, ...]]
_KEYS: _Known = {
    **dict.fromkeys(("title", "subtitle", "date", "kerberos"), _TEXT),
    **dict.fromkeys(("author", "collaborators", "sources"), (*_TEXT, list)),
    **dict.fromkeys(("lang", "output-file"), (str,)),
    "bibliography": (str, list),
    "link-citations": (bool,),
    **dict.fromkeys(("execute", "press", "crossref", "project"), (dict,)),
    **dict.fromkeys(("format", "jupyter", "filters"), (dict, str, list)),
}
_EXECUTE: _Known = {
    **dict.fromkeys(("echo", "include", "code-fold"), (bool,)),
    "output": (bool, "asis"),
}
_PRESS: _Known = {
    "chapter-name": (str,),
    "first-chapter": (int,),
    "sections": ("letters",),
    "placeholders": (list,),
}
_OPTIONS: _Known = {
    **dict.fromkeys(("label", "fig-cap", "fig-alt", "tbl-cap"), (str,)),
    **_EXECUTE,
}


class Line(NamedTuple):
    """A line of text and where it stands."""

    file: str
    number: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.number}"


class Inline(NamedTuple):
    """An inline expression, and where it stands."""

    expression: str
    place: str

    @property
    def name(self) -> str:
        return f"`{self.expression}`"

    @property
    def source(self) -> str:
        return f"_press_show((\n{self.expression}\n))"  # see execute.py

    def line(self, _number: int) -> str:
        return self.place


@dataclass(frozen=True)
class Chunk:
    """An executable chunk: its options and its lines, fences left out."""

    number: int
    options: dict[str, Any]
    lines: list[Line]
    opens: Line

    @property
    def place(self) -> str:
        return self.opens.place

    @property
    def shown(self) -> bool:
        """Whether its code stands on the page."""
        return all(self.options.get(k, True) for k in ("include", "echo"))

    @property
    def label(self) -> str:
        return self.options.get("label", f"chunk-{self.number + 1}")

    @property
    def name(self) -> str:
        return f"the chunk `{self.label}`"

    @property
    def source(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @property
    def code(self) -> str:
        """The source without its option lines."""
        texts = [x.text for x in self.lines if not x.text.startswith("#|")]
        return "\n".join(texts).strip("\n")

    def fault(self, words: str) -> PressError:
        """What is wrong with it, as its name's predicate."""
        return PressError(f"{self.place}: {self.name} {words}")

    def line(self, number: int) -> str:
        """The place of the chunk's line `number`, counted from 1."""
        inside = 0 < number <= len(self.lines)
        return self.lines[number - 1].place if inside else self.place


@dataclass
class Text:
    """Lines of Markdown; where `is_code`, those of a fenced block."""

    lines: list[Line]
    is_code: bool = False

    def spans(self, replace: Any) -> str:
        """The text; each inline expression becomes `replace(inline) or ""`."""
        text = "\n".join(line.text for line in self.lines)

        def span(found: re.Match[str]) -> str:
            if found[1] != "`" or not re.match(r"\{python\}\s", found[2]):
                return found[0]
            line = self.lines[text.count("\n", 0, found.start())]
            value = replace(Inline(found[2][8:].strip(), line.place)) or ""
            if line.text.lstrip().startswith("|"):
                value = value.replace("<br>", " ")
            return value + "\n" * found[0].count("\n")

        return text if self.is_code else _SPAN.sub(span, text)


@dataclass
class Document:
    """A .qmd file, read."""

    path: Path
    meta: dict[str, Any]
    lines: list[Line]
    head: list[Line]  # where its keys stand: front matter, then _quarto.yml
    parts: list[Text | Chunk] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def bibliography(self) -> list[str]:
        given = self.meta.get("bibliography") or []
        return given if isinstance(given, list) else [given]

    @property
    def chunks(self) -> list[Chunk]:
        return [part for part in self.parts if isinstance(part, Chunk)]

    @property
    def events(self) -> list[Chunk | Inline]:
        """All that is run, in its order."""
        out: list[Chunk | Inline] = []
        for part in self.parts:
            if isinstance(part, Chunk):
                out.append(part)
            else:
                part.spans(out.append)
        return out


def read(path: Path) -> Document:
    """Read the document at `path`, and _quarto.yml, whose keys it overrides.

    Raises PressError for whatever press does not accept, and OSError.
    """
    lines = _lines(path)
    start, own = _front_matter(lines)
    beside = path.parent / "_quarto.yml"
    others = _lines(beside) if beside.is_file() else []
    shared = _yaml(others)
    parts = {"execute": _EXECUTE, "press": _PRESS}
    for values, where in ((shared, others), (own, lines[:start])):
        _check(values, "key", _KEYS, where)
        for key, known in parts.items():
            _check(values.get(key) or {}, key, known, where)
    meta = {**shared, **own}
    for key in parts:
        meta[key] = {**(shared.get(key) or {}), **(own.get(key) or {})}
    document = Document(path, meta, lines, [*lines[:start], *others])
    for name in document.bibliography:
        if not (document.folder / name).is_file():
            raise PressError(
                f"{place_of(name, document.head)}: the bibliography `{name}` "
                "does not exist."
            )
    text, rest = Text([]), iter(lines[start:])
    for line in rest:
        if next_fence("", line.text):
            document.parts += [text, _block(document, line, rest)]
            text = Text([])
        else:
            text.lines.append(line)
    document.parts.append(text)
    return document


def _lines(path: Path) -> list[Line]:
    try:
        texts = path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        before, byte = error.object[: error.start], error.object[error.start]
        number = before.count(b"\n") + 1
        raise PressError(
            f"{path.name}, line {number}: the byte 0x{byte:02x} is not UTF-8; "
            "save the file as UTF-8."
        ) from error
    return [Line(path.name, n, text) for n, text in enumerate(texts, 1)]


def next_fence(fence: str, text: str) -> str:
    """The fence that is open after this line ("" if none is)."""
    match = _FENCE.match(text)
    if not match:
        return fence
    mark, rest = match[2], match[3]
    if fence:
        closes = mark.startswith(fence) and not rest.strip()
        return "" if closes else fence
    # a backtick after the mark makes it inline code, not a fence
    return "" if mark[0] == "`" and "`" in rest else mark


def _front_matter(lines: list[Line]) -> tuple[int, dict[str, Any]]:
    """The number of lines that the front matter takes, and its content."""
    if lines[0].text.rstrip() != "---":
        return 0, {}
    for end, line in enumerate(lines[1:], start=1):
        if line.text.rstrip() in ("---", "..."):
            return end + 1, _yaml(lines[1:end])
    raise PressError(
        f"{lines[0].place}: the front matter is never closed; end it with a "
        "line `---`."
    )


def _yaml(lines: list[Line], cut: int = 0) -> dict[str, Any]:
    try:
        value = yaml.safe_load("\n".join(line.text[cut:] for line in lines))
    except Exception as error:  # at `!!bool maybe` PyYAML raises anything
        mark = getattr(error, "problem_mark", None)
        index = min(mark.line, len(lines) - 1) if mark else 0
        reason = getattr(error, "problem", None) or str(error) or "not valid"
        raise PressError(f"{lines[index].place}: YAML: {reason}.") from error
    if value is None:
        return {}
    if not (isinstance(value, dict) and all(type(k) is str for k in value)):
        raise PressError(f"{lines[0].place}: expected `key: value` lines.")
    return value


def _check(
    values: dict[str, Any], group: str, known: _Known, lines: list[Line]
) -> None:
    """Each key is one that press knows, its value of a type it can use."""
    for key, value in values.items():
        place = place_of(key, lines)
        if key not in known:
            raise PressError(
                f"{place}: press does not know the {group} `{key}`; it knows "
                f"{', '.join(known)}."
            )
        fits = type(value) in known[key] or value in known[key]
        if isinstance(value, list):
            inside = (str,) if key == "bibliography" else _TEXT
            fits = fits and all(type(part) in inside for part in value)
        if value is not None and not fits:
            text = str(value)
            short = text if len(text) < 60 else text[:57] + "..."
            raise PressError(f"{place}: `{key}` cannot be `{short}`.")


def place_of(key: str, lines: list[Line]) -> str:
    """Where a key stands in these lines."""
    opens = [x.place for x in lines if x.text.lstrip("#| ").startswith(key)]
    holds = [x.place for x in lines if key in x.text]
    return [*opens, *holds, *(x.place for x in lines[:1]), ""][0]


def _block(
    document: Document, opens: Line, lines: Iterator[Line]
) -> Text | Chunk:
    """What a fence opens: a chunk, or code that is shown as it is."""
    fence = next_fence("", opens.text)
    inside = [*takewhile(lambda line: next_fence(fence, line.text), lines)]
    end = opens.number + len(inside)
    closing = document.lines[end : end + 1]  # is taken from `lines` as well
    header = _CHUNK.match(opens.text.strip().removeprefix(fence).strip())
    if not header:
        return Text([opens, *inside, *closing], is_code=True)
    if header[1] != "python":
        reason = f"press runs chunks in `{{python}}`, not in `{{{header[1]}}}`"
    elif header[2].strip():
        reason = (
            "write the options of a chunk as `#| key: value` lines, not "
            "inside its braces"
        )
    elif not opens.text.startswith("```"):
        reason = "a chunk opens with ``` at the beginning of its line"
    elif not closing:
        reason = f"this chunk is never closed; end it with a line `{fence}`"
    else:
        before = document.chunks
        options = {**document.meta["execute"], **_options(inside, before)}
        return Chunk(len(before), options, inside, opens)
    raise PressError(f"{opens.place}: {reason}.")


def _options(lines: list[Line], before: list[Chunk]) -> dict[str, Any]:
    head = [*takewhile(lambda line: line.text.startswith("#|"), lines)]
    options = _yaml(head, 2)
    _check(options, "chunk option", _OPTIONS, head)
    options = {k: v for k, v in options.items() if v is not None}
    label, place = options.get("label", "a"), place_of("label", head)
    if not re.fullmatch(r"[A-Za-z][\w-]*", label):
        raise PressError(
            f"{place}: the label `{label}` may hold only letters, digits, "
            "`-` and `_`."
        )
    for chunk in before if "label" in options else ():
        if chunk.label == label:
            raise PressError(
                f"{place}: the label `{label}` is already used in "
                f"{chunk.place}."
            )
    return options
