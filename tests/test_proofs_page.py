"""The report types no proof by hand, and shows every derivation once."""

import itertools
import re
from pathlib import Path

import pytest

from proofs import DERIVATIONS

REPORT = Path(__file__).parents[1] / "report.qmd"
CHUNK = re.compile(r"^```\{python\}.*?^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"proofs\.show\(([^)]*)\)")
DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
INLINE = re.compile(r"(?<!\$)\$(?!\$)[^$]*=[^$]*\$(?!\$)")
HEADING = re.compile(r"^#+\s.*$", re.MULTILINE)
DIV = re.compile(
    r"^:::+ *\{(?:\.proof|#(?:thm|lem|prp|cor)-).*?^:::+ *$",
    re.MULTILINE | re.DOTALL,
)


def typed(text: str) -> list[str]:
    """Equations typed by hand where the page proves something.

    That is in a theorem or proof div, and in every section with a call of
    `proofs.show`.
    """
    divs = DIV.findall(text)
    masked = text
    for inner in (CHUNK, DIV):
        masked = inner.sub(lambda found: " " * len(found[0]), masked)
    starts = [0, *(m.start() for m in HEADING.finditer(masked)), len(text)]
    sections = (text[a:b] for a, b in itertools.pairwise(starts))
    parts = [CHUNK.sub("", s) for s in sections if CALL.search(s)] + divs
    return [e for p in parts for e in DISPLAY.findall(p)] + [
        e for p in parts for e in INLINE.findall(DISPLAY.sub("", p))
    ]


PROOF = '## The bound\n\n```{python}\nproofs.show("elbo")\n```\n'


@pytest.mark.parametrize("equation", ["$a = b$", "$$a \\ge b$$"])
@pytest.mark.parametrize(
    "place",
    [
        PROOF + "\nEQUATION\n",
        "::: {.proof}\nSo EQUATION.\n:::\n",
        "::: {#thm-a}\n## Title\n\nThen EQUATION.\n:::\n",
    ],
)
def test_an_equation_typed_in_a_proof_is_found(place, equation):
    assert typed(place.replace("EQUATION", equation)) == [equation]


def test_the_report_types_no_proof_and_shows_each_once():
    text = REPORT.read_text()
    assert typed(text) == []
    calls = [c for chunk in CHUNK.findall(text) for c in CALL.findall(chunk)]
    shown = [n for call in calls for n in re.findall(r'"([^"]+)"', call)]
    assert sorted(shown) == sorted(DERIVATIONS)
