"""The model of the likelihood chapter, wider and in a longer training.

    PYTHONPATH=code python benchmarks/long_training.py

trains `vae_best` with the settings of PROFILE=gpu (80 minutes of two cores
with AVX512-BF16, hours of plain ones; where it was interrupted, it goes on
from its last checkpoint), measures it, and writes
code/aevb/measured/long_training.json, which the report quotes.
"""

import os
from pathlib import Path

from aevb import results, runs
from aevb.checkpoints import write_json

TARGET = Path("code/aevb/measured/long_training.json")


def main() -> None:
    os.environ["AEVB_PROFILE"] = "gpu"
    found = results.summary(runs.run("vae_best"))
    write_json(TARGET, {**found, "provenance": results.provenance()})


if __name__ == "__main__":
    main()
