"""Auto-Encoding Variational Bayes: from data to figures."""

import os

# OpenMP's threads spin while they wait for each other. Where another program
# has one of the cores, that makes a training several times slower; sleeping
# costs little. It is read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
