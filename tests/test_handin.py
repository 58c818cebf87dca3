"""A small report, handed in; then each of its properties broken in turn."""

import ast
import ctypes
import os
import re
import shutil
from pathlib import Path

import nbformat
import pypdfium2
import pytest
import typst
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from handin import __main__ as command
from handin import checks
from handin.files import Report, letters
from handin.questions import QUESTIONS

ROOT = Path(__file__).parents[1]
HASH = "0123456789ab"
HEAD = """---
title: "A small report"
author: "Jane Doe"
kerberos: jdoe
collaborators: none
sources: ["a book [here](https://example.org)", a talk]
output-file: kerberos
---
"""
CODE = "def f(x):\n    return -x\n"


def title(question):
    return f"The answer to `{letters(question.name)}`"


def report():
    """A document that answers every question, a chapter a problem."""
    parts = [HEAD]
    for question in QUESTIONS:
        chapter = question.name[0]
        if question.name.endswith("(a)"):
            parts.append(f"# Problem {chapter} itself {{#sec-p{chapter}}}\n")
        level = "##" if "(" in question.name else "#"
        label = f"{{#sec-p{letters(question.name)}}}"
        parts.append(f"{level} {title(question)} {label}\n")
        for name in question.labels.split():
            parts.append(f"```{{python}}\n#| label: {name}\n1 + 1\n```\n")
    return "\n".join(parts)


def first_page(question):
    """Chapter 0 opens page 2, chapter 1 page 3."""
    return int(question.name[0]) + 2


def pages(
    keywords=f"report: ff, source: {HASH}, inputs: ff",
    more="",
    before_appendix="",
):
    """The document as a PDF, with more Typst at its end."""
    parts = [
        f'#set document(keywords: "{keywords}")' if keywords else "",
        '#set page(paper: "us-letter", numbering: "1")',
        "#show heading.where(level: 1): it => pagebreak() + it",
        "Jane Doe jdoe",
    ]
    for question in QUESTIONS:
        if question.name.endswith("(a)"):
            parts.append(f"= Problem {question.name[0]} itself")
        chapter = "= Problem" if question.name == "0" else "=="
        parts.append(f"{chapter} {question.name} {title(question)}")
        if question.name == "0":
            for row in QUESTIONS:
                parts.append(f"{row.name} It says code {first_page(row)}\n")
        parts += [f"`{word} ...`\n" for word in question.words]
    source = "\n".join([*parts, before_appendix, "= Appendix", more]).encode()
    return typst.compile(source, format="pdf", ignore_system_fonts=True)


def book():
    """The document as a notebook that has been run."""
    chunks = re.findall(r"```{python}\n(.*?)```", report(), re.DOTALL)
    cells = [new_code_cell(CODE), *map(new_code_cell, chunks)]
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
        cell.outputs = [new_output("stream", text="2")]
    # a cell without code need not be run
    cells.insert(1, new_code_cell(" \n"))
    out = nbformat.v4.new_notebook(cells=[*cells, new_markdown_cell("End.")])
    out.metadata["provenance"] = {"source": HASH}
    return out


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a report that is ready to be handed in."""
    folder = tmp_path_factory.mktemp("handin")
    (folder / "report.qmd").write_text(report(), "utf-8")
    (folder / "code").mkdir()
    (folder / "code" / "models.py").write_text(f"class A:\n    {CODE}")
    (folder / "kerberos.pdf").write_bytes(pages())
    nbformat.write(book(), folder / "kerberos.ipynb")
    return folder


@pytest.fixture
def folder(built, tmp_path):
    """A copy of it, with an older submission."""
    shutil.copytree(built, tmp_path / "report")
    (tmp_path / "report" / "submission").mkdir()
    (tmp_path / "report" / "submission" / "jdoe.pdf").write_text("older")
    return tmp_path / "report"


def files(folder):
    return {
        p: hash(p.read_bytes()) for p in folder.rglob("*.*") if p.is_file()
    }


def submit(folder, capsys, kerberos="jdoe"):
    """The status, and what was printed on either stream."""
    where = ["--document", str(folder / "report.qmd")]
    hashed = ["--provenance", f"source={HASH}"]
    status = command.main([*where, *hashed, "--", kerberos])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def faults(folder, capsys):
    """What keeps it from being handed in; nothing may have changed."""
    before = files(folder)
    status, out, err = submit(folder, capsys)
    assert (status, out) == (2, "")
    assert files(folder) == before
    head, *lines = err.splitlines()
    assert head.startswith("submission: not ready")
    assert all(line.startswith("  - ") for line in lines)
    return [line.removeprefix("  - ") for line in lines]


def only(folder, capsys):
    """The one thing that is wrong; it says what to do."""
    (line,) = faults(folder, capsys)
    assert line.endswith("run `make report`.")
    return line


# ---- a report that is ready


def test_a_finished_report_is_handed_in(folder, built, capsys):
    (folder / "submission" / "other.pdf").write_text("another student's")
    status, out, err = submit(folder, capsys)
    assert (status, err) == (0, "")
    made = folder / "submission"
    assert sorted(os.listdir(made)) == ["jdoe.ipynb", "jdoe.pdf", "other.pdf"]
    for ending in ("pdf", "ipynb"):
        original = (built / f"kerberos.{ending}").read_bytes()
        assert (made / f"jdoe.{ending}").read_bytes() == original
    assert "submission/jdoe.pdf  (0.0 MB)" in out
    for question in QUESTIONS:
        row = rf"^  {re.escape(question.name)} +{first_page(question)}$"
        assert re.search(row, out, re.MULTILINE)
    for check in (check for some in checks.CHECKS.values() for check in some):
        assert check.__doc__ in out


def test_an_answer_ends_where_the_next_one_begins(folder, capsys):
    """A chapter begins on a page of its own, a section may share one."""
    more = "#pagebreak() more of 4(c)"
    (folder / "kerberos.pdf").write_bytes(pages(before_appendix=more))
    _, out, _ = submit(folder, capsys)
    assert "  4(b)  6\n" in out
    assert "  4(c)  6 to 7\n" in out


def test_quarto_writes_no_keywords_but_prints_the_hash(folder, capsys):
    (folder / "kerberos.pdf").write_bytes(pages(keywords="", more=HASH))
    assert submit(folder, capsys)[0] == 0
    (folder / "kerberos.pdf").write_bytes(pages(keywords=""))
    assert "kerberos.pdf: comes from another" in only(folder, capsys)


def test_a4_can_be_handed_in(folder, capsys):
    (folder / "kerberos.pdf").write_bytes(pages(more='#page("a4")[more]'))
    assert submit(folder, capsys)[0] == 0


def test_every_question_of_the_problem_set_is_in_the_table():
    names = "0 1(a) 1(b) 2(a) 2(b) 2(c) 2(d) 3(a) 3(b) 3(c) 4(a) 4(b) 4(c)"
    assert [question.name for question in QUESTIONS] == names.split()
    assert all(question.labels or question.words for question in QUESTIONS)


def test_the_report_of_this_repository_has_what_the_table_asks_for():
    path = ROOT / "report.qmd"
    document = Report(path, path.read_bytes())
    want = checks.Wanted(document, "kerberos", HASH, "")
    assert list(checks.sections(want, document)) == []
    (fault,) = checks.fields(want, document)
    assert checks.PLACEHOLDER in fault
    sources = [path, *(ROOT / "code" / "aevb").rglob("*.py")]
    assert any(checks.QUICK in file.read_text("utf-8") for file in sources)


def test_it_needs_neither_the_code_of_the_report_nor_the_typesetter():
    for path in (ROOT / "code" / "handin").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        imports = [n for n in nodes if isinstance(n, ast.Import)]
        names = {alias.name for node in imports for alias in node.names}
        names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
        own = {name.partition(".")[0] for name in names}
        assert not own & {"aevb", "press", "proofs", "torch"}


# ---- the command


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", "j doe", "-x", "jdoe.pdf", "j\u00f6"]
)
def test_a_name_that_cannot_be_a_file_is_refused(name, tmp_path, capsys):
    status, out, err = submit(tmp_path, capsys, name)
    assert (status, out) == (2, "")
    assert f"`{name}` is no Kerberos name" in err
    assert "make submit KERBEROS=jdoe" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("report.qmd", None),
        ("report.qmd", b"\xff"),
        ("report.qmd", b"---\na: [\n---\n"),
        ("report.qmd", b"---\n[1]\n---\n"),
        ("kerberos.pdf", None),
        ("kerberos.pdf", 0.3),
        ("kerberos.pdf", 0.99),
        ("kerberos.pdf", b""),
        ("kerberos.pdf", b"%PDF-1.7\nno more"),
        ("kerberos.ipynb", None),
        ("kerberos.ipynb", b"{"),
        ("kerberos.ipynb", b"\xff"),
        ("kerberos.ipynb", b"[]"),
        ("kerberos.ipynb", b"{}"),
        ("kerberos.ipynb", b'{"cells": 1, "metadata": {}, "nbformat": 4}'),
    ],
)
def test_a_missing_or_damaged_file_is_named(name, data, folder, capsys):
    whole = (folder / name).read_bytes()
    (folder / name).unlink()
    if data is not None:
        part = int(len(whole) * data) if isinstance(data, float) else 0
        (folder / name).write_bytes(data if part == 0 else whole[:part])
    reason = "No such file" if data is None else "damaged: "
    line = only(folder, capsys)
    assert line.startswith(f"{name}: cannot be read ({reason}")


@pytest.mark.parametrize("name", ["submission", "submission/jdoe.ipynb"])
def test_what_stands_in_the_way_is_named(name, folder, capsys):
    if name == "submission":
        shutil.rmtree(folder / name)
        (folder / name).write_text("a file")
    else:
        (folder / name).mkdir()
    (line,) = faults(folder, capsys)
    assert line.startswith("submission/: cannot be written (")
    assert not list(folder.glob(".handin-*"))


def test_all_faults_are_told_in_one_run(folder, capsys):
    edit(folder, "Jane Doe", checks.PLACEHOLDER)
    (folder / "kerberos.pdf").write_bytes(b"")
    change_book(folder, unrun)
    starts = [line.partition(":")[0] for line in faults(folder, capsys)]
    assert starts == [
        "report.qmd",
        "kerberos.pdf",
        "kerberos.ipynb, code cell 4",
    ]


# ---- the report


def edit(folder, old, new):
    path = folder / "report.qmd"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Jane Doe", checks.PLACEHOLDER, "`author` is `Name of the student`"),
        ('author: "Jane Doe"', "author:", "`author` is ``"),
        ("collaborators: none", "collaborators:", "`collaborators` is ``"),
        ("collaborators: none", "collaborators: []", "`none` is an answer"),
        ("collaborators: none\n", "", "`collaborators` is ``"),
        ("sources: [", "sources: [] # [", "`sources` is ``; fill it in"),
        ("kerberos: jdoe", "kerberos: me", "`me`; write `kerberos: jdoe`"),
    ],
)
def test_the_front_matter_must_be_filled_in(old, new, message, folder, capsys):
    edit(folder, old, new)
    assert message in only(folder, capsys)


def test_an_answer_needs_its_heading_figures_and_tables(folder, capsys):
    edit(folder, " {#sec-p2c}", " {#sec-other}")
    edit(folder, "label: fig-kl-check", "label: moved")
    edit(folder, "label: fig-torus-plain", "label: fig-kl-check")
    assert faults(folder, capsys)[:3] == [
        "report.qmd: question 2(c) has no heading {#sec-p2c}; write one "
        "above its answer, then run `make report`.",
        "report.qmd: question 3(b) has no chunk `fig-kl-check`; write it "
        "below its heading, then run `make report`.",
        "report.qmd: question 4(b) has no chunk `fig-torus-plain`; write it "
        "below its heading, then run `make report`.",
    ]


# ---- both files


def test_both_files_must_be_made_from_the_sources_as_they_are(folder, capsys):
    (folder / "kerberos.pdf").write_bytes(pages("source: f0, title", HASH))
    change_book(folder, lambda _: None, provenance={"source": "f0"})
    lines = faults(folder, capsys)
    assert [line.partition(":")[0] for line in lines] == [
        "kerberos.pdf",
        "kerberos.ipynb",
    ]
    assert all("comes from another report, other" in line for line in lines)
    change_book(folder, lambda _: None, provenance={})
    assert len(faults(folder, capsys)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"*{checks.QUICK}* Every model", "is of a quick run; leave PROFILE"),
        ("See Figure ??.", "`See Figure ??.` is a reference to nothing"),
        ("See ?\\@fig-none.", "`See ?@fig-none.` is a reference to nothing"),
    ],
)
def test_text_that_betrays_a_run_is_found(text, message, folder, capsys):
    (folder / "kerberos.pdf").write_bytes(pages(more=text))
    line = only(folder, capsys)
    assert line.startswith("kerberos.pdf, page 7: ")
    assert message in line
    text = text.replace("\\", "")
    shown = new_output("stream", text=text)
    change_book(folder, lambda cells: cells[1].update(outputs=[shown]))
    line = faults(folder, capsys)[1]
    assert line.startswith("kerberos.ipynb, cell 3: ")
    assert message in line


@pytest.mark.parametrize("name", ["kerberos.pdf", "kerberos.ipynb"])
def test_a_file_that_is_too_large_is_named(name, folder, capsys, monkeypatch):
    other = {"kerberos.pdf", "kerberos.ipynb"} - {name}
    limit = (folder / other.pop()).stat().st_size
    with open(folder / name, "ab") as file:
        file.write(b"\n" * limit)
    monkeypatch.setattr(checks, "LIMIT", limit)
    assert only(folder, capsys).startswith(f"{name}: has ")


# ---- the PDF


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("== 2(c) ", "== 2(d) ", "no bookmark says `2(c) The answer to `2c`"),
        ("== 2(c) The", "== 2(c) Another", "no bookmark says `2(c) The"),
        ("class AE(", "class A(", "question 1(a) does not show `class AE(`"),
        (
            "2(b) It says code 4",
            "2(b) It says code 5",
            "its table says page 5",
        ),
        (
            "2(b) It says code 4",
            "",
            "its table says no page for question 2(b)",
        ),
    ],
)
def test_a_fault_of_an_answer_is_named(
    old, new, message, folder, capsys, monkeypatch
):
    compile_ = typst.compile

    def changed(source, **options):
        assert old.encode() in source
        source = source.replace(old.encode(), new.encode(), 1)
        return compile_(source, **options)

    monkeypatch.setattr(typst, "compile", changed)
    (folder / "kerberos.pdf").write_bytes(pages())
    line = only(folder, capsys)
    assert line.startswith("kerberos.pdf: ")
    assert message in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("#place(dx: 7in)[a long line]", "text `a long line` runs off"),
        ("#place(dx: 9in)[a long line]", "text `a long line` runs off"),
        ("#place(dx: -2in)[a long line]", "text `a long line` runs off"),
        ("#place(dy: -2in)[a long line]", "text `a long line` runs off"),
        ("#place(dy: 12in)[a long line]", "text `a long line` runs off"),
        ('#page("a0")[x]', "is 33.1 by 46.8 inches, no upright sheet of"),
        ('#page("us-letter", flipped: true)[x]', "is 11.0 by 8.5 inches"),
    ],
)
def test_a_page_that_cannot_be_printed_is_named(more, message, folder, capsys):
    (folder / "kerberos.pdf").write_bytes(pages(more=more))
    line = only(folder, capsys)
    assert re.match(r"kerberos\.pdf, page \d: ", line)
    assert message in line


def rewrite(folder, change):
    """Change the PDF's last page."""
    with pypdfium2.PdfDocument(folder / "kerberos.pdf") as pdf:
        change(pdf, pdf[len(pdf) - 1])
        pdf.save(folder / "new.pdf")
    os.replace(folder / "new.pdf", folder / "kerberos.pdf")


def test_a_turned_page_is_named(folder, capsys):
    rewrite(folder, lambda _, page: page.set_rotation(90))
    assert "page 7: is 11.0 by 8.5 inches" in only(folder, capsys)


def test_a_font_that_is_not_embedded_is_named(folder, capsys):
    raw = pypdfium2.raw

    def change(pdf, page):
        font = raw.FPDFText_LoadStandardFont(pdf, b"Helvetica")
        text = raw.FPDFPageObj_CreateTextObj(pdf, font, 12.0)
        words = ctypes.cast(b"b\0a\0d\0\0\0", raw.FPDF_WIDESTRING)
        raw.FPDFText_SetText(text, words)
        raw.FPDFPageObj_Transform(text, 1, 0, 0, 1, 100, 100)
        raw.FPDFPage_InsertObject(page, text)
        page.gen_content()

    rewrite(folder, change)
    assert "does not hold its fonts Helvetica" in only(folder, capsys)


# ---- the notebook


def change_book(folder, change, **metadata):
    path = folder / "kerberos.ipynb"
    made = nbformat.read(path, as_version=4)
    change([cell for cell in made.cells if cell.source.strip()])
    made.metadata.update(metadata)
    nbformat.write(made, path)


def unrun(cells):
    cells[3].execution_count = None


def swap(cells):
    cells[2].execution_count, cells[3].execution_count = 4, 3


def fail(cells):
    error = {"ename": "ValueError", "evalue": "no", "traceback": []}
    cells[4].outputs.append(new_output("error", **error))


def edit_cell(cells):
    cells[1].source += "\nimport os"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unrun, "code cell 4: was run as [never], not as [4]"),
        (swap, "code cell 3: was run as [4], not as [3]"),
        (fail, "code cell 5: ended with ValueError: no"),
        (edit_cell, "code cell 2: `import os` is not in the sources"),
    ],
)
def test_a_fault_of_the_notebook_is_named(change, message, folder, capsys):
    change_book(folder, change)
    assert f"kerberos.ipynb, {message}" in only(folder, capsys)
