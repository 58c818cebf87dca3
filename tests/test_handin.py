"""A small report, handed in; then each of its properties broken in turn."""

import ctypes
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pypdfium2
import pytest
import typst
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from conftest import snapshot
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


def pages():
    """The document in Typst's words."""
    parts = [
        f'#set document(keywords: "report: ff, source: {HASH}, inputs: ff")',
        '#set page(paper: "us-letter", numbering: "1")',
        "#show heading.where(level: 1): it => pagebreak() + it",
    ]
    for question in QUESTIONS:
        if question.name.endswith("(a)"):
            parts.append(f"= Problem {question.name[0]} itself")
        chapter = "= Problem" if question.name == "0" else "=="
        parts.append(f"{chapter} {question.name} {title(question)}")
        for row in QUESTIONS if question.name == "0" else ():
            parts.append(f"{row.name} It says code {first_page(row)}\n")
        parts += [f"`{word} ...`\n" for word in question.words]
    return "\n".join([*parts, "= Appendix", "The end."])


def book():
    """The document as a notebook that has been run."""
    chunks = re.findall(r"```{python}\n(.*?)```", report(), re.DOTALL)
    cells = [new_code_cell(CODE), *map(new_code_cell, chunks)]
    for count, cell in enumerate(cells, 1):
        cell.execution_count = count
        cell.outputs = [new_output("stream", text=f"cell {count}")]
    cells.insert(1, new_code_cell(" \n"))  # need not be run
    out = nbformat.v4.new_notebook(cells=[*cells, new_markdown_cell("End.")])
    out.metadata["provenance"] = {"source": HASH}
    return json.dumps(out)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a report that is ready to be handed in."""
    folder = tmp_path_factory.mktemp("handin")
    (folder / "code").mkdir()
    (folder / "code" / "models.py").write_text(f"class A:\n    {CODE}")
    for name in FILES:
        change(folder, name)
    return folder


FILES = {"report.qmd": report, "kerberos.pdf": pages, "kerberos.ipynb": book}


def change(folder, name, old="", new=""):
    """Write a file of the report, with other words at one place."""
    text = FILES[name]()
    assert old in text
    data = text.replace(old, new, 1).encode()
    if name.endswith(".pdf"):
        data = typst.compile(data, format="pdf", ignore_system_fonts=True)
    (folder / name).write_bytes(data)


@pytest.fixture
def folder(built, tmp_path):
    """A copy of it, with an older submission."""
    shutil.copytree(built, tmp_path / "report")
    (tmp_path / "report" / "submission").mkdir()
    (tmp_path / "report" / "submission" / "jdoe.pdf").write_text("older")
    return tmp_path / "report"


def submit(folder, capsys, kerberos="jdoe"):
    """The status, and what was printed on either stream."""
    where = f"--document {folder / 'report.qmd'} --provenance source={HASH}"
    return command.main([*where.split(), "--", kerberos]), *capsys.readouterr()


def faults(folder, capsys):
    """What keeps it from being handed in; nothing may have changed."""
    before = snapshot(folder)
    status, out, err = submit(folder, capsys)
    assert (status, out) == (2, "")
    assert snapshot(folder) == before
    head, *lines = err.splitlines()
    assert head.startswith("submission: not ready")
    assert all(line.startswith("  - ") for line in lines)
    return [line.removeprefix("  - ") for line in lines]


def only(folder, capsys):
    """The one thing that is wrong; it says what to do."""
    (line,) = faults(folder, capsys)
    assert line.endswith("run `make report`.")
    return line


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
    """A section may begin on its last page, a chapter at the top of the next
    or below its end."""
    more = "#pagebreak() more of 4(c)\n= Appendix"
    change(folder, "kerberos.pdf", "= Appendix", more)
    _, out, _ = submit(folder, capsys)
    assert "  4(b)  6\n  4(c)  6 to 7\n" in out
    low = "#show heading.where(level: 1): it => block(it.body)\n= Appendix"
    below = f"#pagebreak() more of 4(c) #v(40%)\n{low}"
    change(folder, "kerberos.pdf", "= Appendix", below)
    _, out, _ = submit(folder, capsys)
    assert "  4(b)  6\n  4(c)  6 to 7\n" in out


def test_a_line_of_the_contents_may_be_wrapped(folder, capsys):
    wrapped = "2(d) It says the SGVB #linebreak() estimator 9\n\n2(d) It says"
    change(folder, "kerberos.pdf", "2(d) It says", wrapped)
    assert submit(folder, capsys)[0] == 0


def test_quarto_writes_no_keywords_but_prints_the_hash(folder, capsys):
    keywords = pages().splitlines()[0]
    change(folder, "kerberos.pdf", keywords, HASH)
    assert submit(folder, capsys)[0] == 0
    for wrong in ("", keywords.replace(HASH, "f0") + f"\n{HASH}"):
        change(folder, "kerberos.pdf", keywords, wrong)
        assert "kerberos.pdf: comes from another" in only(folder, capsys)


def test_a4_can_be_handed_in(folder, capsys):
    change(folder, "kerberos.pdf", "The end", '#page("a4")[more]')
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
    text = path.read_text("utf-8")
    for question in QUESTIONS[1:]:
        answer = text.partition(f"{{#sec-p{letters(question.name)}}}")[2]
        answer = answer.partition("{#sec-")[0]
        code = [word for word in question.words if word.endswith("(")]
        assert all(word in answer for word in code)
    (fault,) = checks.fields(want, document)
    assert checks.PLACEHOLDER in fault
    sources = [path, *(ROOT / "code" / "aevb").rglob("*.py")]
    assert any(checks.QUICK in file.read_text("utf-8") for file in sources)


def test_it_needs_neither_the_code_of_the_report_nor_the_typesetter():
    for path in (ROOT / "code" / "handin").glob("*.py"):
        imports = re.findall(r"(?:import|from) (\w+)", path.read_text("utf-8"))
        assert not {"aevb", "press", "proofs", "torch"} & set(imports)


# ---- the command


NAMES = ["", "a/b", "..", "j d", "-x", "j.pdf", "ö", "j" * 300]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:9])
def test_a_name_that_cannot_be_a_file_is_refused(name, tmp_path, capsys):
    status, out, err = submit(tmp_path, capsys, name)
    assert (status, out) == (2, "")
    assert f"`{name}` is no Kerberos name: use letters, digits, `-`" in err


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("report.qmd", None),
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
    if isinstance(data, float):
        data = whole[: int(len(whole) * data)]
    if data is not None:
        (folder / name).write_bytes(data)
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
    change(folder, "report.qmd", "Jane Doe", checks.PLACEHOLDER)
    change(folder, "kerberos.ipynb", '"execution_count": 4', COUNT)
    (folder / "kerberos.pdf").write_bytes(b"")
    starts = [line.partition(":")[0] for line in faults(folder, capsys)]
    assert starts == [*[*FILES][:2], "kerberos.ipynb, code cell 4"]


# ---- one thing that is wrong

COUNT = '"execution_count": null'
QUICK = f"*{checks.QUICK}* Every model"
MOVED = "#place(dx: {}in, dy: {}in)[a long line]"
STREAM = '"output_type": "stream", "name": "stdout", "text": "cell 1"'
ERROR = '"output_type": "error", "ename": "E", "evalue": "no", "traceback": []'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Jane Doe", checks.PLACEHOLDER, "`author` is `Name of the student`"),
        ('author: "Jane Doe"', "author:", "`author` is ``; fill it in"),
        ("collaborators: none", "collaborators:", "`collaborators` is ``"),
        ("collaborators: none", "collaborators: []", "`none` is an answer"),
        ("collaborators: none\n", "", "`collaborators` is ``"),
        ("sources: [", "sources: [] # [", "`sources` is ``; fill it in"),
        ("kerberos: jdoe", "kerberos: me", "`me`; write `kerberos: jdoe`"),
        ("{#sec-p2c}", "{#sec-q}", "question 2(c) has no heading {#sec-p2c}"),
    ],
)
def test_a_fault_of_the_report_is_named(old, new, message, folder, capsys):
    change(folder, "report.qmd", old, new)
    assert message in only(folder, capsys)


def test_a_figure_of_another_question_does_not_count(folder, capsys):
    names = {"fig-torus-plain": "fig-torus-ideal"}
    names |= {new: old for old, new in names.items()}
    swapped = re.sub("|".join(names), lambda found: names[found[0]], report())
    (folder / "report.qmd").write_text(swapped)
    assert faults(folder, capsys) == [
        f"report.qmd: question {name} has no chunk `{label}`; write it below "
        "its heading, then run `make report`."
        for name, label in zip(["4(b)", "4(c)"], names, strict=True)
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (f"source: {HASH}", "source: f0", ": comes from another report,"),
        ("== 2(c) ", "== 2(d) ", ": no bookmark says `2(c) The answer to"),
        ("== 2(c) The", "== 2(c) An", ": no bookmark says `2(c) The answer"),
        ("class AE(", "class A(", ": question 1(a) does not show `class AE("),
        ("2(b) It says code 4", "", ": its table says no page for question"),
        ("says code 4", "says code 5", ": its table says page 5 for question"),
        ("The end", QUICK, ", page 7: is of a quick run; leave PROFILE away"),
        ("The end.", "See Figure ??.", "7: `See Figure ??.` is a reference"),
        ("The end.", "See ?\\@fig-none", "`See ?@fig-none` is a reference"),
        ("The end", MOVED.format(7, 0), "`a long line` runs off the page"),
        ("The end", MOVED.format(9, 0), "`a long line` runs off the page"),
        ("The end", MOVED.format(-2, 0), "`a long line` runs off the"),
        ("The end", MOVED.format(0, -2), "`a long line` runs off the"),
        ("The end", MOVED.format(0, 12), "`a long line` runs off the"),
        ("The end", '#page("a0")[x]', "is 33.1 by 46.8 inches, no upright"),
        ("paper", "flipped: true, paper", "page 1: is 11.0 by 8.5 inches, no"),
    ],
)
def test_a_fault_of_the_pdf_is_named(old, new, message, folder, capsys):
    change(folder, "kerberos.pdf", old, new)
    line, *_ = faults(folder, capsys)
    assert line.startswith("kerberos.pdf")
    assert message in line


def rewrite(folder, edit):
    """Change the last page of the PDF that is there."""
    with pypdfium2.PdfDocument(folder / "kerberos.pdf") as pdf:
        edit(pdf, pdf[len(pdf) - 1])
        pdf.save(folder / "new.pdf")
    os.replace(folder / "new.pdf", folder / "kerberos.pdf")


def test_a_turned_page_is_named(folder, capsys):
    rewrite(folder, lambda _, page: page.set_rotation(90))
    assert "page 7: is 11.0 by 8.5 inches" in only(folder, capsys)


def test_a_font_that_is_not_embedded_is_named(folder, capsys):
    raw = pypdfium2.raw

    def edit(pdf, page):
        font = raw.FPDFText_LoadStandardFont(pdf, b"Helvetica")
        text = raw.FPDFPageObj_CreateTextObj(pdf, font, 12.0)
        words = ctypes.cast(b"b\0a\0d\0\0\0", raw.FPDF_WIDESTRING)
        raw.FPDFText_SetText(text, words)
        raw.FPDFPageObj_Transform(text, 1, 0, 0, 1, 100, 100)
        raw.FPDFPage_InsertObject(page, text)
        page.gen_content()

    rewrite(folder, edit)
    assert "does not hold its fonts Helvetica" in only(folder, capsys)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (f'"source": "{HASH}"', '"source": "f0"', ": comes from another"),
        (f'"source": "{HASH}"', "", ": comes from another report, other"),
        ('"execution_count": 4', COUNT, "code cell 4: was run as [never], no"),
        ('_count": 3', '_count": 5', "cell 3: was run as [5], not as [3]"),
        ("label: tbl-", "label: tab-", "cell 2: `#| label: tab-ae-settings` "),
        (STREAM, ERROR, "cell 1: ended with E: no; correc"),
        ("cell 3", checks.QUICK, "cell 4: is of a quick run; leave PROFILE"),
        ("cell 3", "?@fig-no", "cell 4: `?@fig-no` is a reference to nothi"),
        ("End.", "See Table ??", "`See Table ??` is a reference to nothing"),
    ],
)
def test_a_fault_of_the_notebook_is_named(old, new, message, folder, capsys):
    change(folder, "kerberos.ipynb", old, new)
    line = only(folder, capsys)
    assert line.startswith("kerberos.ipynb")
    assert message in line


@pytest.mark.parametrize("name", ["kerberos.pdf", "kerberos.ipynb"])
def test_a_file_that_is_too_large_is_named(name, folder, capsys, monkeypatch):
    other = {"kerberos.pdf", "kerberos.ipynb"} - {name}
    limit = (folder / other.pop()).stat().st_size
    with open(folder / name, "ab") as file:
        file.write(b"\n" * limit)
    monkeypatch.setattr(checks, "LIMIT", limit)
    assert only(folder, capsys).startswith(f"{name}: has ")
