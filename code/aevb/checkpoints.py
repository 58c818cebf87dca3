"""Nested state on disk without pickle: safetensors and JSON.

A state is a tree of dicts and lists whose leaves are tensors or JSON
values. The tensors go into a safetensors file, each named by its path in the
tree; the tree, with these names in the tensors' places, into its metadata,
with a digest of both. A file is written beside its place, synced and renamed,
and so is its name, so that after a kill, a full disk or a loss of power it is
whole or as it was.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from aevb.errors import Damaged, UserError

if TYPE_CHECKING:  # PyTorch takes seconds; text and JSON do not need it
    from torch import Tensor

_TENSOR = "__tensor__"
_FAULTS = (
    *(SafetensorError, OSError, KeyError, TypeError, ValueError),
    RuntimeError,  # PyTorch's, of a file that was replaced as it was opened
)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to beside `path`, which it replaces at the end.

    Raises:
        UserError: the folder cannot be written or the disk is full; what
            was at `path` is as it was.
    """
    # two machines that share the folder may have a process of one number
    mine = f"{os.getpid()}.{platform.node()}"
    beside = path.with_name(f".{path.name}.{mine}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_names(path.parent)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot write {path}: {reason}; free the space or give write "
            "permission, then run the same command: it goes on from what "
            "was kept"
        ) from error
    finally:
        with suppress(OSError):  # not there, or in a folder that is read-only
            beside.unlink()


def _sync_names(folder: Path) -> None:
    """Bring the names in a folder to the disk, and the folder's own name."""
    for place in (folder, folder.parent):
        # where a system cannot sync a folder, the rename has to do
        with suppress(OSError):
            descriptor = os.open(place, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


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
    from safetensors.torch import save_file
    from torch import Tensor

    tensors: dict[str, Tensor] = {}

    def strip(node: Any, *place: Any) -> Any:
        if isinstance(node, Tensor):
            name = "/".join(map(str, place))
            if name in tensors:
                raise ValueError(f"two tensors have the path {name}")
            # a copy: two names may share memory, which safetensors refuses
            tensors[name] = node.detach().cpu().contiguous().clone()
            return {_TENSOR: name}
        if isinstance(node, dict):
            # JSON has string keys only; an optimizer's are numbers
            return {
                "items": [[k, strip(v, *place, k)] for k, v in node.items()]
            }
        if isinstance(node, (list, tuple)):
            return [strip(v, *place, i) for i, v in enumerate(node)]
        return node

    tree = json.dumps(strip(state))
    metadata = {"tree": tree, "sha256": digest(tree, tensors)}
    with replacing(path) as beside:
        save_file(tensors, beside, metadata=metadata)


def digest(tree: str, tensors: Mapping[str, "Tensor"]) -> str:
    """SHA-256 of a tree's text and of its tensors' bytes, in their order."""
    import torch

    found = hashlib.sha256(tree.encode())
    for name in sorted(tensors):
        content = tensors[name].reshape(-1).view(torch.uint8)
        found.update(content.numpy().data)
    return found.hexdigest()


def load(path: Path) -> Any:
    """Read what `save` wrote.

    Raises:
        Damaged: the file is not, byte for byte, one that `save` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            # copies: the file is mapped, and may change under its tensors
            names = file.keys()
            tensors = {name: file.get_tensor(name).clone() for name in names}
        if metadata["sha256"] != digest(metadata["tree"], tensors):
            raise ValueError("its digest is another")
    except _FAULTS as e:
        raise Damaged(f"{path} is damaged ({e}); delete it") from e

    def fill(node: dict[str, Any]) -> Any:
        if _TENSOR in node:
            return tensors[node[_TENSOR]]
        return dict(node["items"])

    return json.loads(metadata["tree"], object_hook=fill)
