"""From report.qmd to the notebook, the figures and the PDF.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import yaml

from press import execute, figures, notebook, pandoc, reader, typeset
from press.crossref import Numbers
from press.errors import PressError
from press.execute import Event, Executed, Inline
from press.pandoc import Node
from press.reader import Chunk, Document
from press.structure import Structure, inline_code, marker, node, prefix

_STAGE = ".press-"
_SNIPPET = "\n\n```{.press-snippet}\n```\n\n"
_META = ("title", "subtitle", "author", "date", "abstract", "lang", "nocite")
_FIELDS = ("kerberos", "collaborators", "sources", "link-citations")


@dataclass
class Build:
    """One build: the document, and what has become of it so far."""

    document: Document
    events: list[Event] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)  # by chunk's place
    files: dict[str, bytes] = field(default_factory=dict)  # figures, by path

    def place(self, words: str) -> str:
        """Where these words stand: in the source, or in a chunk's output."""
        found = self.document.find(words)
        for place, output in self.outputs.items():
            if not found and words and words in output:
                return f"{place} (in its output)"
        return found or self.document.path.name

    def fault(self, words: str, message: str) -> PressError:
        """An error at the place where these words stand."""
        return PressError(f"{self.place(words)}: {message}.")


def build(path: Path, extra: dict[str, str] | None = None) -> list[Path]:
    """Execute and typeset the document at `path`; returns what was made.

    Raises PressError, with nothing changed on disk, for any fault.
    """
    folder_of(path)
    document = reader.read(path.resolve())
    work = Build(document)
    names = file_names(document)
    bibliography = _bibliography(work)
    with _staging(document.folder, names) as stage, faults(work):
        return _build(work, Path(stage), names, bibliography, extra or {})


@contextmanager
def faults(work: Build) -> Iterator[None]:
    """What may go wrong in a build, as a PressError."""
    name = work.document.path.name
    try:
        yield
    except pandoc.Refusal as refusal:
        raise work.fault(refusal.words, f"Pandoc: {refusal}") from refusal
    except RecursionError as error:
        raise PressError(
            f"{name}: its lists, quotes or divs are nested too deeply."
        ) from error
    except OSError as error:
        raise PressError(
            f"{error.filename or name}: {error.strerror or error}; free the "
            "space or give the permission, then run press again."
        ) from error


def folder_of(path: Path) -> Path:
    """The folder of a document; PressError where there is none."""
    if not path.is_file():
        raise PressError(f"{path}: there is no such document.")
    return path.resolve().parent


def clear(folder: Path) -> None:
    """Remove what a killed build left; only for who holds the lock."""
    for stage in folder.glob(f"{_STAGE}*/"):
        shutil.rmtree(stage, ignore_errors=True)


def _build(
    work: Build,
    stage: Path,
    names: dict[str, str],
    bibliography: list[str],
    extra: dict[str, str],
) -> list[Path]:
    folder = work.document.folder
    tree = _source_tree(work)
    executed = execute.execute(work.document, work.events)
    tree = _press_tree(work, tree, executed)
    _check_citations(work, tree, bibliography)
    hashes = {**provenance(work.document), **extra}
    pages = _typeset(work, tree, stage, bibliography, hashes)
    parts = notebook.markdown(tree, folder, bibliography, pages)
    metadata = {"provenance": hashes, "figures": sorted(work.files)}
    book = notebook.notebook(parts, executed, metadata)
    nbformat.validate(book)
    nbformat.write(book, stage / "report.ipynb")
    return _publish(work, stage, names)


def _check_citations(work: Build, tree: Node, bibliography: list[str]) -> None:
    for part in pandoc.nodes(tree["blocks"]):
        if part["t"] == "Cite" and not bibliography:
            key = part["c"][0][0]["citationId"]
            raise work.fault(
                "@" + key,
                f"cites @{key}, but the document names no `bibliography`",
            )


# ---- what the document asks for ---------------------------------------


def file_names(document: Document) -> dict[str, str]:
    """The names of the PDF and of the notebook."""
    name = document.meta.get("output-file", document.path.stem)
    stem = str(name).removesuffix(".pdf")
    if not stem or stem.startswith(".") or Path(stem).name != stem:
        raise PressError(
            f"{document.find('output-file') or document.path.name}: "
            f"output-file must be a plain name, not `{name}`."
        )
    return {"pdf": f"{stem}.pdf", "notebook": f"{stem}.ipynb"}


def _bibliography(work: Build) -> list[str]:
    """Pandoc's arguments for the citations."""
    value = work.document.meta.get("bibliography")
    if not value:
        return []
    arguments = ["--citeproc"]
    for name in value if isinstance(value, list) else [value]:
        if not (work.document.folder / name).is_file():
            raise work.fault(name, f"the bibliography `{name}` does not exist")
        arguments += ["--bibliography", str(name)]
    style = work.document.meta.get("csl")
    if style and not (work.document.folder / style).is_file():
        raise work.fault(style, f"the citation style `{style}` does not exist")
    return arguments + (["--csl", style] if style else [])


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


def provenance(document: Document) -> dict[str, str]:
    """SHA-256 of all that a build comes from, in three parts.

    `report` is the document's text, `source` the code that it runs with the
    numbers that lie beside it, and `inputs` every other file: settings,
    bibliography and the page's template.
    """
    text = "\n".join(line.text for line in document.lines)
    code = [
        path
        for folder in ("code", "proofs")
        for path in (document.folder / folder).rglob("*")
        if path.suffix in (".py", ".typ", ".json")
    ]
    return {
        "report": hashlib.sha256(text.encode()).hexdigest(),
        "source": _digest(code, document.folder),
        "inputs": _digest(_inputs(document), document.folder),
    }


def _inputs(document: Document) -> list[Path]:
    """The files that a build reads, neither text nor code."""
    names = ["_quarto.yml"]
    for key in ("bibliography", "csl"):
        value = document.meta.get(key)
        names += value if isinstance(value, list) else [value or ""]
    paths = [document.folder / name for name in names]
    return [path for path in paths if path.is_file()] + [typeset.TEMPLATE]


def _digest(paths: list[Path], folder: Path) -> str:
    """SHA-256 of these files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        inside = path.is_relative_to(folder)
        name = path.relative_to(folder).as_posix() if inside else path.name
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


# ---- from source to tree ------------------------------------------------


def _source_tree(work: Build) -> Node:
    """The parsed source, its placeholders numbered in order of execution."""
    document = work.document
    keys = {
        key: document.meta[key]
        for key in (*_META, *_FIELDS)
        if key in document.meta
    }
    head = "---\n" + yaml.safe_dump(keys, allow_unicode=True) + "---\n\n"
    tree = pandoc.parse(head + document.markdown, document.folder)
    tree["blocks"] = pandoc.walk(
        tree["blocks"], lambda part: _event(work, part)
    )
    found = [event for event in work.events if isinstance(event, Chunk)]
    for chunk in document.chunks:
        if chunk not in found:
            raise PressError(
                f"{chunk.place}: a comment or a list hides this chunk."
            )
    return tree


def _event(work: Build, part: Node) -> Node | None:
    number = marker(part, "press-chunk")
    if number is not None:
        work.events.append(work.document.chunks[number])
        return node("Chunk", number=number)
    expression = inline_code(part)
    if expression is None:
        return None
    place = work.place(part["c"][1])
    inlines = [e for e in work.events if isinstance(e, Inline)]
    work.events.append(Inline(expression, place))
    return node("Inline", index=len(inlines))


def _press_tree(work: Build, tree: Node, executed: Executed) -> Node:
    """The tree with all outputs in place, numbered, references resolved."""
    values = _values(work, executed)
    chunks = _chunk_blocks(work, executed)

    def fill(part: Node) -> Any:
        if part["t"] == "PressInline":
            return values[part["c"]["index"]]
        if part["t"] == "PressChunk":
            return chunks[part["c"]["number"]]
        return None

    blocks = pandoc.walk(tree["blocks"], fill)
    blocks = Structure(work.fault).blocks(blocks)
    settings = work.document.meta.get("press") or {}
    numbers = Numbers(
        work.fault,
        chapter_name=settings.get("chapter-name", "Chapter"),
        letters=settings.get("sections") == "letters",
    )
    numbers.sections[0] = settings.get("first-chapter", 1) - 1
    numbers.assign(blocks)
    return {**tree, "blocks": numbers.resolve(blocks)}


def _snippets(work: Build, texts: list[str]) -> list[list[Node]]:
    """Pieces of Markdown, parsed in one call."""
    if not texts:
        return []
    joined = _SNIPPET.join(texts)
    tree = pandoc.parse(joined, work.document.folder)
    out: list[list[Node]] = [[]]
    for block in tree["blocks"]:
        is_cut = block["t"] == "CodeBlock" and (
            "press-snippet" in block["c"][0][1]
        )
        if is_cut:
            out.append([])
        else:
            out[-1].append(block)
    if len(out) != len(texts):
        raise PressError(
            f"{work.document.path.name}: a chunk prints Markdown that opens "
            "a block (`:::` or a fence) and never closes it."
        )
    return out


def _values(work: Build, executed: Executed) -> list[list[Node]]:
    """What each inline expression shows."""
    texts = [bundle.get("text/markdown", "") for bundle in executed.values]
    parsed = _snippets(work, texts)
    out = []
    for bundle, blocks in zip(executed.values, parsed, strict=True):
        if "text/markdown" not in bundle:
            plain = bundle.get("text/plain", "").strip("'\"")
            out.append(pandoc.words(plain))
        else:
            out.append(blocks[0]["c"] if blocks else [])
    return out


# ---- what chunks show -----------------------------------------------------


def _chunk_blocks(work: Build, executed: Executed) -> dict[int, Node]:
    """Each chunk's node, by its number."""
    texts, chunks = [], work.document.chunks
    for chunk in chunks:
        cell = executed.cells.get(chunk.number)
        texts.append(_markdown(chunk, cell.outputs if cell else []))
        work.outputs[chunk.place] = texts[-1]
        for key in ("fig-cap", "tbl-cap"):
            texts.append(str(chunk.options.get(key, "")))
        texts += chunk.options.get("fig-subcap", [])
    parsed = iter(_snippets(work, texts))
    out = {}
    for chunk in chunks:
        blocks, figure_caption, table_caption = (next(parsed) for _ in "123")
        captions = [next(parsed) for _ in chunk.options.get("fig-subcap", [])]
        cell = executed.cells.get(chunk.number)
        images = _images(work, chunk, cell.outputs if cell else [])
        structure = Structure(work.fault)
        blocks = structure.blocks(blocks)
        if prefix(chunk.label) == "tbl":
            blocks = _table(chunk, blocks, table_caption, structure)
        if images:
            blocks.append(
                _figure(chunk, images, figure_caption, captions, structure)
            )
        elif prefix(chunk.label) == "fig" and chunk.options.get("eval", True):
            raise PressError(
                f"{chunk.place}: the chunk `{chunk.label}` draws no figure."
            )
        show = chunk.options.get("include", True)
        echo = show and chunk.options.get("echo", True)
        out[chunk.number] = node(
            "Chunk",
            number=chunk.number,
            source=chunk.source,
            eval=chunk.options.get("eval", True),
            asis=chunk.options.get("output") == "asis",
            code=chunk.code if echo else None,
            blocks=blocks,
        )
    return out


def _is_shown(chunk: Chunk) -> bool:
    return chunk.options.get("include", True) and (
        chunk.options.get("output", True) is not False
    )


def _markdown(chunk: Chunk, outputs: list[Any]) -> str:
    """The Markdown of a chunk's outputs, figures left out."""
    if not _is_shown(chunk):
        return ""
    asis = chunk.options.get("output") == "asis"
    parts = []
    for output in outputs:
        bundle = output.get("data", {})
        if output["output_type"] == "stream":
            text = output["text"]
            parts.append(text if asis else _verbatim(text))
        elif figures.is_image(bundle):
            continue
        elif "text/markdown" in bundle:
            parts.append(bundle["text/markdown"])
        elif "text/plain" in bundle:
            parts.append(_verbatim(bundle["text/plain"]))
    return "\n\n".join(parts)


def _verbatim(text: str) -> str:
    ticks = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _images(work: Build, chunk: Chunk, outputs: list[Any]) -> list[Any]:
    """The chunk's pictures as files; the notebook gets its own copies."""
    found = [o for o in outputs if figures.is_image(o.get("data", {}))]
    alts = chunk.options.get("fig-alt", [])
    alts = [alts] if isinstance(alts, str) else alts
    if not found:
        return []
    caption = chunk.options.get("fig-cap", "")
    if prefix(chunk.label) != "fig" or not caption.strip():
        raise PressError(
            f"{chunk.place}: the chunk `{chunk.label}` draws a figure; give "
            "it a label `fig-...` and a fig-cap."
        )
    if len(alts) != len(found) or not all(alt.strip() for alt in alts):
        raise PressError(
            f"{chunk.place}: the chunk `{chunk.label}` draws {len(found)} "
            f"figure(s) and has {len(alts)} fig-alt; give each one its own."
        )
    panels = []
    for index, (output, alt) in enumerate(zip(found, alts, strict=True), 1):
        picture = figures.picture(output["data"])
        figures.for_notebook(output, alt)
        suffix = f"-{index}" if len(found) > 1 else ""
        name = f"figures/{chunk.label}{suffix}{picture.suffix}"
        work.files[name] = picture.data
        panels.append(
            {
                "file": name,
                "width": f"{picture.width:.3f}in",
                "alt": alt,
                "id": chunk.label + suffix if suffix else "",
                "caption": [],
            }
        )
    return panels if _is_shown(chunk) else []


def _figure(
    chunk: Chunk,
    panels: list[Any],
    caption: list[Node],
    captions: list[list[Node]],
    structure: Structure,
) -> Node:
    if captions and len(captions) != len(panels):
        raise PressError(
            f"{chunk.place}: the chunk `{chunk.label}` draws {len(panels)} "
            f"figures and has {len(captions)} entries in fig-subcap."
        )
    for panel, part in zip(panels, captions, strict=False):
        panel["caption"] = structure.inlines(_inlines(part))
    return node(
        "Figure",
        id=chunk.label,
        panels=panels,
        columns=chunk.options.get("layout-ncol", 1),
        caption=structure.inlines(_inlines(caption)),
    )


def _table(
    chunk: Chunk,
    blocks: list[Node],
    caption: list[Node],
    structure: Structure,
) -> list[Node]:
    if len(blocks) != 1 or blocks[0]["t"] != "Table" or not caption:
        raise PressError(
            f"{chunk.place}: the chunk `{chunk.label}` must print one table "
            "and have a tbl-cap."
        )
    inlines = structure.inlines(_inlines(caption))
    return [node("Table", id=chunk.label, caption=inlines, table=blocks[0])]


def _inlines(blocks: list[Node]) -> list[Node]:
    return blocks[0]["c"] if blocks else []


# ---- from tree to files ---------------------------------------------------


def _typeset(
    work: Build,
    tree: Node,
    stage: Path,
    bibliography: list[str],
    hashes: dict[str, str],
) -> dict[str, int]:
    """Write the PDF into the stage; returns the referenced pages."""
    for name, data in work.files.items():
        (stage / name).parent.mkdir(exist_ok=True)
        (stage / name).write_bytes(data)
    _copy_images(work, tree, stage)
    keywords = [f"{key}: {value}" for key, value in hashes.items()]
    source = typeset.typst_source(
        tree, work.document.folder, bibliography, keywords
    )
    (stage / "report.typ").write_text(source, "utf-8")
    compiled = typeset.compile_pdf(
        stage / "report.typ", stage / "report.pdf", _timestamp(work.document)
    )
    for tex, excess in compiled.wide.items():
        start = tex.removeprefix(r"\begin{aligned} ")[:40]
        raise work.fault(
            tex,
            f"the formula `{start}...` is {excess:.0f} pt wider than the "
            "page; break its lines inside `aligned`",
        )
    return compiled.pages


def _copy_images(work: Build, tree: Node, stage: Path) -> None:
    for part in pandoc.nodes(tree["blocks"]):
        panels = part["c"]["panels"] if part["t"] == "PressFigure" else []
        for panel in panels:
            name = panel["file"]
            folder = work.document.folder
            source = folder / name
            if name in work.files:
                continue
            if not Path(os.path.normpath(source)).is_relative_to(folder):
                raise work.fault(
                    name, f"the image `{name}` lies outside the folder"
                )
            if not source.is_file():
                raise work.fault(name, f"the image `{name}` does not exist")
            target = stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _timestamp(document: Document) -> int:
    """The PDF's date: the document's own, so that two builds are equal."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    date = document.meta.get("date")
    try:
        day = datetime.date.fromisoformat(str(date))
    except ValueError:
        return 0
    noon = datetime.time(12, tzinfo=datetime.timezone.utc)
    return int(datetime.datetime.combine(day, noon).timestamp())


def _publish(work: Build, stage: Path, names: dict[str, str]) -> list[Path]:
    """Move everything into place; remove figures that are no longer made."""
    folder = work.document.folder
    old = _previous_figures(folder / names["notebook"])
    if work.files:
        (folder / "figures").mkdir(exist_ok=True)
    targets = [(stage / name, folder / name) for name in sorted(work.files)]
    targets.append((stage / "report.pdf", folder / names["pdf"]))
    targets.append((stage / "report.ipynb", folder / names["notebook"]))
    for source, _ in targets:
        with open(source, "rb") as file:
            os.fsync(file.fileno())
    for source, target in targets:
        os.replace(source, target)
    for name in old - set(work.files):
        (folder / name).unlink(missing_ok=True)
    return [target for _, target in targets]


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
