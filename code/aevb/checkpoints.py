"""Nested state on disk without pickle: safetensors and JSON.

A state is a tree of dicts and lists whose leaves are tensors or JSON
values. The tensors go into a safetensors file; the tree, with the tensors'
names in their places, into its metadata. A file is written beside its
place, synced and renamed, so that it is whole or absent.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aevb.errors import UserError

_TENSOR = "__tensor__"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to beside `path`, which it replaces at the end.

    Raises:
        UserError: the folder cannot be written or the disk is full; what
            was at `path` is as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free the "
            "space or give write permission, then run the same command"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all; NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def save(path: Path, state: Any) -> None:
    """Write a tree of tensors and JSON values."""
    tensors: dict[str, Tensor] = {}

    def strip(node: Any) -> Any:
        if isinstance(node, Tensor):
            name = str(len(tensors))
            tensors[name] = node.detach().cpu().contiguous()
            return {_TENSOR: name}
        if isinstance(node, dict):
            # JSON has string keys only; an optimizer's are numbers
            return {"items": [[k, strip(v)] for k, v in node.items()]}
        if isinstance(node, (list, tuple)):
            return [strip(v) for v in node]
        return node

    tree = json.dumps(strip(state))
    with replacing(path) as beside:
        try:
            save_file(tensors, beside, metadata={"tree": tree})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: Path) -> Any:
    """Read what `save` wrote.

    Raises:
        UserError: the file is not one that `save` wrote, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tree = json.loads(file.metadata()["tree"])

            def fill(node: Any) -> Any:
                if isinstance(node, dict) and _TENSOR in node:
                    return file.get_tensor(node[_TENSOR])
                if isinstance(node, dict):
                    return {k: fill(v) for k, v in node["items"]}
                if isinstance(node, list):
                    return [fill(v) for v in node]
                return node

            return fill(tree)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as e:
        raise UserError(
            f"{path} is damaged ({e}); delete it and run the command again"
        ) from e
