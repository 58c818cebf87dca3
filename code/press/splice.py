"""The executed document as one Markdown text: what chunks show, in place.

Chunks become Divs of the class `cell`, figures and tables Divs with their
label whose last paragraph is the caption, as in Quarto. Every line of the
text remembers where it comes from.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from press import figures
from press.errors import PressError
from press.execute import Executed, plain
from press.reader import Chunk, Document, Line, next_fence

_RAW = re.compile(r"^```\{=html\}\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_KEPT = '<press-html n="{}">'


@dataclass
class Spliced:
    """The text, the place of each of its lines, and the figures' files."""

    document: Document
    lines: list[Line] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    screen: list[str] = field(default_factory=list)  # HTML, not for Pandoc

    def embedded(self, page: str) -> str:
        """A page of HTML with its figures, and the HTML that chunks print."""

        def embed(found: re.Match[str]) -> str:
            name, number = found.groups()
            if number:
                return self.screen[int(number)]
            return f"src='{figures.for_screen(name, self.files[name])}'"

        names = "|".join(map(re.escape, self.files)) or "(?!)"
        kept = _KEPT.format("([0-9]+)")
        return re.sub(f'src="({names})"|{kept}', embed, page)

    def find(self, words: str, near: str = "") -> str:
        """The place of the line that holds these words, or part of them.

        Where none does, it is `near`, or else the document's name.
        """
        for line in (*self.lines, *self.document.lines):
            if words and words in line.text:
                return line.place
        whole, longest, place = " ".join(words.split()), 8, near
        for line in self.lines:
            part = " ".join(line.text.strip("$ ").split())
            if len(part) > longest and part in whole:
                longest, place = len(part), line.place
        return place or self.document.path.name


def splice(document: Document, executed: Executed) -> Spliced:
    """Put values and outputs in place; PressError for what cannot be shown."""
    out, values = Spliced(document), iter(executed.values)
    for part in document.parts:
        if isinstance(part, Chunk):
            out.lines += _cell(part, executed, out)
            continue
        text = part.spans(lambda inline: _value(inline, next(values)))
        lines = zip(text.split("\n"), part.lines, strict=False)
        out.lines += [line._replace(text=new) for new, line in lines]
    return out


def _value(inline: Any, bundle: dict[str, Any]) -> str:
    """What an inline expression shows, as Markdown of one line."""
    text = bundle.get("text/markdown")
    if text is None:
        text = plain(bundle.get("text/plain", "")).strip()
        # so that each character means itself in Markdown
        text = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
        # two words of Pandoc's, so that it is not taken for a footnote's mark
        text = text.replace("  ", r" \ ").replace(r"\[\^", r"\[<!-- -->\^")
    if not text.strip():
        raise PressError(
            f"{inline.place}: `{inline.expression}` gives an empty text, "
            "which Quarto would leave as source; let it say something."
        )
    return text.strip().replace("\n", "<br>")


def _cell(chunk: Chunk, executed: Executed, out: Spliced) -> list[Line]:
    """A chunk's Div: its code, then what it shows."""
    outputs = executed.cells[chunk.number].outputs
    pictures = executed.pictures[chunk.number]
    include = chunk.options.get("include", True)
    code = "hidden" if include else "none"
    if chunk.shown:
        code = "folded" if chunk.options.get("code-fold") else "shown"
    output, shows = "", "output"
    if pictures or chunk.label.startswith("fig-"):
        figure = _figure(chunk, executed, out)
    if include and chunk.options.get("output", True) is not False:
        output = _markdown(chunk, outputs, out.screen)
        if chunk.label.startswith("tbl-"):
            output = _captioned(chunk, "tbl-cap", output)
        if chunk.options.get("output") == "asis" and output.strip():
            shows = "markdown"
        if pictures:
            output, shows = f"{output}\n\n{figure}", "figure"
    name = re.sub(r'(["\\])', r"\\\1", chunk.opens.file)
    start = chunk.opens.number
    lines = f"lines {start + 1} to {start + len(chunk.lines)}"
    head = (
        f'{{.cell n="{chunk.number}" code="{code}" shows="{shows}" '
        f'file="{name}" lines="{lines}"}}'
    )
    source = _fenced(chunk.code, " {.python}")
    text = f"\n::: {head}\n{source}\n\n{output}\n:::\n"
    return [chunk.opens._replace(text=line) for line in text.split("\n")]


def _fenced(text: str, kind: str = "text") -> str:
    """A text as it stands, between more backticks than it holds itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{kind}\n{text.rstrip()}\n{ticks}"


def _markdown(chunk: Chunk, outputs: list[Any], screen: list[str]) -> str:
    """The Markdown of a chunk's outputs, figures left out.

    The HTML that it prints, which may be megabytes, goes to `screen`, and a
    mark stands in its place.
    """

    def keep(found: re.Match[str]) -> str:
        screen.append(found[1])
        return f"```{{=html}}\n{_KEPT.format(len(screen) - 1)}\n```"

    asis = chunk.options.get("output") == "asis"
    parts = []
    for output in outputs:
        bundle = output.get("data", {})
        if output["output_type"] == "stream":
            text = output["text"]
            parts.append(_RAW.sub(keep, text) if asis else _fenced(text))
        elif not figures.is_image(output):
            parts.append(_shown(chunk, bundle))
    text = "\n\n".join(part for part in parts if part.strip())
    _check_closed(chunk, text)
    return text


def _shown(chunk: Chunk, bundle: dict[str, Any]) -> str:
    """What a cell displays, as Markdown."""
    latex = bundle.get("text/latex", "").strip()
    text = plain(bundle.get("text/plain", ""))
    if "text/markdown" in bundle:
        return bundle["text/markdown"]
    if latex.startswith("$"):
        return re.sub(
            r"^\$+(\\displaystyle)?(.*?)\$+$", r"$$\2$$", latex, flags=re.S
        )
    if re.fullmatch(r"<[\w.]+ object( at \w+)?>", text) or not text:
        kinds = ", ".join(key for key in bundle if key != "text/plain") or text
        raise chunk.fault(
            f"displays {kinds}, which a page on paper cannot show; display "
            "text, Markdown or a figure (or, for the screen alone, print a "
            "`{=html}` block with `output: asis`)."
        )
    return _fenced(text)


def _check_closed(chunk: Chunk, text: str) -> None:
    """A chunk's Markdown closes each block that it opens."""
    fence, divs = "", 0
    for line in text.split("\n"):
        was_open, fence = fence, next_fence(fence, line)
        colons = re.match(r" {0,3}:{3,}\s*(.*)$", line)
        if colons and not (was_open or fence):
            divs += 1 if colons[1].strip(":") else -1
    if fence or divs:
        raise chunk.fault(
            "prints Markdown that opens a block (`:::` or a fence) and does "
            "not close it, or closes one that it did not open."
        )


def _captioned(chunk: Chunk, key: str, content: str) -> str:
    """The Div of a figure or a table."""
    caption = " ".join(chunk.options.get(key, "").split())
    if not caption:
        raise chunk.fault(f"needs a {key}.")
    return f"::: {{#{chunk.label}}}\n{content}\n\n{caption}\n:::"


def _figure(chunk: Chunk, executed: Executed, out: Spliced) -> str:
    """The chunk's figure as a file and a Div; the notebook's copy of it."""
    pictures = executed.pictures[chunk.number]
    alt = " ".join(chunk.options.get("fig-alt", "").split())
    if len(pictures) != 1:
        raise chunk.fault(f"draws {len(pictures)} figures; let it draw one.")
    if not chunk.label.startswith("fig-") or not alt:
        raise chunk.fault(
            "draws a figure; give it a label `fig-...`, a fig-cap and a "
            "fig-alt."
        )
    (picture,) = pictures
    (output,) = filter(figures.is_image, executed.cells[chunk.number].outputs)
    figures.for_notebook(output, picture, alt)
    name = f"figures/{chunk.label}.{'svg' if picture.svg else 'png'}"
    out.files[name] = picture.svg.encode() or base64.b64decode(picture.png)
    words = alt.replace("\\", r"\\").replace('"', r"\"").replace("&", "&amp;")
    size = f'width="{picture.width:.3f}in"'
    image = f'![]({name}){{.press fig-alt="{words}" {size}}}'
    return _captioned(chunk, "fig-cap", image)
