"""What the report's chunks print, and how its numbers are written."""

import inspect
import re

import pytest

from aevb import report


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
        (60000, None, "60 000"),
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


def test_a_listing_is_the_source_with_its_place(capsys):
    report.listing(Estimate, Estimate.__init__)
    out = capsys.readouterr().out
    lines, start = inspect.getsourcelines(Estimate)
    place = f"lines {start} to {start + len(lines) - 1}:"
    assert f"`tests/{__name__}.py`, {place}" in out
    assert "```python\nclass Estimate:\n    def __init__" in out
    assert "```python\ndef __init__(self, value, standard_error):" in out


def data(value):
    return re.sub(r"\s", " ", value.data)


def test_a_mapping_is_shown_like_an_estimate_and_minus_turns_its_sign():
    entry = {"value": -130.4213, "standard_error": 0.2631, "n": 10}
    assert data(report.number(entry)) == "\N{MINUS SIGN}130.42 \u00b1 0.26"
    assert data(report.minus(entry)) == "130.42 \u00b1 0.26"
    assert data(report.minus(Estimate(2.0, None))) == "\N{MINUS SIGN}2.000"


def test_an_optimizer_is_named_with_what_it_leaves_to_adamw():
    class Config:
        optimizer, beta2, weight_decay = "muon", 0.99, 0.1

    assert report.optimizer(Config) == (
        "muon for the matrices of residual blocks, else adamw, beta2 0.99; "
        "weight decay 0.1"
    )
    Config.optimizer = "adamw"
    assert report.optimizer(Config).startswith("adamw, beta2")


def test_rows_of_trials_give_the_first_values_and_the_others_gains():
    def trial(name, elbo, nll, train):
        values = {"test_elbo": elbo, "test_nll": nll, "train_elbo": train}
        entries = {k: {"value": v} for k, v in values.items()}
        return {"name": name, "epochs": 3, **entries}

    gains = {
        "elbo_gain": {"value": 1.5, "standard_error": 0.1},
        "nll_gain": {"value": -0.5, "standard_error": 0.1},
    }
    rows = report.trial_rows(
        [
            trial("a", -100.0, 95.0, -98.0),
            {**trial("b", -99.0, 95.0, -98.0), **gains},
        ]
    )
    texts = [[data(c) if hasattr(c, "data") else c for c in r] for r in rows]
    assert texts == [
        ["a", 3, "\N{MINUS SIGN}100.00", "\N{MINUS SIGN}95.00", "2.00"],
        ["b", 3, "1.50 \u00b1 0.10", "\N{MINUS SIGN}0.50 \u00b1 0.10", "1.00"],
    ]


def test_rows_of_a_torus_benchmark():
    row = {"r": 0.5, "winding_determinant": -1.0}
    row |= {f"betti_{k}": b for k, b in enumerate((1, 2, 1))}
    row |= dict.fromkeys(
        (
            "reconstruction_error_mean",
            "interpolation_offset_mean",
            "interpolation_offset_max",
        ),
        0.25,
    )
    (found,) = report.torus_rows([row], "r")
    assert found[:3] == ("0.5", -1, "1, 2, 1")
    assert [c.data for c in found[3:]] == ["0.2500"] * 3


def test_small_summaries():
    race = [{"a": {"seconds": s}} for s in (3.0, 1.0, 2.0)]
    assert report.middle(race, "a", "seconds") == 2
    assert report.worst([{"x": 1}, {"x": 3}], "x") == 3
    assert report.across({"10": 1.5, "20": 3.0}, " s") == "10: 1.5 s, 20: 3 s"
    found = {"median": 6.12, "least": 5.8, "most": 6.44}
    assert report.ratio_range(found) == "6.1 (5.8 to 6.4)"
    metrics = {f"d_{k}": Estimate(0.5, None) for k in ("mean", "p95", "max")}
    assert [c.data for c in report.three(metrics, "d", 1)] == ["0.5"] * 3
