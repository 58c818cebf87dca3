"""Every step of every derivation holds, and every wrong line is caught."""

import re
from dataclasses import replace

import pytest
from sympy import Integer, Symbol, log

from proofs import DERIVATIONS, record, show
from proofs.derivation import Derivation, Step, columns, nonnegative
from proofs.mutation import mutants, mutate
from proofs.vocabulary import KL, TangentGap, encoder, prior
from proofs.worlds import LINE

u = Symbol("u", positive=True)
REQUIRED = {
    "2(a)": ("log-concave", "jensen", "elbo", "kl-nonnegative", "elbo-gap"),
    "2(c)": ("reparameterisation", "gradient-mean", "gradient-deviation"),
    "2(d)": ("log-normal", "normal-mass"),
    "3(a)": ("elbo-decomposition", "normal-kl", "kl-additive", "diagonal-kl",
             "diagonal-kl-sign", "elbo-normal"),
    "estimator": ("sgvb-unbiased", "sgvb-variance"),
    "4(c)": ("wrapped-moments", "wrapped-fourier", "wrapped-kl",
             "wrapped-kl-bound"),
    "model": ("linear-evidence", "linear-elbo", "linear-gap", "linear-sum"),
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    """The checks of all derivations, run anew."""
    return {row.name: row for row in record.check_all(DERIVATIONS)}


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_step_holds(name, rows):
    assert rows[name].gaps == ()


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_mutant_is_caught(name, rows):
    assert rows[name].survived == ()
    assert rows[name].caught > 10 * rows[name].steps


@pytest.mark.parametrize("part", REQUIRED)
def test_every_part_has_its_proof(part):
    assert set(REQUIRED[part]) <= DERIVATIONS.keys()


def test_a_wrong_line_is_a_gap():
    good = DERIVATIONS["diagonal-kl-sign"]
    assert good.gaps() == []
    wrong = replace(good.steps[0], expr=2 * good.steps[0].expr)
    found = replace(good, steps=(wrong,)).gaps()
    assert any("numerically" in gap for gap in found)
    assert any("sympy" in gap for gap in found)


def test_an_inequality_needs_its_gap():
    bound = Derivation(
        name="bound",
        title="A bound",
        statement="Then",
        start=log(u),
        steps=(Step(u - 1, "tangent", "", "<="),),
        worlds=(LINE,),
    )
    assert "must state its gap" in bound.gaps()[0]
    step = replace(bound.steps[0], gap=TangentGap(u, 1), equal={u: Integer(1)})
    assert replace(bound, steps=(step,)).gaps() == []
    turned = replace(step, relation=">=")
    assert replace(bound, steps=(turned,)).gaps()
    elsewhere = replace(step, equal={u: Integer(2)})
    assert "equality" in replace(bound, steps=(elsewhere,)).gaps()[0]


def test_signs_are_proved_not_assumed():
    assert nonnegative(KL(encoder(), prior()))
    assert nonnegative(u + u**2)
    assert not nonnegative(u - 1)


def test_mutants_change_one_place():
    x, y = Symbol("x"), Symbol("y")
    found = mutants(x + 2 * y)
    assert {x - 2 * y, 2 * y, x + 4 * y, x + 3 * y, 3 * x, x} <= found
    assert x + 2 * y not in found


def test_a_weak_derivation_lets_mutants_live():
    """A chain that never uses its world would not notice: 0 = 0 does."""
    lazy = Derivation(
        name="lazy",
        title="",
        statement="",
        start=u,
        steps=(Step(u, "nothing", ""),),
        worlds=(),
    )
    assert not mutate(lazy).caught


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_page_is_written_from_the_proof(name, capsys):
    derivation = DERIVATIONS[name]
    show(name)
    page = capsys.readouterr().out
    assert page.count(f"{{#eq-{name}}}") == 1
    assert f"::: {{#{derivation.kind}-{name}}}" in page
    assert page.count(r"\begin{aligned}") == 1
    for step in derivation.steps:
        assert rf"\text{{({step.rule})}}" in page
    for bad in (r"\!", r"\begin{align}", r"\intertext", "{gap}"):
        assert bad not in page
    for row in derivation.latex().splitlines():
        assert columns(row) < 95, row


@pytest.mark.parametrize("name", DERIVATIONS)
def test_sentences_hold_no_equation(name):
    """An equation in a sentence would not be checked."""
    derivation = DERIVATIONS[name]
    texts = [derivation.statement, derivation.closing]
    texts += [derivation.assumptions, *derivation.notes]
    texts += [step.text for step in derivation.steps]
    cases = {"$u = m$", "$n = 0$"}  # of equality, and of an index
    for text in texts:
        for formula in re.findall(r"\$[^$]*\$", text):
            assert "=" not in formula or formula in cases
    assert all(step.text.endswith(".") for step in derivation.steps)
