"""The reader: chunks where they are, PressError and nothing else."""

import html
import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from press import pandoc, reader, splice
from press.errors import PressError
from press.execute import Executed, new_code_cell

PIECES = st.sampled_from(
    [
        "---",
        "title: t",
        "bibliography: [a",
        "```",
        "````",
        "~~~",
        "```{python}",
        "```{r}",
        "```python",
        "  ```{python}",
        "#| label: fig-a",
        "#| echo: [",
        "#| echo: true",
        "#|",
        "`{python} x`",
        "text",
        "",
    ]
)
LINES = st.lists(PIECES | st.text(max_size=20), max_size=25)
QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read(folder, text):
    path = folder / "report.qmd"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return reader.read(path)


def attempt(folder, text):
    """What is said against the text, or the document that it is."""
    try:
        return "", read(folder, text)
    except PressError as error:
        return str(error), None


@QUICK
@given(lines=LINES)
@example(lines=["---", "? [a]", ": b", "---"])
@example(lines=["---", "date: 2024-99-99", "---"])
@example(lines=["---", "execute: 3", "---"])
@example(lines=["---", "title: !!bool maybe", "---"])
@example(lines=["---", "title: !!int", "---"])
@example(lines=["---", "date: !!timestamp x", "---"])
@example(lines=["---", "title: " + 2000 * "[", "---"])
@example(lines=["```{python}", "#| label: |", "#|  a", "#|  b", "```"])
def test_reading_raises_press_errors_alone(tmp_path, lines):
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    error, document = attempt(tmp_path, text)
    if document is None:
        assert error
        assert "\n" not in error
    else:
        # each line below the front matter has one place
        held = [x.number for part in document.parts for x in part.lines]
        for chunk in document.chunks:
            first = chunk.opens.number
            held += [first, first + len(chunk.lines) + 1]
        end = len(document.lines) + 1
        assert sorted(held) == list(range(end - len(held), end))


@QUICK
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path, data):
    error, document = attempt(tmp_path, data)
    assert document or "report.qmd" in error


MARKDOWN = st.sampled_from(
    [
        "# A {#sec-a}",
        "# B {.unnumbered}",
        "## C {.wide}",
        "See @sec-a, [-@fig-b; @nobody] and [a](#) [b](#sec-a).",
        "![c](p.svg){#fig-b fig-alt='a' width=3}",
        "![c](p.svg)",
        "![](../p.svg){#fig-c fig-alt=a}",
        "::: {#thm-a}",
        "::: {#fig-d layout-ncol=2}",
        "::: {.proof}",
        "::: {#refs}",
        ":::",
        "| a | b |",
        "|---|--:|",
        ": caption {#tbl-a}",
        "+---+",
        "$$x$$ {#eq-a}",
        "$\\alpha$ and $`{python} 1`$",
        "\\pageref{sec-a} \\appendix",
        "\\appendix",
        "<b>html</b> <!-- comment -->",
        "- a list",
        "> quoted",
        "term\n:   meaning",
        "a note[^n]",
        "[^n]: the note",
        "[s]{.smallcaps} [t]{.other}",
        "```bash",
        "***",
        "\\ \x00 \N{PARAGRAPH SEPARATOR} \N{BYTE ORDER MARK}",
    ]
)
PARTS = st.lists(PIECES | MARKDOWN | st.text(max_size=20), max_size=12)


def parse(folder, text):
    """All of a build but running code and Typst; PressError alone."""
    document = read(folder, text)
    values = [{"text/markdown": "*v*"} for _ in document.events]
    cells = [new_code_cell("1") for _ in document.chunks]
    pictures = [[] for _ in document.chunks]
    spliced = splice.splice(document, Executed(cells, values, pictures))
    meta = {"press-cells": len(cells)}
    for kind in ("typst", "html", "notebook"):
        pandoc.convert(kind, spliced, meta, folder)


@settings(QUICK, max_examples=6)
@given(parts=PARTS)
def test_parsing_raises_press_errors_alone(tmp_path, parts):
    text = "\n\n".join(parts).encode("utf-8", "surrogatepass")
    with suppress(PressError):
        parse(tmp_path, text)


@QUICK
@given(
    codes=st.lists(st.text("abc =\n()#", min_size=1, max_size=30), max_size=5)
)
def test_chunks_come_back_as_written(tmp_path, codes):
    text = "".join(
        f"prose\n\n```{{python}}\n{code}\n```\n\n" for code in codes
    )
    document = read(tmp_path, text)
    assert [chunk.source for chunk in document.chunks] == codes
    texts = [p for p in document.parts if isinstance(p, reader.Text)]
    lines = [line.text for part in texts for line in part.lines]
    assert lines.count("prose") == len(codes)


def test_a_chunk_inside_a_fence_is_text(tmp_path):
    text = "````\n```{python}\n1\n```\n````\n"
    document = read(tmp_path, text)
    assert document.chunks == []
    texts = [p for p in document.parts if any(x.text for x in p.lines)]
    assert [part.is_code for part in texts] == [True]


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        ("a `{python} x` b", ["x"]),
        ("a `{python} x\n+ 1` b", ["x\n+ 1"]),
        ("`` `{python} x` `` and `` ` `` `{python} y`", ["y"]),
        ("`{python} x\n\ny`", []),
        ("````\n`{python} x`\n````", []),
        (r"\`{python} x`", []),
    ],
)
def test_expressions_are_code_spans_of_their_own(tmp_path, text, expressions):
    found = read(tmp_path, text).events
    assert [inline.expression for inline in found] == expressions


TRICKY = st.text("ab \\`*_$<>[]{}#@|~^'\"&!-.:;\n", min_size=1, max_size=20)


@settings(QUICK, max_examples=10)
@example(texts=["a[^1] b", "[^", "  :", ":  "])
@given(texts=st.lists(TRICKY.filter(str.strip), min_size=1, max_size=20))
def test_an_inline_text_reaches_the_page_as_it_is(tmp_path, texts):
    source = "\n\n".join("x`{python} s`x" for _ in texts)
    document = read(tmp_path, source)
    values = [{"text/plain": text} for text in texts]
    spliced = splice.splice(document, Executed([], values))
    tree = pandoc.convert("html", spliced, {"press-cells": 0}, tmp_path)
    body = tree[tree.index("</header>") : tree.index("</main>")]
    shown = re.findall(r"<p>(.*?)</p>", body, re.DOTALL)
    plain = [re.sub(r"<br />\s*", "\n", part) for part in shown]
    for text, found in zip(texts, plain, strict=True):
        words = html.unescape(found).replace("\N{NO-BREAK SPACE}", " ")
        assert words.split() == f"x{text.strip()}x".split()


def test_the_documents_keys_come_before_the_projects(tmp_path):
    (tmp_path / "_quarto.yml").write_text(
        "lang: en\nexecute:\n  echo: false\n  include: true\n"
    )
    head = "---\nexecute:\n  include: false\n---\n\n"
    document = read(tmp_path, f"{head}```{{python}}\n#| echo: true\n1\n```\n")
    assert document.meta["execute"] == {"echo": False, "include": False}
    assert document.meta["lang"] == "en"
    assert document.chunks[0].options == {"echo": True, "include": False}
