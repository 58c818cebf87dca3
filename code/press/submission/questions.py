"""The problem set's questions, and what the answer of each must show.

The check of a submission reads this table and nothing else about the
problem set; report.qmd's own table says only where the answers stand.
"""

from typing import NamedTuple

_OBJECTIVES = "code/aevb/objectives.py"
_MODELS = "code/aevb/models.py"
_STUDIES = "code/aevb/studies.py"
_TORUS = "code/aevb/torus_vae.py"


class Question(NamedTuple):
    """One question: its name, and what must stand under its heading."""

    name: str  # as the problem set calls it
    section: str  # the label of its heading in report.qmd
    shows: tuple[str, ...] = ()  # labels of figures and tables
    code: tuple[str, ...] = ()  # "file:object", whole in the PDF
    words: tuple[str, ...] = ()  # what its text must say


QUESTIONS = (
    Question("0", "sec-p0", words=(".ipynb",)),
    Question("1(a)", "sec-p1a", code=(f"{_MODELS}:AE", f"{_MODELS}:mlp")),
    Question(
        "1(b)",
        "sec-p1b",
        shows=(
            "tbl-ae-settings",
            "fig-ae-curve",
            "fig-ae-reconstructions",
            "fig-ae-grid",
        ),
    ),
    Question("2(a)", "sec-p2a", words=("Jensen", "Proof.")),
    Question("2(b)", "sec-p2b", code=(f"{_MODELS}:VAE",)),
    Question("2(c)", "sec-p2c", code=(f"{_MODELS}:VAE.reparameterize",)),
    Question(
        "2(d)",
        "sec-p2d",
        code=(f"{_OBJECTIVES}:log_normal_pdf", f"{_OBJECTIVES}:loss_SGVB"),
    ),
    Question(
        "3(a)",
        "sec-p3a",
        code=(f"{_OBJECTIVES}:loss_KL_wo_E",),
        words=("Proof.",),
    ),
    Question(
        "3(b)",
        "sec-p3b",
        shows=("tbl-kl-check", "fig-kl-check"),
        code=(f"{_STUDIES}:verify_kl",),
    ),
    Question(
        "3(c)",
        "sec-p3c",
        shows=(
            "tbl-vae-settings",
            "tbl-vae-results",
            "fig-vae-curves",
            "fig-vae-reconstructions",
            "fig-vae-grid",
        ),
    ),
    Question("4(a)", "sec-p4a", shows=("fig-torus-reconstruction",)),
    Question("4(b)", "sec-p4b", shows=("fig-torus-plain",)),
    # optional in the problem set, answered here
    Question(
        "4(c)",
        "sec-p4c",
        shows=("fig-torus-ideal", "fig-torus-both"),
        code=(f"{_TORUS}:ToroidalVAE", f"{_TORUS}:interpolate"),
    ),
)
