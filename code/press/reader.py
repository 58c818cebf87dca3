"""Read a .qmd file: front matter, chunks, included files.

Markdown itself is Pandoc's work.  This reader looks at whole lines only: it
cuts the executable chunks out and leaves a numbered, empty code block in the
place of each, which Pandoc carries through to where its output belongs.
Every line remembers the file and number it came from, so that a fault found
later can still name them.
"""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from press import features
from press.errors import PressError

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*)$")
_CHUNK = re.compile(r"^\{\s*([A-Za-z]\w*)([^}]*)\}\s*$")
_SHORTCODE = re.compile(r"^\{\{<\s*(\S+)\s*(.*?)\s*>\}\}\s*$")
_OPTION_TYPES: dict[str, tuple[type, ...]] = {
    "label": (str,),
    "fig-cap": (str,),
    "fig-subcap": (list,),
    "fig-alt": (str, list),
    "tbl-cap": (str,),
    "echo": (bool,),
    "eval": (bool,),
    "include": (bool,),
    "output": (bool, str),
    "layout-ncol": (int,),
}
_TEXT = (str, int, float, datetime.date)
_KEY_TYPES: dict[str, tuple[type, ...]] = {
    "title": _TEXT,
    "subtitle": _TEXT,
    "author": (*_TEXT, list),
    "date": _TEXT,
    "abstract": _TEXT,
    "lang": (str,),
    "output-file": (str,),
    "bibliography": (str, list),
    "csl": (str,),
    "link-citations": (bool,),
    "nocite": (str,),
    "kerberos": _TEXT,
    "collaborators": (*_TEXT, list),
    "sources": (*_TEXT, list),
    "execute": (dict,),
    "press": (dict,),
    # under `execute` and `press`
    "warning": (bool,),
    "chapter-name": (str,),
    "first-chapter": (int,),
    "sections": (str,),
}
# PyYAML raises some of these at tags that do not fit, as in `!!bool maybe`
_YAML_FAULTS = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    RecursionError,
)


class Line(NamedTuple):
    """A line of text and where it stands."""

    file: str
    number: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.number}"


@dataclass(frozen=True)
class Chunk:
    """An executable chunk: its options and its lines, fences left out."""

    number: int
    options: dict[str, Any]
    lines: list[Line]
    place: str

    @property
    def label(self) -> str:
        return self.options.get("label", f"chunk-{self.number + 1}")

    @property
    def source(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @property
    def code(self) -> str:
        """The source without its option lines."""
        return "\n".join(
            line.text for line in self.lines if not line.text.startswith("#|")
        ).strip("\n")

    def line(self, number: int) -> str:
        """The place of the chunk's line `number`, counted from 1."""
        inside = 0 < number <= len(self.lines)
        return self.lines[number - 1].place if inside else self.place


@dataclass
class Document:
    """A .qmd file, read."""

    path: Path
    meta: dict[str, Any]
    lines: list[Line]
    chunks: list[Chunk] = field(default_factory=list)
    markdown: str = ""

    @property
    def folder(self) -> Path:
        return self.path.parent

    def find(self, text: str) -> str | None:
        """The place of the line that holds `text`, or a part of it."""
        for line in self.lines:
            if text and text in line.text:
                return line.place
        whole, longest, place = " ".join(text.split()), 8, None
        for line in self.lines:
            part = " ".join(line.text.strip("$ ").split())
            if len(part) > longest and part in whole:
                longest, place = len(part), line.place
        return place


def read(path: Path) -> Document:
    """Read the document at `path`.

    Raises PressError for whatever press does not accept.
    """
    lines = list(_lines(path, path.parent, ()))
    start, meta = _front_matter(lines)
    _check_keys(meta, "key", lines[:start])
    meta = _merged(_project(path.parent), meta)
    _check_values(meta, lines[:start])
    _check_keys(meta.get("execute") or {}, "execute", lines[:start])
    document = Document(path, meta, lines)
    defaults = meta.get("execute") or {}
    document.markdown = "\n".join(_body(document, start, defaults)) + "\n"
    return document


def _merged(project: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The project's keys, and over them the document's own."""
    out = {**project, **own}
    for key in project.keys() & own.keys():
        if isinstance(project[key], dict) and isinstance(own[key], dict):
            out[key] = {**project[key], **own[key]}
    return out


def _project(folder: Path) -> dict[str, Any]:
    """The keys that _quarto.yml sets for every document of the folder."""
    path = folder / "_quarto.yml"
    if not path.is_file():
        return {}
    texts = _text(path, path.name).split("\n")
    lines = [Line(path.name, n, text) for n, text in enumerate(texts, 1)]
    values = _yaml(lines, texts)
    _check_keys(values, "key", lines)
    return values


def _lines(
    path: Path, root: Path, parents: tuple[Path, ...]
) -> Iterator[Line]:
    """The lines of a file, those of its included files in their place."""
    inside = path.is_relative_to(root)
    name = path.relative_to(root).as_posix() if inside else path.name
    fence = ""
    for number, text in enumerate(_text(path, name).split("\n"), start=1):
        line = Line(name, number, text)
        fence = _next_fence(fence, text)
        shortcode = None if fence else _SHORTCODE.match(text)
        if not shortcode:
            yield line
        elif shortcode[1] == "include":
            yield from _included(line, shortcode[2], path, root, parents)
        elif shortcode[1] == "pagebreak":
            yield Line(name, number, "{{< pagebreak >}}")
        else:
            raise PressError(
                f"{line.place}: press does not know the shortcode "
                f"`{shortcode[1]}`; it knows "
                f"{', '.join(features.names('shortcode'))}."
            )


def _included(
    line: Line, target: str, path: Path, root: Path, parents: tuple[Path, ...]
) -> Iterator[Line]:
    file = path.parent / target
    if not target or not file.is_file():
        raise PressError(
            f"{line.place}: the included file `{target}` does not exist."
        )
    if file.resolve() in {p.resolve() for p in (*parents, path)}:
        raise PressError(f"{line.place}: `{target}` includes itself.")
    yield from _lines(file, root, (*parents, path))


def _text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PressError(
            f"{name}: cannot be read ({error.strerror})."
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise PressError(
            f"{name}, line {number}: the byte 0x{data[error.start]:02x} is "
            "not UTF-8; save the file as UTF-8."
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _next_fence(fence: str, text: str) -> str:
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
    if not lines or lines[0].text.rstrip() != "---":
        return 0, {}
    for end, line in enumerate(lines[1:], start=1):
        if line.text.rstrip() in ("---", "..."):
            return end + 1, _yaml(lines[1:end], [x.text for x in lines[1:end]])
    raise PressError(
        f"{lines[0].place}: the front matter is never closed; end it with a "
        "line `---`."
    )


def _yaml(lines: list[Line], texts: list[str]) -> dict[str, Any]:
    try:
        value = yaml.safe_load("\n".join(texts))
    except _YAML_FAULTS as error:
        mark = getattr(error, "problem_mark", None)
        index = min(mark.line, len(lines) - 1) if mark else 0
        reason = getattr(error, "problem", None) or "not valid"
        raise PressError(f"{lines[index].place}: YAML: {reason}.") from error
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(
        isinstance(key, str) for key in value
    ):
        raise PressError(f"{lines[0].place}: expected `key: value` lines.")
    return value


def _check_keys(values: Any, group: str, lines: list[Line]) -> None:
    if not isinstance(values, dict):
        raise PressError(f"{lines[0].place}: `{group}` needs keys and values.")
    for key in values:
        if not features.accepts(group, key):
            raise PressError(
                f"{_place(key, lines)}: press does not know the key `{key}`; "
                f"it knows {', '.join(features.names(group))}."
            )


def _check_values(meta: dict[str, Any], lines: list[Line]) -> None:
    """Each key's value is of a type that press can use."""
    groups = [meta, meta.get("press"), meta.get("execute")]
    pairs = [p for g in groups if isinstance(g, dict) for p in g.items()]
    for key, value in pairs:
        types = _KEY_TYPES.get(key, _OPTION_TYPES.get(key))
        if types is None or value is None:
            continue
        parts = value if isinstance(value, list) else []
        inside = (str,) if key == "bibliography" else _TEXT
        fits = _is_a(value, types) and all(_is_a(x, inside) for x in parts)
        if not fits:
            raise PressError(
                f"{_place(key, lines)}: `{key}` cannot be `{_short(value)}`."
            )


def _is_a(value: Any, types: tuple[type, ...]) -> bool:
    """Python counts a truth value as a number; a document does not."""
    return isinstance(value, types) and (
        not isinstance(value, bool) or bool in types
    )


def _place(key: str, lines: list[Line]) -> str:
    """Where a key of the front matter stands, or of _quarto.yml."""
    opens = [x.place for x in lines if x.text.strip().startswith(key)]
    holds = [x.place for x in lines if key in x.text]
    first = [x.place for x in lines[:1]]
    return [*opens, *holds, *first, "_quarto.yml"][0]


def _short(value: Any) -> str:
    """A value in a message of one line."""
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."


def _body(
    document: Document, start: int, defaults: dict[str, Any]
) -> Iterator[str]:
    """The Markdown text, each chunk replaced by a numbered empty block."""
    lines, index, fence = document.lines, start, ""
    while index < len(lines):
        line = lines[index]
        opens = not fence and _FENCE.match(line.text)
        header = opens and _CHUNK.match(opens[3].strip())
        index += 1
        if not header:
            was_open, fence = fence, _next_fence(fence, line.text)
            is_break = not was_open and line.text == "{{< pagebreak >}}"
            yield _marker("press-pagebreak") if is_break else line.text
            continue
        assert opens
        _check_header(line, opens, header)
        end = _chunk_end(lines, index, opens[2], line)
        number = len(document.chunks)
        options = {**defaults, **_options(lines[index:end], document)}
        options.pop("warning", None)
        document.chunks.append(
            Chunk(number, options, lines[index:end], line.place)
        )
        yield _marker("press-chunk", number)
        index = end + 1


def _marker(name: str, number: int = 0) -> str:
    return f'\n```{{.{name} n="{number}"}}\n```\n'


def _check_header(
    line: Line, opens: re.Match[str], header: re.Match[str]
) -> None:
    if not features.accepts("inline code", header[1]):
        raise PressError(
            f"{line.place}: press runs chunks in `{{python}}`, not in "
            f"`{{{header[1]}}}`."
        )
    if header[2].strip():
        raise PressError(
            f"{line.place}: write the options of a chunk as `#| key: value` "
            "lines, not inside its braces."
        )
    if opens[1] or opens[2][0] == "~":
        raise PressError(
            f"{line.place}: a chunk opens with ``` at the beginning of its "
            "line."
        )


def _chunk_end(lines: list[Line], index: int, mark: str, opening: Line) -> int:
    for end in range(index, len(lines)):
        if lines[end].file != opening.file:
            break
        if not _next_fence(mark, lines[end].text):
            return end
    raise PressError(
        f"{opening.place}: this chunk is never closed; end it with a line "
        f"`{mark}`."
    )


def _options(lines: list[Line], document: Document) -> dict[str, Any]:
    head = []
    for line in lines:
        if not line.text.startswith("#|"):
            break
        head.append(line)
    if not head:
        return {}
    options = _yaml(head, [line.text[2:].removeprefix(" ") for line in head])
    for key, value in options.items():
        place = next(
            (x.place for x in head if x.text[2:].strip().startswith(key)),
            head[0].place,
        )
        _check_option(key, value, place)
    if "label" in options:
        _check_label(options["label"], head[0], document)
    return options


def _check_option(key: str, value: Any, place: str) -> None:
    if not features.accepts("option", key):
        raise PressError(
            f"{place}: press does not know the chunk option `{key}`; it "
            f"knows {', '.join(features.names('option'))}."
        )
    types = _OPTION_TYPES[key]
    fits = _is_a(value, types)
    if isinstance(value, list):
        fits = fits and all(isinstance(item, str) for item in value)
    if key == "output" and isinstance(value, str):
        fits = value == "asis"
    if key == "layout-ncol" and fits:
        fits = 1 <= value <= 6
    if not fits:
        raise PressError(
            f"{place}: the chunk option `{key}` cannot be `{_short(value)}`."
        )


def _check_label(label: str, line: Line, document: Document) -> None:
    if not re.fullmatch(r"[A-Za-z][\w-]*", label):
        raise PressError(
            f"{line.place}: the label `{label}` may hold only letters, "
            "digits, `-` and `_`."
        )
    for chunk in document.chunks:
        if chunk.label == label:
            raise PressError(
                f"{line.place}: the label `{label}` is already used in "
                f"{chunk.place}."
            )
