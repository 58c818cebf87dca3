"""From report.qmd to the PDF, the page on the screen and the notebook.

Everything is made in a folder beside the document and moved into place at
the end, so that a failed build changes nothing.
"""

import json
import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from press import kept, notebook, pandoc, reader, splice, typeset
from press.errors import PressError
from press.reader import Document

_STAGE = ".press-"


def build(
    path: Path, extra: dict[str, str] | None = None, state: str = ""
) -> list[Path]:
    """Execute and typeset the document at `path`; returns the three files.

    `extra` is recorded as provenance; `state` is explained in kept.py.

    Raises PressError, with nothing changed on disk, for any fault.
    """
    try:
        document = reader.read(path.resolve())
        folder = document.folder
        with tempfile.TemporaryDirectory(prefix=_STAGE, dir=folder) as stage:
            return _build(document, Path(stage), extra or {}, state)
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
    blank = [str(x) for x in document.meta["press"].get("placeholders") or []]
    filled = {k: v for k, v in document.meta.items() if k != "output-file"}
    keys = [k for k, v in filled.items() if str(v) in blank]
    if not keys:
        return ""
    place = reader.place_of(keys[0], document.head)
    words = ", ".join(f"{key} (`{document.meta[key]}`)" for key in keys)
    return f"still to be filled in, from {place}: {words}"


def _build(
    document: Document, stage: Path, extra: dict[str, str], state: str
) -> list[Path]:
    names, meta = _file_names(document), _meta(document, extra)
    _check_characters(document, stage)
    executed = kept.executed(document, state, extra, stage)
    spliced = splice.splice(document, executed)
    for name, data in spliced.files.items():
        (stage / name).parent.mkdir(exist_ok=True)
        (stage / name).write_bytes(data)
    source = stage / "report.typ"
    convert = partial(pandoc.convert, spliced=spliced, meta=meta, folder=stage)
    head = _settings(document) + typeset.PAGE.read_text("utf-8")
    source.write_text(f"{head}\n{convert('typst')}", "utf-8")
    pdf, numbers = typeset.compile_pdf(source, _timestamp(document), spliced)
    (stage / names["pdf"]).write_bytes(pdf)
    (stage / "numbers.json").write_text(json.dumps(numbers), "utf-8")
    with ThreadPoolExecutor() as pool:
        screen, text = pool.map(convert, ("html", "notebook"))
    (stage / names["html"]).write_text(spliced.embedded(screen), "utf-8")
    metadata = {"provenance": extra, "figures": sorted(spliced.files)}
    book = notebook.notebook(text, executed, metadata)
    nbformat.validate(book)
    nbformat.write(book, stage / names["ipynb"])
    return _publish(document.folder, stage, names, set(spliced.files))


def _check_characters(document: Document, stage: Path) -> None:
    """What no font can show is known before anything is run."""
    unseen = [
        x for chunk in document.chunks if not chunk.shown for x in chunk.lines
    ]
    hidden = {x for x in unseen if not x.text.startswith("#|")}
    shown = [x.text for x in document.lines if x not in hidden]
    words = [w for text in shown for w in text.split() if not w.isascii()]
    page = stage / "words.typ"
    head = '#set document(title: "words")\n#metadata(())<press-numbers>\n'
    texts = [f"#{json.dumps(word, ensure_ascii=False)}\n\n" for word in words]
    page.write_text("".join([head, *texts]), "utf-8")
    typeset.compile_pdf(page, 0, splice.Spliced(document))


def _meta(document: Document, extra: dict[str, str]) -> dict[str, Any]:
    """What Pandoc and the filter are told beside the text."""
    own = {k: v for k, v in document.meta.items() if not isinstance(v, dict)}
    return {
        **{k: v for k, v in own.items() if v not in (None, "")},
        "press-cells": len(document.chunks),
        "press-keywords": [f"{key}: {extra[key]}" for key in extra],
    }


def _settings(document: Document) -> str:
    """The document's `press` key as the line that page.typ asks for."""
    given = document.meta["press"]
    name = given.get("chapter-name", "Chapter")
    chapter = json.dumps(name, ensure_ascii=False)
    letters = json.dumps(given.get("sections") == "letters")
    first = given.get("first-chapter", 1)
    pairs = f"chapter: {chapter}, first: {first}, letters: {letters}"
    return f"#let press = ({pairs})\n"


def _file_names(document: Document) -> dict[str, str]:
    """The names of the PDF, the page on the screen and the notebook.

    Raises PressError where they, or the folder of figures, cannot be written.
    """
    name = document.meta.get("output-file", document.path.stem)
    stem = str(name).removesuffix(".pdf")
    if not stem or stem.startswith(".") or Path(stem).name != stem:
        raise PressError(
            f"{reader.place_of('output-file', document.head)}: output-file "
            f"must be a plain name, not `{name}`."
        )
    names = {kind: f"{stem}.{kind}" for kind in ("pdf", "html", "ipynb")}
    for name in (*names.values(), "figures"):
        target = document.folder / name
        if target.exists() and not os.access(target, os.W_OK):
            raise PressError(f"{target}: no permission to write it.")
        if target.exists() and target.is_dir() != (name == "figures"):
            raise PressError(f"{target}: stands in the way; move it.")
    return names


def _timestamp(document: Document) -> int:
    """The PDF's date: the document's own, so that two builds are equal."""
    noon, seconds = f"{document.meta.get('date')} 12:00+00:00", 0.0
    with suppress(ValueError):
        seconds = datetime.fromisoformat(noon).timestamp()
    return int(os.environ.get("SOURCE_DATE_EPOCH", seconds))


def _publish(
    folder: Path, stage: Path, names: dict[str, str], figures: set[str]
) -> list[Path]:
    """Move everything into place; remove figures that are no longer made."""
    old = set()
    with suppress(OSError, ValueError, KeyError, TypeError):
        book = json.loads((folder / names["ipynb"]).read_text("utf-8"))
        listed = book["metadata"]["figures"]
        old = {x for x in listed if re.fullmatch(r"figures/[\w.-]+", x)}
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
    return [folder / name for name in names.values()]
