"""Number everything that has a label, and resolve the references to it.

Numbers run within a chapter, as LaTeX's report classes count them: figures,
tables, equations and theorems each on their own, "Figure 2.3".  Both the
page and the notebook take the numbers from here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from press import pandoc
from press.errors import PressError
from press.pandoc import Node
from press.structure import prefix

_NAMES = {
    "fig": "Figure",
    "tbl": "Table",
    "eq": "Equation",
    "sec": "Section",
}


@dataclass(frozen=True)
class Target:
    """What a reference says: "Figure" and "2.3"."""

    name: str
    number: str

    @property
    def text(self) -> str:
        return f"{self.name}\N{NO-BREAK SPACE}{self.number}".strip()


@dataclass
class Numbers:
    """The counters of a document, and what each label stands for."""

    fault: Callable[[str, str], PressError]
    chapter_name: str = "Chapter"
    letters: bool = False
    """Whether the second level counts as 1(a), 1(b) and not as 1.1, 1.2."""
    sections: list[int] = field(default_factory=lambda: [0] * 6)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    appendix: bool = False
    targets: dict[str, Target] = field(default_factory=dict)

    @property
    def chapter(self) -> str:
        number = self.sections[0]
        return chr(ord("A") + number - 1) if self.appendix else str(number)

    def assign(self, blocks: list[Node]) -> None:
        """Number every node of the tree, in place."""
        for node in pandoc.nodes(blocks):
            if node["t"] == "Header":
                self._header(node)
            elif node["t"] == "PressAppendix":
                self.appendix, self.sections[0] = True, 0
            elif node["t"] == "PressTheorem":
                self._count(node, prefix(node["c"]["id"]), node["c"]["kind"])
            elif node["t"] in ("PressFigure", "PressTable", "PressEquation"):
                kind = prefix(node["c"]["id"])
                self._count(node, kind, _NAMES[kind])
            if node["t"] == "PressFigure":
                self._panels(node)

    def _header(self, node: Node) -> None:
        level, (id_, classes, pairs), inlines = node["c"]
        number = ""
        if "unnumbered" not in classes:
            self.sections[level - 1] += 1
            self.sections[level:] = [0] * (6 - level)
            number = self._section_number(level)
            if level == 1:
                self.counts.clear()
        name = self._section_name(level)
        pairs[:] = [["number", number], ["name", name]]
        # Pandoc gives every heading an id; only a chosen one is a target
        if prefix(id_) == "sec":
            title = pandoc.text(inlines)
            target = Target(name, number) if number else Target("", title)
            self._add(id_, target)

    def _section_number(self, level: int) -> str:
        first, *rest = self.sections[1:level] or [0]
        parts = [self.chapter, *([str(first)] if first else [])]
        if first and self.letters:
            parts = [f"{self.chapter}({chr(ord('a') + first - 1)})"]
        return ".".join([*parts, *map(str, rest)])

    def _section_name(self, level: int) -> str:
        if level > 1:
            return "Section"
        return "Appendix" if self.appendix else self.chapter_name

    def _count(self, node: Node, counter: str, name: str) -> None:
        self.counts[counter] += 1
        number = f"{self.chapter}.{self.counts[counter]}"
        node["c"]["number"] = number
        self._add(node["c"]["id"], Target(name, number))

    def _panels(self, node: Node) -> None:
        panels, number = node["c"]["panels"], node["c"]["number"]
        for letter, panel in zip(
            "abcdefghijklmnopqrstuvwxyz", panels, strict=False
        ):
            panel["letter"] = f"({letter})" if len(panels) > 1 else ""
            if panel["id"]:
                text = f"{number}\N{NO-BREAK SPACE}({letter})"
                self._add(panel["id"], Target("Figure", text))

    def _add(self, label: str, target: Target) -> None:
        if label in self.targets:
            raise self.fault(label, f"the label `{label}` is used twice")
        self.targets[label] = target

    def resolve(self, blocks: list[Node]) -> list[Node]:
        """Replace every reference by its text, linked to its target."""
        return pandoc.walk(blocks, self._reference)

    def _reference(self, node: Node) -> list[Node] | None:
        if node["t"] == "PressPageRef":
            self.target(node["c"]["id"])
        if node["t"] == "Link" and node["c"][2][0].startswith("#"):
            self.target(node["c"][2][0][1:])
        if node["t"] != "PressRef":
            return None
        return list(self._links(node["c"]["ids"], node["c"]["bare"]))

    def _links(self, labels: list[str], bare: bool) -> Iterator[Node]:
        for index, label in enumerate(labels):
            if index:
                last = index == len(labels) - 1
                yield pandoc.string(" and" if last else ",")
                yield {"t": "Space"}
            target = self.target(label)
            text = target.number if bare else target.text
            content = [pandoc.string(text)]
            yield {
                "t": "Link",
                "c": [["", [], []], content, ["#" + label, ""]],
            }

    def target(self, label: str) -> Target:
        label = label[:1].lower() + label[1:]
        if label not in self.targets:
            raise self.fault(label, f"nothing has the label `{label}`")
        return self.targets[label]
