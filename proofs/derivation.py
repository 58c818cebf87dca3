"""A derivation: the one object that the page shows and the checks read.

A derivation is a chain start = e1 = e2 >= ... . Every line is an expression
of the vocabulary with the rule that justifies it. An equality holds if its
two sides have the same value in every world; an inequality states the gap
between its sides, which must be their exact difference and an expression
that cannot be negative.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sympy import Expr, Integer, Integral, Symbol, factor, together
from sympy.core.basic import Basic

from proofs import witness
from proofs.vocabulary import Let, latex
from proofs.worlds import LINE, POINTS, World, mean

Relation = Literal["=", ">=", "<="]
PRINTED = {"=": "=", ">=": r"\ge", "<=": r"\le"}
MOST_COLUMNS = 75  # of a line of formulas on the page


@dataclass(frozen=True)
class Step:
    """A line of a derivation: what it says and why it follows.

    `text` is the sentence for the page. An inequality has a `gap`, the
    difference of its sides, and `equal`, the substitution under which the
    gap closes (None if it never does).
    """

    expr: Expr
    rule: str
    text: str
    relation: Relation = "="
    gap: Expr | None = None
    equal: Mapping[Basic, Basic] | None = field(default_factory=dict)
    worlds: tuple[World, ...] = ()

    def faults(self, before: Expr, world: World) -> Iterator[str]:
        """What fails in one world; `before` is the line above."""
        if self.relation == "=":
            yield from _different(before, self.expr, world)
            return
        if self.gap is None:
            yield "an inequality must state its gap"
            return
        low, high = before, self.expr
        if self.relation == ">=":
            low, high = high, low
        yield from _different(high, low + self.gap, world)
        if not nonnegative(self.gap) and not nonnegative(
            world.exact(self.gap)
        ):
            yield "sympy does not see that the gap is not negative"
        if self.equal is None:
            return
        closed = world.exact(self.gap.xreplace(self.equal))
        if not witness.equal(closed, Integer(0)):
            yield "the gap does not close in the case of equality"


def _different(a: Expr, b: Expr, world: World) -> Iterator[str]:
    one, two = mean(a, world), mean(b, world)
    if not all(witness.agree(one, two, i, world.wide) for i in world.seeds):
        yield f"the sides differ numerically for {world.name}"
    if not witness.equal(world.exact(a), world.exact(b)):
        yield f"sympy does not prove the sides equal for {world.name}"


def nonnegative(expr: Expr) -> bool:
    """Whether sympy proves that an expression cannot be negative.

    For an integral over [0, 1] it looks at the integrand, with s written as
    1 / (1 + t), t > 0: sympy's assumptions know positive numbers but not
    the unit interval.
    """
    if expr.is_nonnegative:
        return True
    if expr.is_Mul or expr.is_Add:
        return all(map(nonnegative, expr.args))
    if isinstance(expr, Integral):
        v, *ends = expr.limits[0]
        inside = 1 / (1 + Symbol("t", positive=True))
        body = together(mean(expr.function, LINE).xreplace({v: inside}))
        return ends == [0, 1] and bool(factor(body).is_nonnegative)
    return False


@dataclass(frozen=True)
class Derivation:
    """A statement and the chain of lines that proves it.

    `statement` leads up to the claim (first line, last line), which is
    printed after it; `closing` completes it. `notes` say what the checks do
    not cover.
    """

    name: str
    title: str
    statement: str
    start: Expr
    steps: tuple[Step, ...]
    closing: str = ""
    assumptions: str = ""
    lets: tuple[Let, ...] = ()
    notes: tuple[str, ...] = ()
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

    def gaps(self) -> list[str]:
        """The steps that do not hold, each with its reason."""
        return [
            f"{self.name}, step {i} ({step.rule}): {fault}"
            for i, step in enumerate(self.steps, 1)
            for world in step.worlds or self.worlds
            for fault in step.faults(self.lines[i - 1], world)
        ]

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
        rules = [rf" && \quad \text{{({step.rule})}}" for step in self.steps]
        widest = max(
            columns(side + rule)
            for side, rule in zip(sides, rules, strict=True)
        )
        alone = columns(first) + widest > MOST_COLUMNS
        rows = [f"& {first}"] if alone else []
        for side, rule in zip(sides, rules, strict=True):
            rows.append(("" if rows else f"{first} ") + f"& {side}{rule}")
        body = " \\\\\n".join(rows)
        aligned = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
        return f"$$\n{aligned}\n$$ {{#eq-{self.name}}}"

    def markdown(self) -> str:
        """The statement and the whole proof, for the page."""
        lets = " ".join(
            f"Write ${latex(let)}$ for ${latex(let.args[1])}$."
            for let in self.lets
        )
        head = [self.assumptions, lets, self.statement]
        sentences = " ".join(
            step.text.replace("{gap}", latex(step.gap or Integer(0)))
            for step in self.steps
        )
        notes = "".join(
            f"[^{self.name}-{i}]" for i in range(1, len(self.notes) + 1)
        )
        footnotes = "\n\n".join(
            f"[^{self.name}-{i}]: {note}"
            for i, note in enumerate(self.notes, 1)
        )
        parts = [
            f"::: {{#{self.kind}-{self.name}}}",
            f"## {self.title}",
            " ".join(filter(None, head)),
            f"$$\n{self.claim()}\n$$",
            self.closing,
            ":::",
            "::: {.proof}",
            sentences + notes,
            self.latex(),
            ":::",
            footnotes,
        ]
        return "\n\n".join(filter(None, parts)) + "\n"


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
