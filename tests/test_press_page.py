"""The formulas on the page, and the numbers of its sections."""

import re

import pytest

from press import mathematics
from press.crossref import Numbers
from press.errors import PressError


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
