"""Every feature of Quarto that press accepts, as data.

The same report.qmd must render with Quarto and with press, so press refuses
whatever is not listed here: nothing is dropped without a word.  `evidence`
says why the feature may be relied on under Quarto: "rendered" means that
Quarto 1.9 was seen to render it, "documented" that its guide describes it,
"pandoc" that it is Pandoc's own Markdown, which Quarto passes on, and
"metadata" that Quarto carries the key along without using it.
"""

from typing import NamedTuple


class Feature(NamedTuple):
    """One thing that a document may use."""

    group: str
    name: str
    evidence: str


def _features(group: str, evidence: str, names: str) -> list[Feature]:
    return [Feature(group, name, evidence) for name in names.split()]


FEATURES: tuple[Feature, ...] = tuple(
    # keys of the YAML front matter and of _quarto.yml
    _features("key", "rendered", "format output-file")
    + _features("key", "documented", "project execute jupyter crossref")
    + _features("key", "pandoc", "title subtitle author date abstract lang")
    + _features("key", "pandoc", "bibliography csl link-citations nocite")
    + _features("key", "metadata", "kerberos collaborators sources press")
    # keys under `execute`
    + _features("execute", "documented", "echo eval include output warning")
    # options of a chunk
    + _features("option", "rendered", "label fig-cap fig-alt echo output")
    + _features("option", "documented", "eval include tbl-cap")
    + _features("option", "documented", "layout-ncol fig-subcap")
    # shortcodes, inline code, raw LaTeX
    + _features("shortcode", "documented", "include pagebreak")
    + _features("inline code", "rendered", "python")
    + _features("raw latex", "pandoc", "pageref appendix")
    # what can be numbered and referred to; a prefix of its label
    + _features("label", "rendered", "sec fig eq tbl thm")
    + _features("label", "documented", "lem cor prp cnj def exm exr")
    # fenced divs, beside the theorems, figures and tables above
    + _features("div", "rendered", "proof")
    + _features("div", "documented", "remark solution")
    + _features("div", "pandoc", "#refs")
    # attributes
    + _features("heading class", "pandoc", "unnumbered")
    + _features("image attribute", "rendered", "fig-alt")
    + _features("image attribute", "pandoc", "width")
    + _features("div attribute", "documented", "layout-ncol name")
    + _features("code language", "pandoc", "python bash yaml text default")
    # Pandoc's elements
    + _features("block", "pandoc", "Para Plain Header CodeBlock BlockQuote")
    + _features("block", "pandoc", "BulletList OrderedList DefinitionList")
    + _features("block", "pandoc", "Table Figure Div HorizontalRule")
    + _features("inline", "pandoc", "Str Space SoftBreak LineBreak Quoted")
    + _features("inline", "pandoc", "Emph Strong Superscript Subscript")
    + _features("inline", "pandoc", "Strikeout SmallCaps Underline")
    + _features("inline", "pandoc", "Cite Code Math Link Note Image")
)

_NAMES = {(feature.group, feature.name) for feature in FEATURES}


def accepts(group: str, name: str) -> bool:
    """Whether a document may use this feature."""
    return (group, name) in _NAMES


def names(group: str) -> list[str]:
    """The accepted names of one group, in the order of the table."""
    return [f.name for f in FEATURES if f.group == group]
