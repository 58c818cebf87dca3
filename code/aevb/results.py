"""results/metrics.json: every number that the report states.

{"experiments": {name: {"key", "config", "seconds",
                        "metrics": {name: {"value", "standard_error",
                                           "n"}}}},
 name of a study: its summary, ...,
 "provenance": {"source", "code", "profile", "device", "threads", ...}}
"""

import hashlib
import json
import os
import platform
import sysconfig
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aevb import checkpoints, profiles

if TYPE_CHECKING:  # PyTorch takes seconds; the hashes do not need it
    from aevb.runs import Run

PATH = Path("results/metrics.json")
ROOTS = ("code", "proofs", "report.qmd", "_quarto.yml", "references.bib")
SOURCES = (".py", ".json", ".typ", ".lua", ".html", ".js", ".css")
PACKAGES = ("aevb", "press", "proofs")


def benchmark(name: str) -> dict[str, Any]:
    """The numbers of benchmarks/NAME.py, installed with this package.

    Raises:
        FileNotFoundError: there is no such benchmark.
    """
    text = (files("aevb") / "measured" / f"{name}.json").read_text("utf-8")
    return json.loads(text)


def source_hash(folder: Path = Path()) -> str:
    """SHA-256, twelve digits, of all that the report is made from.

    Covers report.qmd, its settings and bibliography and, below code/ and
    proofs/, every Python file, the measured numbers beside them and what
    shapes the page (Typst, Lua, HTML, JavaScript, CSS).
    """
    paths: list[Path] = []
    for root in (folder / r for r in ROOTS):
        below = [p for p in root.rglob("*") if p.suffix in SOURCES]
        paths += [root] if root.is_file() else below
    return _hash({p.relative_to(folder).as_posix(): p for p in paths})


def code_hash(source: Path = Path(__file__).parents[1]) -> str:
    """SHA-256, twelve digits, of every Python file of the three packages.

    It is the same in a checkout and where the packages are installed; only
    a checkout has its proofs/ beside code/ and not in it.
    """
    paths = {}
    for name in PACKAGES:
        folder = source / name
        folder = folder if folder.is_dir() else source.parent / name
        for path in folder.rglob("*.py"):
            paths[f"{name}/{path.relative_to(folder).as_posix()}"] = path
    return _hash(paths)


def state(*facts: str) -> str:
    """SHA-256, twelve digits, of all that the numbers come from.

    Covers the code, the versions of all installed packages, the machine and
    its GPUs, the profile, every run and study that is kept, and `facts`.
    """
    runs = profiles.runs_folder()
    packages = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    gpus = [p for name in ("nvidia*", "kfd") for p in Path("/dev").glob(name)]
    here = [platform.python_version(), platform.node(), profiles.profile()]
    here += [os.environ.get("CUDA_VISIBLE_DEVICES", ""), code_hash()]
    here += sorted(p.name for p in [*packages, *gpus])
    kept = {p.parent.name: p for p in runs.glob("*/finished.safetensors")}
    return _hash(kept, *here, *facts)


def _hash(paths: Mapping[str, Path], *facts: str) -> str:
    digest = hashlib.sha256("\0".join(facts).encode())
    for name in sorted(paths):
        digest.update(name.encode() + b"\0")
        digest.update(paths[name].read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def machine() -> str:
    """The processor (and the GPU, where one is used), in words."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    has: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    name = has.get("cpu_name") or platform.processor() or platform.machine()
    units = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
    fast = next((f", {u}" for unit, u in units.items() if has.get(unit)), "")
    return f"{name}, {os.cpu_count()} cores{fast}"


def provenance() -> dict[str, Any]:
    """What made the numbers."""
    import torch

    from aevb import training

    device = training.resolve_device("auto")
    return {
        **_now(),
        "profile": profiles.profile(),
        "device": device.type,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "bfloat16": training.has_fast_bfloat16(device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
    }


def _now() -> dict[str, str | None]:
    """Hashes and date; no source where this package is installed alone."""
    project = Path(__file__).resolve().parents[2]
    whole = (project / "report.qmd").is_file()
    return {
        "source": source_hash(project) if whole else None,
        "code": code_hash(),
        "date": date.today().isoformat(),
    }


def summary(run: "Run") -> dict[str, Any]:
    """The numbers of a run."""
    return {
        "key": run.key,
        "config": run.config.model_dump(),
        "seconds": round(run.seconds, 1),
        "metrics": {k: v.to_json() for k, v in run.metrics.items()},
    }


def gather(
    runs: Iterable["Run"], summaries: Mapping[str, Any]
) -> dict[str, Any]:
    """The numbers of the runs and the studies."""
    return {
        "experiments": {run.name: summary(run) for run in runs},
        **summaries,
        "provenance": provenance(),
    }


def write(numbers: dict[str, Any], path: Path) -> None:
    """Write the numbers, with the hashes and the date of now."""
    numbers["provenance"].update(_now())
    checkpoints.write_json(path, numbers)
