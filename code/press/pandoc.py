"""Pandoc: the spliced Markdown as Typst, as HTML and as Jupyter's Markdown."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pypandoc

from press.errors import PressError
from press.splice import Spliced

HERE = Path(__file__).parent
# a long row must not turn a table's columns into equal shares of the line
_COMMON = (
    *("-f", "markdown", "--columns", "10000", "--wrap=none"),
    f"--lua-filter={HERE / 'press.lua'}",
)
_TO = {
    "typst": ("-t", "typst-citations", "--syntax-highlighting=idiomatic"),
    "notebook": ("-t", "gfm-tex_math_gfm+tex_math_dollars-raw_html-footnotes"),
    "html": (
        *("-t", "html5", "--standalone", "--mathml", "--section-divs"),
        *("--toc", "--toc-depth=2", f"--template={HERE / 'page.html'}"),
    ),
}
_SUBJECT = re.compile(
    r"citation (\S+) not found|TeX math (.*?), rendering"
    r"|(?:Note with key|reference|identifier) '(.*?)'",
    re.DOTALL,
)


def convert(
    kind: str, spliced: Spliced, meta: dict[str, Any], folder: Path
) -> str:
    """The text in another format; its figures lie in `folder`.

    Raises PressError, with the line, at any warning of Pandoc or the filter.
    """
    # these override the front matter, which is Markdown: `--`, `"`, `*`
    document = spliced.document
    files = [document.folder / name for name in document.bibliography]
    cite = ["--citeproc"] * bool(files)
    cite += [f"--bibliography={file}" for file in files]
    data = json.dumps(meta, ensure_ascii=False, default=str)
    head = f"---\n{data}\n---\n\n"
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), *_COMMON, *_TO[kind], *cite],
        input=head + "".join(f"{line.text}\n" for line in spliced.lines),
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )
    if done.stderr.strip() or done.returncode:
        raise _fault(done.stderr, spliced, head.count("\n"))
    return done.stdout


def _fault(complaint: str, spliced: Spliced, front: int) -> PressError:
    if found := re.search(r"^PRESS\t(.*?)\t(.*)$", complaint, re.MULTILINE):
        place, message = spliced.find(found[1]), found[2]
    else:
        at = re.search(r"line (\d+)", complaint)
        line = max(0, int(at[1]) - 1 - front) if at else len(spliced.lines)
        subject = _SUBJECT.search(complaint)
        words = next(filter(None, subject.groups()), "") if subject else ""
        near = [x.place for x in spliced.lines[line : line + 1]]
        place = spliced.find(words, *near)
        text = complaint.partition("HasCallStack")[0].replace("[WARNING]", "")
        text = re.sub(r" at (\S+ )?line \d+ column \d+", "", text)
        message = "Pandoc: " + " ".join(text.split()).rstrip(".:")
    return PressError(f"{place}: {message}.")
