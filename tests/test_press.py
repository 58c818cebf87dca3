"""A small document through press, and what it makes read back."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pypdfium2
import pytest
from fontTools.ttLib import TTFont
from matplotlib import get_data_path
from pypdf import PdfReader

from conftest import snapshot
from press import __main__, build, execute, reader
from press.errors import PressError

CODE = '''\
"""A module of the report's own."""


def long_line(first, second):
    # this comment is as long as the style of the code allows: 79 columns, all.
    return first + second
'''

BIBLIOGRAPHY = """\
@article{kingma, author = {Kingma, Diederik}, title = {Bayes}, year = {2014}}
"""

DOCUMENT = r"""---
title: "A small *report* on $z$"
subtitle: "with everything"
author: [A. Student, B. Student]
date: 2024-09-24
kerberos: kerberos
collaborators: none
sources: [one, y]
bibliography: references.bib
link-citations: true
output-file: kerberos.pdf
press:
  chapter-name: Problem
  first-chapter: 0
  sections: letters
  placeholders: [kerberos]
---

A banner before the first chapter.

# Start {#sec-start}

```{python}
#| label: setup
#| include: false
import inspect, time
import matplotlib.pyplot as plt
from IPython.display import Markdown, Math, display
from toy import long_line
hidden = 40
```

Values: `{python} hidden + 2`, `{python} Markdown("**bold**")`,
`{python} 'say "hi" a\\b *c* <d> $e$' `, and verbatim
`` `{python} not_run` ``. See @sec-proof on page \pageref{sec-proof}; the
source is @kingma and [@kingma]. A footnote.[^n] <!-- a comment -->

[^n]: The footnote's *text*. It names @sec-proofs.

| question | page |
|:---------|-----:|
| one      | \pageref{fig-line} |
| two      | \pageref{tbl-made} |
| three    | \pageref{thm-bound} |
| four     | \pageref{eq-bound} |

: Where to look {#tbl-where}

# Proofs {#sec-proofs}

## The bound {#sec-proof}

::: {#thm-bound}
## Jensen
For all $x$,
$$
\log p(x) \ge \operatorname{KL}\left(q \,\|\, p\right).
$$ {#eq-bound}
:::

::: {.proof}
By @eq-bound and @thm-bound.

```{python}
#| echo: false
#| output: asis
tex = r"\begin{aligned} a &= b \\ &= c\!\left(d\right) \end{aligned}"
print(f"$${tex}$$ {{#eq-asis}}\n")
print("Printed, with a reference to [-@eq-asis].")
```
:::

::: {#lem-one name="a name"}
A lemma.
:::

## Figures

```{python}
#| label: fig-line
#| fig-cap: "The loss $L$ of @eq-bound."
#| fig-alt: 'A "rising" line & more.'
#| echo: false
fig, ax = plt.subplots(figsize=(8.5, 2))
ax.plot([0, 1], [0, 1])
plt.show()
```

```{python}
#| label: fig-cloud
#| fig-cap: "A cloud."
#| fig-alt: "A tall cloud."
plt.figure(figsize=(2, 14))
plt.scatter(range(3000), range(3000))
plt.show()
```

See [@fig-line; @tbl-made] and @fig-cloud.

```{python}
#| label: tbl-made
#| tbl-cap: "Made by a chunk."
#| echo: false
#| output: asis
print("| name | value |\n|:--|--:|\n| a | 0.50 |")
```

```{python}
#| label: shown
#| code-fold: true
print("one sentence is", end=" ", flush=True)
time.sleep(0.3)
print("cut in two.\x1b[31m red\x1b[0m", "x" * 200)
for step in range(20):
    print(f"\r{step}", end="", flush=True)
```

```{python}
#| label: rich
display(Math("z^2"), hidden)
```

```{python}
#| label: screen
#| echo: false
#| output: asis
long = "x" * 2_000_000  # on one line, as a model in a page is
print(f"```{{=html}}\n<div title='{long}'>only on the screen</div>\n```")
```

```{python}
#| label: listing
#| echo: false
#| output: asis
print(f"```python\n{inspect.getsource(long_line)}```")
```

- *a list* with [a link](https://example.org), H~2~O, x^2^, ~~struck~~
- [small]{.smallcaps} text\
  broken

> A quotation, "quoted".

term
:   its meaning

\appendix

# More {#sec-more}

See [-@sec-more] and [Start](#sec-start).

WIDE
# References {.unnumbered}

::: {#refs}
:::
"""
ROWS = ("| a " * 12, "|---" * 12, "| wide words " * 12)
DOCUMENT = DOCUMENT.replace("WIDE", "|\n".join((*ROWS, "")))


def write(folder, document=DOCUMENT):
    """A folder with the document and all that it needs."""
    (folder / "code").mkdir()
    (folder / "code" / "toy.py").write_text(CODE)
    (folder / "references.bib").write_text(BIBLIOGRAPHY)
    (folder / "_quarto.yml").write_text("execute:\n  echo: true\n")
    (folder / "report.qmd").write_text(document, encoding="utf-8")
    return folder / "report.qmd"


@pytest.fixture(scope="module")
def pdf(built):
    return PdfReader(built / "kerberos.pdf")


@pytest.fixture(scope="module")
def pages(pdf):
    """The text of each page, its spaces made plain."""
    texts = [page.extract_text() for page in pdf.pages]
    return [re.sub(r"\s+", " ", text) for text in texts]


@pytest.fixture(scope="module")
def screen(built):
    return (built / "kerberos.html").read_text("utf-8")


@pytest.fixture(scope="module")
def notebook(built):
    return nbformat.read(built / "kerberos.ipynb", as_version=4)


@pytest.fixture(scope="module")
def words(notebook):
    """All Markdown of the notebook, its spaces made plain."""
    texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    return "\n".join(texts).replace("\N{NO-BREAK SPACE}", " ")


def objects(pdf):
    """Every dictionary of a PDF that is an object of its own."""
    for number in range(1, pdf.trailer["/Size"]):
        item = pdf.get_object(number)
        if isinstance(item, dict):
            yield item


# ---- the page


def test_the_page_holds_the_text_and_the_values(pages):
    text = " ".join(pages)
    for part in (
        "A small report on \N{MATHEMATICAL ITALIC SMALL Z}",
        "A. Student, B. Student",
        "Sources one; y",
        'Values: 42, bold, say "hi" a\\b *c* <d> $e$, and',
        "verbatim `{python} not_run`",
        "The footnote\N{RIGHT SINGLE QUOTATION MARK}s text.",
        "Theorem 1.1 (Jensen).",
        "Lemma 1.1 (a name).",
        "By Equation 1.1 and Theorem 1.1.",
        "Printed, with a reference to 1.2.",
        "1.1. The loss \N{MATHEMATICAL ITALIC CAPITAL L} of Equation 1.1.",
        "Figure 1.1 and Table 1.1",
        "Appendix A",
        "See A and Start",
        "Kingma, Diederik. 2014.",
    ):
        assert part in text
    assert "??" not in text
    assert "{#" not in text
    assert "@" not in text.replace("`{python} not_run`", "")


def test_page_references_name_the_right_pages(pages):
    def page(words):
        return next(n for n, t in enumerate(pages, 1) if words in t)

    proof, line = page("Theorem 1.1 (Jensen)"), page("Figure 1.1. The")
    made = page("Table 1.1. Made")
    text = " ".join(pages)
    assert f"on page {proof};" in text
    assert f"one {line} two {made} three {proof} four {proof} " in text


def test_bookmarks_and_contents_follow_the_chapters(pdf, pages):
    def titles(outline):
        for item in outline:
            yield from titles(item) if isinstance(item, list) else [item.title]

    assert list(titles(pdf.outline)) == [
        "Problem 0 Start",
        "Problem 1 Proofs",
        "1(a) The bound",
        "1(b) Figures",
        "Appendix A More",
        "References",
    ]
    assert "A banner before the first chapter. Contents Problem 0" in pages[0]
    assert pages[-1].startswith(("Problem 1", "Appendix A", "References"))


def test_every_figure_and_formula_has_its_alt_text(pdf):
    alts = [
        str(item["/Alt"]).strip() for item in objects(pdf) if "/Alt" in item
    ]
    for alt in (
        'A "rising" line & more.',
        "A tall cloud.",
        r"\log p(x) \ge \operatorname{KL}\left(q \,\|\, p\right).",
    ):
        assert alt in alts


def test_fonts_are_embedded_and_the_pdf_is_tagged(pdf):
    fonts = [
        item for item in objects(pdf) if item.get("/Type") == "/FontDescriptor"
    ]
    assert len(fonts) >= 4
    for font in fonts:
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(font)
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert pdf.trailer["/Root"]["/Lang"] == "en"


def test_nothing_leaves_the_margins(pdf):
    left, right, bottom, top = 1.05 * 72, 7.45 * 72, 0.8 * 72, 10.05 * 72
    boxes = [
        attribute["/BBox"]
        for item in objects(pdf)
        if item.get("/S") in ("/Figure", "/Formula", "/Table")
        for attribute in item.get("/A", [])
        if "/BBox" in attribute
    ]
    assert len(boxes) >= 7
    for x0, y0, x1, y1 in boxes:
        assert left - 1 <= x0 < x1 <= right + 1
        assert bottom - 1 <= y0 < y1 <= top + 1


def test_code_fits_its_line_and_longer_output_is_wrapped(pdf):
    full = CODE.splitlines()[4].strip()
    assert len(CODE.splitlines()[4]) == 79
    lines = [
        line.strip()
        for page in pdf.pages
        for line in page.extract_text().splitlines()
    ]
    assert full in lines
    longest = max(len(re.sub("[^x]", "", line)) for line in lines)
    assert 60 < longest < 100


def test_printed_text_does_not_depend_on_when_it_is_flushed(pages, notebook):
    (cell,) = [c for c in notebook.cells if "label: shown" in c.source]
    (output,) = cell.outputs
    first, last = output.text.splitlines()
    assert first == "one sentence is cut in two. red " + "x" * 200
    assert last == "19"
    assert "one sentence is cut in two. red" in " ".join(pages)


def text_of_pages(folder, text):
    document = folder / "long.qmd"
    document.write_text(f"---\ntitle: T\n---\n\n{text}")
    build.build(document)
    return [
        re.sub(r"\s+", " ", page.extract_text())
        for page in PdfReader(folder / "long.pdf").pages
    ]


def listed(folder, code, heights=range(20, 32)):
    """The pages of a listing that begins at many heights of a page."""
    listing = f"Shown here:\n\n```python\n{code}```\n\n"
    texts = ("line\n\n" * height + listing for height in heights)
    return text_of_pages(folder, "".join(texts))


def test_a_short_listing_is_neither_cut_nor_torn_from_its_words(tmp_path):
    texts = listed(tmp_path, 22 * "x = 1\n")
    code = " x = 1" * 22
    assert [t.count("Shown here:") for t in texts] == [
        t.count(f"Shown here:{code}") for t in texts
    ]
    assert sum(t.count("Shown here:") for t in texts) == 12


def test_a_long_listing_breaks_before_a_definition(tmp_path):
    class_ = "class A:\n    b = 0\n\n" + "\n".join(
        "    def f():\n" + 9 * "        x = 1\n" for _ in range(3)
    )
    texts = listed(tmp_path, class_, range(3, 30))
    method = "def f():" + 9 * " x = 1"
    assert sum(t.count("class A: b = 0 " + method) for t in texts) == 27
    assert sum(t.count(method) for t in texts) == 81


def test_a_listing_is_never_cut_inside_a_signature(tmp_path):
    parameters = "".join(f"        p{k}: int,\n" for k in range(8))
    head = f"class A:\n    def f(\n{parameters}    ) -> None:\n"
    texts = listed(tmp_path, head + "        x = 1\n" * 30)
    assert sum(t.count(" ".join(head.split())) for t in texts) == 12


def test_a_formula_is_centred_and_a_starred_operator_has_limits(tmp_path):
    formula = "$$\n\\operatorname*{arg\\,max}_{\\mathrm{w}} \\mathrm{b}\n$$"
    document = f"# One\n\n{formula}\n\n::: {{.proof}}\nShort.\n:::\n"
    text_of_pages(tmp_path, document)
    with pypdfium2.PdfDocument(tmp_path / "long.pdf") as pdf:
        width, page = pdf[0].get_width(), pdf[0].get_textpage()
        text = page.get_text_range()
        places = (text.index(part) for part in ("arg", "max", "w", "b"))
        first, last, below, end = map(page.get_charbox, places)
        page.close()
    assert abs(first[0] + end[2] - width) < 10
    assert first[0] < below[0] < last[2]
    assert below[3] < first[1]


def test_the_running_head_names_the_chapter_of_the_first_lines(tmp_path):
    long = "line\n\n" * 60
    texts = text_of_pages(tmp_path, f"# One\n\n{long}# Two\n\n{long}")
    assert [t.split()[2] for t in texts[1:]] == ["One", "Two", "Two"]
    assert "Two" in texts[1]  # it begins there, below


# ---- the page on the screen


def test_the_screen_shows_the_same_numbers_and_links_them(screen):
    text = screen.replace("\N{NO-BREAK SPACE}", " ")
    for part in (
        '<span class="number">Problem 1</span> Proofs',
        '<span class="number">1(b)</span> Figures',
        "<strong>Theorem 1.1</strong> (Jensen)",
        '<a href="#eq-bound" class="ref">Equation 1.1</a>',
        '<a href="#sec-proof" class="ref">Section 1(a)</a>',
        '<span class="number">(1.2)</span>',
        "<strong>Figure 1.1.</strong> The loss",
        "<strong>Table 1.1.</strong> Made by a chunk.",
        '<a href="#sec-more" class="ref">A</a>',
        "A. Student, B. Student",
    ):
        assert part in text
    for target in re.findall(r'href="#([^"]+)"', screen):
        assert f'id="{target}"' in screen


def test_the_screen_asks_nothing_of_any_other_file(screen):
    loads = re.findall(r'(?:src|srcset|poster)="(?!data:)[^"]*"', screen)
    assert loads == []
    assert not re.findall(r"<link\b|@import|url\((?!data:|%23)", screen)
    assert "default-src 'none'" in screen


def test_the_screen_takes_html_and_folds_code(screen, pages, words):
    assert re.search("<div title='x{2000000}'>only on the screen<", screen)
    assert "only on the screen" not in " ".join(pages) + words
    folded = re.findall(r"<details.*?</details>", screen, re.DOTALL)
    assert any("one sentence is" in part for part in folded)
    assert not any("hidden)" in part for part in folded)  # the chunk `rich`
    assert "import inspect" not in screen


def test_the_screens_figures_have_their_alt_text(screen):
    images = re.findall(r"<img\b[^>]*>", screen)
    assert len(images) == 2
    for image in images:
        assert re.search(r'alt="A [^"]+', image)


# ---- the notebook


def test_the_notebook_is_executed_in_order(notebook, words):
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    assert "#| label: setup" in cells[0].source
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    for part in (
        "A. Student, B. Student",
        "Values: 42, **bold**",
        "See Section 1(a) on page 1",
        "**Theorem 1.1** (Jensen)",
        r"\tag{1.1}",
        "**Figure 1.1.** The loss $L$ of Equation 1.1.",
        "# Problem 1: Proofs",
        "It names Problem 1.)",
    ):
        assert part in words
    assert "@" not in words
    assert ":::" not in words


def test_the_notebook_shows_figures_and_printed_markdown(notebook):
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    alts = [
        output.metadata["image/png"]["alt"]
        for output in outputs
        if "image/png" in output.get("data", {})
    ]
    assert alts == ['A "rising" line & more.', "A tall cloud."]
    texts = [o.data.get("text/markdown", "") for o in outputs if "data" in o]
    assert any("def long_line" in text for text in texts)
    assert any(r"\tag{1.2}" in text for text in texts)


def test_the_notebook_runs_again_by_itself(notebook, built):
    """Its code, in order, in a plain Python."""
    code = "\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "code"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=built,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": "code"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# ---- files and where they come from


def test_metadata_carries_the_provenance(pdf, notebook, screen):
    assert notebook.metadata["provenance"] == {"profile": "test"}
    assert "profile: test" in pdf.metadata["/Keywords"]
    assert pdf.metadata["/Title"] == "A small report on z"
    assert "profile: test" in screen


def test_figures_are_files_vector_where_small(built, notebook):
    names = sorted(path.name for path in (built / "figures").iterdir())
    assert names == ["fig-cloud.png", "fig-line.svg"]
    assert notebook.metadata["figures"] == [f"figures/{n}" for n in names]


def test_two_builds_are_equal_and_stale_figures_go(
    built, tmp_path, monkeypatch
):
    """Wherever its temporary files lie: a socket's path must be short."""
    deep, folder = tmp_path / ("d" * 100), tmp_path / "again"
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    shutil.copytree(built, folder)
    book = json.loads((folder / "kerberos.ipynb").read_text())
    book["metadata"]["figures"].append("figures/fig-old.png")
    (folder / "kerberos.ipynb").write_text(json.dumps(book))
    (folder / "figures" / "fig-old.png").write_text("made by press")
    (folder / "figures" / "mine.png").write_text("made by a person")
    build.build(folder / "report.qmd", {"profile": "test"})
    after = snapshot(folder)
    assert after.pop("figures/mine.png")
    assert after == snapshot(built)


def test_what_is_not_filled_in_is_said(built):
    document = reader.read(built / "report.qmd")
    document.meta["output-file"] = "kerberos"  # is a name, not a blank
    said = build.unfilled(document)
    where = "report.qmd, line 6"
    assert (
        said == f"still to be filled in, from {where}: kerberos (`kerberos`)"
    )


def test_what_the_project_leaves_blank_is_placed_in_its_file(tmp_path):
    document = write(tmp_path, "By you.\n")
    (tmp_path / "_quarto.yml").write_text(
        "press:\n  placeholders: [you]\nauthor: you\n"
    )
    said = build.unfilled(reader.read(document))
    assert "from _quarto.yml, line 3: author (`you`)" in said


# ---- what press refuses

HEAD = "---\ntitle: t\n---\n\n"
PLOT = "import matplotlib.pyplot as plt\n_ = plt.plot([1])\n"
FIGURE = f"#| label: fig-a\n#| fig-cap: c\n#| fig-alt: a\n{PLOT}"
SHOW = "from IPython.display import HTML\n"


def chunk(code):
    return f"```{{python}}\n{code}```\n"


REFUSED = {
    "unclosed": ("```{python}\n1\n", 5, "never closed"),
    "twice": (2 * chunk("#| label: a\n1\n"), 10, "label `a` is already used"),
    "option": (chunk("#| fig-width: 3\n1\n"), 6, "`fig-width`"),
    "value": (chunk("#| echo: maybe\n1\n"), 6, "cannot be `maybe`"),
    "yaml": (chunk("#| label: [\n1\n"), 6, "YAML"),
    "language": ("```{r}\n1\n```\n", 5, "`{r}`"),
    "braces": ("```{python, echo=FALSE}\n1\n```\n", 5, "option"),
    "indented": ("- a\n\n  ```{python}\n  1\n  ```\n", 7, "beginning"),
    "comment": ("<!--\n```{python}\n1\n```\n-->\n", 6, "hides"),
    "shortcode": ("a {{< meta x >}}\n", 5, "cannot stand"),
    "reference": ("See\n@fig-none.\n", 6, "nothing has the label `fig-none`"),
    "page": ("See \\pageref{sec-no}.\n", 5, "nothing has the label `sec-no`"),
    "link": ("[a](#sec-no)\n", 5, "nothing has the label `sec-no`"),
    "empty link": ("[a](#)\n", 5, "nothing has the label ``"),
    "same label": ("# A {#sec-a}\n\n# B {#sec-a}\n", 5, "is used twice"),
    "label twice": ("$$a$$ {#eq-a}\n\n$$b$$ {#eq-a}\n", 5, "is used twice"),
    "image": ("a\n\n![c](no.png)\n", 7, "an image"),
    "div": ("::: {.callout-note}\na\n:::\n", 5, "callout-note"),
    "bare div": ("a\n\n<div>\n\nWords.\n\n</div>\n", 9, "without a class"),
    "figure div": (
        "See @fig-a.\n\n::: {#fig-a}\na\n:::\n",
        7,
        "drawn by a chunk",
    ),
    "table div": (
        "::: {#tbl-a}\n| a |\n|---|\n| b |\n\n```\na\n```\n:::\n",
        5,
        "one table",
    ),
    "drawn": ("::: {#fig-a}\n![](x.png){.press}\n\na\n:::\n", 5, "a chunk"),
    "cell": (
        chunk("1\n") + "\n::: {.cell n=0 lines=7}\nWords.\n:::\n",
        10,
        "that of chunks",
    ),
    "appendix": ("a \\appendix b\n", 5, "a paragraph of its own"),
    "open div": ("::: {.proof}\na\n", 5, "unclosed"),
    "html": ("a <b>c</b>\n", 5, "raw html"),
    "latex": ("a \\newpage\n", 5, "raw tex"),
    "math": ("$$\n\\begin{align} a \\end{align}\n$$\n", 6, "align"),
    "empty math": ("$$a$$\n\n$$ $$\n", 7, "this formula is empty"),
    "tex": ("a\n\n$\\foo{x}$\n", 7, "Could not convert TeX"),
    "wide": (f"$$\n{'a + b + ' * 40} c\n$$\n", 6, "wider than the page"),
    "wide table": (
        f"a\n\n{'| longish-word ' * 14}|\n{'|---' * 14}|\n| b |\n",
        7,
        "a table of 14 columns is wider",
    ),
    "citation": ("See @nobody.\n", 5, "names no `bibliography`"),
    "footnote": ("See.[^a]\n", 5, "footnote is not defined"),
    "table": ("| a |\n|---|\n| b |\n\n: caption\n", 9, "a label {#tbl-...}"),
    "level": ("## A {.wide}\n", 5, "unknown heading class `wide`"),
    "expression": ("a `{python} 1 +` b\n", 5, "not a Python expression"),
    "empty": ("a\nb `{python} ''` c\n", 6, "gives an empty text"),
    "glyph": ("a\n\nb \U000f0000 c\n", 7, "no font on this machine has"),
    "glyph in an output": (chunk("print(chr(0xF0000))\n"), 5, "U+F0000"),
    "unseen": ("a\n\nb\ufeffc\n", 7, "no font on this machine has `U+FEFF`"),
    "rich": (
        chunk(f"#| label: a\n{SHOW}HTML('<b>x</b>')\n"),
        5,
        "the chunk `a` displays text/html",
    ),
    "torn": (
        chunk("#| output: asis\nprint(':::')\n"),
        5,
        "closes one that it did not open",
    ),
    "figure": (chunk(PLOT), 5, "give it a label"),
    "alt": (
        chunk(f"#| label: fig-a\n#| fig-cap: c\n{PLOT}"),
        5,
        "a fig-cap and a fig-alt",
    ),
    "undrawable": (
        chunk(f"{FIGURE}_ = plt.title('$x^$')\n"),
        5,
        "the figure of the chunk `fig-a` cannot be drawn: ValueError",
    ),
    "glyph in a figure": (
        chunk(f"{FIGURE}_ = plt.title(chr(0xF0000))\n"),
        5,
        "the figure of the chunk `fig-a` cannot be drawn: UserWarning: Glyph",
    ),
    "exception": (
        chunk("#| label: bad\nx = 1\nx / 0\n"),
        8,
        "the chunk `bad` failed with ZeroDivisionError: division by zero",
    ),
    "syntax": (chunk("1 +\n"), 6, "SyntaxError: invalid syntax\n"),
    "exit": (chunk("quit()\n"), 6, "failed with SystemExit"),
    "half a character": (
        chunk("print('\\ud800')\n"),
        6,
        "surrogates not allowed",
    ),
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One for all faults, which leave nothing behind in it."""
    document = SimpleNamespace(folder=tmp_path_factory.mktemp("kernel"))
    with execute._kernel(document, SimpleNamespace(disable=True)) as client:
        yield client


@pytest.fixture
def refusal(tmp_path, refused, kernel, monkeypatch):
    """The one line that press prints; nothing else may have changed."""
    document = write(tmp_path)
    monkeypatch.setattr(execute, "_kernel", lambda *_: nullcontext(kernel))

    def call(text):
        data = text if isinstance(text, bytes) else text.encode()
        document.write_bytes(data)
        return refused(
            lambda: __main__.main([str(document), "--engine", "press"])
        )

    return call


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_is_named_with_its_line(name, refusal):
    text, line, message = REFUSED[name]
    error = refusal(HEAD + text)
    assert error.startswith(f"press: report.qmd, line {line}:")
    assert message in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"---\ntitle: t\n---\n\xff\n", "line 4: the byte 0xff"),
        ("---\ntitle: t\n", "line 1: the front matter is never closed"),
        (
            "---\nbibliography: references.bib\n---\n\nSee @nobody.\n",
            "line 5: Pandoc: Citeproc: citation nobody not found",
        ),
        (HEAD + "> " * 300 + "a\n", "nested too deeply"),
    ],
)
def test_a_fault_of_the_whole_text_is_named(text, message, refusal):
    assert message in refusal(text)


@pytest.mark.skipif(sys.platform != "linux", reason="folders of fonts differ")
def test_a_font_that_the_user_installs_serves(tmp_path, monkeypatch):
    home = tmp_path / "home"
    folder = home / ".local" / "share" / "fonts"
    folder.mkdir(parents=True)
    font = TTFont(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))
    for table in font["cmap"].tables:
        if table.format == 12:  # holds any code point
            table.cmap[0xF0000] = "A"
    for record in font["name"].names:
        record.string = "Rare"
    font.save(folder / "rare.ttf")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    document = tmp_path / "small.qmd"
    document.write_text(f"{HEAD}a \U000f0000 b\n")
    build.build(document)
    (page,) = PdfReader(tmp_path / "small.pdf").pages
    assert "\U000f0000" in page.extract_text()


def test_any_name_of_the_document_and_its_folder_serves(tmp_path):
    folder = tmp_path / 'a--b "c" *d* $e$ ü'
    folder.mkdir()
    document = folder / "a\"b'c&<d>.qmd"
    (folder / "x--y.bib").write_text(BIBLIOGRAPHY)
    head = "title:\nbibliography: x--y.bib\npress: {chapter-name: Übung}\n"
    text = f"---\n{head}---\n\n# A\n\nBy @kingma.\n\n"
    document.write_text(text + chunk("print(6 * 7)\n"), "utf-8")
    build.build(document)
    (page,) = PdfReader(document.with_suffix(".pdf")).pages
    assert "42" in page.extract_text()
    assert "Übung 1" in page.extract_text()


def test_the_notebook_as_the_document_is_refused_at_once(tmp_path, capsys):
    book = tmp_path / "kerberos.ipynb"
    book.write_text("{}")
    assert __main__.main([str(book)]) == 2
    said = capsys.readouterr().err
    assert "press makes such a file and does not read it" in said


def test_a_kernel_that_does_not_start_is_said_in_a_sentence(tmp_path):
    document = write(tmp_path, f"{HEAD}A `{{python}} 6 * 7`.\n")
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit(1)\n")
    with pytest.raises(PressError, match="that runs its chunks did not start"):
        build.build(document)


def test_engine_quarto_is_refused_where_it_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(__main__.shutil, "which", lambda _: None)
    assert __main__.main(["x.qmd", "--engine", "quarto"]) == 2
    assert "quarto is not on the PATH" in capsys.readouterr().err


def test_auto_takes_quarto_where_it_is_installed(
    tmp_path, monkeypatch, capsys
):
    calls = []

    def run(command, **_options):
        calls.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(__main__.shutil, "which", lambda _: "/opt/quarto")
    (tmp_path / "report.qmd").write_text("text")
    monkeypatch.setattr(__main__.build, "build", lambda *_: [])
    monkeypatch.setattr(__main__.subprocess, "run", run)
    assert __main__.main([str(tmp_path / "report.qmd")]) == 0
    assert calls == [["/opt/quarto", "render", "report.qmd"]]
    assert "made by quarto" in capsys.readouterr().out
