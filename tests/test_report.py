"""What the report's chunks print, and how its numbers are written."""

import re
from types import SimpleNamespace

import pytest

from aevb import report
from aevb.errors import UserError
from aevb.settings import VAEConfig


class Estimate:
    def __init__(self, value, standard_error):
        self.value = value
        self.standard_error = standard_error


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (Estimate(130.4213, 0.2631), None, "130.42 ± 0.26"),
        (
            Estimate(-0.033712, 0.000123),
            None,
            "\N{MINUS SIGN}0.03371 ± 0.00012",
        ),
        (Estimate(1234.5, 56.7), None, "1234 ± 57"),
        (Estimate(1.0, 0.0), None, "1.000"),
        (Estimate(1.23456, 0.2), 3, "1.235 ± 0.200"),
        (0.0337, 4, "0.0337"),
        (60000, None, "60,000"),
        (float("nan"), 2, "nan"),
    ],
)
def test_numbers_show_two_digits_of_their_error(value, digits, shown):
    data = report.number(value, digits).data
    assert re.sub(r"\s", " ", data) == shown


def test_a_table_is_a_pipe_table(capsys):
    report.table([["a|b", report.number(0.5, 1)]], ["x", "y"], "lr")
    assert capsys.readouterr().out == (
        "| x | y |\n| :---- | ---: |\n| a\\|b | 0.5 |\n\n"
    )


def test_a_table_with_a_short_row_is_refused():
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        report.table([["a"]], ["x", "y"])


def data(value):
    return re.sub(r"\s", " ", value.data)


def test_a_mapping_is_shown_like_an_estimate_and_minus_turns_its_sign():
    entry = {"value": -130.4213, "standard_error": 0.2631, "n": 10}
    assert data(report.number(entry)) == "\N{MINUS SIGN}130.42 \u00b1 0.26"
    assert data(report.minus(entry)) == "130.42 \u00b1 0.26"
    assert data(report.minus(Estimate(2.0, None))) == "\N{MINUS SIGN}2.000"


def test_settings_are_those_of_each_run(capsys):
    runs = {
        "one": SimpleNamespace(config=VAEConfig(coeff=0.0, epochs=3)),
        "two": SimpleNamespace(config=VAEConfig(lr=0.5, bilinear=True)),
    }
    report.settings(runs)
    rows = {
        cells[1].strip(): [c.strip() for c in cells[2:4]]
        for line in capsys.readouterr().out.splitlines()
        if len(cells := line.split("|")) > 3
    }
    assert rows["`coeff`"] == ["0", "1"]
    assert rows["`epochs`"] == ["3", "80"]
    assert rows["`lr`"][1].startswith("0.5, warm-up 5%")
    assert rows["`bilinear`"] == ["none", "True"]
    assert rows["`deformed`"] == ["0", "0"]
    assert "`importance_samples`" not in rows
    assert "`muon_rms`" not in rows  # AdamW moves all


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1, "one latent dimension"),
        (2, "two latent dimensions"),
        (40, "40 latent dimensions"),
    ],
)
def test_latent_sizes_in_words(size, words):
    assert report.dimensions(SimpleNamespace(z_size=size)) == words


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
    minus = "\N{MINUS SIGN}"
    assert report.ranged(found, 2).data == f"0.12 ({minus}0.25 to 0.50)"
