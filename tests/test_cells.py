from pathlib import Path

from aevb import cells

REPORT = Path(__file__).parents[1] / "report.qmd"
CELL = '''Words.

```{python}
#| label: code-kl
#| echo: true
import torch


def loss_KL_wo_E(output):
    """Anything."""
    return 0


def kept(x):
    return x
```

More words.
'''


def test_the_report_defines_what_the_package_defines() -> None:
    assert cells.differences(REPORT.read_text("utf-8")) == []


def test_sync_writes_the_packages_text_and_leaves_the_rest() -> None:
    assert [d.split(":")[0] for d in cells.differences(CELL)] == [
        "code-kl"
    ] * 2
    renewed = cells.sync(CELL)
    assert cells.differences(renewed) == ["code-kl: aevb defines no kept"]
    assert "torch.exp(logvar)).sum(dim=1)" in renewed
    assert renewed.startswith("Words.\n\n```{python}\n#| label: code-kl\n")
    assert "import torch" in renewed
    assert renewed.endswith("More words.\n")
    assert cells.sync(renewed) == renewed
    assert len(cells.differences(renewed.replace("**2", "**3", 1))) == 2


def test_a_method_is_found_by_what_it_is_bound_to() -> None:
    cell = CELL.replace(
        "def kept(x):\n    return x",
        "def reparameterize(self):\n    pass\n\n\n"
        "VAE.reparameterize = reparameterize",
    )
    renewed = cells.sync(cell)
    assert cells.differences(renewed) == []
    assert "\ndef reparameterize(\n    self,\n" in renewed
