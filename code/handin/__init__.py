"""The check of the two files that are handed in.

`python -m handin --provenance source=HASH -- jdoe`, or `make submit
KERBEROS=jdoe`, copies NAME.pdf and NAME.ipynb to submission/jdoe.*, if all is
well. HASH is that of the sources as they are now: report, settings,
bibliography and code (`aevb.results.source_hash`). A file that carries it was
made from them, so its prose, code and figures are theirs; times of files say
nothing after a `git clone`. What no hash says is read from

- report.qmd: in its front matter `author`, `kerberos`, `collaborators`,
  `sources` and `output-file` (NAME); headings with a label `{#sec-...}`, and
  below them labels of chunks, which questions.py lists;
- NAME.pdf: `source: HASH` in its keywords (Quarto writes none: there the HASH
  that the text prints counts); bookmarks of number and heading, as in "1(a)
  Training"; the text, sheet and fonts of its pages;
- NAME.ipynb: `metadata.provenance.source`, and cells with their outputs.
"""
