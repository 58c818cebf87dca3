"""The plane, exactly, in a longer training: an hour and a half of one core.

    PYTHONPATH=code python benchmarks/long_plane.py

trains `vae_exact` with twice the lattice points and more than six times
the epochs, on deformed images (where it was interrupted, it goes on from its
last checkpoint), measures it, and writes code/aevb/measured/long_plane.json.
"""

from pathlib import Path

from aevb import results, runs
from aevb.checkpoints import write_json

TARGET = Path("code/aevb/measured/long_plane.json")

LONG = {"epochs": 130, "points": 2048, "deformed": 0.4}


def main() -> None:
    found = results.summary(runs.run("vae_exact", **LONG))
    write_json(TARGET, {**found, "provenance": results.provenance()})


if __name__ == "__main__":
    main()
