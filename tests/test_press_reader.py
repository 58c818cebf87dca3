"""The reader: chunks where they are, PressError and nothing else."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from press import build, notebook, reader, typeset
from press.errors import PressError
from press.execute import Executed, Inline, new_code_cell

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
        "{{< include a.qmd >}}",
        "{{< include report.qmd >}}",
        "{{< pagebreak >}}",
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
@example(lines=["```{python}", "#| layout-ncol: 1e999", "```"])
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
        count = document.markdown.count(".press-chunk")
        assert count == len(document.chunks)


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
    work = build.Build(read(folder, text))
    build.file_names(work.document)
    bibliography = build._bibliography(work)
    with build.faults(work):
        tree = build._source_tree(work)
        inlines = [e for e in work.events if isinstance(e, Inline)]
        values = [{"text/markdown": "*v*"} for _ in inlines]
        cells = {c.number: new_code_cell("1") for c in work.document.chunks}
        executed = Executed(new_code_cell(), cells, values)
        tree = build._press_tree(work, tree, executed)
        build._check_citations(work, tree, bibliography)
        typeset.typst_source(tree, folder, bibliography, [])
        notebook.markdown(tree, folder, bibliography, {})


@settings(QUICK, max_examples=12)
@given(parts=PARTS)
def test_parsing_raises_press_errors_alone(tmp_path, parts):
    text = "\n\n".join(parts).encode("utf-8", "surrogatepass")
    with suppress(PressError):
        parse(tmp_path, text)


@QUICK
@given(
    codes=st.lists(
        st.text("abc =\n()#", min_size=1, max_size=30).filter(
            lambda code: not code.startswith("#|")
        ),
        max_size=5,
    )
)
def test_chunks_come_back_as_written(tmp_path, codes):
    text = "".join(
        f"prose\n\n```{{python}}\n{code}\n```\n\n" for code in codes
    )
    document = read(tmp_path, text)
    assert [chunk.source for chunk in document.chunks] == codes
    assert document.markdown.count("prose") == len(codes)


def test_a_chunk_inside_a_fence_is_text(tmp_path):
    text = "````\n```{python}\n1\n```\n````\n"
    document = read(tmp_path, text)
    assert document.chunks == []
    assert document.markdown.strip() == text.strip()


def test_lines_keep_their_file_and_number(tmp_path):
    (tmp_path / "part.qmd").write_text("one\n```{python}\n1\n```\n")
    document = read(tmp_path, "a\n{{< include part.qmd >}}\nb\n")
    assert document.chunks[0].place == "part.qmd, line 2"
    assert document.find("b") == "report.qmd, line 3"


def test_a_file_that_includes_itself_is_named(tmp_path):
    with pytest.raises(PressError, match=r"line 1: `report.qmd` includes"):
        read(tmp_path, "{{< include report.qmd >}}\n")


def test_the_documents_keys_come_before_the_projects(tmp_path):
    (tmp_path / "_quarto.yml").write_text(
        "lang: en\nexecute:\n  echo: false\n  eval: true\n"
    )
    document = read(
        tmp_path,
        "---\nexecute:\n  eval: false\n---\n\n"
        "```{python}\n#| echo: true\n1\n```\n",
    )
    assert document.meta["execute"] == {"echo": False, "eval": False}
    assert document.meta["lang"] == "en"
    assert document.chunks[0].options == {"echo": True, "eval": False}
