"""Checks of the document, and of the record of its numbers."""

from collections.abc import Callable, Iterator

from press.submission.model import (
    AGAIN,
    PLACEHOLDER,
    RECORD,
    Submission,
    field,
)
from press.submission.pdf import plain


def _fields(made: Submission) -> Iterator[str]:
    for key in ("author", "kerberos", "collaborators", "sources"):
        value = field(made, key)
        place = made.document.find(f"{key}:") or made.source
        if not plain(value):
            none = " (`none` is an answer)" if key == "collaborators" else ""
            yield f"{place}: `{key}` is empty; fill it in{none}, then {AGAIN}."
        elif key == "author" and plain(value) == plain(PLACEHOLDER):
            yield (
                f"{place}: the author is still `{PLACEHOLDER}`; write your "
                f"name in the line `author`, then {AGAIN}."
            )
        elif key == "kerberos" and value != made.kerberos:
            yield (
                f"{place}: `kerberos` is `{value}`, but the files are for "
                f"`{made.kerberos}`; write `kerberos: {made.kerberos}`, "
                f"then {AGAIN}."
            )


def _record(made: Submission) -> Iterator[str]:
    if made.record is None:
        return
    found = made.record.get("provenance")
    found = found if isinstance(found, dict) else {}
    if found.get("profile") not in ("full", "gpu"):
        yield (
            f"{RECORD}: its numbers are of a `{found.get('profile')}` run, "
            f"not of a full one; {AGAIN} without PROFILE."
        )
    if found.get("source") != made.hashes["source"]:
        yield (
            f"{RECORD}: was made from other code than is here now "
            f"({found.get('source')}, not {made.hashes['source']}); {AGAIN}."
        )


Check = Callable[[Submission], Iterator[str]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("report: name, collaborators and sources are filled in", _fields),
    ("report: the numbers are of a full run of this code", _record),
)
