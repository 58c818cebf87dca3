"""The notebook away from the project's folder, as a reader has it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from aevb import results
from conftest import PATIENCE
from press import jupyter

ROOT = Path(__file__).resolve().parent.parent

# a cell for each thing that the report takes from its packages, where what
# makes the page is not installed: a hosted Jupyter keeps its own (see `page`
# in pyproject.toml)
CELLS = {
    "setup": """\
import sys
for name in ("nbformat", "nbclient", "yaml", "pypandoc", "typst", "pypdf"):
    sys.modules[name] = None
import aevb, press, proofs
from aevb import evaluation, report, results, runs, studies, torus_vae
from aevb.figures import estimators, latent, torus
from press.jupyter import show_markdown
from proofs import record
show_markdown()""",
    "where": "print([m.__file__ for m in (aevb, press, proofs)])",
    "what": """\
print(record.KEPT.is_file(), len(results.benchmark("torus_seeds")["seeds"]))
print(results.provenance()["source"], results.provenance()["code"])""",
    "proof": """\
#| output: asis
proofs.show("log-concave", "jensen", "elbo")""",
    "code": """\
#| output: asis
print("`aevb`:\\n\\n```{=html}\\n<b>screen</b>\\n```\\n\\nafter")""",
    "tbl-one": """\
#| tbl-cap: "One."
#| output: asis
print("| x | y |\\n|---|---|\\n| a | 1 |")""",
    "fig-one": """\
import matplotlib.pyplot as plt
plt.plot([0, 1])
plt.show()""",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder of packages: the wheel, built from a copy and unpacked."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("code", "proofs"):
        shutil.copytree(ROOT / name, source / name, ignore=skip)
    make = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run(
        [sys.executable, "-c", make],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = source.glob("aevb_report-*.whl")
    target = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheel).extractall(target)
    return target


@pytest.fixture(scope="module")
def notebook(installed, tmp_path_factory):
    """The cells, run by Jupyter in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    cells = [
        new_code_cell(f"#| label: {label}\n{source}")
        for label, source in CELLS.items()
    ]
    # the newest of everything is not what is tested here
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "PYTHONWARNINGS": "ignore",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    client = NotebookClient(
        new_notebook(cells=cells),
        kernel_name="python3",
        startup_timeout=PATIENCE,
        resources={"metadata": {"path": str(folder)}},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
        return client.execute(env=environment)


def outputs(notebook, label):
    """The outputs of the cell with this label."""
    mark = f"#| label: {label}\n"
    (cell,) = [c for c in notebook.cells if mark in c.source]
    return cell.outputs


def test_the_wheel_holds_the_packages_and_their_data(installed):
    for package, folder in (
        ("aevb", ROOT / "code" / "aevb"),
        ("press", ROOT / "code" / "press"),
        ("proofs", ROOT / "proofs"),
    ):
        there = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.suffix
            in (".py", ".json", ".typ", ".lua", ".html", ".js", ".css")
        }
        shipped = installed / package
        found = {
            path.relative_to(shipped).as_posix()
            for path in shipped.rglob("*")
            if path.is_file()
        }
        assert found == there


def test_the_notebook_runs_in_an_empty_folder(notebook, installed):
    where = "".join(o.text for o in outputs(notebook, "where"))
    assert where.count(str(installed)) == 3
    printed = "".join(o.text for o in outputs(notebook, "what"))
    assert printed.splitlines() == ["True 20", f"None {results.code_hash()}"]
    (figure,) = outputs(notebook, "fig-one")
    assert "image/png" in figure.data


def test_printed_markdown_is_rendered_outside_of_press(notebook):
    for label, text in (
        ("proof", "**Theorem** (The evidence lower bound)\n"),
        ("code", "`aevb`:\n\nafter"),
        ("tbl-one", "**Table.** One.\n\n| x | y |\n"),
    ):
        (output,) = outputs(notebook, label)
        assert text in output.data["text/markdown"]


def test_markdown_that_jupyter_does_not_know_becomes_plain():
    text = (
        "::: {#thm-a}\n\n## A title\n\nText [@b].[^a-1]\n\n:::\n\n"
        "::: {.proof}\n\n$$\nx\n$$ {#eq-a}\n\n:::\n\n[^a-1]: A note.\n"
    )
    assert jupyter.plain(text) == (
        "**Theorem** (A title)\n\nText (b).\n\n"
        "*Proof.*\n\n$$\nx\n$$\n\n*Note.* A note.\n"
    )
