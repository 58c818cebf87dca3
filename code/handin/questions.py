"""The problem set's questions, and what the answer of each must show."""

from typing import NamedTuple


class Question(NamedTuple):
    """A question of the problem set."""

    name: str  # as the problem set calls it
    labels: str = ""  # of chunks below its heading, {#sec-p1a} for 1(a)
    words: tuple[str, ...] = ()  # on its pages, white space aside


QUESTIONS = (
    Question("0", words=(".ipynb",)),
    Question("1(a)", words=("class AE(", "def mlp(")),
    Question(
        "1(b)",
        "tbl-ae-settings fig-ae-curve fig-ae-reconstructions fig-ae-grid",
    ),
    Question("2(a)", words=("Jensen", "Proof.")),
    Question("2(b)", words=("class VAE(",)),
    Question("2(c)", words=("def reparameterize(",)),
    Question("2(d)", words=("def log_normal_pdf(", "def loss_SGVB(")),
    Question("3(a)", words=("Proof.", "def loss_KL_wo_E(")),
    Question("3(b)", "tbl-kl-check fig-kl-check", ("def verify_kl(",)),
    Question(
        "3(c)",
        "tbl-vae-settings tbl-vae-results fig-vae-curves "
        "fig-vae-reconstructions fig-vae-grid",
    ),
    Question("4(a)", "fig-torus-reconstruction"),
    Question("4(b)", "fig-torus-plain", ("def interpolate(",)),
    Question(  # optional in the problem set, answered here
        "4(c)", "fig-torus-ideal fig-torus-both", ("class FlatTorus(",)
    ),
)
