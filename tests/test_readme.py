"""The README: its links lead somewhere, its numbers are those measured."""

import functools
import json
import math
import re
import subprocess
from pathlib import Path
from statistics import median

import pytest

from aevb import profiles, results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@functools.cache
def measured():
    """The numbers that were committed with the README, whatever was
    measured in this folder since."""
    command = ["git", "show", "HEAD:results/metrics.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("no git repository holds the numbers")
    return json.loads(done.stdout)


def shown(estimate):
    """As the README writes it: two digits of the standard error."""
    error = estimate["standard_error"]
    digits = 1 - math.floor(math.log10(error))
    return f"{estimate['value']:.{digits}f} ± {error:.{digits}f}"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_leads_to_a_file(link):
    assert (ROOT / link).is_file()


@pytest.mark.parametrize(
    ("run", "metric"),
    [("ae", "test_mse")]
    + [
        (run, f"test_{metric}")
        for run in ("vae_kl", "vae_sgvb")
        for metric in ("elbo", "nll", "nll_quadrature")
    ]
    + [("vae_best", "test_elbo"), ("vae_best", "test_nll")]
    + [("vae_exact", "test_nll_quadrature")],
)
def test_every_likelihood_is_the_one_measured(run, metric):
    metrics = measured()["experiments"][run]["metrics"]
    assert shown(metrics[metric]) in README


@pytest.mark.parametrize("metric", ["test_nll", "test_elbo"])
def test_the_long_training_is_the_one_measured(metric):
    long = results.benchmark("long_training")
    assert shown(long["metrics"][metric]) in README
    width, epochs = long["config"]["hidden_dims"][0], long["config"]["epochs"]
    share = f"{long['config']['deformed']:.0%} of a batch deformed"
    assert f"{width} wide, {epochs} epochs, {share}" in README
    cost = f"{long['seconds'] / 60:.0f} minutes of two cores"
    assert long["provenance"]["threads"] == 2
    assert f"`benchmarks/long_training.py`, {cost}" in README


def test_the_long_training_has_the_settings_of_its_profile(monkeypatch):
    monkeypatch.setenv("AEVB_PROFILE", "gpu")
    _, config = profiles.configure("vae_best")
    kept = results.benchmark("long_training")["config"]
    assert config.model_dump(mode="json") == kept


@pytest.mark.parametrize("name", ["speed", "speed_bfloat16"])
@pytest.mark.parametrize(
    "program",
    ["ours", "pythae", "plain", "pythae, our settings", "plain, our settings"],
)
def test_the_race_is_the_one_measured(program, name):
    race = results.benchmark(name)["race"]
    parts = []
    for times in zip(*(row[program]["seconds"] for row in race), strict=True):
        if None in times:
            parts.append("not reached")
        else:
            low, high = min(times), max(times)
            parts.append(f"{median(times):.2g} ({low:.2g} to {high:.2g})")
    assert f" {', '.join(parts)}" in README


def test_the_committed_results_are_of_the_source_that_is_named():
    provenance = measured()["provenance"]
    assert f"`{provenance['source']}`" in README
    assert provenance["profile"] == "full"
