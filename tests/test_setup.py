"""The lists of packages agree, and nothing shadows the standard library."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def requirements() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    extra = project["optional-dependencies"]
    installed = ("page", "dev", "cluster", "search")
    parts = [project["dependencies"], *(extra[name] for name in installed)]
    return {requirement for part in parts for requirement in part}


def test_conda_names_the_same_packages_and_quarto(requirements):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert set(pip["pip"]) - {"-e ."} == requirements
    assert "quarto" in conda


def names(lines):
    """Of packages, as pip compares them."""
    written = (re.split("[=<>]", line)[0] for line in lines)
    return {name.lower().replace("_", "-") for name in written}


def test_every_requirement_is_pinned_and_no_pin_is_a_url(requirements):
    pins = (ROOT / "constraints.txt").read_text()
    assert names(requirements) <= names(pins.splitlines())
    assert not re.search(r"://|@|--", pins)


def test_every_requirement_states_the_lowest_version(requirements):
    """CI turns each into a pin, and runs the tests with these."""
    lowest = re.compile(r"[\w-]+>=[\d.]+")
    assert [r for r in requirements if not lowest.fullmatch(r)] == []


def test_code_is_no_package():
    assert not (ROOT / "code" / "__init__.py").exists()


def test_make_help_lists_every_command():
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"\.PHONY: (.*)", text)
    listed = re.findall(r"^([a-z]+):.*## ", text, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(listed)
    alone = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True)
    assert alone.returncode == 0
    assert all(f"make {name} " in alone.stdout for name in listed)


def commands(**variables: str) -> str:
    """What `make report` would run."""
    given = [f"{name}={value}" for name, value in variables.items()]
    make = ["make", "--dry-run", "--always-make", "report", *given]
    done = subprocess.run(
        make, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_make_uses_an_active_conda_environment():
    active = commands(CONDA_DEFAULT_ENV="aevb", CONDA_PREFIX="/conda")
    assert "/conda/bin/aevb train-all" in active
    assert "pip install" not in active
    assert ".venv" not in active
    other = commands(CONDA_DEFAULT_ENV="base", CONDA_PREFIX="/conda")
    assert ".venv/bin/aevb train-all" in other
    assert "pip install" in other


UNSAFE = """from pickle import loads
import shelve
import torch; torch.load("a")
import numpy; numpy.load("a", allow_pickle=True)
import sympy; sympy.sympify("1")
import yaml; yaml.load("a")
import subprocess
import os; os.system("ls")
eval("1")
exec("1")
import tarfile; tarfile.open("a").extractall("here")
"""


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell():
    """By the linter, whose rules are shown to see it."""

    def checked(*paths, text=None):
        rules = "S102,S202,S301,S302,S307,S506,S602,S604,S605,S606,TID251"
        ruff = [sys.executable, "-m", "ruff", "check", "--select", rules]
        return subprocess.run(
            [*ruff, "--output-format", "json", *paths],
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
        ).stdout

    assert json.loads(checked("code", "proofs", "benchmarks")) == []
    found = checked("--stdin-filename", "code/x.py", "-", text=UNSAFE)
    rows = {fault["location"]["row"] for fault in json.loads(found)}
    assert rows == set(range(1, 12))
