"""The page proves nothing that the derivations do not."""

from pathlib import Path

import pytest

from proofs import DERIVATIONS, lock

REPORT = Path(__file__).parents[1] / "report.qmd"
SHOWN = """
## The bound

The proof follows.

```{python}
#| output: asis
#| echo: false
proofs.show("elbo", "jensen")
```
"""


def test_a_generated_proof_passes():
    assert lock.faults(SHOWN, ["elbo", "jensen"]) == []


def test_a_derivation_that_is_not_shown_is_found():
    assert lock.faults(SHOWN, ["elbo", "jensen", "log-normal"]) == [
        "`log-normal` is not shown"
    ]


def test_an_unknown_or_repeated_one_is_found():
    found = lock.faults(SHOWN + SHOWN, ["elbo"])
    assert "`jensen` is no derivation" in found
    assert "`elbo` is shown 2 times" in found


def test_a_call_that_does_not_run_shows_nothing():
    text = SHOWN.replace("```{python}", "```python")
    assert "`elbo` is not shown" in lock.faults(text, ["elbo"])


@pytest.mark.parametrize(
    "equation", ["$a = b$", "$$a \\ge b$$", "$$\na = b\n$$ {#eq-a}"]
)
@pytest.mark.parametrize(
    "place",
    [
        SHOWN + "\n{}\n",
        "::: {{.proof}}\nSo {}.\n:::\n",
        "::: {{#thm-a}}\n## Title\n\nThen {}.\n:::\n",
    ],
)
def test_an_equation_typed_in_a_proof_is_found(place, equation):
    text = place.replace("{python}", "{{python}}").format(equation)
    assert lock.typed(text) == [equation.removesuffix(" {#eq-a}")]


def test_an_equation_elsewhere_is_free():
    assert lock.typed("# Data\n\nWe take $n = 3$ and\n\n$$a = b$$\n") == []
    assert lock.typed(SHOWN + "\n# Next\n\n$$a = b$$\n") == []
    assert lock.typed(SHOWN + "\nThe symbol $x$ is free.\n") == []


def test_the_report_is_locked():
    assert lock.faults(REPORT.read_text(), DERIVATIONS) == []
