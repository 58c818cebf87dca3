"""What chunks gave is taken again while nothing that they use has changed."""

import pytest
from nbformat.v4 import new_code_cell

from press import execute, kept, reader
from press.execute import Executed
from press.figures import Picture

TEXT = "Prose.\n\n```{python}\n1\n```\n\nAnd `{python} name`.\n"


@pytest.fixture
def given(tmp_path, monkeypatch):
    """What the chunks of a text give, and how often they have been run."""
    runs = []

    def run(document):
        runs.append(document)
        picture = Picture("iQ==", "<svg/>", 1.5)
        values = [{"text/plain": f"run {len(runs)} of aaaa"}]
        return Executed([new_code_cell("1")], values, [[picture]])

    monkeypatch.setattr(execute, "execute", run)

    def call(text=TEXT, state="s", source="aaaa"):
        path = tmp_path / "report.qmd"
        path.write_text(text)
        names = {"source": source}
        document = reader.read(path)
        return kept.executed(document, state, names, tmp_path), len(runs)

    return call


def test_a_change_of_prose_runs_nothing(given):
    first, _ = given()
    again, runs = given(TEXT.replace("Prose", "Other\n\nprose"))
    assert (again, runs) == (first, 1)


def test_the_name_of_the_build_is_that_of_now(given):
    given()
    again, runs = given(source="bbbb")
    assert runs == 1
    assert again.values == [{"text/plain": "run 1 of bbbb"}]


@pytest.mark.parametrize(
    "change",
    [
        {"text": TEXT.replace("1", "2")},
        {"text": TEXT.replace("name", "other")},
        {"state": "t"},
        {"state": ""},
    ],
    ids=str,
)
def test_another_chunk_or_state_runs_all(change, given):
    given()
    assert given(**change)[1] == 2


def test_without_a_state_nothing_is_kept(given, tmp_path):
    given(state="")
    assert not (tmp_path / kept.NAME).exists()


def test_what_is_damaged_is_made_again(given, tmp_path):
    given()
    path = tmp_path / kept.NAME
    path.write_bytes(path.read_bytes().replace(b"run 1", b"run \xff"))
    assert given()[1] == 2
    assert given()[1] == 2
