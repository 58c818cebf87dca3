"""A derivation: the one object that the page shows and the checks read.

A derivation is a chain start = e1 = e2 >= ... . Every line is an expression
of the vocabulary with the rules that justify it. The kernel decides whether
a step holds, for every density; in worlds, and at random points of them to
thirty digits, the two sides are compared once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import wrap
from typing import Any, Literal

from sympy import Expr, Integer
from sympy.core.basic import Basic

from proofs import kernel, rules  # noqa: F401 - importing it fills RULES
from proofs.kernel import Argument, Use
from proofs.vocabulary import (
    Condition,
    Density,
    Expectation,
    Let,
    d,
    latex,
)
from proofs.worlds import LINE, MEANINGLESS, POINTS, World

Relation = Literal["=", ">=", "<="]
PRINTED = {"=": "=", ">=": r"\ge", "<=": r"\le"}
MOST_COLUMNS = 75  # of a line of formulas on the page
REASON = 38  # letters of the rules beside a line


@dataclass(frozen=True)
class Step:
    """A line of a derivation: what it says and why it follows.

    `rule` names the rules of the kernel that lead here, separated by commas,
    and the keys of `uses`, which cite results. A cited or stated inequality
    has an `equal`: what must equal what for the two sides to be equal (None
    if they never are). One that cites nothing has a `gap`, the difference of
    its sides. `antiderivative` serves the fundamental theorem.
    """

    expr: Expr
    rule: str
    relation: Relation = "="
    gap: Expr | None = None
    equal: Mapping[Basic, Basic] | None = None
    uses: Mapping[str, Use] = field(default_factory=dict)
    antiderivative: Expr | None = None
    worlds: tuple[World, ...] = ()

    def __post_init__(self) -> None:
        """Plain Python numbers become sympy's."""
        object.__setattr__(self, "expr", _expr(self.expr))
        if self.equal is not None:
            pairs = {a: _expr(b) for a, b in self.equal.items()}
            object.__setattr__(self, "equal", pairs)

    def argument(self, assumed: Iterable[Condition], model: Any) -> Argument:
        """What the kernel may use in this step."""
        return Argument(tuple(assumed), model, self.antiderivative, self.uses)

    def distance(self) -> Expr:
        """The gap of an inequality, its own or that of what it cites."""
        if self.gap is not None:
            return self.gap
        (use,) = self.uses.values()
        (step,) = (s for s in use.lemma.steps if s.relation != "=")
        return step.distance().xreplace(dict(use.where))

    def printed(self) -> str:
        """The rules for the page, each once."""
        return ", ".join(dict.fromkeys(self.rule.split(", ")))


def _expr(value: Any) -> Any:
    """A whole number as sympy's; all else as it is."""
    return Integer(value) if isinstance(value, int) else value


@dataclass(frozen=True)
class Cited:
    """A theorem of others: stated, not proved."""

    name: str
    sentence: str
    start: Expr
    last: Expr
    assumes: tuple[Condition, ...] = ()
    relation: Relation = "="


@dataclass(frozen=True)
class Derivation:
    """A statement and the chain of lines that proves it.

    `statement` leads up to the claim (first line, last line), which is
    printed after it; `closing` completes it. `assumes` is all that the kernel
    may assume. `lets` are abbreviations, and densities of a `model`. `idea`
    is the proof in a sentence.
    """

    name: str
    title: str
    start: Expr
    steps: tuple[Step, ...]
    idea: str = ""
    statement: str = ""
    closing: str = ""
    assumes: tuple[Condition, ...] = ()
    lets: tuple[Let, ...] = ()
    remark: str = ""
    worlds: tuple[World, ...] = (POINTS, LINE)
    kind: Literal["thm", "lem", "prp", "cor"] = "lem"

    @property
    def lines(self) -> tuple[Expr, ...]:
        return (self.start, *(step.expr for step in self.steps))

    @property
    def relation(self) -> Relation:
        """How the first line stands to the last."""
        found = {step.relation for step in self.steps} - {"="}
        if len(found) > 1:
            raise ValueError(f"{self.name} turns both ways: {found}")
        return found.pop() if found else "="

    @property
    def last(self) -> Expr:
        return self.steps[-1].expr

    @property
    def model(self) -> dict[str, Expr]:
        """The densities that are given, by their roles."""
        return {
            str(let.args[0].args[0]): let.args[1]
            for let in self.lets
            if isinstance(let.args[0], Density)
        }

    @cached_property
    def _read(self) -> tuple[list[Argument], list[str]]:
        """What the accepted steps need and rest on, and why others are not
        accepted."""
        arguments, faults = [], []
        for i, step in enumerate(self.steps, 1):
            try:
                argument = step.argument(self.assumes, self.model)
                kernel.holds(self.lines[i - 1], step, argument)
                arguments.append(argument)
            except kernel.Unproved as fault:
                faults.append(f"{self.name}, step {i} ({step.rule}): {fault}")
            except MEANINGLESS as fault:
                faults.append(
                    f"{self.name}, step {i} ({step.rule}): a rule cannot be"
                    f" applied here: {fault}"
                )
        return arguments, faults

    def arguments(self) -> list[Argument]:
        """What each step needs and rests on; raises Unproved."""
        arguments, faults = self._read
        if faults:
            raise kernel.Unproved(faults[0])
        return arguments

    def faults(self) -> list[str]:
        """The steps that the kernel does not accept, each with its reason."""
        return self._read[1]

    def gaps(self) -> list[str]:
        """The steps that do not hold in a world, each with its reason."""
        return [
            f"{self.name}, step {i} ({step.rule}): {fault}"
            for i, step in enumerate(self.steps, 1)
            for world in step.worlds or self.worlds
            for fault in _differences(self.lines[i - 1], step, world)
        ]

    def rests_on(self) -> list[str]:
        """The rules and results that the steps name or turn out to need."""
        found = set().union(*(a.rests for a in self.arguments()))
        order = [*kernel.RULES, "order"]
        return sorted(found, key=lambda n: (n not in order, n))

    def claim(self) -> str:
        relation = PRINTED[self.relation]
        return f"{latex(self.start)} {relation} {latex(self.last)}"

    def latex(self) -> str:
        """The chain as one numbered block, the rules at the right."""
        first = latex(self.start)
        sides = [
            f"{PRINTED[step.relation]} {latex(step.expr)}"
            for step in self.steps
        ]
        # a list of rules that is too long goes on in the rows below
        reasons = [wrap(f"({s.printed()})", REASON) for s in self.steps]
        widest = max(
            columns(side) + max(map(len, reason))
            for side, reason in zip(sides, reasons, strict=True)
        )
        alone = columns(first) + widest > MOST_COLUMNS
        rows = [f"& {first}"] if alone else []
        for side, reason in zip(sides, reasons, strict=True):
            start = ("" if rows else f"{first} ") + f"& {side}"
            tags = [rf" && \quad \text{{{line}}}" for line in reason]
            rows += [start + tags[0], *(f"&{tag}" for tag in tags[1:])]
        body = " \\\\\n".join(rows)
        aligned = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
        return f"$$\n{aligned}\n$$ {{#eq-{self.name}}}"

    def markdown(self, rests: Sequence[str] | None = None) -> str:
        """The statement and the whole proof, for the page.

        Args:
            rests: what it rests on, if that is known; else the kernel goes
                through the proof for it.
        """
        if rests is None:
            rests = self.rests_on()
        conditions = dict.fromkeys(str(c) for c in self.assumes)
        assumed = _listed([text for text in conditions if text.strip()])
        where = _listed(
            [f"${latex(let)} = {latex(let.args[1])}$" for let in self.lets]
        )
        head = [
            f"Assume that {assumed}." if assumed else "",
            self.statement or "Then",
        ]
        after = [
            f"where {where}." if where else "",
            self.equality(),
            self.closing,
        ]
        based = _listed([_reference(name) for name in rests])
        parts = [
            f"::: {{#{self.kind}-{self.name}}}",
            f"## {self.title}",
            " ".join(filter(None, head)),
            f"$$\n{self.claim()}\n$$",
            " ".join(filter(None, after)),
            ":::",
            "::: {.proof}",
            self.idea,
            self.latex(),
            f"Rests on {based}." if rests else "",
            ":::",
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def equality(self) -> str:
        """The case of equality, for the page; the kernel has checked it."""
        for step in self.steps:
            if step.relation == "=":
                continue
            if step.equal is None:
                return "Equality never holds."
            equations = _listed(
                [f"${latex(a)} = {latex(b)}$" for a, b in step.equal.items()]
            )
            where = ""
            if isinstance(step.gap, Expectation) or step.uses:
                where = " for almost every value under the density"
            elif any(d in kernel.free(a) for a in step.equal):
                where = " for every $d$"
            return f"Equality holds exactly if {equations}{where}."
        return ""


def _reference(name: str) -> str:
    """A rule, with its proof if it has one, or a reference to a result."""
    from proofs import DERIVATIONS

    rule = kernel.RULES.get(name)
    proof = DERIVATIONS.get(rule.proved if rule else name)
    if proof is None:
        return name
    reference = f"@{proof.kind}-{proof.name}"
    return f"{name} ({reference})" if rule else reference


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _differences(before: Expr, step: Step, world: World) -> Iterator[str]:
    """What fails in one world; `before` is the line above."""
    if step.relation == "=":
        yield from world.compare(before, step.expr)
        return
    low, high = before, step.expr
    if step.relation == ">=":
        low, high = high, low
    gap = step.distance()
    yield from world.compare(high, low + gap)
    if step.equal and not step.uses:
        letters = {  # a mean that is named is a constant
            a: b.args[0] if isinstance(b, Let) else b
            for a, b in step.equal.items()
        }
        yield from world.compare(gap.xreplace(letters), Integer(0))
    elif step.equal:
        yield from world.compare(gap.xreplace(dict(step.equal)), Integer(0))


def columns(text: str) -> int:
    """About how many characters wide a line of LaTeX prints."""
    text = re.sub(
        r"\\(left|right|mathbb|mathcal|mathrm|text|operatorname)", "", text
    )
    text = re.sub(
        r"\\frac\{([^{}]*)\}\{([^{}]*)\}",
        lambda m: max(m.groups(), key=len),
        text,
    )
    text = re.sub(r"\\[,;]|[{}^_\s]", "", text)
    return len(re.sub(r"\\[A-Za-z]+|\\\|", "x", text))
