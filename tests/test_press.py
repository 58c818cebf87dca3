"""A small document through press, and the PDF and notebook read back."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from pypdf import PdfReader

from press import __main__, build, features, reader
from press.errors import PressError

CODE = '''\
"""A module that a listing shows."""


def long_line(first, second):
    # this comment is as long as the style of the code allows: 79 columns, all.
    return first + second
'''

BIBLIOGRAPHY = """\
@article{kingma, author = {Kingma, Diederik}, title = {Bayes}, year = {2014}}
"""

INCLUDED = "Included text with the value `{python} 2 ** 10`.\n"

DOCUMENT = r"""---
title: "A small *report*"
subtitle: "with everything"
author: "A. Student"
date: 2024-09-24
lang: en
kerberos: kerberos
collaborators: none
sources: [one, two]
bibliography: references.bib
link-citations: true
output-file: kerberos.pdf
press: {chapter-name: Problem, first-chapter: 0}
---

A banner before the first chapter.

# Start {#sec-start}

```{python}
#| label: setup
#| include: false
import matplotlib.pyplot as plt
from IPython.display import Markdown
from aevb.report import listing, number, table
from toy import long_line
hidden = 40
```

Values: `{python} hidden + 2`, `{python} Markdown("**bold**")`, and verbatim
`` `{python} not_run` ``. See @sec-proof on page \pageref{sec-proof}; the
source is @kingma and [@kingma]. A footnote.[^n] <!-- a comment -->

[^n]: The footnote's *text*.

{{< include _included.qmd >}}

| question | page |
|:---------|-----:|
| one      | \pageref{fig-line} |
| two      | \pageref{fig-two-2} |
| three    | \pageref{tbl-made} |
| four     | \pageref{thm-bound} |
| five     | \pageref{eq-bound} |

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
#| output: asis
tex = r"\begin{aligned} a &= b \\ &= c\!\left(d\right) \end{aligned}"
print(f"$${tex}$$ {{#eq-asis}}\n")
print("Printed, with a reference to [-@eq-asis].")
```
:::

::: {#lem-one name="a name"}
A lemma.
:::

::: {#cor-one}
A corollary.
:::

::: {#prp-one}
A proposition.
:::

::: {#cnj-one}
A conjecture.
:::

::: {#def-one}
A definition.
:::

::: {#exm-one}
An example.
:::

::: {#exr-one}
An exercise.
:::

::: {.remark}
A remark.
:::

::: {.solution}
A solution.
:::

{{< pagebreak >}}

## Figures

```{python}
#| label: fig-line
#| fig-cap: "The loss $L$ of @eq-bound."
#| fig-alt: "A rising line."
fig, ax = plt.subplots(figsize=(8.5, 2))
ax.plot([0, 1], [0, 1])
plt.show()
```

```{python}
#| label: fig-two
#| fig-cap: "Two panels."
#| fig-subcap: [left, right]
#| fig-alt: ["A first panel.", "A second panel."]
#| layout-ncol: 2
for _ in range(2):
    plt.figure(figsize=(2, 14))
    plt.scatter(range(3000), range(3000))
    plt.show()
```

![A picture.](picture.svg){#fig-file fig-alt="A square." width=30%}

::: {#fig-pair layout-ncol=2}
![One.](picture.svg){#fig-one fig-alt="A square again."}

![Two.](picture.svg){#fig-other fig-alt="And again."}

A pair.
:::

See @fig-line, @fig-two-2, [@fig-file; @tbl-made] and @fig-pair.

```{python}
#| label: tbl-made
#| tbl-cap: "Made by a chunk."
#| output: asis
table([["a", number(-0.5, 2)]], ["name", "value"], "lr")
```

```{python}
#| echo: true
hidden
```

```{python}
#| eval: false
#| echo: true
never_run()
```

```{python}
#| output: asis
listing(long_line)
```

- *a list* with [a link](https://example.org), H~2~O, x^2^, ~~struck~~
- [small]{.smallcaps} text\
  broken

1. first

> A quotation, "quoted".

term
:   its meaning

***

```bash
make report
```

\appendix

# More {#sec-more}

See [-@sec-more] and [Start](#sec-start).

# References {.unnumbered}

::: {#refs}
:::
"""

PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt" '
    'viewBox="0 0 72 72"><rect width="72" height="72" fill="teal"/></svg>'
)


def write(folder, document=DOCUMENT):
    """A folder with the document and all that it needs."""
    (folder / "code").mkdir()
    (folder / "code" / "toy.py").write_text(CODE)
    (folder / "references.bib").write_text(BIBLIOGRAPHY)
    (folder / "_included.qmd").write_text(INCLUDED)
    (folder / "picture.svg").write_text(PICTURE)
    (folder / "_quarto.yml").write_text("execute:\n  echo: false\n")
    (folder / "report.qmd").write_text(document, encoding="utf-8")
    return folder / "report.qmd"


def snapshot(folder):
    """Every file below the folder, and its hash."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of the document, built once from another folder."""
    document = write(tmp_path_factory.mktemp("press"))
    (document.parent / "figures").mkdir()
    build.build(document, {"profile": "test"})
    return document.parent


@pytest.fixture(scope="session")
def pdf(built):
    return PdfReader(built / "kerberos.pdf")


@pytest.fixture(scope="session")
def pages(pdf):
    """The text of each page, its spaces made plain."""
    texts = [page.extract_text() for page in pdf.pages]
    return [re.sub(r"\s+", " ", text) for text in texts]


@pytest.fixture(scope="session")
def notebook(built):
    return nbformat.read(built / "kerberos.ipynb", as_version=4)


def objects(pdf):
    """Every dictionary of a PDF that is an object of its own."""
    for number in range(1, pdf.trailer["/Size"]):
        item = pdf.get_object(number)
        if isinstance(item, dict):
            yield item


def test_the_page_holds_the_text_and_the_values(pages):
    text = " ".join(pages)
    for part in (
        "A small report",
        "Values: 42, bold, and verbatim `{python} not_run`",
        "the value 1024",
        "The footnote\N{RIGHT SINGLE QUOTATION MARK}s text.",
        "Theorem 1.1 (Jensen).",
        "Lemma 1.1 (a name).",
        "By Equation 1.1 and Theorem 1.1.",
        "Printed, with a reference to 1.2.",
        "1.1. The loss \N{MATHEMATICAL ITALIC CAPITAL L} of Equation 1.1.",
        "Figure 1.3 and Table 1.1",
        "Figure 1.2 (b)",
        "\N{MINUS SIGN}0.50",
        "code/toy.py, lines 4 to 6:",
        "never_run()",
        "Appendix A",
        "See A and Start",
        "Kingma, Diederik. 2014.",
    ):
        assert part in text
    assert "??" not in text
    assert "{#" not in text
    assert "@" not in text.replace("`{python} not_run`", "")


def test_page_references_name_the_right_pages(pages):
    proof = next(n for n, t in enumerate(pages, 1) if "Jensen" in t and n > 1)
    line = next(n for n, t in enumerate(pages, 1) if "Figure 1.1. The" in t)
    assert f"on page {proof};" in " ".join(pages)
    two = next(n for n, t in enumerate(pages, 1) if "Figure 1.2. Two" in t)
    made = next(n for n, t in enumerate(pages, 1) if "Table 1.1." in t)
    expected = f"one {line} two {two} three {made} four {proof} five {proof} "
    assert expected in pages[1]


def test_bookmarks_and_contents_follow_the_chapters(pdf, pages):
    def titles(outline):
        for item in outline:
            yield from titles(item) if isinstance(item, list) else [item.title]

    assert list(titles(pdf.outline)) == [
        "Problem 0 Start",
        "Problem 1 Proofs",
        "1.1 The bound",
        "1.2 Figures",
        "Appendix A More",
        "References",
    ]
    for title in ("Problem 0 Start", "1.2 Figures", "References"):
        assert title in pages[0]


def test_what_precedes_the_first_chapter_is_on_the_first_page(pages):
    assert "A banner before the first chapter. Contents" in pages[0]


def test_every_chapter_opens_a_page_and_heads_the_next(pages):
    assert pages[1].startswith("2 Problem 0 Start")
    assert pages[2].startswith("3 Problem 1 Proofs")
    assert pages[3].startswith("Problem 1 Proofs 4")


def test_every_figure_and_formula_has_its_alt_text(pdf):
    alts = [str(item["/Alt"]) for item in objects(pdf) if "/Alt" in item]
    for alt in (
        "A rising line.",
        "A first panel.",
        "A second panel.",
        "A square.",
        "A square again.",
        "And again.",
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


def test_figures_and_formulas_stay_inside_the_margins(pdf):
    left, right, bottom, top = 1.1 * 72, 7.4 * 72, 72, 10 * 72
    boxes = [
        attribute["/BBox"]
        for item in objects(pdf)
        if item.get("/S") in ("/Figure", "/Formula")
        for attribute in item.get("/A", [])
        if "/BBox" in attribute
    ]
    assert len(boxes) >= 7
    for x0, y0, x1, y1 in boxes:
        assert left - 1 <= x0 < x1 <= right + 1
        assert bottom - 1 <= y0 < y1 <= top + 1


def test_a_full_line_of_code_is_not_wrapped(pdf):
    full = CODE.splitlines()[4].strip()
    assert len(CODE.splitlines()[4]) == 79
    lines = [
        line.strip()
        for page in pdf.pages
        for line in page.extract_text().splitlines()
    ]
    assert full in lines


def test_no_page_ends_with_what_announces_a_listing(tmp_path):
    lines = "".join(
        f"# Chapter {n}\n\n```{{python}}\n#| output: asis\n#| echo: false\n"
        f'print("line\\n\\n" * {n})\n'
        'print("Shown here:\\n\\n```python\\n" + "x = 1\\n" * 30 + "```")\n'
        "```\n\n"
        for n in range(20, 32)
    )
    document = tmp_path / "long.qmd"
    document.write_text(f"---\ntitle: T\nauthor: A\n---\n\n{lines}")
    build.build(document, {"profile": "test"})
    texts = [
        page.extract_text().split()
        for page in PdfReader(tmp_path / "long.pdf").pages
    ]
    assert sum(" ".join(t).count("Shown here:") for t in texts) == 12
    assert not [t for t in texts if t[-1] == "here:"]


def test_metadata_carries_the_provenance(pdf, notebook, built):
    hashes = notebook.metadata["provenance"]
    assert hashes["profile"] == "test"
    assert set(hashes) == {"inputs", "profile", "report", "source"}
    for key, value in hashes.items():
        assert f"{key}: {value}" in pdf.metadata["/Keywords"]
    code = (built / "code" / "toy.py").read_bytes()
    expected = hashlib.sha256(b"code/toy.py\0" + code).hexdigest()
    assert hashes["source"] == expected


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("report.qmd", "report"),
        ("_included.qmd", "report"),
        ("code/toy.py", "source"),
        ("references.bib", "inputs"),
        ("_quarto.yml", "inputs"),
        ("code/numbers.json", "source"),
    ],
)
def test_the_provenance_knows_every_file_of_a_report(name, key, tmp_path):
    document = write(tmp_path, DOCUMENT)
    (tmp_path / "code" / "numbers.json").write_text("{}")
    before = build.provenance(reader.read(document))
    with open(tmp_path / name, "a") as file:
        file.write("\n")
    after = build.provenance(reader.read(document))
    assert [k for k in before if before[k] != after[k]] == [key]


def test_the_notebook_is_executed_in_order(notebook):
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    assert "sys.path" in cells[0].source
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    text = "\n".join(texts).replace("\N{NO-BREAK SPACE}", " ")
    assert "Values: 42, **bold**" in text
    assert "See Section 1.1 on page 3" in text
    assert "**Theorem 1.1** (Jensen)" in text
    assert r"\tag{1.1}" in text
    assert "**Figure 1.1.** The loss $L$ of Equation 1.1." in text
    assert "never_run()" in text
    assert "@" not in text
    assert ":::" not in text


def test_the_notebook_shows_figures_and_printed_markdown(notebook):
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    alts = [
        output.metadata["image/png"]["alt"]
        for output in outputs
        if "image/png" in output.get("data", {})
    ]
    assert alts == ["A rising line.", "A first panel.", "A second panel."]
    texts = [o.data.get("text/markdown", "") for o in outputs if "data" in o]
    assert any("def long_line" in text for text in texts)
    assert any(r"\tag{1.2}" in text for text in texts)


def test_the_notebook_runs_again_by_itself(notebook, tmp_path):
    """Its code, in order, in a plain Python that was told of no path."""
    code = "\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "code"
    )
    write(tmp_path)
    source = os.path.dirname(os.path.dirname(build.__file__))
    (tmp_path / "code" / "press").symlink_to(os.path.join(source, "press"))
    environment = {**os.environ, "MPLBACKEND": "agg"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_figures_are_files_vector_where_small(built, notebook):
    names = sorted(path.name for path in (built / "figures").iterdir())
    assert names == ["fig-line.svg", "fig-two-1.png", "fig-two-2.png"]
    assert notebook.metadata["figures"] == [f"figures/{n}" for n in names]


def test_two_builds_are_equal_and_stale_figures_go(built, tmp_path):
    folder = tmp_path / "again"
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


# ---- what press accepts

EVIDENCE = {
    "rendered": "seen to render with Quarto 1.9",
    "documented": "described in Quarto's guide",
    "pandoc": "Pandoc's own Markdown, which Quarto passes on",
    "metadata": "carried along by Quarto without use",
}

# The features that DESIGN.md's list calls verified with Quarto.
RENDERED = {
    "key": {"format", "output-file"},
    "option": {"label", "fig-cap", "fig-alt", "echo", "output"},
    "inline code": {"python"},
    "label": {"sec", "fig", "eq", "tbl", "thm"},
    "div": {"proof"},
    "image attribute": {"fig-alt"},
}

# What each remaining feature rests on.
OTHERS = {
    "key": "project execute jupyter crossref title subtitle author date "
    "abstract lang bibliography csl link-citations nocite kerberos "
    "collaborators sources press",
    "execute": "echo eval include output warning",
    "option": "eval include tbl-cap layout-ncol fig-subcap",
    "shortcode": "include pagebreak",
    "raw latex": "pageref appendix",
    "label": "lem cor prp cnj def exm exr",
    "div": "remark solution #refs",
    "heading class": "unnumbered",
    "image attribute": "width",
    "div attribute": "layout-ncol name",
    "code language": "python bash yaml text default",
    "block": "Para Plain Header CodeBlock BlockQuote BulletList OrderedList "
    "DefinitionList Table Figure Div HorizontalRule",
    "inline": "Str Space SoftBreak LineBreak Quoted Emph Strong Superscript "
    "Subscript Strikeout SmallCaps Underline Cite Code Math Link Note Image",
}


def test_every_accepted_feature_has_its_evidence():
    rendered, others = {}, {}
    for feature in features.FEATURES:
        assert feature.evidence in EVIDENCE
        group = rendered if feature.evidence == "rendered" else others
        group.setdefault(feature.group, set()).add(feature.name)
    assert rendered == RENDERED
    assert others == {group: set(n.split()) for group, n in OTHERS.items()}


# ---- what press refuses

HEAD = "---\ntitle: t\n---\n\n"
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1])\n"

REFUSED = {
    "unclosed": ("```{python}\n1\n", 5, "never closed"),
    "twice": (
        2 * "```{python}\n#| label: a\n1\n```\n\n",
        11,
        "label `a` is already used",
    ),
    "option": ("```{python}\n#| fig-width: 3\n1\n```\n", 6, "`fig-width`"),
    "value": ("```{python}\n#| echo: maybe\n1\n```\n", 6, "cannot be `maybe`"),
    "yaml": ("```{python}\n#| label: [\n1\n```\n", 6, "YAML"),
    "language": ("```{r}\n1\n```\n", 5, "`{r}`"),
    "braces": ("```{python, echo=FALSE}\n1\n```\n", 5, "option"),
    "indented": ("- a\n\n  ```{python}\n  1\n  ```\n", 7, "beginning"),
    "shortcode": ("{{< video x >}}\n", 5, "`video`"),
    "inline shortcode": ("a {{< meta x >}}\n", 5, "cannot stand"),
    "include": ("{{< include no.qmd >}}\n", 5, "`no.qmd` does not exist"),
    "reference": ("See\n@fig-none.\n", 6, "nothing has the label `fig-none`"),
    "page": ("See \\pageref{sec-no}.\n", 5, "nothing has the label `sec-no`"),
    "link": ("[a](#sec-no)\n", 5, "nothing has the label `sec-no`"),
    "same label": (
        "# A {#sec-a}\n\n# B {#sec-a}\n",
        5,
        "Duplicate identifier",
    ),
    "label twice": ("$$a$$ {#eq-a}\n\n$$b$$ {#eq-a}\n", 5, "is used twice"),
    "image": ('![c](no.png){#fig-a fig-alt="a"}\n', 5, "`no.png` does not"),
    "alt": ("![c](picture.svg){#fig-a}\n", 5, "lacks a fig-alt"),
    "label": ('![c](picture.svg){fig-alt="a"}\n', 5, "needs a label"),
    "div": ("::: {.callout-note}\na\n:::\n", 5, "callout-note"),
    "html": ("a <b>c</b>\n", 5, "raw html"),
    "latex": ("a \\newpage\n", 5, "raw tex"),
    "math": ("$$\n\\begin{align} a \\end{align}\n$$\n", 6, "align"),
    "tex": ("a\n\n$\\foo{x}$\n", 7, "Could not convert TeX"),
    "wide": (f"$$\n{'a + b + ' * 40} c\n$$\n", 6, "wider than the page"),
    "citation": ("See @nobody.\n", 5, "names no `bibliography`"),
    "footnote": ("See.[^a]\n", 5, "footnote is not defined"),
    "table": ("| a |\n|---|\n| b |\n\n: caption\n", 9, "a label {#tbl-...}"),
    "level": ("## A {.wide}\n", 5, "unknown heading class `wide`"),
    "place": ("$`{python} 1`$\n", 5, "cannot stand inside math"),
    "expression": ("a `{python} 1 +` b\n", 5, "not a Python expression"),
}


def refusal(document, text, capsys):
    """The one line that press prints; nothing else may have changed."""
    if isinstance(text, str):
        text = text.encode()
    document.write_bytes(text)
    before = snapshot(document.parent)
    assert __main__.main([str(document), "--engine", "press"]) == 2
    assert snapshot(document.parent) == before
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_is_named_with_its_line(name, tmp_path, capsys):
    text, line, message = REFUSED[name]
    error = refusal(write(tmp_path), HEAD + text, capsys)
    assert f"report.qmd, line {line}:" in error
    assert message in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"---\ntitle: t\n---\n\xff\n", "line 4: the byte 0xff"),
        ("---\ntitle: t\n", "line 1: the front matter is never closed"),
        ("---\ntitle: [\n---\n", "line 2: YAML"),
        (
            "---\nfont: big\n---\n",
            "line 2: press does not know the key `font`",
        ),
        (
            "---\nbibliography: no.bib\n---\n",
            "line 2: the bibliography `no.bib` does not exist",
        ),
        (
            "---\nbibliography: references.bib\n---\n\nSee @nobody.\n",
            "line 5: Pandoc: Citeproc: citation nobody not found",
        ),
    ],
)
def test_a_fault_of_the_front_matter_is_named(text, message, tmp_path, capsys):
    assert message in refusal(write(tmp_path), text, capsys)


def test_an_exception_names_chunk_and_line(tmp_path, capsys):
    text = "\n```{python}\n#| label: bad\nx = 1\nx / 0\n```\n"
    error = refusal(write(tmp_path), HEAD + text, capsys)
    assert "report.qmd, line 9: the chunk `bad` failed with " in error
    assert "ZeroDivisionError: division by zero" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("#| label: plot\n", "draws a figure; give it a label"),
        ("#| label: fig-a\n#| fig-cap: c\n", "1 figure(s) and has 0 fig-alt"),
    ],
)
def test_a_figure_needs_label_caption_and_alt(
    options, message, tmp_path, capsys
):
    text = f"{HEAD}```{{python}}\n{options}{FIGURE}```\n"
    error = refusal(write(tmp_path), text, capsys)
    assert message in error
    assert "line 5" in error


def test_a_file_in_the_way_of_the_figures_is_named(tmp_path, capsys):
    document = write(tmp_path)
    (tmp_path / "figures").write_text("a file")
    assert "figures: stands in the way" in refusal(document, HEAD, capsys)


def test_a_folder_without_permission_is_named(tmp_path, capsys, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(build.tempfile, "TemporaryDirectory", refuse)
    error = refusal(write(tmp_path), HEAD, capsys)
    assert "no permission to write here (Permission denied)" in error


def test_a_missing_document_is_named(tmp_path):
    with pytest.raises(PressError, match="there is no such document"):
        build.build(tmp_path / "no.qmd")


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
