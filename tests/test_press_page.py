"""What chunks print, and the formulas on the page."""

import inspect
import re

import pytest

from press import mathematics, page
from press.crossref import Numbers
from press.errors import PressError


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
    data = page.number(value, digits).data
    assert re.sub(r"\s", " ", data) == shown


def test_a_table_is_a_pipe_table(capsys):
    page.table([["a|b", page.number(0.5, 1)]], ["x", "y"], "lr")
    assert capsys.readouterr().out == (
        "| x | y |\n| :---- | ---: |\n| a\\|b | 0.5 |\n\n"
    )


def test_a_table_with_a_short_row_is_refused():
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        page.table([["a"]], ["x", "y"])


def test_a_listing_is_the_source_with_its_place(capsys):
    page.listing(Estimate, Estimate.__init__)
    out = capsys.readouterr().out
    lines, start = inspect.getsourcelines(Estimate)
    place = f"lines {start} to {start + len(lines) - 1}:"
    assert f"`tests/{__name__}.py`, {place}" in out
    assert "```python\nclass Estimate:\n    def __init__" in out
    assert "```python\ndef __init__(self, value, standard_error):" in out


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\operatorname{KL}\left(q\right)", 'op("KL") (q)'),
        (r"\operatorname*{arg\,max}_x", 'op("arg max", limits: #true)_x'),
        (r"a\!b", "a b"),
        (r"\text{a} \log \text{b}", 'upright("a") log upright("b")'),
        (r"\bigl(a\bigr)\;b", "(a) med b"),
        (r"\begin{bmatrix} a \end{bmatrix}", 'mat(delim: "[", a)'),
    ],
)
def test_formulas_are_translated_without_traps(tex, expected, tmp_path):
    (math,) = mathematics.typst([tex], tmp_path)
    assert re.sub(r"\s+", " ", math) == expected


def test_many_formulas_keep_their_order(tmp_path):
    many = [f"x_{{{n}}}" for n in range(30)]
    found = mathematics.typst(many, tmp_path)
    assert found == [f"x_{n}" for n in range(30)]


@pytest.mark.parametrize("tex", [r"\big| x", r"\tag{1}", r"\label{a}"])
def test_what_the_engines_set_differently_is_refused(tex):
    assert mathematics.traps(tex)
    assert not mathematics.traps(r"\bigl( x \bigr) \bigcup \left( y \right)")


@pytest.mark.parametrize(
    ("letters", "numbers"),
    [
        (False, ["1", "1.1", "1.2", "1.2.1"]),
        (True, ["1", "1(a)", "1(b)", "1(b).1"]),
    ],
)
def test_sections_count_in_figures_or_letters(letters, numbers):
    headers = [
        {"t": "Header", "c": [level, [f"sec-{i}", [], []], []]}
        for i, level in enumerate([1, 2, 2, 3])
    ]
    found = Numbers(lambda label, words: PressError(words), letters=letters)
    found.assign(headers)
    assert [t.number for t in found.targets.values()] == numbers
