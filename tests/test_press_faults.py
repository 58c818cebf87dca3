"""press refuses with one line, or is stopped, and changes nothing."""

import errno
import os
import re
import signal

import nbformat
import pytest
from pypdf import PdfReader

from conftest import PATIENCE, is_gone, snapshot, until
from press import __main__ as press_main
from press import lock
from test_press import HEAD, write

GROUPS = pytest.mark.skipif(os.name != "posix", reason="needs groups")

META = {
    "output-file: ../escaped": "must be a plain name, not `../escaped`",
    "output-file: /tmp/escaped": "must be a plain name, not `/tmp/escaped`",
    "output-file: .pdf": "must be a plain name",
    "output-file: [a]": "`output-file` cannot be `['a']`",
    "font: big": "press does not know the key `font`",
    "author: \U000f0000": "no font on this machine has",
    "bibliography: no.bib": "the bibliography `no.bib` does not exist",
    "bibliography: 3": "`bibliography` cannot be `3`",
    "bibliography: [3]": "`bibliography` cannot be `[3]`",
    "title: {a: b}": "`title` cannot be",
    "author: [{a: b}]": "`author` cannot be",
    "lang: true": "`lang` cannot be `True`",
    "press: 3": "`press` cannot be `3`",
    "press: {first-chapter: one}": "`first-chapter` cannot be `one`",
    "execute: {echo: perhaps}": "`echo` cannot be `perhaps`",
    "title: !!bool maybe": "YAML",
    "title: !!int": "YAML",
    "date: !!timestamp x": "YAML",
    f"title: {'[' * 1000}": "YAML",
}


FIGURE = """\
```{python}
#| label: fig-a
#| fig-cap: c
#| fig-alt: a
from IPython.display import SVG
def figure(words):  # without matplotlib, which takes a second
    size = 'width="90pt" height="30pt" viewBox="0 0 90 30"'
    xmlns = 'xmlns="http://www.w3.org/2000/svg"'
    return SVG(f"<svg {xmlns} {size}><!-- {words} --></svg>")"""


def press(document, *args):
    return lambda: press_main.main([str(document), *args])


@pytest.mark.parametrize("key", META, ids=lambda key: key[:30])
def test_press_refuses_a_key(key, tmp_path, refused):
    document = write(tmp_path, f"---\n{key}\n---\n\nText.\n")
    err = refused(press(document, "--engine", "press"))
    assert err.startswith("press: report.qmd, line 2: ")
    assert META[key] in err


@pytest.mark.parametrize(
    "key", ["output-file: ../escaped", "font: big", "bibliography: no.bib"]
)
def test_a_key_of_the_project_is_placed_in_its_file(key, tmp_path, refused):
    document = write(tmp_path, "Text: no.bib.\n")
    (tmp_path / "_quarto.yml").write_text(f"lang: en\n{key}\n")
    err = refused(press(document, "--engine", "press"))
    assert err.startswith("press: _quarto.yml, line 2: ")
    assert META[key] in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--fast",), "--fast"),
        (("--engine", "latex"), "--engine"),
        (("--provenance", "source"), "is not KEY=VALUE"),
    ],
)
def test_press_refuses_an_option(args, words, tmp_path, refused):
    err = refused(press(write(tmp_path), *args))
    assert err.startswith("press: ")
    assert words in err


def no_space(*_args, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "where",
    [
        "press.lock.Path.write_text",
        "press.build.tempfile.TemporaryDirectory",
        "press.build.Path.write_bytes",
        "press.build.nbformat.write",
        "press.build.os.fsync",
    ],
)
def test_press_without_space_changes_nothing(
    where, tmp_path, refused, monkeypatch
):
    drawn = f"{FIGURE}\nfigure(1)\n```\n"
    text = drawn if where.endswith("write_bytes") else "Text.\n"
    document = write(tmp_path, HEAD + text)
    (tmp_path / "report.pdf").write_text("the last build's")
    monkeypatch.setattr(where, no_space)
    err = refused(press(document, "--engine", "press"))
    assert "No space left on device" in err


def test_press_names_what_is_missing_or_in_the_way(tmp_path, refused):
    err = refused(press(tmp_path / "no.qmd"))
    assert "there is no such document" in err
    document = write(tmp_path)
    (tmp_path / "kerberos.pdf").mkdir()
    err = refused(press(document, "--engine", "press"))
    assert "kerberos.pdf: stands in the way" in err
    (tmp_path / "kerberos.pdf").rmdir()
    (tmp_path / "figures").write_text("a file")
    err = refused(press(document, "--engine", "press"))
    assert "figures: stands in the way" in err


# ---- interrupted, killed, twice at once

# Each build shows its own number in all that it makes, and the first one
# ends only when the second has come to wait for it.
TWICE = f"""\
{HEAD}
{FIGURE}
import os, pathlib, time
here = os.environ["JPY_PARENT_PID"]
pathlib.Path("at-work").write_text(f"{{os.getpid()}}")
while not pathlib.Path("go").exists():
    time.sleep(0.05)
figure(here)
```

Made by `{{python}} here`.
"""


def made(folder):
    """Who made the PDF, the notebook and the figure."""
    page = PdfReader(folder / "report.pdf").pages[0].extract_text()
    book = nbformat.read(folder / "report.ipynb", as_version=4)
    texts = " ".join(c.source for c in book.cells if "Made by" in c.source)
    drawn = (folder / "figures" / "fig-a.svg").read_text()
    return (
        re.findall(r"Made by (\d+)\.", " ".join(page.split()))[-1],
        re.findall(r"Made by (\d+)\.", texts)[-1],
        re.findall(r"<!-- (\d+) -->", drawn)[0],
    )


@GROUPS
def test_two_builds_at_once_take_turns(start, tmp_path):
    document = write(tmp_path, TWICE)
    first = start("-m", "press", document, "--engine", "press")
    until((tmp_path / "at-work").exists)
    second = start("-m", "press", document, "--engine", "press")
    word = second.stderr.readline()
    assert f"press: waiting for process {first.pid}, at work in " in word
    (tmp_path / "at-work").unlink()
    (tmp_path / "go").touch()
    _, err = first.communicate(timeout=PATIENCE)
    assert (first.returncode, err) == (0, "")
    _, err = second.communicate(timeout=PATIENCE)
    assert (second.returncode, err) == (0, "")
    assert made(tmp_path) == (str(second.pid),) * 3
    assert [p.name for p in tmp_path.glob(".press*")] == []


@GROUPS
def test_ctrl_c_ends_press_and_its_kernel_with_one_line(start, tmp_path):
    document = write(tmp_path, TWICE)
    before = snapshot(tmp_path)
    process = start("-m", "press", document, "--engine", "press")
    pid = int(
        until((tmp_path / "at-work").exists)
        and until(lambda: (tmp_path / "at-work").read_text())
    )
    os.killpg(process.pid, signal.SIGINT)
    _, line = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert line.count("\n") == 1
    assert line.startswith("press: stopped; ")
    assert "run the same command to go on" in line
    assert until(lambda: is_gone(pid))
    (tmp_path / "at-work").unlink()
    assert snapshot(tmp_path) == before


STOPPED = """\
import sys
from press import __main__, execute
def stop(client, **_options):
    print(client.km.provisioner.pid, flush=True)
    raise KeyboardInterrupt
execute._Client.start_new_kernel_client = stop
sys.exit(__main__.main([sys.argv[1], "--engine", "press"]))
"""


@GROUPS
def test_ctrl_c_ends_a_kernel_that_is_only_starting(start, tmp_path):
    document = write(tmp_path, f"{HEAD}`{{python}} 1`\n")
    process = start("-c", STOPPED, document)
    out, line = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert line.count("\n") == 1
    assert is_gone(int(out.split()[-1]))


def test_what_a_killed_build_left_goes_with_the_next(tmp_path, capsys):
    document = write(tmp_path, f"{HEAD}Text.\n")
    (tmp_path / ".press-left" / "figures").mkdir(parents=True)
    (tmp_path / lock.NAME).write_text("999999\n")
    assert press(document, "--engine", "press")() == 0
    assert [p.name for p in tmp_path.glob(".press*")] == []
    assert capsys.readouterr().err == ""
