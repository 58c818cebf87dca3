"""Many runs at once, and a table of what came of them.

Runs are trained by processes of this machine (`workers.make`) or by jobs of
Slurm (submitit), and found by their keys, so it does not matter where one
was trained, or in how many attempts.
"""

import csv
import io
import math
import shlex
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from aevb import agenda, checkpoints, cli, profiles, results, runs, workers
from aevb.errors import UserError
from aevb.figures.sweep import NUMBERS, sweep_figure
from aevb.grid import Point, Sweep
from aevb.progress import Progress
from aevb.runs import Run

SHOWN = (
    "test_elbo",
    "test_nll",
    "test_nll_quadrature",
    "test_mse",
    "reconstruction_error_mean",
    "interpolation_offset_mean",
)
"""What is on the screen where nothing else is asked for."""
Row = dict[str, Any]


def sweep(points: Sequence[Point], asked: Sweep) -> None:
    """Train what is not trained yet, and write the table.

    Raises:
        UserError: runs failed; they are named, and the table is of the
            others. The folder cannot be written.
    """
    found, faults = make(points, asked)
    rows = table(found)
    if rows:
        lines = io.StringIO()
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        checkpoints.write_text(asked.to / "table.csv", lines.getvalue())
        every = {p.line: results.summary(run) for p, run in found.items()}
        tree = {"rows": rows, "runs": every, "failed": faults}
        tree["provenance"] = results.provenance()
        checkpoints.write_json(asked.to / "table.json", tree)
        shown = _shown(rows, asked.metric)
        with checkpoints.replacing(asked.to / "figure.png") as beside:
            sweep_figure(shown).savefig(beside, format="png")
        print(text(shown))
        print(f"table.csv, table.json and figure.png are in {asked.to}")
    if faults:
        told = "; ".join(f"{line}: {why}" for line, why in faults.items())
        raise UserError(f"{len(faults)} of {len(points)} runs failed: {told}")


def make(
    points: Sequence[Point], asked: Sweep | None = None
) -> tuple[dict[Point, Run], dict[str, str]]:
    """The finished runs, and the faults of those that failed."""
    asked = asked or Sweep()
    kept = [runs.finished(p.name, **dict(p.settings)) for p in points]
    absent = [p for p, run in zip(points, kept, strict=True) if run is None]
    faults: dict[str, str] = {}
    if absent:
        print(f"{len(points)} runs, {len(absent)} to train", file=sys.stderr)
        if asked.engine == "local":
            faults = _at_once(absent)
        else:
            faults = _submitted([p.line for p in absent], asked)
    good = [p for p in points if p.line not in faults]
    return {p: runs.run(p.name, **dict(p.settings)) for p in good}, faults


# ---- engines


def _at_once(points: Sequence[Point]) -> dict[str, str]:
    """Train in as many processes as there are cores; on a GPU in turns."""
    jobs = [("run", p.line) for p in points]
    costs = [agenda.cost(("run", p.name), **dict(p.settings)) for p in points]
    print(agenda.estimate(costs), file=sys.stderr, flush=True)
    made = workers.make(jobs, do, agenda.number(jobs), stop=False)
    return {line: str(fault) for (_, line), fault in made.items()}


def do(job: workers.Job) -> None:
    """Make the run of a line on one thread, in another process."""
    torch.set_num_threads(1)
    name, *settings = shlex.split(job[1])
    cli.finished("train", name, settings)


def outcome(line: str) -> str | None:
    """The same as a job of a cluster: its fault, if it has one."""
    try:
        do(("run", line))
    except UserError as fault:
        return str(fault)
    return None


def _submitted(lines: Sequence[str], asked: Sweep) -> dict[str, str]:
    """An array job, a task a run; the faults of those that failed.

    Raises:
        UserError: the cluster takes no job.
    """
    import submitit

    logs = profiles.runs_folder().resolve() / "jobs"
    # submitit names its engine on one machine local, where two minutes are
    # the limit unless another is set
    cluster = "slurm" if asked.engine == "slurm" else "local"
    executor = submitit.AutoExecutor(logs, cluster=cluster)
    executor.update_parameters(timeout_min=asked.minutes, cpus_per_task=1)
    extra = dict(x.split("=", 1) for x in asked.slurm)
    executor.update_parameters(name="aevb", slurm_additional_parameters=extra)
    try:
        jobs = executor.map_array(outcome, lines)
    except (RuntimeError, submitit.core.utils.FailedJobError) as fault:
        reason = " ".join(str(fault).split())
        raise UserError(f"the cluster takes no job: {reason}") from fault
    print(f"jobs {jobs[0].job_id} ff., logs in {logs}", file=sys.stderr)
    with Progress("all", len(jobs)) as bar:
        while (done := sum(job.done() for job in jobs)) < len(jobs):
            bar.update(done - bar.done)
            bar.refresh()
            time.sleep(0.5)
    told = {line: _fault(j) for line, j in zip(lines, jobs, strict=True)}
    return {line: fault for line, fault in told.items() if fault}


def _fault(job: Any) -> str | None:
    try:
        return job.result()
    except Exception:  # of many kinds: killed, out of time, a node is down
        return f"ended early, see {job.paths.stderr}"


# ---- the table


def summary(values: Sequence[float]) -> Row:
    """Mean, standard deviation (n - 1), its part sd / sqrt(n), and n."""
    n = len(values)
    sd = statistics.stdev(values) if n > 1 else None
    error = None if sd is None else sd / math.sqrt(n)
    numbers = statistics.fmean(values), sd, error, n
    return dict(zip(NUMBERS, numbers, strict=True))


def table(found: Mapping[Point, Run]) -> list[Row]:
    """A row for each experiment, its settings but the seed, and metric."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for point, run in found.items():
        others = tuple(s for s in point.settings if s[0] != "seed")
        for metric, estimate in run.metrics.items():
            at = point.name, others, metric
            groups.setdefault(at, []).append(estimate.value)
    return [
        {"experiment": name, **dict(others), "metric": metric}
        | summary(values)
        for (name, others, metric), values in groups.items()
    ]


def _shown(rows: Sequence[Row], metrics: Sequence[str]) -> list[Row]:
    """The rows that are asked for, by metric.

    Raises:
        UserError: no run has such a metric; the nearest is named.
    """
    there: Any = {row["metric"]: row for row in rows}
    for metric in metrics:
        profiles.find(metric, there, "metric")
    chosen = metrics or [m for m in SHOWN if m in there] or list(there)
    return [row for m in chosen for row in rows if row["metric"] == m]


def text(rows: Sequence[Row]) -> str:
    """The rows in columns."""
    lines = [list(rows[0])]
    lines += [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value).replace(" ", "")
