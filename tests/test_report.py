"""What the report's chunks print, and how its numbers are written."""

from types import SimpleNamespace

import pytest

from aevb import report
from aevb.errors import UserError
from aevb.evaluation import Estimate
from aevb.settings import AugmentedConfig

MINUS = "\N{MINUS SIGN}"
ENTRY = {"value": -130.4213, "standard_error": 0.2631, "n": 10}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (report.number(Estimate(130.4213, 0.2631)), "130.42 ± 0.26"),
        (report.number(Estimate(-0.03371, 0.0012)), f"{MINUS}0.0337 ± 0.0012"),
        (report.number(Estimate(1234.5, 56.7)), "1234 ± 57"),
        (report.number(Estimate(1.0, 0.0)), "1.000"),
        (report.number(Estimate(1.23456, 0.2), 3), "1.235 ± 0.200"),
        (report.number(0.0337, 4), "0.0337"),
        (report.number(60000), "60,000"),
        (report.number(float("nan"), 2), "nan"),
        (report.number(ENTRY), f"{MINUS}130.42 ± 0.26"),
        (report.minus(ENTRY), "130.42 ± 0.26"),
        (report.minus(Estimate(2.0, None)), f"{MINUS}2.000"),
    ],
)
def test_numbers_show_two_digits_of_their_error(number, shown):
    assert number.data.replace("\N{NO-BREAK SPACE}", " ") == shown


def test_latent_sizes_in_words():
    sizes = [SimpleNamespace(z_size=n) for n in (1, 2, 40)]
    words = ["one latent dimension", "two latent dimensions"]
    words.append("40 latent dimensions")
    assert [report.dimensions(size) for size in sizes] == words


def test_a_table_is_a_pipe_table(capsys):
    report.table([["a|b", report.number(0.5, 1)]], ["x", "y"], "lr")
    assert capsys.readouterr().out == (
        "| x | y |\n| :---- | ---: |\n| a\\|b | 0.5 |\n\n"
    )


def test_a_table_with_a_short_row_is_refused():
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        report.table([["a"]], ["x", "y"])


def test_settings_are_those_of_each_run(capsys):
    runs = {
        "one": SimpleNamespace(config=AugmentedConfig(coeff=0.0, epochs=3)),
        "two": SimpleNamespace(config=AugmentedConfig(lr=0.5, bilinear=True)),
        "three": SimpleNamespace(config=AugmentedConfig(deformed=0.5)),
    }
    report.settings(runs)
    rows = {
        cells[1].strip(): [c.strip() for c in cells[2:5]]
        for line in capsys.readouterr().out.splitlines()
        if len(cells := line.split("|")) > 3
    }
    assert rows["`coeff`"] == ["0", "1", "1"]
    assert rows["`epochs`"] == ["3", "80", "80"]
    assert rows["`lr`"][1].startswith("0.5, warm-up 5%")
    assert rows["`bilinear`"] == ["none", "True", "none"]
    assert rows["`deformed`"] == ["0", "0", "0.5"]
    assert rows["`bend`"] == ["0", "0", "0"]
    assert rows["`hidden_dims`"] == ["3 x 256, 4"] * 3
    assert "`importance_samples`" not in rows
    assert "`muon_rms`" not in rows  # AdamW moves all


def test_a_sentence_that_the_runs_do_not_bear_out_ends_the_build(monkeypatch):
    report.holds("3(c): one is less than two", 1 < 2)
    with pytest.raises(UserError, match=r"3\(c\): two is less than one"):
        report.holds("3(c): two is less than one", 2 < 1)
    monkeypatch.setenv("AEVB_PROFILE", "quick")
    report.holds("3(c): two is less than one", 2 < 1)


def test_a_column_of_a_benchmark_and_its_range():
    rows = [{"a": 1, "x": 0.5}, {"a": 1, "x": -0.25}, {"a": 2, "x": 9.0}]
    found = report.column(rows, "x", a=1)
    assert found == [0.5, -0.25]
    assert report.ranged(found, 2).data == f"0.12 ({MINUS}0.25 to 0.50)"
