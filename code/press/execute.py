"""Run a document's chunks and inline expressions in one fresh kernel.

The kernel is this Python, started in the document's folder with `code/`, the
folder itself and this press on PYTHONPATH, without the user's own IPython
settings: what the document shows depends on the document and its code alone.
"""

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_event_loop
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from tqdm import tqdm

from press import figures
from press.errors import PressError
from press.figures import Picture
from press.jupyter import INSIDE
from press.reader import Chunk, Document, Inline

# How figures leave the kernel: in the size that they were drawn for (not cut
# to their ink), and as the same bytes each time. Half a character is refused
# where it is printed, as a script's is.
_MATPLOTLIB = f"figure.dpi: {figures.DPI}\nsvg.hashsalt: press\n"
_IPYTHON = """\
c = get_config()
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": None}
from ipykernel.iostream import OutStream
def write(stream, text, *, _write=OutStream.write):
    str.encode(text)
    return _write(stream, text)
OutStream.write = write
"""
# Run by IPython as it starts: a figure that cannot be drawn is what is wrong
# with it, an inline string is shown as it is, not as its repr, and a chunk
# that ends Python fails, at its line.
_SETUP = """\
import warnings as _warnings, sys as _sys
from IPython.core import pylabtools as _tools
_warnings.filterwarnings("ignore", "Glyph .* missing from|To exit: use")
exit = quit = _sys.exit
_shell = get_ipython()
def _press_trace(*args, _show=_shell.showtraceback, **options):
    _show(*args, **options | {"exception_only": False})
_shell.showtraceback = _press_trace
def _press_draw(figure, *, _draw=_tools.print_figure, **options):
    try:
        with _warnings.catch_warnings():
            _warnings.filterwarnings("error", "Glyph .* missing from")
            return _draw(figure, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
_tools.print_figure = _press_draw
def _press_show(value):
    from IPython.display import display
    raw = isinstance(value, str)
    display({"text/plain": value} if raw else value, raw=raw)
"""
_TERMINAL = "_sys.stderr.isatty = lambda: True\n"
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


@dataclass
class Executed:
    """What the kernel gave back."""

    cells: list[NotebookNode] = field(default_factory=list)  # one a chunk
    values: list[dict[str, Any]] = field(default_factory=list)  # one an inline
    pictures: list[list[Picture]] = field(default_factory=list)  # as cells


class _Client(NotebookClient):
    """A client that passes the chunks' stderr on instead of storing it.

    Of that, progress goes to a terminal alone. A cell prints one text, however
    it came. (NotebookClient joins its parts as well, in a time that grows with
    the square of the longest line.)
    """

    bar: Any  # of the progress, above which stderr is printed

    def output(self, outs: Any, msg: Any, display_id: Any, index: int) -> Any:
        if msg["msg_type"] == "stream":
            text, terminal = msg["content"]["text"], not self.bar.disable
            if msg["content"]["name"] == "stderr":
                if terminal:
                    self.bar.clear()
                if terminal or "\r" not in text:
                    print(text, end="", file=sys.stderr, flush=True)
                return None
            for out in outs:
                if out["output_type"] == "stream":
                    out["text"] += text
                    return None
        return super().output(outs, msg, display_id, index)


def execute(document: Document) -> Executed:
    """Run every chunk and expression in order; without any, no kernel.

    Raises PressError naming the chunk and the line at the first exception.
    """
    executed, drawn = Executed(), []
    for event in [e for e in document.events if isinstance(e, Inline)]:
        try:
            ast.parse(f"(\n{event.expression}\n)", mode="eval")
        except (SyntaxError, ValueError) as error:
            raise PressError(
                f"{event.place}: {event.name} is not a Python expression "
                f"({getattr(error, 'msg', error)})."
            ) from error
    if not document.events:
        return executed
    # None: it is disabled where stderr is no terminal
    bar = tqdm(document.events, unit="chunk", disable=None, leave=False)
    with _kernel(document, bar) as client, ThreadPoolExecutor(1) as pool:
        for event in bar:
            if isinstance(event, Inline):
                cell = _run(client, event)
                executed.values.append(cell.outputs[-1]["data"])
                continue
            bar.set_postfix_str(event.label)
            cell = _run(client, event)
            executed.cells.append(cell)
            for output in cell.outputs:
                if output["output_type"] == "stream":
                    output["text"] = _printed(output["text"])
            shown = [o["data"] for o in cell.outputs if figures.is_image(o)]
            # drawn while the next chunks run
            jobs = [pool.submit(figures.picture, o, event) for o in shown]
            drawn.append(jobs)
    executed.pictures = [[one.result() for one in some] for some in drawn]
    return executed


@contextmanager
def _kernel(document: Document, bar: Any) -> Iterator[NotebookClient]:
    folder, own = document.folder, Path(__file__).parents[1]
    client = _Client(
        new_notebook(),
        timeout=None,
        startup_timeout=600,  # a busy machine takes its time
        record_timing=False,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.bar = bar
    paths = [folder / "code", folder, os.environ.get("PYTHONPATH"), own]
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this Python's own kernel
    # a socket's path may have 107 bytes
    short = len(os.fsencode(tempfile.gettempdir())) < 60
    where = None if short or not os.path.isdir("/tmp") else "/tmp"
    with tempfile.TemporaryDirectory(prefix="press-", dir=where) as settings:
        startup = Path(settings, "profile_default", "startup")
        startup.mkdir(parents=True)
        setup = _SETUP + _TERMINAL * (not bar.disable)
        (startup / "press.py").write_text(setup)
        (startup.parent / "ipython_kernel_config.py").write_text(_IPYTHON)
        Path(settings, "matplotlibrc").write_text(_MATPLOTLIB)
        environment = {
            "SOURCE_DATE_EPOCH": "0",
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(x) for x in paths if x),
            "IPYTHONDIR": settings,
            "MATPLOTLIBRC": settings,
            INSIDE: "1",
        }
        # through files of our own, not through open ports
        manager: Any = client.create_kernel_manager()
        manager.connection_file = os.path.join(settings, "kernel.json")
        if os.name == "posix":
            manager.transport = "ipc"
            manager.ip = os.path.join(settings, "kernel")
        with ExitStack() as stack, _killed(client):
            try:
                stack.enter_context(client.setup_kernel(env=environment))
            except RuntimeError as error:
                reason = str(error).split("\n", 1)[0]
                raise PressError(
                    f"{document.path.name}: the Python that runs its chunks "
                    f"did not start ({reason}); a file in its folder may bear "
                    "the name of a module of Python's."
                ) from error
            yield client


@contextmanager
def _killed(client: NotebookClient) -> Iterator[None]:
    """End the kernel, if it has begun, where press is stopped."""
    try:
        yield
    except KeyboardInterrupt:
        # a kernel that is asked to end says more than one line, and so does
        # the client's task that finds it dead
        ensure_event_loop().set_exception_handler(lambda *_: None)
        provisioner = getattr(client.km, "provisioner", None)
        if process := getattr(provisioner, "process", None):
            process.kill()
        raise


def _run(client: NotebookClient, event: Chunk | Inline) -> NotebookNode:
    """The cell of the event, run; only those of chunks are counted."""
    cell = new_code_cell(event.source)
    client.nb.cells.append(cell)
    index, count = len(client.nb.cells) - 1, isinstance(event, Chunk)
    try:
        return client.execute_cell(cell, index, store_history=count)
    except CellExecutionError as error:
        trace = plain(error.traceback)
        line = re.search(r"Cell In\[\d+\],? line (\d+)", trace)
        place = event.line(int(line[1])) if line else event.place
        # a chunk is no file, though IPython gives it a name
        said = re.sub(r" \(\d+\.py, line \d+\)$", "", str(error.evalue))
        reason = f"{error.ename}: {said}" if said else f"{error.ename}."
        raise PressError(
            f"{place}: {event.name} failed with {reason}"
        ) from error
    except DeadKernelError as error:
        raise PressError(
            f"{event.place}: Python died in {event.name}; it may have run "
            "out of memory."
        ) from error


def _printed(text: str) -> str:
    """The text as a terminal leaves it: a carriage return begins a line anew,
    and what was written there is gone."""
    lines = (line.rstrip("\r").split("\r")[-1] for line in text.split("\n"))
    return plain("\n".join(lines))


def plain(text: str) -> str:
    """The text without colours and other orders to a terminal."""
    return _ANSI.sub("", text)
