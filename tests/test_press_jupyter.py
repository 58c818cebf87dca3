"""The notebook away from the project's folder, as a reader has it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from aevb import results
from press import build, jupyter

ROOT = Path(__file__).resolve().parent.parent
PATHS = os.pathsep.join([str(ROOT / "code"), str(ROOT)])

# a chunk for each thing that the report takes from its packages
DOCUMENT = """\
---
title: t
---

```{python}
#| label: setup
#| include: false
import aevb, press, proofs
from aevb import results
from aevb.report import table
from press.jupyter import show_markdown
from proofs import record
show_markdown()
```

```{python}
#| label: where
print([m.__file__ for m in (aevb, press, proofs)])
```

```{python}
#| label: what
print(record.KEPT.is_file(), len(results.benchmark("torus_seeds")["seeds"]))
print(results.provenance()["source"], results.provenance()["code"])
```

```{python}
#| label: proof
#| output: asis
proofs.show("log-concave", "jensen", "elbo")
```

```{python}
#| label: code
#| output: asis
print("`aevb`:\\n\\n```{=html}\\n<b>screen</b>\\n```\\n\\nafter")
```

```{python}
#| label: tbl-one
#| tbl-cap: "One."
#| output: asis
print("| x | y |\\n|---|---|\\n| a | 1 |")
```

```{python}
#| label: fig-one
#| fig-cap: One.
#| fig-alt: A line.
import matplotlib.pyplot as plt
plt.plot([0, 1])
plt.show()
```
"""


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
    """A small report by press, run again by Jupyter in an empty folder."""
    made = tmp_path_factory.mktemp("report")
    (made / "report.qmd").write_text(DOCUMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PATHS)
        build.build(made / "report.qmd")
    folder = tmp_path_factory.mktemp("empty")
    shutil.copy(made / "report.ipynb", folder)
    # the newest of everything is not what is tested here
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "PYTHONWARNINGS": "ignore",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(folder / "ipython"),
    }
    command = "nbconvert --to notebook --execute --inplace report.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(folder / "report.ipynb", as_version=4)


SHIPPED = {".py", ".json", ".typ", ".lua", ".html", ".js", ".css"}


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


def test_the_code_has_one_hash_wherever_it_lies(installed):
    assert results.code_hash(installed) == results.code_hash()


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


def test_the_notebook_needs_nothing_of_what_makes_the_page():
    """A hosted Jupyter keeps its own: see `page` in pyproject.toml."""
    code = """\
import sys
for name in ("nbformat", "nbclient", "yaml", "pypandoc", "typst", "pypdf"):
    sys.modules[name] = None
import proofs, proofs.record
from aevb import evaluation, report, results, runs, studies, torus_vae
from aevb.figures import estimators, latent, likelihood, torus
from press import jupyter
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_markdown_that_jupyter_does_not_know_becomes_plain():
    text = (
        "::: {#thm-a}\n\n## A title\n\nText [@b].[^a-1]\n\n:::\n\n"
        "::: {.proof}\n\n$$\nx\n$$ {#eq-a}\n\n:::\n\n[^a-1]: A note.\n"
    )
    assert jupyter.plain(text) == (
        "**Theorem** (A title)\n\nText (b).\n\n"
        "*Proof.*\n\n$$\nx\n$$\n\n*Note.* A note.\n"
    )
