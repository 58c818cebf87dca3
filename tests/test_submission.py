"""A small report, handed in; then each of its properties broken in turn."""

import dataclasses
import io
import json
import os
import re
import shutil

import nbformat
import pytest
import typst
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from press import build, execute
from press.reader import read as read_document
from press.submission import __main__ as command
from press.submission import model, notebook_checks, pdf_checks, report_checks
from press.submission import pdf as pdf_reader
from press.submission.questions import QUESTIONS

PROVENANCE = {"source": "0123456789ab"}
SOURCES = '["a book [here](https://example.org)", a talk]'
KEY = "be253ae1ba9b"
OPTIONS = ["--provenance", "source=0123456789ab"]

HEAD = """---
title: "A small report"
author: "Jane Doe"
kerberos: jdoe
collaborators: none
sources: ["a book [here](https://example.org)", a talk]
output-file: kerberos.pdf
press:
  {chapter-name: Problem, first-chapter: 0, sections: letters}
---

```{python}
#| label: setup
#| include: false
import matplotlib.pyplot as plt
from aevb.report import listing, table
from aevb import models, objectives, studies, torus_vae
```

"""

# one line of code for each object that the questions name
CODE = {
    "models": """\
class AE:
    def encode(self, x):
        # a comment with a dash at the end of its line: pre-
        return -x


def mlp(dims):
    return [dims, 'one', "two"]


class VAE:
    @staticmethod
    def reparameterize(mean, logvar):
        return mean + 0.5 * logvar
""",
    "objectives": "".join(
        f"def {name}(output):\n    return {number} - output\n\n\n"
        for number, name in enumerate(
            ("log_normal_pdf", "loss_SGVB", "loss_KL_wo_E")
        )
    ),
    "studies": "def verify_kl():\n    return 'agree'\n",
    "torus_vae": (
        "class ToroidalVAE:\n    pass\n\n\n"
        "def interpolate(a, b):\n    return a + b\n"
    ),
}


def title(question):
    return f"The answer to `{re.sub(r'[^0-9a-d]', '', question.name)}`"


def shown(label):
    """A chunk that shows what this label names."""
    lines = ["```{python}", f"#| label: {label}"]
    if label.startswith("fig-"):
        lines += [f'#| fig-cap: "What {label} shows: $x$."']
        lines += [f'#| fig-alt: "Alt text of {label}."']
        lines += ["plt.figure(figsize=(3, 0.6)).subplots().plot([0, 1])"]
    else:
        lines += [f'#| tbl-cap: "What {label} lists."', "#| output: asis"]
        lines += ['table([["a", 1]], ["name", "value"])']
    return "\n".join([*lines, "plt.show()" * ("fig-" in label), "```", ""])


def answer(question):
    mark = "#" if question.name == "0" else "##"
    parts = [f"{mark} {title(question)} {{#{question.section}}}\n"]
    parts += [f"It says {word}\n" for word in question.words]
    parts += map(shown, question.shows)
    things = [
        code.removeprefix("code/aevb/").replace(".py:", ".")
        for code in question.code
    ]
    if things:
        inner = f"listing({', '.join(things)})"
        parts.append(f"```{{python}}\n#| output: asis\n{inner}\n```\n")
    return "\n".join(parts)


def report():
    rows = [
        f"| {q.name} {title(q)} | [here](#{q.section}) "
        f"| \\pageref{{{q.section}}} |"
        for q in QUESTIONS
    ]
    table = ["| Question | Answer | Page |", "|:--|:--|--:|", *rows, ""]
    parts = [HEAD, answer(QUESTIONS[0]), "\n".join(table)]
    parts.append(": Where each question is answered {#tbl-where}\n")
    for question in QUESTIONS[1:]:
        if question.name.endswith("(a)"):
            parts.append(f"# Problem {question.name[0]} itself\n")
        parts.append(answer(question))
    parts.append(f"The training `ae` has the key `{KEY}`.\n")
    return "\n".join(parts)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of a report that is ready to be handed in."""
    folder = tmp_path_factory.mktemp("submission")
    (folder / "_quarto.yml").write_text("execute:\n  echo: false\n")
    (folder / "report.qmd").write_text(report(), "utf-8")
    (folder / "code" / "aevb").mkdir(parents=True)
    (folder / "code" / "aevb" / "__init__.py").write_text("")
    for name, text in CODE.items():
        (folder / "code" / "aevb" / f"{name}.py").write_text(text)
    (folder / "results").mkdir()
    record = {
        "provenance": {"profile": "full", **PROVENANCE},
        "experiments": {"ae": {"key": KEY}},
    }
    (folder / "results" / "metrics.json").write_text(json.dumps(record))
    build.build(folder / "report.qmd", PROVENANCE)
    return folder


@pytest.fixture(scope="session")
def made(built):
    """It as the checks see it."""
    document = read_document(built / "report.qmd")
    names = ("kerberos.pdf", "kerberos.ipynb")
    data = {name: (built / name).read_bytes() for name in names}
    return command._gather(document, "jdoe", data, [], PROVENANCE)


@pytest.fixture
def folder(built, tmp_path):
    """A copy of it, with an older submission."""
    shutil.copytree(built, tmp_path / "report")
    (tmp_path / "report" / "submission").mkdir()
    (tmp_path / "report" / "submission" / "jdoe.pdf").write_text("older")
    return tmp_path / "report"


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def submit(folder, capsys, kerberos="jdoe"):
    """The status, and what was printed on either stream."""
    document = ["--document", str(folder / "report.qmd")]
    status = command.main([*document, *OPTIONS, "--", kerberos])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refusals(folder, capsys):
    """What keeps it from being handed in; nothing may have changed."""
    before = files(folder)
    status, out, err = submit(folder, capsys)
    assert status == 2
    assert out == ""
    assert files(folder) == before
    assert not list(folder.glob(".press-*"))
    head, *lines = err.splitlines()
    assert head.startswith("submission: not ready")
    assert all(line.startswith("  - ") for line in lines)
    return "\n".join(lines)


def found(folder):
    """The checks that fail, and their sentences."""
    faults = command.submit(folder / "report.qmd", "jdoe", PROVENANCE)
    out = {}
    for fault in faults:
        out.setdefault(fault.check, []).append(fault.sentence)
    return out


def only(folder, check):
    """The sentences of the one check that fails."""
    faults = found(folder)
    assert list(faults) == [check]
    return "\n".join(faults[check])


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


# ---- a report that is ready


def test_a_finished_report_is_handed_in(folder, built, capsys):
    status, out, err = submit(folder, capsys)
    assert (status, err) == (0, "")
    made = folder / "submission"
    assert sorted(os.listdir(made)) == ["jdoe.ipynb", "jdoe.pdf"]
    for suffix in ("pdf", "ipynb"):
        original = (built / f"kerberos.{suffix}").read_bytes()
        assert (made / f"jdoe.{suffix}").read_bytes() == original
    assert "submission/jdoe.pdf" in out
    for question in QUESTIONS:
        assert re.search(rf"^  {re.escape(question.name)} +\d", out, re.M)
    assert re.search("^  0 +2$", out, re.M)  # the next chapter opens page 3
    for table in (report_checks, pdf_checks, notebook_checks):
        assert all(f"checked  {name}\n" in out for name, _ in table.CHECKS)


def test_other_submissions_stay(folder, capsys):
    (folder / "submission" / "other.pdf").write_text("another student's")
    assert submit(folder, capsys)[0] == 0
    assert len(os.listdir(folder / "submission")) == 3


def test_every_question_of_the_problem_set_is_in_the_table():
    names = "0 1(a) 1(b) 2(a) 2(b) 2(c) 2(d) 3(a) 3(b) 3(c) 4(a) 4(b) 4(c)"
    assert [question.name for question in QUESTIONS] == names.split()
    for question in QUESTIONS:
        assert question.shows or question.code or question.words


def test_the_report_of_this_repository_has_what_the_table_asks_for():
    root = read_document(model.Path(__file__).parents[1] / "report.qmd")
    headings, rows = command._outline(root)
    labels = {chunk.label for chunk in root.chunks}
    text = "\n".join(chunk.source for chunk in root.chunks)
    assert model.QUICK in text
    for question in QUESTIONS:
        assert question.section in headings
        assert question.section in {row.section for row in rows}
        assert set(question.shows) <= labels
        for thing in question.code:
            file, name = thing.split(":")
            assert model.code_of(root.folder / file, name)


# ---- the command


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "make submit KERBEROS=jdoe"),
        ("a/b", "`a/b` cannot be a Kerberos name"),
        ("..", "`..` cannot"),
        ("j doe", "`j doe` cannot"),
        ("-x", "`-x` cannot"),
        ("jdoe.pdf", "`jdoe.pdf` cannot"),
        ("j\N{LATIN SMALL LETTER O WITH DIAERESIS}", "cannot be a Kerberos"),
    ],
)
def test_a_name_that_cannot_be_a_file_is_refused(
    name, message, tmp_path, capsys
):
    status, out, err = submit(tmp_path, capsys, name)
    assert (status, out) == (2, "")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_missing_document_is_named(tmp_path, capsys):
    status, _, err = submit(tmp_path, capsys)
    assert status == 2
    assert "report.qmd: there is no such document" in err


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("kerberos.pdf", None, "kerberos.pdf: there is no such file"),
        ("kerberos.pdf", b"", "kerberos.pdf: is damaged or no PDF"),
        ("kerberos.pdf", b"%PDF-1.7\nno more", "damaged or no PDF"),
        ("kerberos.ipynb", None, "kerberos.ipynb: there is no such file"),
        ("kerberos.ipynb", b"{", "kerberos.ipynb: is damaged or no JSON"),
        ("kerberos.ipynb", b"\xff", "kerberos.ipynb: byte 0 is not UTF-8"),
        ("kerberos.ipynb", b"[]", "is no JSON of keys and values"),
        ("kerberos.ipynb", b"{}", "kerberos.ipynb: is no valid notebook"),
        (
            "kerberos.ipynb",
            b'{"cells": 1, "metadata": {}, "nbformat": 4, '
            b'"nbformat_minor": 5}',
            "is no valid notebook",
        ),
        ("results/metrics.json", None, "metrics.json: there is no such file"),
        ("results/metrics.json", b"[1]", "metrics.json: is no JSON of keys"),
    ],
)
def test_a_missing_or_damaged_file_is_named(
    name, data, message, folder, capsys
):
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    lines = refusals(folder, capsys)
    assert message in lines
    assert len(lines.splitlines()) == 1


def test_half_a_pdf_is_damaged(folder):
    data = (folder / "kerberos.pdf").read_bytes()
    for part in (len(data) // 3, len(data) - 2000):
        (folder / "kerberos.pdf").write_bytes(data[:part])
        assert "kerberos.pdf" in str(found(folder))


def test_a_file_without_permission_is_named(folder, monkeypatch):
    read = command.Path.read_bytes

    def refuse(path):
        if path.name in ("kerberos.pdf", "kerberos.ipynb", "metrics.json"):
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(command.Path, "read_bytes", refuse)
    lines = only(folder, "all files can be read")
    for name in ("kerberos.pdf", "kerberos.ipynb", "results/metrics.json"):
        assert f"{name}: cannot be read (Permission denied)" in lines


def test_a_folder_without_permission_is_named(folder, capsys, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(command.tempfile, "TemporaryDirectory", refuse)
    assert "submission: cannot be written (Permission denied)" in refusals(
        folder, capsys
    )


@pytest.mark.parametrize("name", ["submission", "submission/jdoe.ipynb"])
def test_what_stands_in_the_way_is_named(name, folder, capsys):
    if name == "submission":
        shutil.rmtree(folder / "submission")
        (folder / "submission").write_text("a file")
    else:
        (folder / name).mkdir()
    assert "submission" in refusals(folder, capsys)


# ---- the report and the record of its numbers

CHANGED = {
    "PDF: made from what is here now",
    "notebook: made from what is here now",
}
FIELDS = "report: name, collaborators and sources are filled in"
RUN = "report: the numbers are of a full run of this code"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Jane Doe", "Name of the student", "still `Name of the student`"),
        ('author: "Jane Doe"', "author:", "`author` is empty"),
        ("collaborators: none", "collaborators:", "`collaborators` is empty"),
        ("collaborators: none", "collaborators: []", "`none` is an answer"),
        ("collaborators: none\n", "", "`collaborators` is empty"),
        (SOURCES, '""', "`sources` is empty"),
        ("kerberos: jdoe", "kerberos: other", "`kerberos` is `other`, but"),
    ],
)
def test_name_collaborators_and_sources_must_be_filled_in(
    old, new, message, folder
):
    edit(folder / "report.qmd", old, new)
    faults = found(folder)
    first = {"PDF: its first page bears the name"}
    assert {FIELDS} | CHANGED <= set(faults) <= {FIELDS} | CHANGED | first
    assert message in faults[FIELDS][0]
    if new:
        assert re.match(r"report\.qmd, line \d: ", faults[FIELDS][0])


def test_the_numbers_may_be_of_the_long_training(folder):
    edit(folder / "results" / "metrics.json", "full", "gpu")
    assert RUN not in found(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("full", "quick", "are of a `quick` run"),
        ("full", "cpu", "are of a `cpu` run"),
        ("0123456789ab", "ffff", "made from other code"),
        ("provenance", "made", "are of a `None` run"),
    ],
)
def test_the_numbers_must_be_of_a_full_run_of_this_code(
    old, new, message, folder
):
    edit(folder / "results" / "metrics.json", old, new)
    assert message in only(folder, RUN)


# ---- the PDF


def rewrite(folder, change):
    """Change the PDF's parts, its text and metadata kept."""
    writer = PdfWriter(clone_from=str(folder / "kerberos.pdf"))
    change(writer)
    writer.write(str(folder / "kerberos.pdf"))


def typeset(text, sheet='paper: "us-letter"'):
    """A page of this text, with its fonts embedded."""
    source = f"#set page({sheet})\n{text}\n".encode()
    data = typst.compile(source, format="pdf", ignore_system_fonts=True)
    return PdfReader(io.BytesIO(data)).pages[0]


def add(folder, text, **options):
    page = typeset(text, **options)
    rewrite(folder, lambda writer: writer.add_page(page))


def with_pdf(made, **parts):
    """The same submission, but its PDF has these parts."""
    pdf = dataclasses.replace(made.pdf, **parts)
    return dataclasses.replace(made, pdf=pdf)


def checks(made):
    out = {}
    for fault in command.faults(made):
        out.setdefault(fault.check, []).append(fault.sentence)
    return out


def test_a_rewritten_pdf_is_as_good(folder):
    rewrite(folder, lambda writer: None)
    assert found(folder) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("report.qmd", "It says", "It really says", "report.qmd"),
        ("_quarto.yml", "false\n", "false\n\n", "_quarto.yml"),
    ],
)
def test_pdf_and_notebook_must_be_of_this_report(file, old, new, part, folder):
    edit(folder / file, old, new)
    faults = found(folder)
    assert set(faults) == CHANGED
    for name, (sentence,) in faults.items():
        kind = "pdf" if name.startswith("PDF") else "ipynb"
        assert sentence.startswith(f"kerberos.{kind}: changed since")
        assert part in sentence
        assert "make report" in sentence


def test_pdf_and_notebook_must_be_of_this_code(folder):
    faults = command.submit(folder / "report.qmd", "jdoe", {"source": "new"})
    assert {fault.check for fault in faults} == {*CHANGED, RUN}


def test_a_pdf_without_keywords_must_print_the_hash(made):
    (check,) = faults = checks(with_pdf(made, keywords={}))
    assert check == "PDF: made from what is here now"
    assert "nothing in it says" in faults[check][0]
    pages = list(made.pdf.pages)
    pages[-1] += "of all code has the hash 012345\n6789ab;"
    assert checks(with_pdf(made, keywords={}, pages=pages)) == {}


def test_a_quick_run_is_seen_in_the_pdf(folder):
    add(folder, "*This is a quick run.* Every model was trained for moments")
    assert "kerberos.pdf: is of a quick" in only(folder, "PDF: of a full run")


def test_the_trainings_must_be_those_on_record(folder):
    edit(folder / "results" / "metrics.json", KEY, "0000")
    text = only(folder, "PDF: its trainings are those on record")
    assert "does not show the training `ae` (0000)" in text


def test_a_question_needs_its_heading_in_the_report(folder):
    edit(folder / "report.qmd", " {#sec-p2c}", " {#sec-other}")
    faults = found(folder)
    sentences = faults["PDF: every question is answered under its heading"]
    assert sentences == [
        "report.qmd: question 2(c) has no heading {#sec-p2c}; write one "
        "above its answer, then run `make report`."
    ]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.section)
def test_a_question_needs_its_heading_in_the_pdf(question, made):
    kept = [
        heading
        for heading in made.pdf.headings
        if not heading.title.endswith(title(question).replace("`", ""))
    ]
    assert len(kept) == len(made.pdf.headings) - 1
    faults = checks(with_pdf(made, headings=kept))
    check = "PDF: every question is answered under its heading"
    assert f"question {question.name} is not" in faults[check][0]
    assert set(faults) <= {
        check,
        "PDF: the table of question and page is right",
    }


def test_a_heading_under_another_number_does_not_count(made):
    moved = [
        h._replace(title=h.title.replace("1(a)", "1(c)"))
        for h in made.pdf.headings
    ]
    faults = checks(with_pdf(made, headings=moved))
    assert list(faults) == [
        "PDF: every question is answered under its heading"
    ]


def without(made, words):
    return [page.replace(words, "") for page in made.pdf.pages]


LABELS = [(q.name, label) for q in QUESTIONS for label in q.shows]
SHOWN = "PDF: every answer shows its figures and tables"


@pytest.mark.parametrize(("name", "label"), LABELS)
def test_an_answer_needs_its_figures_and_tables(name, label, made):
    verb = "shows" if label.startswith("fig-") else "lists"
    pages = without(made, f"What {label} {verb}")
    faults = checks(with_pdf(made, pages=pages))
    assert list(faults) == [SHOWN]
    assert f"question {name} (page" in faults[SHOWN][0]
    assert f"does not show `{label}`" in faults[SHOWN][0]


def test_an_answer_needs_the_pictures_themselves(made):
    alts = made.pdf.alts - {"Alt text of fig-ae-grid."}
    faults = checks(with_pdf(made, alts=alts))
    assert list(faults) == [SHOWN]
    assert "does not show `fig-ae-grid`" in faults[SHOWN][0]
    # a PDF without tags has no alt text at all
    assert checks(with_pdf(made, alts=set())) == {}


def test_a_figure_of_another_question_does_not_count(made):
    pages = without(made, "What fig-ae-curve shows")
    pages[-1] += "Figure 9.9. What fig-ae-curve shows"
    assert list(checks(with_pdf(made, pages=pages))) == [SHOWN]


def test_a_figure_that_the_report_lost_is_named(folder):
    edit(folder / "report.qmd", "label: fig-kl-check", "label: fig-other")
    (sentence,) = found(folder)[SHOWN]
    assert "needs a chunk with the label `fig-kl-check`" in sentence


def test_a_proof_needs_its_words(made):
    pages = without(made, "Jensen")
    faults = checks(with_pdf(made, pages=pages))
    assert "question 2(a) (page" in faults[SHOWN][0]
    assert "does not say `Jensen`" in faults[SHOWN][0]


CODE_SHOWN = "PDF: every answer shows its code"
CODE_SAME = "PDF: all code is the source as it is now"


@pytest.mark.parametrize(
    ("file", "old", "new", "name"),
    [
        ("models", "return -x", "return x", "AE"),
        ("models", "'one'", '"one"', "mlp"),
        ("models", "+ 0.5", "+ 0.25", "VAE"),
        ("objectives", "0 - output", "0 + output", "log_normal_pdf"),
        ("studies", "agree", "agreed", "verify_kl"),
        ("torus_vae", "a + b", "a - b", "interpolate"),
    ],
)
def test_the_code_must_be_the_source(file, old, new, name, folder):
    edit(folder / "code" / "aevb" / f"{file}.py", old, new)
    faults = found(folder)
    both = "notebook: all code is the source as it is now"
    assert set(faults) == {CODE_SHOWN, CODE_SAME, both}
    assert any(
        f"does not show `{name}` as it stands in code/aevb/{file}.py" in text
        for text in faults[CODE_SHOWN]
    )
    for check in (CODE_SAME, both):
        assert f"of code/aevb/{file}.py otherwise" in faults[check][0]


def test_code_that_is_gone_is_named(folder):
    (folder / "code" / "aevb" / "studies.py").unlink()
    sentences = found(folder)[CODE_SHOWN]
    assert sentences == [
        "code/aevb/studies.py: question 3(b) needs `verify_kl` in it."
    ]


def test_source_that_is_not_utf8_is_named(folder):
    (folder / "code" / "aevb" / "studies.py").write_bytes(b"\xff")
    assert "studies.py: question 3(b)" in found(folder)[CODE_SHOWN][0]


def test_an_answer_needs_its_code(made):
    pages = without(made, "return mean")
    faults = checks(with_pdf(made, pages=pages))
    assert set(faults) == {CODE_SHOWN, CODE_SAME}
    assert len(faults[CODE_SHOWN]) == 2  # VAE, and its reparameterize


def test_code_may_be_cut_by_the_end_of_a_page_and_a_footnote(made):
    pages = ["a.py, lines 1 to 3:\nif x:\n1 A footnote.", "y = 1\nz = 2\n"]
    pdf = dataclasses.replace(made.pdf, pages=pages)
    (listing,) = pdf.listings()
    assert pdf.holds(listing, "if x:\n    y = 1\nz = 2")
    assert pdf.holds(listing, "if x:\n    1 \ny = 1\nz = 2")
    assert not pdf.holds(listing, "if x:\n    y = 1\nz = 3")
    assert not pdf.holds(listing, "if x:\n    z = 2")


TABLE = "PDF: the table of question and page is right"


def test_a_wrong_page_in_the_table_is_named(folder):
    rewrite(folder, lambda w: w.insert_page(typeset("A new page."), 2))
    sentences = found(folder)[TABLE]
    assert len(sentences) == len(QUESTIONS) - 1
    assert re.search(
        r"says page 3 for question 1\(a\), which stands on page 4",
        sentences[0],
    )


def test_a_missing_row_of_the_table_is_named(folder, made):
    pages = without(made, f"4(b) {title(QUESTIONS[-2])}".replace("`", ""))
    (sentence,) = checks(with_pdf(made, pages=pages))[TABLE]
    assert "has no row for question 4(b)" in sentence
    edit(folder / "report.qmd", "\\pageref{sec-p3c}", "7")
    (sentence,) = found(folder)[TABLE]
    assert "has no row with \\pageref{sec-p3c}" in sentence


@pytest.mark.parametrize("mark", ["See Figure ??.", "See ?\\@fig-none."])
def test_a_reference_to_nothing_is_named(mark, folder):
    add(folder, mark)
    text = only(folder, "PDF: no reference leads nowhere")
    assert re.search(r"page \d+: `See .*\?.*` is a reference to nothing", text)


@pytest.mark.parametrize(
    "move", ["dx: 7in", "dx: 9in", "dx: -2in", "dy: -2in", "dy: 12in"]
)
def test_text_off_the_page_is_named(move, folder):
    add(folder, f"#place({move})[a long line of text]")
    text = only(folder, "PDF: no text runs off a page")
    assert re.search(r"page \d+: the text `.*` runs off the page", text)


def test_a_font_that_is_not_embedded_is_named(folder):
    def change(writer):
        page = writer.add_page(typeset("A page."))
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        fonts = page["/Resources"]["/Font"]
        fonts[NameObject("/Other")] = font
        content = StreamObject()
        content.set_data(b"BT /Other 12 Tf 100 100 Td (bare) Tj ET")
        page[NameObject("/Contents")] = writer._add_object(content)

    rewrite(folder, change)
    text = only(folder, "PDF: fonts are embedded")
    assert "does not hold its fonts Helvetica" in text


@pytest.mark.parametrize(
    ("sheet", "inches"),
    [
        ('paper: "a0"', "33.1 by 46.8"),
        ('paper: "us-letter", flipped: true', "11.0 by 8.5"),
    ],
)
def test_another_size_of_page_is_named(sheet, inches, folder):
    add(folder, "A page.", sheet=sheet)
    text = only(folder, "PDF: pages are upright sheets")
    assert f"is {inches} inches, not an upright sheet" in text


def test_a4_is_a_sheet_as_well(folder):
    add(folder, "A page.", sheet='paper: "a4"')
    assert found(folder) == {}


def test_a_turned_page_is_named(folder):
    rewrite(folder, lambda writer: writer.pages[-1].rotate(90))
    only(folder, "PDF: pages are upright sheets")


@pytest.mark.parametrize(
    ("suffix", "check"), [("pdf", "PDF"), ("ipynb", "notebook")]
)
def test_a_file_that_is_too_large_is_named(suffix, check, folder, monkeypatch):
    sizes = {
        name: (folder / f"kerberos.{name}").stat().st_size
        for name in ("pdf", "ipynb")
    }
    if suffix == min(sizes, key=sizes.get):  # the other one is larger
        with open(folder / f"kerberos.{suffix}", "ab") as file:
            file.write(b"\n" * (max(sizes.values()) + 1))
    size = (folder / f"kerberos.{suffix}").stat().st_size
    monkeypatch.setattr(model, "LIMIT", size - 1)
    text = only(folder, f"{check}: the file is small enough")
    assert "that Gradescope takes" in text


def test_the_first_page_must_bear_the_name(made):
    pages = without(made, "Jane Doe")
    faults = checks(with_pdf(made, pages=pages))
    (check,) = faults
    assert check == "PDF: its first page bears the name"
    assert "does not show the `author`" in faults[check][0]


# ---- the notebook


def change_book(folder, change):
    path = folder / "kerberos.ipynb"
    book = nbformat.read(path, as_version=4)
    change(book, [c for c in book.cells if c.cell_type == "code"])
    nbformat.write(book, path)


def cell_of(cells, label):
    return next(c for c in cells if f"label: {label}\n" in c.source)


def unrun(_, cells):
    cells[3].execution_count = None


def swap(_, cells):
    one, other = cells[2:4]
    one.execution_count, other.execution_count = 4, 3


def count_on(_, cells):
    for cell in cells:
        cell.execution_count += 1


def fail(_, cells):
    cells[4].outputs.append(
        nbformat.v4.new_output(
            "error", ename="ValueError", evalue="no", traceback=[]
        )
    )


def other_hash(book, _):
    book.metadata["provenance"]["source"] = "ffffffffffff"


def no_hash(book, _):
    del book.metadata["provenance"]


def other_code(_, cells):
    cells[1].source += "\nimport os"


def one_less(book, cells):
    book.cells.remove(cells[-1])


def no_picture(_, cells):
    cell_of(cells, "fig-vae-grid").outputs = []


def no_table(_, cells):
    cell_of(cells, "tbl-kl-check").outputs = []


def other_listing(_, cells):
    for cell in cells:
        for output in cell.outputs:
            data = output.get("data", {})
            text = data.get("text/markdown", "")
            data["text/markdown"] = text.replace("return -x", "return x")


def unresolved(book, _):
    book.cells.append(nbformat.v4.new_markdown_cell("See ?@fig-none."))


def quick(_, cells):
    text = "**This is a quick run.** Every model"
    cells[1].outputs = [nbformat.v4.new_output("stream", text=text)]


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (unrun, "all cells were run in order", "cell 4"),
        (swap, "all cells were run in order", "cell 3"),
        (count_on, "all cells were run in order", "was run as [2], not as"),
        (fail, "no cell ended with an error", "ended with ValueError: no"),
        (other_hash, "made from what is here now", "the code (code/"),
        (no_hash, "made from what is here now", "changed since it was made"),
        (other_code, "its cells are the report's", "cell 2 (`setup`) is not"),
        (one_less, "its cells are the report's", "code cells where"),
        (no_picture, "its figures and tables are there", "`fig-vae-grid`"),
        (no_table, "its figures and tables are there", "`tbl-kl-check`"),
        (other_listing, "all code is the source as it is now", "models.py"),
        (unresolved, "no reference leads nowhere", "`See ?@fig-none.`"),
        (quick, "of a full run", "kerberos.ipynb: is of a quick run"),
    ],
)
def test_a_fault_of_the_notebook_is_named(change, check, message, folder):
    change_book(folder, change)
    text = only(folder, f"notebook: {check}")
    assert text.startswith("kerberos.ipynb: ")
    assert message in text
    assert "make report" in text


def test_cells_without_code_need_not_be_run(folder):
    change_book(
        folder,
        lambda book, _: book.cells.append(nbformat.v4.new_code_cell("")),
    )
    assert found(folder) == {}


def test_a_notebook_that_jupyter_ran_is_as_good(folder):
    """There, what is printed is text, and not Markdown any more."""

    def change(_, cells):
        cell = cell_of(cells, "tbl-kl-check")
        cell.outputs = [nbformat.v4.new_output("stream", text="| a | 1 |")]

    change_book(folder, change)
    assert found(folder) == {}


# ---- all at once


def test_all_faults_are_told_in_one_run(folder, capsys):
    edit(folder / "report.qmd", "Jane Doe", "Name of the student")
    change_book(folder, unrun)
    (folder / "kerberos.pdf").write_bytes(b"")
    lines = refusals(folder, capsys)
    for part in (
        "kerberos.pdf: is damaged or no PDF",
        "report.qmd, line 3: the author is still",
        "kerberos.ipynb: changed since it was made: report.qmd;",
        "kerberos.ipynb: code cell 4",
    ):
        assert part in lines
    assert len(lines.splitlines()) == 4


def test_nothing_in_the_small_report_is_left_out(built):
    """The report of this file has what makes each check look closely."""
    pdf = pdf_reader.read((built / "kerberos.pdf").read_bytes(), "a.pdf")
    assert len(list(pdf.listings())) == sum(len(q.code) for q in QUESTIONS)
    assert len(pdf.alts) == sum(label.startswith("fig") for _, label in LABELS)
    book = nbformat.read(built / "kerberos.ipynb", as_version=4)
    assert book.cells[0].source == execute.FIRST_CELL.rstrip()
