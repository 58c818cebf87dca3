"""From report.qmd to the PDF, the page on the screen and the notebook.

Everything is made in a folder beside the document and moved into place at
the end, so that a failed build changes nothing.
"""

import datetime
import hashlib
import json
import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat

from press import execute, notebook, pandoc, reader, splice, typeset
from press.errors import PressError
from press.reader import Document

_STAGE = ".press-"
_META = ("title", "subtitle", "author", "date", "lang", "link-citations")
_FIELDS = ("kerberos", "collaborators", "sources", "bibliography")
# what press makes a page of: the same files, whichever report it is
_OWN = (typeset.PAGE, pandoc.FILTER, pandoc.SCREEN)


def build(path: Path, extra: dict[str, str] | None = None) -> list[Path]:
    """Execute and typeset the document at `path`; returns what was made.

    Raises PressError, with nothing changed on disk, for any fault.
    """
    folder_of(path)
    document = reader.read(path.resolve())
    names = file_names(document)
    _check_bibliography(document)
    try:
        with _staging(document.folder, names) as stage:
            return _build(document, Path(stage), names, extra or {})
    except OSError as error:
        raise PressError(
            f"{error.filename or path.name}: {error.strerror or error}; free "
            "the space or give the permission, then run press again."
        ) from error


def folder_of(path: Path) -> Path:
    """The folder of a document; PressError where there is none."""
    if path.suffix not in (".qmd", ".md", ""):
        raise PressError(
            f"{path}: press makes such a file and does not read it; give it "
            "the .qmd file."
        )
    if not path.is_file():
        raise PressError(f"{path}: there is no such document.")
    return path.resolve().parent


def clear(folder: Path) -> None:
    """Remove what a killed build left; only for who holds the lock."""
    for stage in folder.glob(f"{_STAGE}*/"):
        shutil.rmtree(stage, ignore_errors=True)


def unfilled(document: Document) -> str:
    """The fields that still hold a placeholder, or ""."""
    settings = document.meta.get("press") or {}
    blank = {str(text) for text in settings.get("placeholders") or []}
    shown = (*_META, *_FIELDS)
    keys = [k for k in shown if str(document.meta.get(k)) in blank]
    if not keys:
        return ""
    place = reader.place_of(keys[0], document.lines)
    words = ", ".join(f"{key} (`{document.meta[key]}`)" for key in keys)
    return f"still to be filled in, from {place}: {words}"


def _build(
    document: Document,
    stage: Path,
    names: dict[str, str],
    extra: dict[str, str],
) -> list[Path]:
    system = _check_characters(document, stage)
    executed = execute.execute(document)
    spliced = splice.splice(document, executed)
    hashes = {**provenance(document), **extra}
    for name, data in spliced.files.items():
        (stage / name).parent.mkdir(exist_ok=True)
        (stage / name).write_bytes(data)
    meta = _meta(document, hashes)
    source = stage / "report.typ"
    body = pandoc.convert("typst", spliced, meta, stage)
    head = _settings(document) + typeset.PAGE.read_text("utf-8")
    source.write_text(f"{head}\n{body}", "utf-8")
    compiled = typeset.compile_pdf(
        source, stage / names["pdf"], _timestamp(document), system, spliced
    )
    _check_widths(compiled, spliced)
    (stage / "numbers.json").write_text(json.dumps(compiled.numbers), "utf-8")
    meta["press-numbers"] = "numbers.json"
    with ThreadPoolExecutor() as pool:
        kinds = ("html", "notebook")
        screen, text = pool.map(
            lambda kind: pandoc.convert(kind, spliced, meta, stage), kinds
        )
    (stage / names["html"]).write_text(spliced.embedded(screen), "utf-8")
    metadata = {"provenance": hashes, "figures": sorted(spliced.files)}
    book = notebook.notebook(text, executed, metadata)
    nbformat.validate(book)
    nbformat.write(book, stage / names["notebook"])
    return _publish(document.folder, stage, names, set(spliced.files))


def _meta(document: Document, hashes: dict[str, str]) -> dict[str, Any]:
    """What Pandoc and the filter are told beside the text."""
    meta = {
        k: document.meta[k]
        for k in (*_META, *_FIELDS)
        if document.meta.get(k) not in (None, "")
    }
    value = meta.get("bibliography")
    if value:
        files = value if isinstance(value, list) else [value]
        meta["bibliography"] = [str(document.folder / name) for name in files]
    meta["press-cells"] = len(document.chunks)
    meta["press-keywords"] = [
        f"{key}: {value}" for key, value in hashes.items()
    ]
    return meta


def _settings(document: Document) -> str:
    """The document's `press` key as the line that page.typ asks for."""
    given = document.meta.get("press") or {}
    values = {
        "chapter": json.dumps(given.get("chapter-name", "Chapter")),
        "first": str(given.get("first-chapter", 1)),
        "letters": json.dumps(given.get("sections") == "letters"),
        "pages": json.dumps(given.get("chapter-pages", False)),
    }
    pairs = (f"{key}: {value}" for key, value in values.items())
    return f"#let press = ({', '.join(pairs)})\n"


# ---- what is known before anything is run --------------------------------


def file_names(document: Document) -> dict[str, str]:
    """The names of the PDF, the page on the screen and the notebook."""
    name = document.meta.get("output-file", document.path.stem)
    stem = str(name).removesuffix(".pdf")
    if not stem or stem.startswith(".") or Path(stem).name != stem:
        raise PressError(
            f"{reader.place_of('output-file', document.lines)}: output-file "
            f"must be a plain name, not `{name}`."
        )
    endings = {"pdf": ".pdf", "html": ".html", "notebook": ".ipynb"}
    return {kind: stem + ending for kind, ending in endings.items()}


def _check_bibliography(document: Document) -> None:
    value = document.meta.get("bibliography") or []
    for name in value if isinstance(value, list) else [value]:
        if not (document.folder / name).is_file():
            place = reader.place_of(name, document.lines)
            raise PressError(
                f"{place}: the bibliography `{name}` does not exist."
            )


def _check_characters(document: Document, stage: Path) -> bool:
    """Whether the machine's fonts are needed; PressError if they lack one."""
    hidden = {
        line
        for chunk in document.chunks
        if not (
            chunk.options.get("echo", True)
            and chunk.options.get("include", True)
        )
        for line in chunk.lines
        if not line.text.startswith("#|")
    }
    shown = [line for line in document.lines if line not in hidden]
    words = {w for x in shown for w in x.text.split() if not w.isascii()}
    if not words:
        return False
    system, missing = typeset.fonts(words, stage)
    for line in shown:
        for text in missing:
            if text in line.text:
                raise PressError(f"{line.place}: {typeset.no_font(text)}")
    return system


def _staging(
    folder: Path, names: dict[str, str]
) -> "tempfile.TemporaryDirectory[str]":
    """A folder beside the document, once all targets can be written."""
    for name in (*names.values(), "figures"):
        target = folder / name
        if target.exists() and not os.access(target, os.W_OK):
            raise PressError(f"{target}: no permission to write it.")
        if target.exists() and target.is_dir() != (name == "figures"):
            raise PressError(f"{target}: stands in the way; move it.")
    try:
        return tempfile.TemporaryDirectory(prefix=_STAGE, dir=folder)
    except OSError as error:
        raise PressError(
            f"{folder}: no permission to write here ({error.strerror})."
        ) from error


# ---- where a build comes from --------------------------------------------


def provenance(document: Document) -> dict[str, str]:
    """SHA-256 of all that a build comes from, in three parts.

    `report` is the document's text, `source` the code that it runs with the
    numbers that lie beside it, and `inputs` every other file: settings,
    bibliography and what press makes a page of.
    """
    text = "\n".join(line.text for line in document.lines)
    code = [
        path
        for folder in ("code", "proofs")
        for path in (document.folder / folder).rglob("*")
        if path.suffix in (".py", ".typ", ".lua", ".json", ".js", ".css")
    ]
    return {
        "report": hashlib.sha256(text.encode()).hexdigest(),
        "source": _digest(code, document.folder),
        "inputs": _digest(_inputs(document), document.folder),
    }


def _inputs(document: Document) -> list[Path]:
    """The files that a build reads, neither text nor code."""
    value = document.meta.get("bibliography") or []
    names = ["_quarto.yml", *(value if isinstance(value, list) else [value])]
    paths = [document.folder / name for name in names]
    return [path for path in paths if path.is_file()] + list(_OWN)


def _digest(paths: list[Path], folder: Path) -> str:
    """SHA-256 of these files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        inside = path.is_relative_to(folder)
        name = path.relative_to(folder).as_posix() if inside else path.name
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _timestamp(document: Document) -> int:
    """The PDF's date: the document's own, so that two builds are equal."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    try:
        day = datetime.date.fromisoformat(str(document.meta.get("date")))
    except ValueError:
        return 0
    noon = datetime.time(12, tzinfo=datetime.timezone.utc)
    return int(datetime.datetime.combine(day, noon).timestamp())


# ---- into place -----------------------------------------------------------


def _check_widths(compiled: typeset.Compiled, spliced: splice.Spliced) -> None:
    for formula in compiled.wide:
        tex, excess = formula["alt"], formula["excess"]
        start = tex.removeprefix(r"\begin{aligned} ").strip()[:40]
        raise PressError(
            f"{spliced.find(tex)}: the formula `{start}...` is "
            f"{excess:.0f} pt wider than the page; break its lines inside "
            "`aligned`."
        )


def _publish(
    folder: Path, stage: Path, names: dict[str, str], figures: set[str]
) -> list[Path]:
    """Move everything into place; remove figures that are no longer made."""
    old = _previous_figures(folder / names["notebook"])
    if figures:
        (folder / "figures").mkdir(exist_ok=True)
    made = [*sorted(figures), *names.values()]
    for name in made:
        with open(stage / name, "rb") as file:
            os.fsync(file.fileno())
    for name in made:
        os.replace(stage / name, folder / name)
    for name in old - figures:
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in made]


def _previous_figures(path: Path) -> set[str]:
    """The figures that the last build has made, as its notebook lists them."""
    try:
        metadata = json.loads(path.read_text("utf-8"))["metadata"]
        names = metadata["figures"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {
        name
        for name in names
        if isinstance(name, str) and re.fullmatch(r"figures/[\w.-]+", name)
    }
