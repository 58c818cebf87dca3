"""Every step of every derivation is proved, and every wrong line is caught."""

import doctest
import re
from dataclasses import replace
from textwrap import wrap

import pytest
from sympy import E, Function, Integer, Symbol, log

import proofs
from proofs import DERIVATIONS, kernel, record, show
from proofs.derivation import REASON, Derivation, Step, columns
from proofs.elbo import ELBO
from proofs.kernel import Argument, Use, canonical, plain
from proofs.mutation import mutants, mutate
from proofs.vocabulary import (
    NOISE,
    D,
    Expectation,
    Product,
    TangentGap,
    TestFunction,
    d,
    encoder,
    epsilon,
    j,
    joint,
    mus,
    plus,
    prior,
    u,
    z,
)
from proofs.worlds import LINE

REQUIRED = {
    "2(a)": ("log-concave", "jensen", "elbo", "kl-nonnegative", "elbo-gap"),
    "2(c)": ("reparameterisation", "gradient", "score"),
    "2(d)": ("log-normal", "normal-mass"),
    "3(a)": ("elbo-decomposition", "normal-moments", "diagonal-kl",
             "diagonal-kl-sign", "elbo-normal", "elbo-estimate"),
    "estimator": ("sgvb-unbiased", "closed-better", "sampled-better"),
    "4(c)": ("wrapped-moments", "wrapped-fourier", "wrapped-kl",
             "wrapped-kl-bound"),
    "model": ("linear-evidence", "linear-elbo", "linear-gap", "linear-sum"),
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    """The checks of all derivations, run anew where anything changed."""
    return {row.name: row for row in record.rows(DERIVATIONS)}


@pytest.mark.parametrize("name", DERIVATIONS)
def test_every_step_is_proved(name, rows):
    assert DERIVATIONS[name].faults() == []
    assert rows[name].faults == ()


@pytest.mark.parametrize("name", DERIVATIONS)
def test_kernel_and_worlds_each_catch_every_mutant(name, rows):
    assert rows[name].missed == ()
    assert rows[name].kernel == rows[name].worlds > 0


@pytest.mark.parametrize("part", REQUIRED)
def test_every_part_has_its_proof(part):
    assert set(REQUIRED[part]) <= DERIVATIONS.keys()


def test_the_example_of_the_how_to_is_proved():
    """More importance weights give a tighter bound, for every density."""
    assert doctest.testmod(proofs).failed == 0


@pytest.mark.parametrize("name", ["elbo", "kl-nonnegative", "elbo-gap",
    "elbo-decomposition", "sgvb-unbiased", "gradient", "score",
    "wrapped-log"])  # fmt: skip
def test_no_assumption_is_idle(name):
    """Without any one of its conditions a proof is refused, with a reason."""
    whole = DERIVATIONS[name]
    for condition in whole.assumes:
        rest = tuple(c for c in whole.assumes if c != condition)
        assert "not assumed" in replace(whole, assumes=rest).faults()[0]


def chain(start, *steps, **more):
    return Derivation("a", "A", start, steps, worlds=(LINE,), **more)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step(u + E, "algebra"), "does not know `E`"),
        (Step(Function("g")(u), "algebra"), r"does not know `g\(u\)`"),
        (Step(u, "magic"), "`magic` is no rule; rules here are .*linearity"),
        (Step(u + 1, "algebra"), "do not lead"),
        (Step(u + 1, "order", "<="), "must state its gap"),
        (Step(u + 1, "order", "<=", u, {u: 1}), "do not lead"),
        (Step(2 * u, "order", "<=", u, {u: 1}), "case of equality"),
        (Step(u + z, "order", "<=", z), "nothing shows"),
        (
            Step(log(u), "tangent", ">=", TangentGap(u, 1), {u: Integer(1)}),
            "do not lead",
        ),
    ],
)
def test_a_fault_is_a_sentence(step, reason):
    assert re.search(reason, chain(u, step).faults()[0])


def test_a_line_without_value_is_a_sentence_in_the_worlds():
    assert "no value" in chain(u, Step(Function("g")(u), "algebra")).gaps()[0]


def test_the_tangent_is_proved_and_its_case_of_equality_derived():
    step = Step(u - 1, "tangent", "<=", TangentGap(u, 1), {u: Integer(1)})
    assert chain(log(u), step).faults() == []
    assert chain(log(u), step).gaps() == []
    elsewhere = replace(step, equal={u: Integer(2)})
    assert "equality" in chain(log(u), elsewhere).faults()[0]


f, g = TestFunction(z), TestFunction(z, 1)
q, p = encoder(), prior()
UNSOUND = [  # none of these holds for every density
    (Expectation(f * g, q), Expectation(f, q) * Expectation(g, q),
     "linearity, independence"),
    (log(Expectation(f, q)), Expectation(log(f), q), "linearity, logarithm"),
    (Expectation(f, q), Expectation(f, p), "expectation, linearity"),
    (Expectation(f, q), f, "linearity, mass one"),
    (Expectation(f, q) ** 2, Expectation(f**2, q), "linearity"),
    (Expectation(mus[d], Product(encoder(mus[d]), (d, 1, D)), mus),
     Expectation(mus[d], encoder(mus[j]), mus[j]), "independence"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end", "rule"), UNSOUND)
def test_the_kernel_proves_nothing_false(start, end, rule):
    assert chain(start, Step(end, rule)).faults()


def test_a_cited_inequality_gives_no_equation():
    gap = Use(DERIVATIONS["log-concave"])
    end = DERIVATIONS["log-concave"].last
    for rule in ("tangent line", "tangent line, algebra"):
        step = Step(end, rule, uses={"tangent line": gap})
        assert "inequality" in chain(log(u), step).faults()[0]


def test_a_mirrored_noise_has_the_same_moments():
    start = Expectation(epsilon**3, NOISE, epsilon)
    turn = Step(-start, "change of variables, linearity")
    assert chain(start, turn).faults() == []
    moved = replace(turn, expr=-Expectation(epsilon**2, NOISE, epsilon))
    assert chain(Expectation(epsilon**2, NOISE, epsilon), moved).faults()


def test_a_support_condition_is_never_forgotten():
    """Neither in the line's own fraction nor inside an expectation."""
    assert "not assumed" in replace(ELBO, assumes=()).faults()[0]
    assert "p(x, z) > 0" in str(ELBO.assumes[1])
    lemma = replace(ELBO, steps=ELBO.steps[3:4], start=ELBO.lines[3])
    assert lemma.faults() == []
    assert "$p(x) > 0$" not in "".join(lemma.faults())
    assert replace(lemma, assumes=ELBO.assumes[1:]).faults()


def test_bound_variables_have_no_names():
    argument = Argument()
    for a, b in (
        (Expectation(f, q), Expectation(TestFunction(u), encoder(u), u)),
        (DERIVATIONS["wrapped-log"].lines[1],) * 2,
    ):
        one, two = (canonical(plain(e, argument)) for e in (a, b))
        assert one == two
    assert canonical(joint()) != canonical(joint(u))


def test_mutants_change_one_place():
    x, y = Symbol("x"), Symbol("y")
    found = mutants(x + 2 * y)
    assert {x - 2 * y, 2 * y, x + 4 * y, x + 3 * y, 3 * x, x} <= found
    assert x + 2 * y not in found


def test_a_weak_world_lets_mutants_live():
    """A chain that never uses its worlds would not notice."""
    lazy = chain(u, Step(plus(u, 0), "algebra"))
    assert mutate(replace(lazy, worlds=())).worlds == 0
    assert mutate(lazy).missed == ()


def test_the_table_of_axioms_names_what_each_result_rests_on(rows):
    table = {name: (says, used) for name, says, used in proofs.axioms()}
    assert "@thm-elbo" in table["marginal density"][1].split(", ")
    assert "Hardy and Wright" in table["triple product"][0]
    cited = {n for row in rows.values() for n in row.rests}
    assert cited <= table.keys() | DERIVATIONS.keys() | kernel.RULES.keys()
    for rule in kernel.RULES.values():
        assert not rule.proved or rule.proved in DERIVATIONS


@pytest.mark.parametrize("name", DERIVATIONS)
def test_the_page_is_written_from_the_proof(name, capsys):
    derivation = DERIVATIONS[name]
    show(name)
    page = capsys.readouterr().out
    assert page.count(f"{{#eq-{name}}}") == 1
    assert f"::: {{#{derivation.kind}-{name}}}" in page
    assert page.count(r"\begin{aligned}") == 1
    for step in derivation.steps:
        for line in wrap(f"({step.printed()})", REASON):
            assert rf"\text{{{line}}}" in page
    for bad in (r"\!", r"\begin{align}", r"\intertext", "three points"):
        assert bad not in page
    for fraction in re.findall(r"\\frac\{[^{}]*\}\{[^{}]*\}", page):
        assert ";" not in fraction  # old Pandoc breaks it for Typst
    for row in derivation.latex().splitlines():
        assert columns(row) < 105, row


@pytest.mark.parametrize("name", DERIVATIONS)
def test_sentences_hold_no_equation(name):
    """An equation in a sentence would not be checked."""
    derivation = DERIVATIONS[name]
    texts = [derivation.statement, derivation.closing, derivation.idea]
    for text in texts:
        for formula in re.findall(r"\$[^$]*\$", text):
            assert "=" not in formula or formula == "$n = 0$"
    assert derivation.idea.endswith(".")
