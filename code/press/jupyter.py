"""The notebook in plain Jupyter: what a chunk prints is shown rendered.

A chunk with `#| output: asis` prints Markdown for Quarto and for press. In
Jupyter alone it would stand there as it was typed, so `show_markdown`, which
a chunk of the document calls, has it displayed as Markdown instead.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout

from IPython import get_ipython
from IPython.display import display

# set by press in its own kernel, where printed text stays printed text
INSIDE = "PRESS_KERNEL"

_ASIS = re.compile(r"^#\| *output: *asis *$", re.MULTILINE)
_CAPTION = re.compile(r"^#\| *tbl-cap: *\"?(.*?)\"? *$", re.MULTILINE)
_KINDS = {
    "thm": "Theorem",
    "lem": "Lemma",
    "cor": "Corollary",
    "prp": "Proposition",
}
# Pandoc's Markdown that Jupyter does not know, and what stands in its place
_PLAIN = [
    (re.compile(r"^```\{=html\}\n.*?\n```\n+", re.MULTILINE | re.DOTALL), ""),
    (re.compile(r"^(\$\$) \{#eq-[^}]*\}$", re.MULTILINE), r"\1"),
    (re.compile(r"^::: \{\.proof\}$", re.MULTILINE), "*Proof.*"),
    (re.compile(r"^:::$\n*", re.MULTILINE), ""),
    (re.compile(r"^\[\^[^\]]*\]: ", re.MULTILINE), "*Note.* "),
    (re.compile(r"\[\^[^\]]*\]"), ""),
    (re.compile(r"\[-?@([^\]]*)\]"), r"(\1)"),
]
_THEOREM = re.compile(
    r"^::: \{#(thm|lem|cor|prp)-[^}]*\}\n+#+ (.*)$", re.MULTILINE
)


def plain(text: str) -> str:
    """Pandoc's Markdown as Jupyter's; the numbers are the report's alone."""
    text = _THEOREM.sub(lambda m: f"**{_KINDS[m[1]]}** ({m[2]})", text)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def _rendered(source: str) -> Iterator[None]:
    """What an asis chunk prints in here is displayed when it is done."""
    if not _ASIS.search(source):
        yield
        return
    with redirect_stdout(io.StringIO()) as printed:
        yield
    text, caption = printed.getvalue(), _CAPTION.search(source)
    if text.strip():
        text = f"**Table.** {caption[1]}\n\n{text}" if caption else text
        display({"text/markdown": plain(text), "text/plain": text}, raw=True)


def show_markdown() -> None:
    """From now on this Jupyter shows what asis chunks print as Markdown.

    Nothing changes under press, in a Python that is no Jupyter, or where
    this was called before.
    """
    shell = get_ipython()
    if shell is None or INSIDE in os.environ or hasattr(shell, "_asis"):
        return
    asis = shell._asis = ExitStack()
    shell.events.register(
        "pre_run_cell", lambda x: asis.enter_context(_rendered(x.raw_cell))
    )
    shell.events.register("post_run_cell", lambda _result: asis.close())
