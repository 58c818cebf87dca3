"""What a document's chunks gave, kept beside it for the next build.

A build whose caller says what its chunks depend on beside their own code
(`state`: their data, packages and modules) takes what was kept where that and
every chunk and expression, in their order, are as they were. So a change of
the prose alone runs nothing. The file may be deleted at any time.
"""

import hashlib
import json
import os
from pathlib import Path

import nbformat

from press import execute
from press.figures import Picture
from press.reader import Document

NAME = ".press.kept"


def executed(
    document: Document, state: str, names: dict[str, str], stage: Path
) -> execute.Executed:
    """What the chunks give: kept, or by running them; without `state`, the
    latter.

    `names`, by which a chunk may have called the build (the hash of its
    source, say), are replaced by those of now.
    """
    if not state:
        return execute.execute(document)
    path = document.folder / NAME
    key = json.dumps([state, [event.source for event in document.events]])
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    digest, _, text = text.partition("\n")
    if digest == _digest(key, text):
        old, found = json.loads(text)
        for name in old.keys() & names.keys():
            found = found.replace(old[name], names[name])
        print("press: no chunk has changed: their outputs are kept ones.")
        cells, values, drawn = json.loads(found)
        pictures = [[Picture(*one) for one in some] for some in drawn]
        return execute.Executed(nbformat.from_dict(cells), values, pictures)
    done = execute.execute(document)
    found = json.dumps([done.cells, done.values, done.pictures])
    text = json.dumps([names, found])
    (stage / NAME).write_text(f"{_digest(key, text)}\n{text}", "utf-8")
    os.replace(stage / NAME, path)
    return done


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
